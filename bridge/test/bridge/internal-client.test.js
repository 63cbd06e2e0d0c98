/**
 * Posts to the module.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { InternalClient } from '../../src/internal-client.js';
import { atEnd } from './lib/processes.js';

/** A server that does as `answer` says; notes what came. */
async function setUp(t, answer) {
  const came = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      came.push({ url: request.url, method: request.method, headers: request.headers, port: request.socket.remotePort, body: JSON.parse(body) });
      answer(response, request, came.length);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const client = new InternalClient({ url: `http://127.0.0.1:${server.address().port}/internal/v1`, secret: 'the secret' });
  return { client, came };
}

const OPTIONS = { timeoutMs: 10000 };

test('JSON with the secret, one after the other by one connection', async (t) => {
  const { client, came } = await setUp(t, (response) => response.end('a ✓'));
  for (let i = 0; i < 3; i += 1) {
    assert.deepEqual(await client.post('/events', { text: 'ü ✓' }, OPTIONS), { status: 200, text: 'a ✓' });
  }
  assert.deepEqual([came[0].url, came[0].method, came[0].headers.authorization, came[0].headers['content-type']], ['/internal/v1/events', 'POST', 'Bearer the secret', 'application/json']);
  assert.deepEqual(came.map(({ body }) => body.text), ['ü ✓', 'ü ✓', 'ü ✓']);
  assert.equal(new Set(came.map(({ port }) => port)).size, 1);
});

test('a kept connection that has just ended is no failure', async (t) => {
  const { client, came } = await setUp(t, (response, request, n) => (n === 2 ? request.socket.resetAndDestroy() : response.end('{}')));
  await client.post('/events', {}, OPTIONS);
  assert.equal((await client.post('/events', {}, OPTIONS)).status, 200);
  assert.equal(came.length, 3);
});

test('a new connection that ends is one', async (t) => {
  const { client, came } = await setUp(t, (response, request) => request.socket.resetAndDestroy());
  await assert.rejects(client.post('/events', {}, OPTIONS), { code: 'ECONNRESET' });
  assert.equal(came.length, 1);
});

test('other answers are answers, a redirect too', async (t) => {
  const { client, came } = await setUp(t, (response) => response.writeHead(307, { location: '/elsewhere' }).end());
  assert.equal((await client.post('/events', {}, OPTIONS)).status, 307);
  assert.equal(came.length, 1);
});

test('who does not answer, or not to the end, is not waited for', async (t) => {
  const { client } = await setUp(t, (response, request) => (request.url.endsWith('/half') ? response.write('half') : null));
  for (const path of ['/none', '/half']) {
    await assert.rejects(client.post(path, {}, { timeoutMs: 50 }), /did not answer|aborted/);
  }
  const end = new AbortController();
  const waiting = client.post('/none', {}, { ...OPTIONS, signal: end.signal });
  end.abort();
  await assert.rejects(waiting, { name: 'AbortError' });
});
