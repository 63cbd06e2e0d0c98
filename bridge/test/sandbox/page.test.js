import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { STRIKE_NAMES } from '../../sandbox/wa/faults.js';
import { Device, sandbox, tempDir } from './harness.js';

const CHROMIUM = '/usr/bin/chromium';
const fixture = (name) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** A page in a browser, and what the browser complained about. */
async function browse(t, url) {
  const { chromium } = await import('playwright-core');
  const context = await chromium.launchPersistentContext(tempDir(), {
    executablePath: CHROMIUM,
    viewport: { width: 1280, height: 900 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  t.after(() => context.close());
  const page = context.pages()[0] ?? await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) complaints.push(m.text()); });
  page.on('pageerror', (e) => complaints.push(String(e)));
  await page.goto(url);
  return { page, complaints };
}

async function canBrowse(t) {
  if (!existsSync(CHROMIUM)) return t.skip('no chromium');
  try {
    await import('playwright-core');
  } catch {
    return t.skip('playwright-core is not installed');
  }
  return true;
}

test('faults on command, by keyboard', async (t) => {
  if (!await canBrowse(t)) return;
  const s = await sandbox(t);
  const { page, complaints } = await browse(t, s.url);
  assert.ok(!await page.locator('#faults').isVisible(), 'without a phone there is nothing to break');
  const anna = await s.ok('POST', '/phones', { number: '+491700000001', name: 'Anna' });
  await page.click('.phone-row');
  await page.locator('#faults').waitFor();
  const device = new Device(t, s);
  await device.link(anna);
  await page.locator('#faults summary').focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  const dropped = device.wait('closed');
  await page.keyboard.press('Enter');
  await page.getByText('Drop the connection: one device of Anna.').waitFor();
  await dropped;
  await device.reconnect();
  await page.selectOption('#faults select', 'late');
  await page.getByText('Until all is as usual again.').waitFor();
  await page.getByRole('button', { name: 'Do it' }).click();
  await page.getByText('Acknowledge 5 s late: set.').waitFor();
  assert.equal((await s.ok('GET', '/faults')).ack_delay_ms, 5000);
  await page.getByRole('button', { name: 'All as usual again' }).click();
  await page.getByText('All is as usual again; bans are lifted.').waitFor();
  assert.equal((await s.ok('GET', '/faults')).ack_delay_ms, 0);
  const names = await page.locator('#faults optgroup').first().locator('option').evaluateAll((all) => all.map((o) => o.value));
  assert.deepEqual(names.toSorted(), STRIKE_NAMES.toSorted(), 'every fault of a phone is offered');
  const away = device.wait('closed');
  await page.selectOption('#faults select', 'logout');
  await page.getByRole('button', { name: 'Do it' }).click();
  await away;
  await page.locator('.linked .empty').waitFor();
  assert.deepEqual(complaints, []);
});

