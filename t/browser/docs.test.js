/* SPDX-License-Identifier: Apache-2.0 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertAccessible, assertFits, base, openBrowser, openPage } from './lib.js';

let browser;
before(async () => { browser = await openBrowser(); });
after(async () => { await browser.close(); });

test('the reference shows the operations and tries one out', async () => {
  const { page, assertQuiet } = await openPage(browser.context);
  await page.goto(`${base}/api/docs/`);
  await page.locator('.opblock').first().waitFor();
  assert.ok(await page.locator('.opblock').count() >= 12);
  await assertFits(page, 'reference');
  await page.locator('.opblock', { hasText: '/health/live' }).getByRole('button').first().click();
  await page.getByRole('button', { name: 'Try it out' }).click();
  await page.getByRole('button', { name: 'Execute' }).click();
  await page.locator('.live-responses-table').getByText('"status"').waitFor();
  assertQuiet();
  await page.close();
});

test('an operation has an address of its own', async () => {
  const { page, assertQuiet } = await openPage(browser.context);
  await page.goto(`${base}/api/docs/#/messages/sendText`);
  await page.locator('.opblock.is-open', { hasText: '/messages/send-text' }).waitFor();
  // Swagger UI has a link inside the button that opens an operation.
  await assertAccessible(page, 'an operation', ['nested-interactive']);
  await assertFits(page, 'an operation');
  assertQuiet();
  await page.close();
});

test('a problem’s type leads to what it means', async () => {
  const { page, assertQuiet } = await openPage(browser.context);
  const { type } = await (await fetch(`${base}/api/users`, { signal: AbortSignal.timeout(10_000) })).json();
  await page.goto(new URL(type, base).href);
  assert.equal(await page.locator(':target h3').textContent(), 'Authentication is required');
  assert.ok(await page.locator(':target').evaluate((e) => e.getBoundingClientRect().top < innerHeight));
  await assertAccessible(page, 'problems');
  await assertFits(page, 'problems');
  assertQuiet();
  await page.close();
});
