/**
 * Files with the engine baileys: what passes, what it costs, what a crash leaves.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { addressOf } from '../../src/engines/baileys/hosts.js';
import { cleanFileName, cleanMimeType } from '../../src/media/names.js';
import { OggClock } from '../../src/media/ogg.js';
import { mediaBothWays, oggOf, PNG, sha256 } from './lib/media-flow.js';
import { linkedPair } from './lib/pair.js';
import { messageId } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const MIB = 1024 * 1024;

test('files and changes both ways, baileys', (t) => mediaBothWays(t, { engine: 'baileys' }));

const rss = (pid) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024;

test('a file of 64 MiB passes in pieces, both ways', async (t) => {
  const { module, bridge, friend, id } = await linkedPair(t, 'baileys');
  const { pid } = bridge.child.process;
  const send = (bytes) =>
    bridge.send(id, {
      id: messageId(), to: friend.jid, type: 'document', text: undefined, timeout_ms: 60000, media: module.file(bytes, 'application/x-tar', { file_name: 'a.tar' }),
    });
  assert.equal((await send(randomBytes(MIB))).status, 200);
  const before = rss(pid);
  let most = before;
  const watch = setInterval(() => {
    most = Math.max(most, rss(pid));
  }, 20);
  const bytes = randomBytes(64 * MIB);
  const answer = await send(bytes);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(sha256(await friend.file(answer.body.whatsapp_id)), sha256(bytes));
  const sent = await friend.sendFile('+4915111111111', bytes, 'application/x-tar', { type: 'document', file_name: 'b.tar' });
  await module.event('message.inbound', (data) => data.whatsapp_id === sent.id);
  assert.equal(sha256((await bridge.fetchFile(id, sent.id)).bytes), sha256(bytes));
  clearInterval(watch);
  t.diagnostic(`resident: ${Math.round(before)} MiB before, ${Math.round(most)} MiB at most`);
  // Buffers that are not collected yet count too; file and ciphertext held as a whole would be 128 MiB.
  assert.ok(most - before < 110, `${Math.round(before)} MiB before, ${Math.round(most)} MiB at most`);
  await eventually(() => readdirSync(join(bridge.dataDir, 'sessions', id, 'media-tmp')).length === 0, 'nothing is left on disk');
});

test('a bridge that was killed sends the file once, and still finds files it was told of', async (t) => {
  const { sandbox, module, bridge, friend, id } = await linkedPair(t, 'baileys');
  const received = await friend.sendFile('+4915111111111', PNG, 'image/png', { type: 'image', caption: 'hidden words' });
  await module.event('message.inbound', (data) => data.whatsapp_id === received.id);
  await sandbox.faults({ drop_acks: 1 });
  const message = { id: messageId(), to: friend.jid, type: 'image', text: 'once', media: module.file(PNG, 'image/png'), timeout_ms: 60000 };
  await friend.online(false);
  const first = bridge.send(id, message).catch(() => null);
  await eventually(async () => (await sandbox.log()).some((entry) => entry.id === message.id), 'it has left');
  await bridge.kill('SIGKILL');
  await first;
  const from = module.events.items.length;
  await bridge.start();
  await bridge.connected(id, from);
  const again = await bridge.send(id, message);
  assert.equal(again.status, 200, JSON.stringify(again.body));
  await friend.online(true);
  assert.equal(sha256(await friend.file(message.id)), sha256(PNG));
  assert.equal((await friend.received()).filter((m) => m.id === message.id).length, 1);
  assert.equal(sha256((await bridge.fetchFile(id, received.id)).bytes), sha256(PNG));
  const dir = join(bridge.dataDir, 'sessions', id, 'media');
  for (const name of readdirSync(dir)) {
    const raw = readFileSync(join(dir, name));
    assert.ok(!raw.includes('mediaKey') && !raw.includes(received.id), name);
  }
});

test('a file that the media host has lost is asked of the phone', async (t) => {
  const { sandbox, module, bridge, own, friend, id } = await linkedPair(t, 'baileys');
  const bytes = randomBytes(300000);
  const received = async () => {
    const sent = await friend.sendFile('+4915111111111', bytes, 'application/zip', { type: 'document', file_name: 'a.zip' });
    await module.event('message.inbound', (data) => data.whatsapp_id === sent.id);
    await own.file(sent.id);
    return sent.id;
  };
  const fetched = async (message) => {
    const file = await bridge.fetchFile(id, message);
    return [file.status, file.status === 200 ? sha256(file.bytes) : JSON.parse(file.bytes).code];
  };
  const asked = async (message) => (await sandbox.log()).filter((entry) => entry.kind === 'receipt' && entry.type === 'server-error' && entry.id === message).length;
  const forget = () => sandbox.call('POST', '/media/forget');

  await t.test('and is there again, by one question for all who want it', async () => {
    const message = await received();
    assert.ok((await forget()).forgotten > 0);
    const all = await Promise.all([fetched(message), fetched(message), fetched(message)]);
    assert.deepEqual(all, Array(3).fill([200, sha256(bytes)]));
    assert.equal(await asked(message), 1);
    assert.deepEqual(await fetched(message), [200, sha256(bytes)]);
    assert.equal(await asked(message), 1, 'a file that is there is not asked for');
  });
  await t.test('one that the phone has not either is gone', async () => {
    const message = await received();
    await friend.remove(message);
    await module.event('message.inbound', (data) => data.type === 'deletion' && data.target_id === message);
    await eventually(async () => (await own.messages()).some((m) => m.id === message && m.deleted_at), 'deleted on the phone');
    await forget();
    assert.deepEqual(await fetched(message), [410, 'media_gone']);
    assert.equal(await asked(message), 1);
  });
  await t.test('a host that has it no sooner than before: gone', async () => {
    const message = await received();
    await sandbox.faults({ media: { gone: true } });
    assert.deepEqual(await fetched(message), [410, 'media_gone']);
    await sandbox.faults({ media: null });
  });
  await t.test('a phone that is away: not now, and later it is there', async () => {
    const message = await received();
    await forget();
    await own.online(false);
    assert.deepEqual(await fetched(message), [503, 'media_unavailable']);
    await own.online(true);
    await eventually(async () => (await fetched(message))[0] === 200, 'the file');
    assert.deepEqual(await fetched(message), [200, sha256(bytes)]);
  });
  await t.test('nor can a session that is stopped ask', async () => {
    const message = await received();
    await forget();
    await bridge.call('POST', `/v1/sessions/${id}/disconnect`);
    assert.deepEqual(await fetched(message), [503, 'media_unavailable']);
  });
});

test('only the media hosts of WhatsApp are asked for files', () => {
  const address = (file, sandbox = false) => addressOf(file, sandbox)?.href ?? null;
  assert.equal(address({ directPath: '/v/t62/x?ccb=1' }), 'https://mmg.whatsapp.net/v/t62/x?ccb=1');
  assert.equal(address({ url: 'https://media-fra3-1.cdn.whatsapp.net/v/x' }), 'https://media-fra3-1.cdn.whatsapp.net/v/x');
  for (const file of [
    { url: 'https://example.com/x' },
    { url: 'http://mmg.whatsapp.net/x' },
    { url: 'https://mmg.whatsapp.net:8443/x' },
    { url: 'https://mmg.whatsapp.net.example.com/x' },
    { url: 'https://127.0.0.1/x' },
    { directPath: '//example.com/x' },
    { directPath: 'https://example.com/x' },
    { directPath: '@example.com/x', url: 'https://mmg.whatsapp.net@example.com/' },
    {},
  ]) {
    const found = address(file);
    assert.ok(found === null || new URL(found).host === 'mmg.whatsapp.net', JSON.stringify(file));
  }
  assert.equal(address({ url: 'https://127.0.0.1:4433/v/x', directPath: '/v/x' }, true), 'https://127.0.0.1:4433/v/x');
  assert.equal(address({ url: 'https://mmg.whatsapp.net/v/x', directPath: '/v/x' }, true), null);
});

test('what senders say of their files is made fit to be handed on', () => {
  assert.equal(cleanMimeType('audio/ogg; codecs=opus'), 'audio/ogg; codecs=opus');
  for (const type of ['', undefined, 'text/html\r\nset-cookie: x', 'nonsense', `a/${'b'.repeat(200)}`]) {
    assert.equal(cleanMimeType(type), 'application/octet-stream');
  }
  assert.equal(cleanFileName('../../etc/passwd'), 'passwd');
  assert.equal(cleanFileName('a\u202efdp.exe\n'), 'afdp.exe');
  assert.equal(cleanFileName('\0'), undefined);
  assert.equal(cleanFileName(undefined), undefined);
  assert.equal([...cleanFileName('😀'.repeat(300))].length, 255);
});

test('the length of a voice message is in its last page', () => {
  const clock = new OggClock();
  const bytes = Buffer.concat([oggOf(1), randomBytes(200000), oggOf(12)]);
  for (let at = 0; at < bytes.length; at += 1000) {
    clock.add(bytes.subarray(at, at + 1000));
  }
  assert.equal(clock.seconds, 12);
  const other = new OggClock();
  other.add(Buffer.alloc(10));
  assert.equal(other.seconds, undefined);
});
