/**
 * The API and the life of a session, with an engine that does what the test says.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { buildApp } from '../../src/app.js';
import { Engines } from '../../src/engines/index.js';
import { EnvError, readEnv } from '../../src/env.js';
import { EventJournal } from '../../src/events/journal.js';
import { createLogger, maskNumber, maskText } from '../../src/log.js';
import { Registry } from '../../src/sessions/registry.js';
import { LookupCache } from '../../src/sessions/lookup-cache.js';
import { fakeEngine } from './lib/fake-engine.js';
import { atEnd, messageId, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const SECRET = 'a secret of the bridge';
const TO = '4915122222222@s.whatsapp.net';

async function setUp(t, { journalOptions } = {}) {
  const dir = temporaryDirectory(t);
  const master = randomBytes(32);
  let output = '';
  const stream = new Writable({
    write(chunk, encoding, done) {
      output += chunk;
      done();
    },
  });
  const logger = createLogger('debug', stream);
  const engine = fakeEngine();
  const engines = new Engines([engine], 'fake');
  const journal = await EventJournal.open(join(dir, 'events'), { master, ...journalOptions });
  const registry = new Registry({ dir: join(dir, 'sessions'), master, engines, journal, logger });
  await registry.load();
  const settings = { mode: 'sandbox', secret: SECRET };
  const app = buildApp({ settings, registry, engines, journal, version: '0', bridgeId: 'b', startedAt: 'now', logger });
  const id = randomUUID();
  const call = async (method, url, payload, headers = {}) => {
    const response = await app.inject({ method, url, payload, headers: { authorization: `Bearer ${SECRET}`, ...headers } });
    return { status: response.statusCode, headers: response.headers, body: response.body ? response.json() : null };
  };
  atEnd(t, async () => {
    await app.close();
    await registry.stop(0);
    await journal.close();
  });
  return {
    app,
    call,
    engine,
    journal,
    registry,
    id,
    log: () => output,
    start: async () => {
      await call('PUT', `/v1/sessions/${id}`);
      await eventually(() => engine.links.length, 'a link');
      return engine.open();
    },
    send: (message) => call('POST', `/v1/sessions/${id}/messages`, { to: TO, type: 'text', text: 'hello', timeout_ms: 2000, ...message }),
    events: async () => {
      await journal.flush();
      return journal.read(1000, 1e9);
    },
  };
}

test('metrics: sessions, sends by outcome, memory, journal; no number and no text', async (t) => {
  const { app, start, send, id } = await setUp(t);
  const metrics = async () => {
    const answer = await app.inject({ url: '/v1/metrics', headers: { authorization: `Bearer ${SECRET}` } });
    assert.equal(answer.statusCode, 200);
    assert.match(answer.headers['content-type'], /^text\/plain; version=0\.0\.4/);
    return answer.body;
  };
  assert.equal((await app.inject('/v1/metrics')).statusCode, 401);
  const link = await start();
  const sending = send({ id: 'MESSAGE-1' });
  await eventually(() => link.sent.length, 'the message');
  link.handlers.onAck({ id: 'MESSAGE-1', at: new Date().toISOString() });
  assert.equal((await sending).status, 200);
  assert.equal((await send({ id: 'MESSAGE-2', timeout_ms: 1 })).status, 504);
  const text = await metrics();
  for (const line of [
    'whatsapp_bridge_sessions{engine="fake",status="connected"} 1',
    'whatsapp_bridge_sends_total{engine="fake",outcome="sent"} 1',
    'whatsapp_bridge_sends_total{engine="fake",outcome="ack_timeout"} 1',
    'whatsapp_bridge_send_seconds_count{engine="fake"} 1',
    'whatsapp_bridge_journal_full 0',
    'whatsapp_bridge_info{version="0",mode="sandbox"} 1',
  ]) {
    assert.ok(text.includes(`${line}\n`), `${line} in\n${text}`);
  }
  assert.match(text, /whatsapp_bridge_memory_bytes\{engine="baileys"\} [1-9]\d{6}/);
  assert.match(text, /whatsapp_bridge_journal_events [1-9]/);
  for (const secret of [id, '49151', 'hello', 'MESSAGE']) {
    assert.ok(!text.includes(secret), secret);
  }
});

test('who does not show the secret gets nothing but liveness', async (t) => {
  const { app, id } = await setUp(t);
  assert.equal((await app.inject('/v1/health/live')).statusCode, 200);
  for (const authorization of [undefined, '', 'Bearer', 'Bearer wrong', `bearer ${SECRET}`, `Bearer ${SECRET} `, SECRET]) {
    for (const [method, url] of [['GET', '/v1/health'], ['GET', '/v1/engines'], ['PUT', `/v1/sessions/${id}`], ['GET', '/v1/nothing']]) {
      const response = await app.inject({ method, url, headers: authorization === undefined ? {} : { authorization } });
      assert.equal(response.statusCode, 401, `${authorization} ${url}`);
      assert.match(response.headers['content-type'], /^application\/problem\+json/);
      assert.equal(response.json().code, 'unauthorized');
    }
  }
});

test('problems are problem+json with the request id', async (t) => {
  const { call, id } = await setUp(t);
  const missing = await call('GET', `/v1/sessions/${id}`, undefined, { 'x-request-id': 'req-1' });
  assert.equal(missing.status, 404);
  assert.equal(missing.headers['x-request-id'], 'req-1');
  assert.equal(missing.body.request_id, 'req-1');
  assert.deepEqual(Object.keys(missing.body).sort(), ['code', 'detail', 'request_id', 'status', 'title', 'type']);
  assert.equal((await call('GET', '/v1/nothing')).body.code, 'not_found');
  const odd = await call('GET', '/v1/health', undefined, { 'x-request-id': 'a b\tc' });
  assert.match(odd.headers['x-request-id'], /^[0-9a-f-]{36}$/);
});

test('a copy of an own message says that WhatsApp has it', async (t) => {
  const { start, send, events } = await setUp(t);
  const link = await start();
  const id = messageId();
  assert.equal((await send({ id, timeout_ms: 100 })).body.code, 'ack_timeout');
  const at = '2026-01-02T03:04:05.000Z';
  link.handlers.onEcho({ id, at });
  link.handlers.onEcho({ id: messageId(), at });
  const known = await send({ id });
  assert.deepEqual([known.status, known.body.sent_at], [200, at]);
  const told = (await events()).filter(({ type }) => type === 'message.status').map(({ data }) => [data.whatsapp_id, data.status]);
  assert.deepEqual(told, [[id, 'sent']]);
});

test('files of an engine that can not fetch them', async (t) => {
  const { call, id, start } = await setUp(t);
  await start();
  assert.equal((await call('GET', `/v1/sessions/${id}/media/X?chat=a`)).body.code, 'not_supported');
  assert.equal((await call('GET', `/v1/sessions/${id}/media/X?other=a`)).body.code, 'invalid_request');
  assert.equal((await call('GET', `/v1/sessions/${randomUUID()}/media/X`)).body.code, 'session_not_found');
});

test('unknown fields, wrong types and large bodies are refused', async (t) => {
  const { call, id, start } = await setUp(t);
  await start();
  const good = { id: messageId(), to: TO, type: 'text', text: 'x' };
  const post = (body) => call('POST', `/v1/sessions/${id}/messages`, body);
  const wrong = [
    { ...good, extra: 1 },
    { ...good, text: 5 },
    { ...good, timeout_ms: '10' },
    { ...good, timeout_ms: 0 },
    { ...good, id: 'short' },
    { ...good, text: '' },
    { ...good, text: undefined },
    [],
  ];
  for (const body of wrong) {
    assert.equal((await post(body)).body.code, 'invalid_request', JSON.stringify(body));
  }
  assert.equal((await call('POST', `/v1/sessions/${id}/messages`, '{"id":', { 'content-type': 'application/json' })).status, 400);
  assert.equal((await call('POST', `/v1/sessions/${id}/messages`, 'x', { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post({ ...good, text: 'x'.repeat(1024 * 1024) })).body.code, 'body_too_large');
  assert.equal((await call('PUT', `/v1/sessions/${id}`, { engine: 'fake', x: 1 })).status, 400);
  assert.equal((await call('PUT', '/v1/sessions/no-uuid')).status, 400);
  assert.equal((await call('GET', '/v1/health?x=1')).status, 400);
  assert.equal((await call('PUT', `/v1/sessions/${randomUUID()}`, { engine: 'none' })).body.code, 'unknown_engine');
  assert.equal((await post({ ...good, type: 'poll' })).body.code, 'not_supported');
  const media = { id: 'f1', mime_type: 'image/png', size: 1, sha256: 'a'.repeat(64) };
  assert.equal((await post({ ...good, type: 'image', media })).body.code, 'not_supported');
  assert.equal((await post({ ...good, media })).body.code, 'invalid_request');
  assert.equal((await post({ ...good, type: 'image' })).body.code, 'invalid_request');
  assert.equal((await post({ ...good, type: 'voice', media })).body.code, 'invalid_request');
  assert.equal((await post({ ...good, type: 'image', media: { ...media, sha256: 'x' } })).body.code, 'invalid_request');
});

test('sent means acknowledged; repeats cost nothing', async (t) => {
  const { send, start, engine } = await setUp(t);
  const link = await start();
  engine.onSend = async ({ id }) => link.handlers.onAck({ id, at: '2026-01-01T00:00:00.000Z' });
  const id = messageId();
  const answer = await send({ id });
  assert.deepEqual(answer.body, { whatsapp_id: id, status: 'sent', sent_at: '2026-01-01T00:00:00.000Z', chat: TO });
  assert.deepEqual((await send({ id })).body, answer.body);
  assert.equal(link.sent.length, 1);
});

test('no acknowledgement is a 504; the repeat waits on, or sends the same id again', async (t) => {
  const { send, start } = await setUp(t);
  const link = await start();
  const id = messageId();
  const late = await send({ id, timeout_ms: 50 });
  assert.equal(late.body.code, 'ack_timeout');
  assert.ok(late.headers['retry-after']);
  const waiting = send({ id });
  await eventually(() => link.sent.length, 'the send');
  link.handlers.onAck({ id, at: 'now' });
  assert.equal((await waiting).status, 200);
  assert.equal(link.sent.length, 1);
});

test('the connection is lost while waiting: 504, then the same id and content on the next', async (t) => {
  const { send, start, engine } = await setUp(t);
  const link = await start();
  const id = messageId();
  const waiting = send({ id, text: 'the text' });
  await eventually(() => link.sent.length, 'the send');
  link.handlers.onClose({ kind: 'network' });
  assert.equal((await waiting).body.code, 'ack_timeout');
  assert.equal((await send({ id })).body.code, 'session_unavailable');
  await eventually(() => engine.links.length === 2, 'another link');
  const next = engine.open();
  engine.onSend = async (message) => next.handlers.onAck({ id: message.id, at: 'now' });
  assert.equal((await send({ id, text: 'another text' })).status, 200);
  assert.deepEqual(next.sent.map(({ id: sent, message }) => [sent, message.toString()]), [[id, 'the text']]);
});

test('a refusal is final', async (t) => {
  const { send, start, engine } = await setUp(t);
  const link = await start();
  engine.onSend = async ({ id }) => link.handlers.onAck({ id, error: '463', at: 'now' });
  const id = messageId();
  for (let i = 0; i < 2; i += 1) {
    const answer = await send({ id });
    assert.equal(answer.body.code, 'rejected');
    assert.match(answer.body.detail, /463/);
  }
  assert.equal(link.sent.length, 1);
});

test('statuses only move forward; a receipt proves a lost acknowledgement', async (t) => {
  const { send, start, events } = await setUp(t);
  const link = await start();
  const id = messageId();
  const waiting = send({ id });
  await eventually(() => link.sent.length, 'the send');
  const receipt = (status) => link.handlers.onReceipt({ id, chat: '1@lid', status, at: 'now' });
  receipt('read');
  receipt('delivered');
  receipt('read');
  assert.equal((await waiting).status, 200);
  receipt('played');
  const statuses = (await events()).filter(({ type }) => type === 'message.status');
  assert.deepEqual(statuses.map(({ data }) => data.status), ['sent', 'read', 'played']);
  assert.ok(statuses.every(({ data }) => data.chat === TO));
});

test('numbers are asked for once, and the answer decides', async (t) => {
  const { call, send, start, engine, id } = await setUp(t);
  const link = await start();
  engine.numbers.set('4915122222222', null);
  assert.equal((await send({ id: messageId() })).body.code, 'not_on_whatsapp');
  assert.equal((await send({ id: messageId() })).body.code, 'not_on_whatsapp');
  assert.deepEqual(engine.asked, ['4915122222222']);
  assert.equal(link.sent.length, 0);
  // WhatsApp knows some numbers by another id than the one dialled.
  engine.numbers.set('5511999999999', '551199999999@s.whatsapp.net');
  engine.onSend = async (message) => link.handlers.onAck({ id: message.id, at: 'now' });
  assert.equal((await send({ id: messageId(), to: '5511999999999@s.whatsapp.net' })).body.chat, '551199999999@s.whatsapp.net');
  for (const to of ['120363000000000000@g.us', '123456789012345@lid']) {
    assert.equal((await send({ id: messageId(), to })).body.chat, to);
  }
  assert.equal(engine.asked.length, 2);
  assert.equal((await call('GET', `/v1/sessions/${id}/contacts/abc`)).body.code, 'invalid_recipient');
});

test('how a socket ends decides what comes next', async (t) => {
  const cases = [
    ['logged_out', 'disconnected', 'logged_out', 'session_not_linked'],
    ['banned', 'failed', 'banned', 'session_not_linked'],
    ['replaced', 'disconnected', 'replaced', 'session_unavailable'],
    ['incompatible', 'failed', 'incompatible', 'session_not_linked'],
    ['network', 'connecting', 'network', 'session_unavailable'],
    ['restart', 'connecting', 'restart', 'session_unavailable'],
  ];
  for (const [kind, status, reason, code] of cases) {
    await t.test(kind, async (sub) => {
      const { call, send, start, engine, id, events } = await setUp(sub);
      const link = await start();
      link.handlers.onClose({ kind });
      const { body } = await call('GET', `/v1/sessions/${id}`);
      assert.deepEqual([body.status, body.reason, body.connected_at], [status, reason, null]);
      assert.equal((await send({ id: messageId() })).body.code, code);
      const told = (await events()).filter(({ type }) => type === 'session.status').at(-1).data;
      assert.equal(told.reason, reason);
      assert.ok(!('qr_code' in told));
      if (status === 'connecting') {
        await eventually(() => engine.links.length === 2, 'it connects again');
      }
      assert.equal(engine.erased, kind === 'logged_out' ? 1 : 0);
      // What a dead link still says is not heard.
      link.handlers.onOpen({ phone: '+1', pushName: 'x' });
      assert.notEqual((await call('GET', `/v1/sessions/${id}`)).body.status, 'connected');
    });
  }
});

test('codes run out', async (t) => {
  const { call, engine, id } = await setUp(t);
  await call('PUT', `/v1/sessions/${id}`);
  await eventually(() => engine.links.length, 'a link');
  const [link] = engine.links;
  link.handlers.onQr({ code: 'first', expiresAt: 'soon' });
  link.handlers.onQr({ code: 'second', expiresAt: 'later' });
  let { body } = await call('GET', `/v1/sessions/${id}`);
  assert.deepEqual([body.status, body.qr_code, body.qr_expires_at], ['qr_pending', 'second', 'later']);
  link.handlers.onClose({ kind: 'qr_timeout' });
  ({ body } = await call('GET', `/v1/sessions/${id}`));
  assert.deepEqual([body.status, body.reason, body.qr_code], ['disconnected', 'qr_timeout', null]);
});

test('a full journal closes the sockets until there is room', async (t) => {
  const { call, start, engine, journal, id, events } = await setUp(t, { journalOptions: { maxBytes: 20000 } });
  const link = await start();
  for (let i = 0; !journal.full; i += 1) {
    link.handlers.onReceipt({ id: `unknown${i}`, chat: TO, status: 'read', at: 'now' });
  }
  assert.ok(link.ended);
  assert.equal((await call('GET', '/v1/health')).body.events_full, true);
  assert.equal((await call('GET', `/v1/sessions/${id}`)).body.status, 'connecting');
  await journal.ack((await events()).at(-1).seq);
  await eventually(() => engine.links.length === 2, 'it connects again');
});

test('the log is structured, and holds no number and no text', async (t) => {
  const { call, send, start, log, id } = await setUp(t);
  await start();
  await send({ id: messageId(), text: 'do not log me', timeout_ms: 1 });
  await call('GET', `/v1/sessions/${id}/contacts/+4915122222222`, undefined, { 'x-request-id': 'traced' });
  const lines = log().trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(lines.find((line) => line.request_id === 'traced' && line.status === 200));
  for (const secret of ['4915122222222', 'do not log me', SECRET]) {
    assert.ok(!log().includes(secret));
  }
  assert.equal(maskNumber('+4915122222222 and 12345'), '+491********22 and 12345');
  assert.ok(!maskText(`key ${'A'.repeat(44)}`).includes('AAAA'));
});

test('what is known about numbers is bounded', async () => {
  const cache = new LookupCache({ max: 2, missingMs: -1 });
  let asked = 0;
  const there = async () => {
    asked += 1;
    return 'jid';
  };
  for (const phone of ['1', '2', '1', '3', '1']) {
    await cache.get(phone, there);
  }
  assert.equal(asked, 3);
  await cache.get('2', there);
  assert.equal(asked, 4);
  await assert.rejects(cache.get('9', async () => Promise.reject(new Error('no answer'))));
  assert.equal(await cache.get('9', there), 'jid');
});

test('a doubtful environment keeps the bridge from starting', async (t) => {
  const { writeFileSync } = await import('node:fs');
  const dir = temporaryDirectory(t);
  const file = (name, text) => {
    writeFileSync(join(dir, name), text);
    return join(dir, name);
  };
  const good = {
    BRIDGE_SECRET_FILE: file('secret', SECRET),
    BRIDGE_INTERNAL_URL: 'http://127.0.0.1:1/internal/v1/',
    BRIDGE_INTERNAL_SECRET_FILE: file('events', SECRET),
    BRIDGE_MASTER_KEY_FILE: file('key', 'a'.repeat(64)),
    BRIDGE_DATA_DIR: dir,
  };
  assert.deepEqual(readEnv(good).listen, { host: '127.0.0.1', port: 8082 });
  assert.equal(readEnv({ ...good, BRIDGE_MODE: 'live' }).waUrl, null);
  assert.equal(readEnv(good).internalUrl, 'http://127.0.0.1:1/internal/v1');
  const bad = [
    { BRIDGE_WA_URL: 'ws://10.0.0.1/ws' },
    { BRIDGE_WA_URL: 'ws://127.0.0.1.example.com/ws' },
    { BRIDGE_WA_URL: 'wss://web.whatsapp.com/ws/chat' },
    { BRIDGE_WA_URL: 'ws://127.0.0.1:8083/ws/chat', BRIDGE_MODE: 'live' },
    { BRIDGE_MODE: 'test' },
    { BRIDGE_MASTER_KEY_FILE: file('short', 'abc') },
    { BRIDGE_SECRET_FILE: file('weak', 'weak') },
    { BRIDGE_SECRET_FILE: join(dir, 'missing') },
    { BRIDGE_INTERNAL_URL: '' },
    { BRIDGE_LISTEN: 'nowhere' },
    { LOG_LEVEL: 'loud' },
    { BRIDGE_DATA_DIR: '' },
    { NODE_TLS_REJECT_UNAUTHORIZED: '0' },
    { NODE_EXTRA_CA_CERTS: file('ca.pem', ''), BRIDGE_MODE: 'live' },
  ];
  for (const change of bad) {
    assert.throws(() => readEnv({ ...good, ...change }), EnvError, JSON.stringify(change));
  }
});
