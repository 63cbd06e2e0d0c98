/** Files: the media host by itself, and the unmodified client's against it. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { Blobs } from '../../sandbox/lib/blobs.js';
import { baileys, linked, sandbox, tempDir } from './harness.js';

const sha256 = (bytes, encoding = 'hex') => createHash('sha256').update(bytes).digest(encoding);
const jid = (phone) => `${phone.number.slice(1)}@s.whatsapp.net`;

/** Two phones; the first has a device that trusts the sandbox's authority. */
async function setUp(t) {
  const s = await sandbox(t);
  const ca = readFileSync(path.join(s.dataDir, 'ca.pem'));
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna, { fetchAgent: new Agent({ ca }) });
  return { s, ca, anna, ben, device };
}

async function ask(url, { ca, method = 'GET', headers = {}, body } = {}) {
  const request = httpsRequest(url, { ca, method, headers });
  request.end(body);
  const [response] = await once(request, 'response');
  const chunks = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) };
}

test('the media host takes ciphertext by its hash and gives it back, whole or in part', async (t) => {
  const { s, ca, device } = await setUp(t);
  const { auth, hosts: [{ hostname }] } = await device.sock.refreshMediaConn(true);
  const body = randomBytes(5000);
  const name = sha256(body, 'base64url');
  const put = (fields) => ask(`https://${hostname}/mms/image/${fields.name ?? name}?auth=${fields.auth ?? auth}&token=x`, { ca, method: 'POST', body: fields.body ?? body });
  await assert.rejects(ask(`https://${hostname}/v/${name}.enc`), { code: /SELF_SIGNED|UNABLE_TO_VERIFY/ }, 'nobody trusts it by chance');
  assert.equal((await put({ auth: 'wrong' })).status, 401);
  assert.equal((await put({ body: randomBytes(10) })).status, 400);
  assert.equal((await put({ name: 'x' })).status, 404);
  const answer = await put({});
  assert.equal(answer.status, 200);
  const { url, direct_path: direct } = JSON.parse(answer.body);
  assert.equal(url, `https://${hostname}${direct}`);
  assert.deepEqual((await ask(url, { ca })).body, body);
  const part = await ask(url, { ca, headers: { range: 'bytes=100-199' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], 'bytes 100-199/5000');
  assert.deepEqual(part.body, body.subarray(100, 200));
  assert.deepEqual((await ask(url, { ca, headers: { range: 'bytes=4990-' } })).body, body.subarray(4990));
  assert.equal((await ask(url, { ca, headers: { range: 'bytes=5000-' } })).status, 416);
  assert.equal((await ask(`https://${hostname}/v/${'a'.repeat(43)}.enc`, { ca })).status, 404);
  assert.equal((await ask(`https://${hostname}/v/..%2f..%2fca.pem`, { ca })).status, 404);
  await s.kill();
  await s.start();
  assert.deepEqual((await ask(url, { ca })).body, body, 'at the same address after a restart, under the same authority');
});

test('what the client encrypts a phone can read, and the host can not', async (t) => {
  const { s, ben, device } = await setUp(t);
  const bytes = Buffer.from('a text that nobody but the phones may read, again and again. '.repeat(5000));
  const id = '3EB0AAAAAAAAAAAAAAAA';
  const ack = device.wait('ack', (i) => i === id);
  await device.sock.sendMessage(jid(ben), { document: bytes, fileName: 'a.txt', mimetype: 'text/plain', caption: 'read this' }, { messageId: id });
  await ack;
  const message = await s.message(ben, (m) => m.id === id && m.media?.state !== 'loading');
  assert.deepEqual(message.media, { mime_type: 'text/plain', size: bytes.length, sha256: sha256(bytes), file_name: 'a.txt', state: 'ready' });
  assert.equal(message.text, 'read this');
  const file = await fetch(`${s.url}/phones/${ben.id}/messages/${id}/file`);
  assert.equal(file.headers.get('content-disposition'), "attachment; filename*=UTF-8''a.txt");
  assert.equal(file.headers.get('content-type'), 'application/octet-stream');
  assert.deepEqual(Buffer.from(await file.arrayBuffer()), bytes);
  const stored = path.join(s.dataDir, 'server', 'media');
  assert.equal(readdirSync(stored).length, 1);
  assert.ok(readdirSync(stored).every((name) => !readFileSync(path.join(stored, name)).includes('nobody')));
  assert.equal((await fetch(`${s.url}/phones/${ben.id}/messages/none/file`)).status, 404);
  await s.ok('POST', '/faults', { media: { corrupt: true } });
  const other = '3EB0BBBBBBBBBBBBBBBB';
  await device.sock.sendMessage(jid(ben), { image: randomBytes(100), mimetype: 'image/png', jpegThumbnail: '' }, { messageId: other });
  const damaged = await s.message(ben, (m) => m.id === other && m.media?.state !== 'loading');
  assert.equal(damaged.media.state, 'failed');
  assert.match(damaged.media.reason, /not the file/);
  assert.deepEqual((await s.ok('GET', '/stats')).unhandled, {});
});

test('what a phone encrypts the client can read', async (t) => {
  const { s, ca, anna, ben, device } = await setUp(t);
  const bytes = randomBytes(100_001);
  const query = new URLSearchParams({ to: anna.number, type: 'image', caption: 'see' });
  const sent = await (await fetch(`${s.url}/phones/${ben.id}/files?${query}`, { method: 'POST', headers: { 'content-type': 'image/png' }, body: bytes })).json();
  const fits = (m) => m.key.id === sent.id;
  const got = device.received.find(fits) ?? (await device.wait('message', fits))[0];
  const { imageMessage: image } = got.message;
  assert.equal(image.caption, 'see');
  const { body } = await ask(image.url, { ca });
  assert.equal(sha256(body, 'base64'), Buffer.from(image.fileEncSha256).toString('base64'));
  const { cipherKey, iv } = await baileys.getMediaKeys(image.mediaKey, 'image');
  assert.deepEqual(baileys.aesDecryptWithIV(body.subarray(0, -10), cipherKey, iv), bytes);
  const empty = await fetch(`${s.url}/phones/${ben.id}/files?${query}`, { method: 'POST', headers: { 'content-type': 'image/png' }, body: '' });
  assert.equal(empty.status, 422);
});

test('a device edits, deletes and reacts; only to what is its own may it do more', async (t) => {
  const { s, anna, ben, device } = await setUp(t);
  const id = await device.send(ben.number, 'first');
  const key = { remoteJid: jid(ben), fromMe: true, id };
  await device.sock.sendMessage(jid(ben), { text: 'second', edit: key });
  const edited = await s.message(ben, (m) => m.id === id && m.text === 'second');
  assert.ok(edited.edited_at);
  await s.message(anna, (m) => m.id === id && m.text === 'second', 'the own phone shows it too');
  const own = await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'of Ben', quote: id });
  assert.equal(own.quoted_id, id);
  await device.text('of Ben');
  await device.sock.sendMessage(jid(ben), { react: { text: '❤️', key: { remoteJid: jid(ben), fromMe: false, id: own.id } } });
  const loved = await s.message(ben, (m) => m.id === own.id && m.reactions?.length);
  assert.deepEqual(loved.reactions, [{ from: anna.number, text: '❤️' }]);
  await device.sock.sendMessage(jid(ben), { delete: { remoteJid: jid(ben), fromMe: true, id: own.id } });
  await device.sock.sendMessage(jid(ben), { delete: key });
  const gone = await s.message(ben, (m) => m.id === id && m.deleted_at);
  assert.equal(gone.text, '');
  const kept = (await s.messages(ben)).find((m) => m.id === own.id);
  assert.equal(kept.text, 'of Ben', 'another one\'s message stays');
  for (const [path_, body, code] of [
    ['edit', { message_id: id, text: 'x' }, 'message_not_found'],
    ['delete', { message_id: 'none' }, 'message_not_found'],
    ['react', { message_id: own.id }, 'invalid_request'],
  ]) {
    assert.equal((await s.call('POST', `/phones/${ben.id}/${path_}`, body)).body.code, code, path_);
  }
  const fromAnna = await device.send(ben.number, 'third');
  await s.message(ben, (m) => m.id === fromAnna);
  assert.equal((await s.call('POST', `/phones/${ben.id}/edit`, { message_id: fromAnna, text: 'x' })).body.code, 'not_yours');
  await s.kill();
  await s.start();
  const after = await s.messages(ben);
  assert.ok(after.find((m) => m.id === id).deleted_at);
  assert.deepEqual(after.find((m) => m.id === own.id).reactions, loved.reactions);
});

