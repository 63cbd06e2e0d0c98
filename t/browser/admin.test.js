/* SPDX-License-Identifier: Apache-2.0 */
/* The whole way of an admin: signing in, a user, a key, a phone, a message. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import {
  admin, assertAccessible, assertFits, base, messagesOf, newPhone, openBrowser, openPage, readMessage, scan, signIn, until
} from './lib.js';

let browser;
before(async () => { browser = await openBrowser(); });
after(async () => { await browser.close(); });

const button = (page, name) => page.getByRole('button', { name, exact: true });
const step = (page, n) => page.locator(`[data-step="${n}"]`);
const unique = () => `t-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 7)}`;

async function openAdmin(hash = '', { context } = browser) {
  const opened = await openPage(context);
  await opened.page.goto(`${base}/admin/${hash}`);
  return opened;
}

async function createUser(page, name) {
  await page.getByRole('link', { name: 'New user' }).click();
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('E-mail address').fill(`${name}@example.org`);
  await button(page, 'Create user').click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
}

async function makeKey(page) {
  await page.getByLabel('Name').fill('Browser test');
  await button(page, 'Make a key').click();
  return page.locator('.key').textContent();
}

test('signing in: wrong, right, after a reload, and out again', async () => {
  const { page, expect, assertQuiet } = await openAdmin();
  expect(/401.*\/api\/auth\/login/);
  await page.getByLabel('User name').fill(unique()); // a wrong try for admin would delay the right one
  await page.getByLabel('Password').fill('not the password');
  await page.getByLabel('Password').press('Enter');
  await page.getByRole('alert').getByText('User name or password is wrong').waitFor();
  await assertAccessible(page, 'sign-in');
  await assertFits(page, 'sign-in');

  await signIn(page);
  assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length + document.cookie.length), 0);
  await page.reload();
  await page.getByText('After a reload you are asked again').waitFor();
  await signIn(page);
  await button(page, 'Sign out').click();
  await page.getByText('You are signed out').waitFor();
  assertQuiet();
  await page.close();
});

test('a login that lives on gets new tokens; one that ended asks again and comes back', async (t) => {
  const own = await openBrowser(); // its clock is set
  t.after(own.close);
  const { page, expect, assertQuiet } = await openAdmin('#/users/new', own);
  await page.clock.install();
  await page.reload();
  await page.getByLabel('User name').fill(admin.username);
  await page.getByLabel('Password').fill(admin.password);
  await button(page, 'Sign in').click();
  await page.getByRole('heading', { level: 1, name: 'New user' }).waitFor();

  await page.clock.fastForward('20:00');
  const renewed = page.waitForResponse(/\/api\/auth\/refresh$/);
  await page.getByRole('navigation').getByRole('link', { name: 'Users' }).click();
  assert.equal((await renewed).status(), 200);
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();

  expect(/401/);
  await page.route(/\/api\/users\?/, (route) => route.fulfill({
    status: 401, contentType: 'application/problem+json', body: JSON.stringify({ title: 'The access token is not valid', status: 401, code: 'invalid_token' })
  }));
  await page.getByRole('link', { name: 'New user' }).click();
  await page.getByRole('navigation').getByRole('link', { name: 'Users' }).click();
  await page.getByText('Your sign-in has ended').waitFor();
  await page.unroute(/\/api\/users\?/);
  await signIn(page);
  assertQuiet();
  await page.close();
});

test('users come page by page', async () => {
  const { page, assertQuiet } = await openAdmin();
  await page.route(/\/api\/users\?.*limit=50/, (route) => route.continue({ url: route.request().url().replace('limit=50', 'limit=1') }));
  await signIn(page);
  await createUser(page, unique());
  await page.getByRole('link', { name: 'Users' }).first().click();
  await page.locator('tbody tr').first().waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  await button(page, 'Show more').click();
  await page.locator('tbody tr').nth(1).waitFor();
  const names = await page.locator('tbody th a').allTextContents();
  assert.equal(new Set(names).size, 2);
  assert.equal(await page.evaluate(() => document.activeElement.textContent), names[1], 'the focus goes on to the first new row');
  await assertAccessible(page, 'users');
  await assertFits(page, 'users');
  assertQuiet();
  await page.close();
});

test('what is wrong with a new user stands at its fields', async () => {
  const { page, expect, assertQuiet } = await openAdmin();
  expect(/(422|409).*\/api\/users/);
  await signIn(page);
  await page.getByRole('link', { name: 'New user' }).click();
  await page.getByLabel('User name').fill('a b');
  await page.getByLabel('E-mail address').fill('nobody');
  await button(page, 'Create user').click();
  await page.getByRole('alert').getByText('The request has invalid fields').waitFor();
  const name = page.getByLabel('User name');
  assert.equal(await name.getAttribute('aria-invalid'), 'true');
  assert.equal(await page.getByLabel('E-mail address').getAttribute('aria-invalid'), 'true');
  assert.ok(await name.evaluate((e) => e === document.activeElement), 'the first wrong field has the focus');
  await assertAccessible(page, 'new user');
  await assertFits(page, 'new user');

  await name.fill(admin.username);
  await page.getByLabel('E-mail address').fill(`${unique()}@example.org`);
  await button(page, 'Create user').click();
  await page.getByText('The user name is taken').first().waitFor();
  assert.equal(await name.getAttribute('aria-invalid'), 'true');
  assertQuiet();
  await page.close();
});

test('limits are taken over', async () => {
  const { page, assertQuiet } = await openAdmin();
  await signIn(page);
  await page.getByRole('link', { name: 'New user' }).click();
  const name = unique();
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('E-mail address').fill(`${name}@example.org`);
  await page.getByLabel('Messages per minute').fill('12');
  await page.getByLabel('Messages per day').fill('3456');
  await page.getByLabel('Linked phones').fill('3');
  await button(page, 'Create user').click();
  await page.getByRole('heading', { level: 1, name }).waitFor();
  assert.deepEqual(await page.locator('.facts dd').allTextContents().then((all) => all.slice(0, 4)), ['12', '3,456', '600', 'up to 3']);
  assertQuiet();
  await page.close();
});

test("a user's logins are shown and ended", async () => {
  const { page, assertQuiet } = await openAdmin();
  await signIn(page);
  const name = unique();
  await createUser(page, name);
  const logins = page.locator('[data-panel="logins"]');
  await logins.getByText(`${name} is logged in nowhere`).waitFor();

  const [id] = page.url().match(/[0-9a-f-]{36}/);
  const password = 'quite another horse battery';
  const ask = (method, path, body, token) => fetch(`${base}/api${path}`, {
    method,
    signal: AbortSignal.timeout(30_000),
    headers: { ...(body && { 'Content-Type': 'application/json' }), ...(token && { Authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body)
  });
  const boss = await (await ask('POST', '/auth/login', admin)).json();
  assert.equal((await ask('POST', `/users/${id}/password`, { new_password: password }, boss.access_token)).status, 204);
  const tokens = [];
  for (let i = 0; i < 2; i += 1) tokens.push((await (await ask('POST', '/auth/login', { username: name, password })).json()).access_token);

  await page.getByRole('link', { name: 'Users', exact: true }).first().click();
  await page.getByRole('link', { name, exact: true }).click();
  await until('both logins', async () => (await logins.locator('tbody tr').count()) === 2);
  await assertAccessible(page, 'logins');
  await assertFits(page, 'logins');
  await logins.getByRole('button').first().click(); // the newest
  await until('one login', async () => (await logins.locator('tbody tr').count()) === 1);
  const left = [];
  for (const token of tokens) left.push((await ask('GET', '/auth/me', undefined, token)).status);
  assert.deepEqual(left, [200, 401]);
  await logins.getByRole('button').click();
  await logins.getByText(`${name} is logged in nowhere`).waitFor();
  assertQuiet();
  await page.close();
});

test('a key is shown once, links a phone and sends a message that is followed until it is read', async () => {
  const { page, expect, assertQuiet } = await openAdmin();
  await signIn(page);
  await createUser(page, unique());
  assert.equal(await step(page, 2).count(), 0);
  const key = await makeKey(page);
  assert.match(key, /^wak_/);
  await page.getByText('it is shown this once').waitFor();
  await page.getByRole('button', { name: 'Copy key' }).click();
  await page.getByText('Copied').waitFor();

  await button(step(page, 2), 'Link a phone').click();
  const qr = step(page, 2).getByRole('img', { name: /QR code/ });
  await qr.waitFor();
  await until('the image of the code', () => qr.evaluate((image) => image.complete && image.naturalWidth > 0));
  await assertAccessible(page, 'a code');
  await assertFits(page, 'a code');

  const [alice, bob] = [await newPhone('Alice'), await newPhone('Bob')];
  const status = await fetch(`${base}/api/session/status`, { headers: { 'X-API-Key': key }, signal: AbortSignal.timeout(10_000) });
  await scan(alice, (await status.json()).qr_code);
  await step(page, 2).getByText('Linked', { exact: true }).waitFor();
  await step(page, 2).getByText(alice.number).waitFor();

  expect(/422.*\/api\/messages\/send-text/);
  const send = step(page, 3);
  await send.getByLabel('To').fill('12');
  await button(send, 'Send').click();
  await send.getByRole('alert').waitFor();
  assert.equal(await send.getByLabel('To').getAttribute('aria-invalid'), 'true');

  await send.getByLabel('To').fill(bob.number);
  await send.getByLabel('Text').fill('<b>Hello</b> Bob & all 👋');
  await button(send, 'Send').click();
  const message = send.locator('.message');
  await message.getByText('<b>Hello</b> Bob & all 👋').waitFor();
  await send.locator('[data-status="delivered"]').waitFor();
  const received = await until('the message at Bob', async () => (await messagesOf(bob))[0]);
  assert.equal(received.text, '<b>Hello</b> Bob & all 👋');
  await readMessage(bob, received.id);
  await send.locator('[data-status="read"]').waitFor();
  assert.equal(await message.locator('.track time').count(), 3);
  await assertAccessible(page, 'a message');
  await assertFits(page, 'a message');

  await button(step(page, 2), 'Disconnect').click();
  await button(step(page, 2), 'Connect again').waitFor();
  await button(step(page, 2), 'Connect again').click();
  await step(page, 2).getByText('Linked', { exact: true }).waitFor();
  await button(step(page, 2), 'Log out').click();
  await button(step(page, 2), 'Link a phone').waitFor();

  await page.reload();
  await signInAgain(page);
  assert.equal(await page.getByText(key).count(), 0, 'the key is not shown again');
  assertQuiet();
  await page.close();
});

/* After a reload the page of before comes back, not the list. */
async function signInAgain(page) {
  await page.getByLabel('User name').fill(admin.username);
  await page.getByLabel('Password').fill(admin.password);
  await button(page, 'Sign in').click();
  await page.getByRole('heading', { name: 'Make an API key' }).waitFor();
}