test('a person creates phones, links a device, chats', async (t) => {
  if (!await canBrowse(t)) return;
  const s = await sandbox(t);
  const { page, complaints } = await browse(t, s.url);
  for (const [number, name] of [['+491700000001', 'Anna'], ['+491700000002', '<i>Ben</i>']]) {
    await page.fill('#create input[name=number]', number);
    await page.fill('#create input[name=name]', name);
    await page.click('#create button');
    await page.getByText(`${name} is on WhatsApp now.`).waitFor();
  }
  await page.click('.phone-row:has-text("Anna")');
  const device = new Device(t, s);
  const qr = device.wait('qr');
  const synced = device.wait('synced');
  device.connect();
  await page.fill('.link textarea', (await qr)[0]);
  await page.click('.link .primary');
  await synced;
  await page.locator('.device').waitFor();

  const id = await device.send('+491700000002', '<b>hello</b> & welcome');
  await page.click('.phone-row:has-text("Ben")');
  await page.locator('.row .badge').waitFor();
  assert.ok((device.statuses.get(id) ?? 0) < 4, 'a closed chat is not read');
  await page.click('.chats .row');
  await page.locator('.bubble.in', { hasText: '<b>hello</b> & welcome' }).waitFor();
  await device.status(id, 4);

  await page.fill('.composer textarea', 'thanks');
  await page.keyboard.press('Enter');
  await device.text('thanks');
  await page.locator('.bubble.out .ticks.delivered').waitFor();
  await page.reload();
  await page.locator('.bubble.out', { hasText: 'thanks' }).waitFor();

  await page.setViewportSize({ width: 390, height: 844 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
  await page.click('.back');
  await page.click('label.switch');
  await page.locator('.is-offline').waitFor();
  assert.deepEqual((await s.ok('GET', '/phones')).map((p) => p.online), [true, false]);
  await page.setViewportSize({ width: 1280, height: 900 });

  await page.click('.phone-row:has-text("Anna")');
  const closed = device.wait('closed');
  page.on('dialog', (d) => d.accept());
  await page.click('.device .quiet');
  assert.deepEqual(await closed, [401]);
  await page.getByText('None yet.').waitFor();
  assert.deepEqual(complaints, []);
});

test('codes are read from pictures', async (t) => {
  if (!await canBrowse(t)) return;
  const s = await sandbox(t);
  await s.phone('+491700000001', 'Anna');
  const { page } = await browse(t, s.url);
  await page.locator('.link').waitFor();
  for (const name of ['code.png', 'code.svg']) {
    await page.fill('.link textarea', '');
    await page.setInputFiles('input[type=file]', fixture(name));
    await page.waitForFunction(() => document.querySelector('.link textarea').value === '2@not-a-real-code,but,a,code');
  }
});

test('files, replies, reactions, edits and deletions', async (t) => {
  if (!await canBrowse(t)) return;
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'first' });
  const { page, complaints } = await browse(t, `${s.url}/#/${anna.id}/${encodeURIComponent(ben.number)}`);
  const said = page.locator('.bubble.in', { hasText: 'first' });
  await said.waitFor();

  await page.setInputFiles('input[data-role=attach]', fixture('code.png'));
  await page.locator('.about', { hasText: 'code.png' }).waitFor();
  await page.fill('.composer textarea', 'look');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.bubble.out .picture img')?.naturalWidth > 0);
  const file = await s.message(ben, (m) => m.media?.state === 'ready', 'the picture on the other phone');
  assert.equal(file.text, 'look');
  assert.equal(file.media.mime_type, 'image/png');
  await page.setInputFiles('input[data-role=attach]', { name: '<b>notes</b>.txt', mimeType: 'text/plain', buffer: Buffer.from('some notes') });
  await page.click('.send');
  await page.locator('a.file', { hasText: '<b>notes</b>.txt' }).waitFor();

  const act = async (bubble, label) => {
    await bubble.hover();
    await bubble.locator('summary').click();
    await bubble.locator('.menu').getByText(label, { exact: true }).click();
  };
  await act(said, '👍');
  await s.message(ben, (m) => m.text === 'first' && m.reactions?.[0]?.text === '👍', 'the reaction');
  await said.locator('.reactions', { hasText: '👍' }).waitFor();
  await act(said, 'Reply');
  await page.fill('.composer textarea', 'second');
  await page.keyboard.press('Enter');
  const mine = page.locator('.bubble.out', { hasText: 'second' });
  await mine.locator('.quote', { hasText: 'first' }).waitFor();
  await act(mine, 'Edit');
  await page.fill('.composer textarea', 'better');
  await page.keyboard.press('Enter');
  await s.message(ben, (m) => m.text === 'better' && m.edited_at && m.quoted_id, 'the edit');
  const edited = page.locator('.bubble.out', { hasText: 'better' });
  await edited.getByText('edited').waitFor();
  await act(edited, 'Delete for everyone');
  await s.message(ben, (m) => m.deleted_at && m.text === '', 'the deletion');
  await page.locator('.bubble.out.deleted').waitFor();
  assert.deepEqual(complaints, []);
});
