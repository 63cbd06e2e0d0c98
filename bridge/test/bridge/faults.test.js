/**
 * What the sandbox can do to a session, and the state it leaves: the table in docs/sandbox.md, row by row.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { messageId, startBridge, startModule, startSandbox } from './lib/processes.js';

let numbers = 0;

async function setUp(t) {
  const sandbox = await startSandbox(t);
  const module = await startModule(t);
  const bridge = await startBridge(t, { sandbox, module });
  const newPhone = () => {
    numbers += 1;
    return sandbox.phone(`+49151${String(30000000 + numbers)}`, 'Ada');
  };
  return { sandbox, module, bridge, newPhone, friend: await newPhone() };
}

const strike = (sandbox, phone, fault) => sandbox.call('POST', `/phones/${phone.id}/fault`, { fault });

/** Fault, the state that follows, whether it connects by itself or by a start, or needs a code. */
const TABLE = [
  ['drop', 'connecting', 'network', 'by itself'],
  ['garbage', 'connecting', 'network', 'by itself'],
  ['restart', 'connecting', 'restart', 'by itself'],
  ['conflict', 'disconnected', 'replaced', 'started'],
  ['logout', 'disconnected', 'logged_out', 'code'],
  ['ban', 'failed', 'banned', 'banned'],
  ['outdated', 'failed', 'incompatible', 'started'],
];

test('faults on command', { timeout: 300000 }, async (t) => {
  const { sandbox, module, bridge, newPhone, friend } = await setUp(t);
  for (const [fault, status, reason, then] of TABLE) {
    await t.test(`${fault}: ${status}, ${reason}; ${then}`, async () => {
      const phone = await newPhone();
      const id = await bridge.link(phone);
      const from = module.events.items.length;
      const own = (data, event) => event.session === id;
      assert.equal((await strike(sandbox, phone, fault)).devices, 1);
      const told = await module.event('session.status', (d, e) => own(d, e) && d.status !== 'connected', { from });
      // Before it may stand another "connected", which tells the name that came after the link.
      const after = module.events.items.indexOf(told) + 1;
      const { data } = told;
      assert.deepEqual({ status: data.status, reason: data.reason }, { status, reason });
      if (then !== 'by itself') {
        assert.deepEqual((({ status: s, reason: r }) => [s, r])(await bridge.state(id)), [status, reason]);
        const refused = await bridge.send(id, { id: messageId(), to: friend.jid, text: 'x' });
        assert.ok([409, 503].includes(refused.status), String(refused.status));
        await bridge.call('PUT', `/v1/sessions/${id}`);
      }
      if (then === 'code') {
        await module.event('session.qr', own, { from });
      } else if (then === 'banned') {
        const again = module.events.items.length;
        await module.event('session.status', (d, e) => own(d, e) && d.reason === 'banned', { from: again - 1 });
        await strike(sandbox, phone, 'unban');
        await bridge.call('PUT', `/v1/sessions/${id}`);
      }
      if (then !== 'code') {
        await module.event('session.status', (d, e) => own(d, e) && d.status === 'connected', { from: after });
        const sent = await bridge.send(id, { id: messageId(), to: friend.jid, text: `after ${fault}` });
        assert.equal(sent.status, 200, JSON.stringify(sent.body));
      }
    });
  }

  await t.test('restrict and unrestrict: connected, and it says so; over a reconnection too', async () => {
    const phone = await newPhone();
    const id = await bridge.link(phone);
    const restricted = (value) => module.event('session.status', (d, e) => e.session === id && d.restricted === value);
    await strike(sandbox, phone, 'restrict');
    assert.equal((await restricted(true)).data.status, 'connected');
    const from = module.events.items.length;
    await phone.drop();
    await module.event('session.status', (d, e) => e.session === id && d.status === 'connecting', { from });
    await bridge.connected(id, module.events.items.findLastIndex(({ data }) => data.status === 'connecting'));
    assert.equal((await bridge.state(id)).restricted, true);
    const lifted = module.events.items.length;
    await strike(sandbox, phone, 'unrestrict');
    await module.event('session.status', (d, e) => e.session === id && d.restricted === false, { from: lifted });
  });

  await t.test('a code that nobody scans: qr_timeout', async () => {
    await sandbox.faults({ qr_codes: 0 });
    const id = randomUUID();
    await bridge.call('PUT', `/v1/sessions/${id}`);
    const { data } = await module.event('session.status', (d, e) => e.session === id && d.status === 'disconnected');
    assert.equal(data.reason, 'qr_timeout');
    await sandbox.faults({ qr_codes: null });
  });
});

