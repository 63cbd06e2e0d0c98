import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox, within } from './harness.js';

async function pair(t) {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  return { s, anna, ben, device: await linked(t, s, anna) };
}

test('a refused recipient: an error in the acknowledgement, nothing delivered', async (t) => {
  const { s, ben, device } = await pair(t);
  await s.ok('POST', '/faults', { reject: { to: ben.number, code: 463 } });
  const id = await device.send(ben.number, 'refused');
  assert.equal(device.acks.get(id).error, '463');
  await s.call('DELETE', '/faults');
  const next = await device.send(ben.number, 'accepted');
  await s.message(ben, (m) => m.id === next);
  assert.deepEqual((await s.messages(ben)).map((m) => m.id), [next]);
});

test('a lost acknowledgement: delivered, and the repeat is acknowledged and not shown again', async (t) => {
  const { s, ben, device } = await pair(t);
  await s.ok('POST', '/faults', { drop_acks: 1 });
  const messageId = '3EB00000000000000001';
  await device.sock.sendMessage('491700000002@s.whatsapp.net', { text: 'once' }, { messageId });
  await s.message(ben, (m) => m.id === messageId);
  assert.equal(device.acks.has(messageId), false);
  await device.send(ben.number, 'once', { messageId });
  assert.equal((await s.messages(ben)).length, 1);
  assert.equal((await s.ok('GET', '/faults')).drop_acks, 0);
});

test('a connection that breaks between acceptance and acknowledgement', async (t) => {
  const { s, ben, device } = await pair(t);
  await s.ok('POST', '/faults', { close_before_ack: 1 });
  const messageId = '3EB00000000000000002';
  const closed = device.wait('closed');
  await device.sock.sendMessage('491700000002@s.whatsapp.net', { text: 'once' }, { messageId });
  assert.deepEqual(await closed, [428]);
  await s.message(ben, (m) => m.id === messageId);
  await device.reconnect();
  await device.send(ben.number, 'once', { messageId });
  const marker = await device.send(ben.number, 'marker');
  await s.message(ben, (m) => m.id === marker);
  assert.deepEqual((await s.messages(ben)).map((m) => m.id), [messageId, marker]);
});

test('a slow acknowledgement', async (t) => {
  const { s, ben, device } = await pair(t);
  await s.ok('POST', '/faults', { ack_delay_ms: 400 });
  const start = performance.now();
  await within(device.send(ben.number, 'slow'), 'the acknowledgement');
  assert.ok(performance.now() - start >= 390);
});
