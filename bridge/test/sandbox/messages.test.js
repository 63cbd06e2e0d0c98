import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox } from './harness.js';

test('a device is linked by its code, sends, gets its ticks, receives', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);

  const id = await device.send(ben.number, 'hello Ben');
  const onBen = await s.message(ben, (m) => m.id === id);
  assert.deepEqual({ ...onBen, at: 0 }, {
    id, from: anna.number, to: ben.number, type: 'text', text: 'hello Ben', at: 0, direction: 'in', status: 'delivered',
    ...('chat' in onBen ? { chat: anna.number } : {}),
  });
  await device.status(id, 3);
  const onAnna = await s.message(anna, (m) => m.id === id && m.status === 'delivered');
  assert.equal(onAnna.direction, 'out');
  assert.equal(onAnna.text, 'hello Ben');

  await s.ok('POST', `/phones/${ben.id}/read`, { message_id: id });
  await device.status(id, 4);
  await s.message(anna, (m) => m.id === id && m.status === 'read');

  const reply = await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'hello Anna' });
  const got = await device.text('hello Anna');
  assert.equal(got.key.id, reply.id);
  assert.equal(got.pushName, 'Ben');
  await s.message(anna, (m) => m.id === reply.id && m.direction === 'in');
  await s.message(ben, (m) => m.id === reply.id && m.status === 'delivered');
});