test('a new code replaces the one that expired', async () => {
  const { page, assertQuiet } = await openAdmin();
  await signIn(page);
  await createUser(page, unique());
  await makeKey(page);
  let turn = 1;
  await page.route(/\/api\/session\/status$/, (route) => route.fulfill({
    json: { session: 'default', status: 'qr_pending', reason: null, restricted: false, phone_number: null, push_name: null,
      qr_code: `code ${turn}`, qr_expires_at: new Date(Date.now() + 20_000).toISOString() }
  }));
  await page.route(/\/api\/session\/qr$/, (route) => route.fulfill({
    contentType: 'image/svg+xml', body: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${turn} 1"/>`
  }));
  const qr = step(page, 2).getByRole('img', { name: /QR code/ });
  await qr.waitFor();
  const first = await qr.getAttribute('src');
  assert.match(first, /^blob:/);
  turn = 2;
  await until('another image', async () => (await qr.getAttribute('src')) !== first);
  await step(page, 2).getByText(/A new code in \d+ s/).waitFor();
  assertQuiet();
  await page.close();
});

test('all of it works by keyboard', async () => {
  const { page, assertQuiet } = await openAdmin();
  await page.getByLabel('User name').focus();
  await page.keyboard.type(admin.username);
  await page.keyboard.press('Tab');
  await page.keyboard.type(admin.password);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'Users' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'New user');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { level: 1, name: 'New user' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'username');
  assertQuiet();
  await page.close();
});

test('an address that there is not leads to the users; an unknown user is told', async () => {
  const { page, expect, assertQuiet } = await openAdmin('#/nowhere');
  expect(/404.*\/api\/users\//);
  await signIn(page);
  assert.ok(page.url().endsWith('#/users'));
  await page.goto(`${base}/admin/#/users/00000000-0000-7000-8000-000000000000`);
  await page.getByRole('heading', { level: 1, name: 'Not found' }).waitFor();
  assertQuiet();
  await page.close();
});
