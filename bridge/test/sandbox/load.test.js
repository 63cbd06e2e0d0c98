import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox, within } from './harness.js';

test('many at once, both ways with one contact: everything arrives, once, without a second try', async (t) => {
  const s = await sandbox(t);
  const ben = await s.phone('+491700000002', 'Ben');
  const COUNT = 30;
  const parties = [];
  for (let i = 0; i < 4; i++) {
    const phone = await s.phone(`+4917000001${i}0`, `Party ${i}`);
    parties.push({ phone, device: await linked(t, s, phone) });
  }
  const numbers = Array.from({ length: COUNT }, (_, n) => n);
  const ids = new Map();
  await within(Promise.all(parties.flatMap(({ phone, device }, i) => numbers.flatMap((n) => [
    device.send(ben.number, `out ${i} ${n}`).then((id) => ids.set(id, phone)),
    s.ok('POST', `/phones/${ben.id}/send`, { to: phone.number, text: `in ${i} ${n}` }),
  ]))), 'all are accepted', 60_000);
  for (const { device } of parties) {
    for (const [id] of [...ids].filter(([, p]) => p === parties.find((x) => x.device === device).phone)) await device.status(id, 3);
    for (const n of numbers) await device.text(`in ${parties.findIndex((x) => x.device === device)} ${n}`);
  }
  const onBen = (await s.messages(ben)).filter((m) => m.direction === 'in');
  assert.equal(onBen.length, 4 * COUNT);
  assert.equal(new Set(onBen.map((m) => m.text)).size, 4 * COUNT);
  for (const { phone, device } of parties) {
    assert.equal((await s.messages(phone)).length, 2 * COUNT);
    const texts = device.received.filter((m) => m.key.remoteJid.startsWith(ben.number.slice(1))).map((m) => m.message?.conversation);
    assert.equal(texts.length, COUNT);
    assert.equal(new Set(texts).size, COUNT);
  }
  const { retries, errors, undeliverable, unhandled } = await s.ok('GET', '/stats');
  assert.deepEqual({ retries, errors, undeliverable, unhandled }, { retries: 0, errors: 0, undeliverable: 0, unhandled: {} });
});
