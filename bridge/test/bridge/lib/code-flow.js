/** Linking by a code that is typed on the phone, the same for every engine. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startPair } from './pair.js';
import { messageId } from './processes.js';

/** @param {import('node:test').TestContext} t @param {string} engine */
export async function linkedByCode(t, engine) {
  const { sandbox, module, bridge, own, friend } = await startPair(t, engine);
  const id = randomUUID();
  const start = (body) => bridge.call('PUT', `/v1/sessions/${id}`, body);

  await t.test('a number that nobody has ends with a reason', async () => {
    await start({ phone_number: '+4915100000000' });
    const { data } = await module.status('disconnected');
    assert.equal(data.reason, 'pairing_refused');
    assert.ok(!module.events.items.some(({ type }) => type.startsWith('session.qr')));
  });
  await t.test('what is no number is refused', async () => {
    assert.equal((await start({ phone_number: '0151' })).status, 400);
  });
  await t.test('the code is shown and told, with its expiry', async () => {
    await start({ phone_number: own.number });
    const { data } = await module.event('session.pairing_code');
    assert.match(data.pairing_code, /^[0-9A-Z]{8}$/);
    assert.ok(Date.parse(data.pairing_code_expires_at) > Date.now());
    const state = await bridge.state(id);
    assert.equal(state.status, 'qr_pending');
    assert.equal(state.pairing_code, data.pairing_code);
    assert.equal(state.qr_code, null);
    assert.equal((await start({})).body.pairing_code, data.pairing_code, 'a start without number changes nothing');
  });
  await t.test('after a restart of the bridge there is a new one', async () => {
    const from = module.events.items.length;
    await bridge.kill();
    await bridge.start();
    await module.event('session.pairing_code', () => true, { from });
  });
  await t.test('a wrong code does not link, the right one does', async () => {
    const code = (await bridge.state(id)).pairing_code;
    await assert.rejects(sandbox.call('POST', `/phones/${own.id}/link-code`, { code: 'AAAAAAAA' }), /code_invalid/);
    await sandbox.call('POST', `/phones/${own.id}/link-code`, { code });
    const { data } = await module.status('connected');
    assert.equal(data.phone_number, own.number);
    assert.equal((await bridge.state(id)).pairing_code, null);
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'by code' })).status, 200);
  });
  await t.test('with a phone linked a number changes nothing', async () => {
    assert.equal((await start({ phone_number: own.number })).body.status, 'connected');
  });
  await t.test('and after a restart of the bridge it comes back without a code', async () => {
    const from = module.events.items.length;
    await bridge.kill();
    await bridge.start();
    await bridge.connected(id, from);
    assert.ok(!module.events.items.slice(from).some(({ type }) => /qr|pairing/.test(type)));
  });
}
