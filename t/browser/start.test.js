/* SPDX-License-Identifier: Apache-2.0 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertAccessible, assertFits, base, openBrowser, openPage } from './lib.js';

let browser;
before(async () => { browser = await openBrowser(); });
after(async () => { await browser.close(); });

test('the start page tells the health and renews it', async () => {
  const { page, assertQuiet } = await openPage(browser.context);
  await page.goto(`${base}/`);
  await page.getByText('Everything works').waitFor();
  assert.equal(await page.locator('#checks li').count(), 4);
  assert.equal(await page.locator('#mode').textContent(), 'sandbox');
  assert.match(await page.locator('#curl').textContent(), new RegExp(`^curl ${base}/api/messages/send-text `));
  const asked = page.waitForRequest(/\/api\/health\/ready$/);
  await page.getByRole('button', { name: 'Refresh' }).click();
  await asked;
  await assertAccessible(page, 'start page');
  await assertFits(page, 'start page');
  assertQuiet();
  await page.close();
});

test('the start page says so when a part is missing, and when nothing answers', async () => {
  const { page, expect } = await openPage(browser.context);
  const checks = { postgresql: { status: 'ok', latency_ms: 1.2 }, redis: { status: 'unavailable', reason: 'connection refused' } };
  await page.route(/\/api\/health\/ready$/, (route) => route.fulfill({ json: { status: 'degraded', mode: 'live', checks } }));
  await page.goto(`${base}/`);
  await page.getByText('Works, with a part missing').waitFor();
  await page.getByText('connection refused').waitFor();
  expect(/Failed to load/);
  await page.unroute(/\/api\/health\/ready$/);
  await page.route(/\/api\/health\/ready$/, (route) => route.abort());
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText('The server gives no answer').waitFor();
  await page.close();
});

test('links of the start page lead somewhere', async () => {
  const { page } = await openPage(browser.context);
  await page.goto(`${base}/`);
  await page.getByText('Everything works').waitFor();
  const links = await page.$$eval('a[href^="/"]:not([hidden])', (all) => [...new Set(all.map((a) => a.href))]);
  assert.ok(links.length >= 3);
  for (const link of links) {
    const { status } = await fetch(link, { redirect: 'manual', signal: AbortSignal.timeout(10_000) });
    assert.ok(status === 200 || status === 302, `${link}: ${status}`);
  }
  await page.close();
});
