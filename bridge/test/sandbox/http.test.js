import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import WebSocket from 'ws';
import { parseListen } from '../../sandbox/http/guard.js';
import { SandboxProcess, sandbox, tempDir, within } from './harness.js';

const problemOf = ({ status, type, body }) => {
  assert.match(type, /^application\/problem\+json/);
  assert.equal(body.status, status);
  return [status, body.code];
};

test('phones are created, listed, removed', async (t) => {
  const s = await sandbox(t);
  assert.deepEqual(await s.ok('GET', '/health'), { status: 'ok' });
  const { status, body } = await s.call('POST', '/phones', { number: '+491700000001', name: 'Ännä 😀' });
  assert.equal(status, 201);
  assert.deepEqual({ ...body, id: 0, created_at: 0 }, { id: 0, number: '+491700000001', name: 'Ännä 😀', online: true, linked_devices: [], created_at: 0 });
  assert.deepEqual(await s.ok('GET', '/phones'), [body]);
  assert.deepEqual(await s.ok('GET', `/phones/${body.id}`), body);
  assert.deepEqual(await s.ok('GET', `/phones/${encodeURIComponent(body.number)}`), body);
  assert.deepEqual(problemOf(await s.call('POST', '/phones', { number: '+491700000001', name: 'x' })), [409, 'number_taken']);
  assert.equal((await s.call('DELETE', `/phones/${body.id}`)).status, 204);
  assert.deepEqual(await s.ok('GET', '/phones'), []);
});

test('bad requests get a problem document', async (t) => {
  const s = await sandbox(t);
  const { id } = await s.phone('+491700000001');
  const at = `/phones/${id}`;
  const cases = [
    ['POST', '/phones', { number: '491700000002', name: 'x' }, 422, 'number_invalid'],
    ['POST', '/phones', { number: '+0123456789', name: 'x' }, 422, 'number_invalid'],
    ['POST', '/phones', { number: '+4917000000021234', name: 'x' }, 422, 'number_invalid'],
    ['POST', '/phones', { number: '+491700000002' }, 400, 'invalid_request'],
    ['POST', '/phones', { number: 491700000002, name: 'x' }, 400, 'invalid_request'],
    ['POST', '/phones', { number: '+491700000002', name: '' }, 400, 'invalid_request'],
    ['POST', '/phones', { number: '+491700000002', name: 'x', admin: true }, 400, 'invalid_request'],
    ['POST', '/phones', [], 400, 'invalid_request'],
    ['POST', '/phones', { number: '+491700000002', name: '\ud800' }, 422, 'text_invalid'],
    ['GET', '/phones/nobody', undefined, 404, 'phone_not_found'],
    ['GET', '/phones/__proto__', undefined, 404, 'phone_not_found'],
    ['GET', '/nothing', undefined, 404, 'not_found'],
    ['PUT', '/phones', {}, 405, 'method_not_allowed'],
    ['PATCH', at, {}, 405, 'method_not_allowed'],
    ['POST', `${at}/send`, { to: '123', text: 'x' }, 422, 'number_invalid'],
    ['POST', `${at}/send`, { to: '+491700000001', text: '' }, 400, 'invalid_request'],
    ['POST', `${at}/send`, { to: '+491700000001', text: 'x'.repeat(65537) }, 400, 'invalid_request'],
    ['POST', `${at}/send`, { to: '+491700000001', text: '\udc00' }, 422, 'text_invalid'],
    ['POST', `${at}/send`, { to: '+491700000001', text: 'x'.repeat(2 ** 20) }, 413, 'body_too_large'],
    ['POST', `${at}/read`, { message_id: 'none' }, 404, 'message_not_found'],
    ['POST', `${at}/read`, {}, 400, 'invalid_request'],
    ['POST', `${at}/online`, { online: 'yes' }, 400, 'invalid_request'],
    ['POST', `${at}/unlink`, { device_id: 7 }, 404, 'device_not_found'],
    ['POST', `${at}/unlink`, { device_id: 'all' }, 400, 'invalid_request'],
    ['GET', '/log?limit=x', undefined, 400, 'invalid_request'],
    ['POST', '/faults', { explode: true }, 400, 'invalid_request'],
  ];
  for (const [method, url, body, status, code] of cases) {
    assert.deepEqual(problemOf(await s.call(method, url, body)), [status, code], `${method} ${url}`);
  }
  assert.equal((await s.call('PUT', '/phones', {})).headers.get('allow').split(', ').includes('POST'), true);
  for (const [type, body, status] of [['text/plain', '{}', 415], ['application/json', '{', 400], ['application/json', '', 400]]) {
    const r = await fetch(`${s.url}/phones`, { method: 'POST', headers: { 'content-type': type }, body });
    assert.equal(r.status, status, type);
  }
  assert.deepEqual(await s.ok('POST', `${at}/unlink`), { unlinked: [] });
});

