import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox } from './harness.js';

test('kill -9 and restart: no new code, ratchets go on, nothing acknowledged is lost', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  device.on('qr', () => assert.fail('no code wanted'));
  const sent = [];
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10; i++) sent.push(await device.send(ben.number, `round ${round} message ${i}`));
    await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: `reply ${round}` });
    await device.text(`reply ${round}`);
    const closed = device.wait('closed');
    await s.kill();
    await closed;
    await s.start();
    await device.reconnect();
  }
  const last = await device.send(ben.number, 'the end');
  await s.message(ben, (m) => m.id === last);
  await s.message(anna, (m) => m.id === last);
  for (const phone of [ben, anna]) {
    const ids = (await s.messages(phone)).map((m) => m.id);
    assert.deepEqual(ids.filter((id) => sent.includes(id)), sent);
  }
  const { linked_devices: devices } = await s.ok('GET', `/phones/${anna.id}`);
  assert.equal(devices.length, 1);
});

test('kill -9 in the middle of a burst: what was acknowledged is shown, once', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  const first = await device.send(ben.number, 'first');
  await s.message(ben, (m) => m.id === first);
  const acked = new Set();
  let kill;
  device.on('ack', (id) => {
    acked.add(id);
    if (acked.size === 60) kill = s.kill();
  });
  const closed = device.wait('closed');
  const ids = Array.from({ length: 200 }, (_, i) => `3EB0${String(i).padStart(16, '0')}`);
  for (const id of ids) {
    device.sent.set(id, { conversation: id });
    device.sock.sendMessage('491700000002@s.whatsapp.net', { text: id }, { messageId: id }).catch(() => {});
  }
  await closed;
  await kill;
  await s.start();
  await device.reconnect();
  const known = [...acked];
  assert.ok(known.length >= 60);
  // A client that is not sure repeats with the same id; the phone must not show it twice.
  for (const id of ids) await device.send(ben.number, id, { messageId: id });
  await s.message(ben, (m) => m.id === ids.at(-1));
  const shown = (await s.messages(ben)).map((m) => m.id).filter((id) => ids.includes(id));
  assert.equal(shown.length, ids.length);
  assert.equal(new Set(shown).size, ids.length);
});

test('SIGTERM ends cleanly', async (t) => {
  const s = await sandbox(t);
  await s.phone('+491700000001');
  await s.kill('SIGTERM');
  assert.equal(s.child.exitCode, 0);
});
