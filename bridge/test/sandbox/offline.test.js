import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox } from './harness.js';

test('messages wait for a device that is away, in order', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  device.end();
  const texts = Array.from({ length: 25 }, (_, i) => `number ${i}`);
  for (const text of texts) await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text });
  device.received = [];
  const last = device.text(texts.at(-1));
  await device.reconnect();
  await last;
  const fromBen = device.received.filter((m) => m.key.remoteJid === '491700000002@s.whatsapp.net');
  const got = fromBen.map((m) => [m.message.conversation, m.upsert]);
  assert.deepEqual(got, texts.map((text) => [text, 'append']));
});

test('messages wait for a phone that is away', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  assert.equal((await s.ok('POST', `/phones/${ben.id}/online`, { online: false })).online, false);
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push(await device.send(ben.number, `number ${i}`));
  assert.equal((await s.messages(ben)).length, 0);
  assert.ok((await s.ok('GET', '/stats')).waiting >= 5);
  for (const url of ['send', 'scan']) {
    const body = url === 'send' ? { to: anna.number, text: 'x' } : { qr: `a,${`${'A'.repeat(43)}=,`.repeat(3)}1` };
    const { status, body: problem } = await s.call('POST', `/phones/${ben.id}/${url}`, body);
    assert.deepEqual([status, problem.code], [409, 'phone_offline']);
  }
  assert.ok((device.statuses.get(ids[0]) ?? 0) < 3, 'no second tick yet');
  await s.ok('POST', `/phones/${ben.id}/online`, { online: true });
  await device.status(ids.at(-1), 3);
  assert.deepEqual((await s.messages(ben)).map((m) => m.id), ids);
});

test('with the own phone away a device goes on sending', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  await s.ok('POST', `/phones/${anna.id}/online`, { online: false });
  const id = await device.send(ben.number, 'without my phone');
  await device.status(id, 3);
  await s.ok('POST', `/phones/${anna.id}/online`, { online: true });
  const m = await s.message(anna, (x) => x.id === id && x.status === 'delivered');
  assert.equal(m.direction, 'out');
});