test('acknowledgements that come twice, in reverse, late or never', { timeout: 120000 }, async (t) => {
  const { sandbox, module, bridge, newPhone, friend } = await setUp(t);
  const id = await bridge.link(await newPhone());
  const send = (message, more) => bridge.send(id, { id: message, to: friend.jid, text: `text ${message}`, ...more });
  const told = (message) => module.events.items.filter(({ data }) => data.whatsapp_id === message).map(({ data }) => data.status);

  await t.test('twice: told once', async () => {
    await sandbox.faults({ duplicate_acks: 1 });
    const message = messageId();
    assert.equal((await send(message)).status, 200);
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'delivered');
    assert.deepEqual(told(message), ['sent', 'delivered']);
  });
  await t.test('in reverse: each reaches its own message', async () => {
    await friend.online(false);
    await sandbox.faults({ reverse_acks: 5 });
    const ids = Array.from({ length: 5 }, messageId);
    const answers = await Promise.all(ids.map((message) => send(message)));
    assert.deepEqual(answers.map(({ body }) => body.whatsapp_id), ids);
    const sent = module.events.items.filter(({ data }) => ids.includes(data.whatsapp_id)).map(({ data }) => data.whatsapp_id);
    await sandbox.faults({ reverse_acks: 0 });
    await friend.online(true);
    assert.ok(sent.length <= 5);
    for (const message of ids) {
      await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'delivered');
      assert.deepEqual(told(message), ['sent', 'delivered']);
    }
  });
  await t.test('late: 504, then known', async () => {
    await friend.online(false);
    await sandbox.faults({ ack_delay_ms: 1000 });
    const message = messageId();
    assert.equal((await send(message, { timeout_ms: 100 })).body.code, 'ack_timeout');
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'sent');
    await sandbox.faults({ ack_delay_ms: 0 });
    await friend.online(true);
  });
  await t.test('never: the receipt stands for it', async () => {
    await sandbox.faults({ drop_acks: 1 });
    const message = messageId();
    assert.equal((await send(message)).status, 200);
  });
});

test('numbers with a behaviour of their own', { timeout: 180000 }, async (t) => {
  const { sandbox, module, bridge, newPhone } = await setUp(t);
  const own = await newPhone();
  const id = await bridge.link(own);
  const send = async (pn, more) => {
    const message = messageId();
    return { message, ...(await bridge.send(id, { id: message, to: `${pn}@s.whatsapp.net`, text: 'to a number', ...more })) };
  };
  const status = (message, wanted) => module.event('message.status', (d) => d.whatsapp_id === message && d.status === wanted);
  const seen = (message) => module.events.items.filter(({ data }) => data.whatsapp_id === message).map(({ data }) => data.status);

  await t.test('000: delivered at once, and never read', async () => {
    const { message, status: http } = await send('15550000001');
    assert.equal(http, 200);
    await status(message, 'delivered');
  });
  await t.test('002: delivered after two seconds', async () => {
    const before = performance.now();
    const { message, status: http } = await send('15550020001');
    assert.equal(http, 200);
    await status(message, 'delivered');
    assert.ok(performance.now() - before >= 1990, 'not earlier');
  });
  await t.test('100: read at once', async () => {
    const { message } = await send('15551000001');
    await status(message, 'read');
    assert.deepEqual(seen(message), ['sent', 'delivered', 'read']);
  });
  await t.test('110: delivered; 120: sent, and no more', async () => {
    const { message: never } = await send('15551200001');
    const { message } = await send('15551100001');
    await status(message, 'delivered');
    assert.deepEqual(seen(never), ['sent']);
  });
  await t.test('200: replies', async () => {
    await send('15552000001');
    const { data } = await module.event('message.inbound', (inbound) => inbound.from_phone === '+15552000001');
    assert.equal(data.text, 'pong');
  });
  await t.test('404: not on WhatsApp, nor can a phone have it', async () => {
    assert.equal((await send('15554040001')).body.code, 'not_on_whatsapp');
    await assert.rejects(sandbox.phone('+15554040001'), /number_invalid/);
  });
  await t.test('479 and other 4xx: refused with that code', async () => {
    for (const code of ['479', '463']) {
      const { body, status: http } = await send(`1555${code}0001`);
      assert.equal(http, 422);
      assert.equal(body.code, 'rejected');
      assert.match(body.detail, new RegExp(code));
    }
  });
  await t.test('504: delivered without an acknowledgement; the receipt stands for it', async () => {
    const { message, status: http } = await send('15555040001');
    assert.equal(http, 200);
    await status(message, 'delivered');
  });
  await t.test('other numbers do nothing by themselves', async () => {
    assert.equal((await send('15553000001')).body.code, 'not_on_whatsapp');
  });
  await t.test('900: the sender is banned', async () => {
    const answer = await send('15559000001', { timeout_ms: 2000 });
    assert.ok(answer.status >= 500, String(answer.status));
    const { data } = await module.status('failed');
    assert.equal(data.reason, 'banned');
    assert.deepEqual((await sandbox.call('GET', '/faults')).banned, [own.number]);
  });
  await t.test('the log has what was received, page by page', async () => {
    const messages = await sandbox.call('GET', '/log?kind=message&limit=0');
    assert.ok(messages.every(({ kind, id: message, at, parts }) => kind === 'message' && message && at && parts.every(({ bytes, sha256 }) => bytes && sha256)));
    const pages = [];
    for (let after = 0; ;) {
      const page = await sandbox.call('GET', `/log?after=${after}&limit=7`);
      if (!page.length) break;
      assert.ok(page.length <= 7);
      pages.push(...page);
      after = page.at(-1).seq;
    }
    assert.deepEqual(pages.filter(({ kind }) => kind === 'message').map(({ seq }) => seq), messages.map(({ seq }) => seq));
    assert.deepEqual(pages.map(({ seq }) => seq), pages.map((_, i) => i + 1));
  });
});
