/* SPDX-License-Identifier: Apache-2.0 */
/* What the browser tests share. They run against a stack that is up:
 *   WA_TEST_BASE_URL, WA_TEST_SANDBOX_URL, WA_TEST_ADMIN_PASSWORD_FILE */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const SOON = 60_000;

function wanted(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: these tests need a running stack`);
  return value;
}

export const base = wanted('WA_TEST_BASE_URL').replace(/\/$/, '');
export const root = new URL('../../', import.meta.url);
const sandbox = wanted('WA_TEST_SANDBOX_URL').replace(/\/$/, '');
export const admin = {
  username: process.env.WA_TEST_ADMIN_USER || 'admin',
  password: readFileSync(wanted('WA_TEST_ADMIN_PASSWORD_FILE'), 'utf8').trim()
};

const { chromium } = createRequire(new URL('bridge/package.json', root))('playwright-core');
const axeSource = readFileSync(createRequire(new URL('htdocs/package.json', root)).resolve('axe-core/axe.min.js'), 'utf8');

/* Where /sandbox leads. Pages look whether it leads anywhere and don't follow, but
 * Chromium reports the request that it doesn't make. */
const phonesPage = (await fetch(`${base}/sandbox`, { redirect: 'manual', signal: AbortSignal.timeout(SOON) })).headers.get('Location');

/* --- the browser ---------------------------------------------------------- */

/** A browser with a profile of its own; close() leaves nothing behind. */
export async function openBrowser() {
  const profile = mkdtempSync(join(tmpdir(), 'wa-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.WA_TEST_CHROMIUM || '/usr/bin/chromium',
    args: FLAGS, viewport: { width: 1280, height: 900 }, timeout: 60_000
  });
  context.setDefaultTimeout(SOON);
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
    }
  };
}

/** A page whose complaints are kept: errors and warnings of the console (the
 * policy's violations among them), exceptions, requests to elsewhere.
 * expect(pattern) names a complaint that the test provokes. */
export async function openPage(context) {
  const page = await context.newPage();
  const complaints = [];
  const expected = [];
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type())) complaints.push(`${m.text()} ${m.location().url}`);
  });
  page.on('pageerror', (e) => complaints.push(`exception: ${e.stack ?? e.message}`));
  page.on('request', (r) => {
    const own = r.url().startsWith(`${base}/`) || r.url() === phonesPage;
    if (!own && !/^(blob|data):/.test(r.url())) complaints.push(`request to ${r.url()}`);
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (v) => console.error(`policy: ${v.violatedDirective} ${v.blockedURI}`));
  });
  return {
    page,
    expect: (pattern) => expected.push(pattern),
    assertQuiet() {
      assert.deepEqual(complaints.filter((c) => !expected.some((e) => e.test(c))), []);
    }
  };
}

/** No fault that axe-core finds by WCAG 2.2 AA, in light and in dark.
 * @param but rules that are not asked for */
export async function assertAccessible(page, where, but = []) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.evaluate(axeSource);
    const violations = await page.evaluate(async (off) => {
      const { violations: found } = await globalThis.axe.run(document, {
        runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'],
        rules: Object.fromEntries(off.map((rule) => [rule, { enabled: false }]))
      });
      return found.flatMap((v) => v.nodes.map((n) => `${v.id}: ${n.target} ${n.any[0]?.message ?? v.help}`));
    }, but);
    assert.deepEqual(violations, [], `${where}, ${colorScheme}`);
  }
}

/** Nothing hangs over the edge of a window so narrow. */
export async function assertFits(page, where, width = 320) {
  const before = page.viewportSize();
  await page.setViewportSize({ width, height: 720 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(before);
  assert.ok(wide <= width, `${where} is ${wide} px wide at ${width}`);
}

/** Ask until the answer is there; fails after a while. */
export async function until(what, look) {
  const end = Date.now() + SOON;
  for (;;) {
    const answer = await look();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 100); });
  }
}

/* --- the sandbox's phones ------------------------------------------------- */

async function ask(method, path, body) {
  const response = await fetch(`${sandbox}${path}`, {
    method, signal: AbortSignal.timeout(SOON),
    headers: body && { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body)
  });
  const answer = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A virtual phone with a number of its own. */
export function newPhone(name) {
  const number = `+4915${Math.floor(1e9 + Math.random() * 9e9)}`;
  return ask('POST', '/phones', { number, name });
}

export const scan = (phone, qr) => ask('POST', `/phones/${phone.id}/scan`, { qr });
export const messagesOf = (phone) => ask('GET', `/phones/${phone.id}/messages`);
export const readMessage = (phone, id) => ask('POST', `/phones/${phone.id}/read`, { message_id: id });

/* --- the admin's way in --------------------------------------------------- */

export async function signIn(page) {
  await page.getByLabel('User name').fill(admin.username);
  await page.getByLabel('Password').fill(admin.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
}