test('a directory of files keeps to its bounds', async (t) => {
  const dir = path.join(tempDir(), 'files');
  const bounds = { fileBytes: 100, totalBytes: 250, keepMs: 60_000 };
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, 'a.1.tmp'), 'what a crash left');
  let blobs = new Blobs(dir, bounds);
  t.after(() => blobs.close());
  assert.ok(!existsSync(path.join(dir, 'a.1.tmp')));
  for (let i = 0; i < 50; i++) {
    await assert.rejects(blobs.put('large', [Buffer.alloc(60), Buffer.alloc(60)]), { code: 'too_large' });
  }
  await assert.rejects(blobs.put('../x', [Buffer.alloc(1)]));
  assert.equal(await blobs.put('bad', [Buffer.alloc(1)], () => false), false);
  assert.deepEqual(readdirSync(dir), []);
  for (const name of ['one', 'two', 'three']) assert.ok(await blobs.put(name, [Buffer.alloc(100)]));
  assert.equal(blobs.find('one'), null, 'the oldest went');
  assert.equal(blobs.find('three').size, 100);
  blobs.close();
  blobs = new Blobs(dir, bounds);
  assert.equal(blobs.find('two').size, 100, 'it is there after a restart');
  blobs.sweep(Date.now() + 61_000);
  assert.deepEqual(readdirSync(dir), []);
});