test('lists can be cut', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  for (const text of ['a', 'b', 'c']) await s.ok('POST', `/phones/${anna.id}/send`, { to: ben.number, text });
  const texts = async (query) => (await s.ok('GET', `/phones/${anna.id}/messages${query}`)).map((m) => m.text);
  assert.deepEqual(await texts(''), ['a', 'b', 'c']);
  assert.deepEqual(await texts('?limit=2'), ['b', 'c']);
  assert.deepEqual(await texts(`?chat=${encodeURIComponent(ben.number)}`), ['a', 'b', 'c']);
  assert.deepEqual(await texts('?chat=%2B491'), []);
  const all = await s.ok('GET', '/log');
  assert.deepEqual(await s.ok('GET', `/log?after=${all[1].seq}&limit=1`), all.slice(2, 3));
});

test('other sites and other host names are turned away', async (t) => {
  const s = await sandbox(t);
  const { port } = new URL(s.url);
  const raw = (headers) => new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/phones', headers }, (r) => { r.resume(); resolve(r.statusCode); }).on('error', reject).end();
  });
  assert.equal(await raw({ host: `rebound.example:${port}` }), 403);
  assert.equal(await raw({ host: `127.0.0.1.example:${port}` }), 403);
  assert.equal(await raw({ host: `localhost:${port}` }), 200);
  assert.equal(await raw({ origin: 'https://example.org' }), 403);
  assert.equal(await raw({ 'sec-fetch-site': 'cross-site' }), 403);
  assert.equal(await raw({ origin: s.url, 'sec-fetch-site': 'same-origin' }), 200);

  const upgrade = (url, headers) => within(new Promise((resolve) => {
    const ws = new WebSocket(url, { headers });
    ws.on('open', () => { ws.terminate(); resolve('open'); });
    ws.on('error', () => resolve('refused'));
  }), 'the upgrade');
  assert.equal(await upgrade(s.socketUrl, { host: 'rebound.example' }), 'refused');
  assert.equal(await upgrade(s.socketUrl.replace('/ws/chat', '/other')), 'refused');
  assert.equal(await upgrade(s.socketUrl), 'open');
});

test('nonsense on the socket closes the socket and nothing else', async (t) => {
  const s = await sandbox(t);
  for (const bytes of [Buffer.from('GET / HTTP/1.1'), Buffer.from([0x57, 0x41, 6, 3, 0, 0, 3, 1, 2, 3]), Buffer.from([0x57, 0x41, 6, 3, 255, 255, 255]),
    Buffer.from('ED'), Buffer.alloc(100)]) {
    const ws = new WebSocket(s.socketUrl);
    const closed = new Promise((resolve) => { ws.on('close', resolve); });
    ws.on('error', () => {});
    ws.on('open', () => {
      ws.send(bytes);
      if (bytes.length === 2) ws.close();
    });
    await within(closed, 'the socket is closed');
  }
  assert.equal((await s.call('GET', '/health')).status, 200);
});

test('it listens on loopback only', async () => {
  for (const bad of ['0.0.0.0:1', ':80', '[::]:80', '10.0.0.1:80', 'example.org:80', '127.0.0.1', '127.0.0.1:99999', '127.0.0.1.example:1', '']) {
    assert.throws(() => parseListen(bad), undefined, bad);
  }
  assert.deepEqual(parseListen('127.0.0.1:8083'), { host: '127.0.0.1', port: 8083 });
  assert.deepEqual(parseListen('[::1]:0'), { host: '::1', port: 0 });
  assert.deepEqual(parseListen('localhost:1'), { host: 'localhost', port: 1 });
  const s = new SandboxProcess(tempDir());
  s.listen = '0.0.0.0:0';
  await assert.rejects(s.start(), /ended with 1/);
});

test('a data directory belongs to one sandbox', async (t) => {
  const s = await sandbox(t);
  const second = new SandboxProcess(s.dataDir);
  await assert.rejects(second.start(), /ended with 1/);
  assert.match(second.lines.at(-1), /another sandbox uses/);
  await s.kill();
  await second.start();
  await second.events;
  await second.kill();
});

test('the page is served with a strict policy', async (t) => {
  const s = await sandbox(t);
  const r = await fetch(`${s.url}/`);
  assert.equal(r.status, 200);
  assert.match(r.headers.get('content-security-policy'), /default-src 'none'/);
  const html = await r.text();
  assert.doesNotMatch(html, /<script(?![^>]*src=)/);
  assert.doesNotMatch(html, / on\w+=/);
  for (const [, src] of html.matchAll(/(?:src|href)="(\/[^"]+)"/g)) assert.equal((await fetch(s.url + src)).status, 200, src);
  assert.equal((await fetch(`${s.url}/page/..%2fserver.js`)).status, 404);
});
