/**
 * The whole life of a session against the sandbox: link, send, receive, statuses, and how it ends. The same
 * for every engine.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { startPair } from './pair.js';
import { messageId } from './processes.js';
import { eventually } from './wait.js';

const UNKNOWN = '4915799999999@s.whatsapp.net';

/**
 * @param {import('node:test').TestContext} t
 * @param {{engine: string, rejection: string, late: string}} expected `rejection`: the code of a refusal; `late`: of a late answer
 */
export async function wholeLife(t, { engine, rejection, late: lateCode }) {
  const { sandbox, module, bridge, own, friend } = await startPair(t, engine);
  const id = randomUUID();

  await t.test('a code is shown and told, with its expiry', async () => {
    const started = await bridge.call('PUT', `/v1/sessions/${id}`);
    assert.ok([200, 202].includes(started.status));
    const { data } = await module.event('session.qr');
    assert.ok(Date.parse(data.qr_expires_at) > Date.now());
    const state = await bridge.state(id);
    assert.equal(state.status, 'qr_pending');
    assert.equal(state.qr_code, data.qr_code);
    assert.equal((await bridge.call('PUT', `/v1/sessions/${id}`)).status, 200);
    const refused = await bridge.send(id, { id: messageId(), to: friend.jid, text: 'too early' });
    assert.equal(refused.body.code, 'session_not_linked');
  });

  await t.test('after the scan it is connected', async () => {
    await own.scan((await bridge.state(id)).qr_code);
    const { data } = await module.status('connected');
    assert.equal(data.phone_number, '+4915111111111');
    assert.ok(data.connected_at);
    assert.ok(!('qr_code' in data));
    const state = await bridge.state(id);
    assert.equal(state.qr_code, null);
    assert.equal(state.reason, null);
    await module.event('session.status', ({ push_name: name }) => name === 'Ada');
  });

  await t.test('a text is sent once, and its statuses are told in order', async () => {
    const message = messageId();
    const answer = await bridge.send(id, { id: message, to: friend.jid, text: 'hello ✓ 👋' });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual({ ...answer.body, sent_at: null }, { whatsapp_id: message, status: 'sent', sent_at: null, chat: friend.jid });
    const [received] = await friend.gets(1);
    assert.equal(received.id, message);
    assert.equal(received.text, 'hello ✓ 👋');
    assert.equal(received.from, '+4915111111111');
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'delivered');
    await friend.read(message);
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'read');
    const statuses = module.events.items.filter(({ data }) => data.whatsapp_id === message).map(({ data }) => data.status);
    assert.deepEqual(statuses, ['sent', 'delivered', 'read']);
    const again = await bridge.send(id, { id: message, to: friend.jid, text: 'hello ✓ 👋' });
    assert.deepEqual(again.body, answer.body);
    assert.equal((await friend.received()).length, 1);
  });

  await t.test('two calls with one id share an attempt', async () => {
    const message = messageId();
    const call = () => bridge.send(id, { id: message, to: friend.jid, text: 'shared' });
    const answers = await Promise.all([call(), call(), call()]);
    assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
    const wire = (await sandbox.log()).filter((entry) => entry.id === message && entry.kind === 'message');
    assert.equal(wire.length, 1);
    const received = (await friend.gets(2)).filter((entry) => entry.id === message);
    assert.equal(received.length, 1);
  });

  await t.test('65,536 characters arrive whole, one more is refused', async () => {
    const text = 'ä'.repeat(65536);
    const message = messageId();
    assert.equal((await bridge.send(id, { id: message, to: friend.jid, text })).status, 200);
    const received = await eventually(async () => (await friend.received()).find((entry) => entry.id === message), 'the long text');
    assert.equal(received.text, text);
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: `${text}x` })).status, 400);
  });

  await t.test('sends to one chat keep the order of the calls', async () => {
    const ids = Array.from({ length: 20 }, messageId);
    await Promise.all(ids.map((message, i) => bridge.send(id, { id: message, to: friend.jid, text: `n${i}` })));
    const wire = (await sandbox.log()).filter(({ kind, id: message }) => kind === 'message' && ids.includes(message));
    assert.deepEqual(wire.map((entry) => entry.id), ids);
  });

  await t.test('a number that is not on WhatsApp is refused and nothing is sent', async () => {
    const message = messageId();
    const answer = await bridge.send(id, { id: message, to: UNKNOWN, text: 'anyone?' });
    assert.equal(answer.status, 422);
    assert.equal(answer.body.code, 'not_on_whatsapp');
    assert.ok(!(await sandbox.log()).some((entry) => entry.id === message));
    const unknown = await bridge.call('GET', `/v1/sessions/${id}/contacts/+4915799999999`);
    assert.deepEqual(unknown.body, { exists: false, phone: '+4915799999999' });
    const known = await bridge.call('GET', `/v1/sessions/${id}/contacts/4915122222222`);
    assert.deepEqual(known.body, { exists: true, jid: friend.jid, phone: '+4915122222222' });
  });

  await t.test('malformed recipients are refused', async () => {
    for (const to of ['4915122222222', '+4915122222222@s.whatsapp.net', '123@c.us', '@s.whatsapp.net', 'x@lid', '49151 2@s.whatsapp.net']) {
      const answer = await bridge.send(id, { id: messageId(), to, text: 'x' });
      assert.equal(answer.status, 422, to);
      assert.equal(answer.body.code, 'invalid_recipient');
    }
  });

  await t.test('a message from outside is told once', async () => {
    const sent = await friend.send('+4915111111111', 'hi Ada');
    const { data, session } = await module.event('message.inbound', (inbound) => inbound.whatsapp_id === sent.id);
    assert.equal(session, id);
    assert.equal(data.text, 'hi Ada');
    assert.equal(data.type, 'text');
    assert.equal(data.from_phone, '+4915122222222');
    assert.equal(data.push_name, 'Berta');
  });

  await t.test('what WhatsApp refuses is refused for good', async () => {
    await sandbox.faults({ reject: { to: '*', code: 479 } });
    const message = messageId();
    const answer = await bridge.send(id, { id: message, to: friend.jid, text: 'no' });
    assert.equal(answer.status, 422);
    assert.equal(answer.body.code, 'rejected');
    assert.match(answer.body.detail, new RegExp(`code ${rejection}`));
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'failed' && data.code === rejection);
    await sandbox.faults({ reject: null });
  });

  await t.test('a late acknowledgement: 504, then the repeat is answered', async () => {
    // Away, or its receipt would prove what the acknowledgement has yet to tell.
    await friend.online(false);
    await sandbox.faults({ ack_delay_ms: 1500 });
    const message = messageId();
    const late = await bridge.send(id, { id: message, to: friend.jid, text: 'slow', timeout_ms: 300 });
    assert.equal(late.status, 504);
    assert.equal(late.body.code, lateCode);
    const repeated = await bridge.send(id, { id: message, to: friend.jid, text: 'slow' });
    assert.equal(repeated.status, 200);
    await sandbox.faults({ ack_delay_ms: 0 });
    await friend.online(true);
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'delivered');
    assert.equal((await friend.received()).filter((entry) => entry.id === message).length, 1);
  });

  await t.test('a dropped socket comes back by itself', async () => {
    const from = module.events.items.length;
    await own.drop();
    const lost = await module.status('connecting', { from });
    assert.equal(lost.data.reason, 'network');
    await bridge.connected(id, from);
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'back' })).status, 200);
  });

  await t.test('disconnect stays away, start comes back without a code', async () => {
    const stopped = await bridge.call('POST', `/v1/sessions/${id}/disconnect`);
    assert.equal(stopped.body.status, 'disconnected');
    assert.equal(stopped.body.reason, 'user');
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'x' })).status, 409);
    const away = await friend.send('+4915111111111', 'while you were out');
    const from = module.events.items.length;
    await bridge.call('PUT', `/v1/sessions/${id}`);
    await bridge.connected(id, from);
    await module.event('message.inbound', (data) => data.whatsapp_id === away.id);
    assert.ok(!module.events.items.slice(from).some(({ type }) => type === 'session.qr'));
  });

  await t.test('logged out from the phone', async () => {
    const from = module.events.items.length;
    await own.unlink();
    const { data } = await module.status('disconnected', { from });
    assert.equal(data.reason, 'logged_out');
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'x' })).body.code, 'session_not_linked');
    await bridge.link(own, id);
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'linked again' })).status, 200);
  });

  await t.test('logout by the user, then gone', async () => {
    const out = await bridge.call('POST', `/v1/sessions/${id}/logout`);
    assert.equal(out.body.status, 'disconnected');
    assert.equal(out.body.reason, 'logged_out');
    assert.equal(out.body.phone_number, null);
    await eventually(async () => (await sandbox.stats()).linked_devices === 0, 'the device is unlinked');
    assert.equal((await bridge.call('DELETE', `/v1/sessions/${id}`)).status, 204);
    assert.equal((await bridge.call('DELETE', `/v1/sessions/${id}`)).status, 204);
    assert.equal((await bridge.call('GET', `/v1/sessions/${id}`)).status, 404);
  });

  await t.test('the log holds no text, no full number, no code, no secret', async () => {
    assert.deepEqual(await bridge.kill('SIGTERM'), { code: 0, signal: null });
    for (const secret of ['hello ✓', 'hi Ada', '4915122222222', 'wa.me/settings', bridge.secret, module.secret]) {
      assert.ok(!bridge.output.includes(secret), secret);
    }
    const { unhandled } = await sandbox.stats();
    assert.deepEqual(unhandled, {});
  });
}
