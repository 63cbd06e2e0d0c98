/**
 * What everything durable stands on: record logs, durable maps, sealed files, the directory lock.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { deriveKey, open, seal } from '../../src/crypto.js';
import { MediaLog } from '../../src/sessions/media-log.js';
import { SentLog } from '../../src/sessions/sent-log.js';
import { DurableMap } from '../../src/storage/durable-map.js';
import { readSealed, replaceFile, writeSealed, writeStream } from '../../src/storage/files.js';
import { lockDirectory } from '../../src/storage/lock.js';
import { RecordLog } from '../../src/storage/record-log.js';
import { temporaryDirectory } from './lib/processes.js';

const master = randomBytes(32);
const NAME = 'session x keys';

async function readBack(path, options = {}) {
  const records = [];
  const log = await RecordLog.open(path, { master, name: NAME, onRecord: (plain) => records.push(plain.toString()), ...options });
  return { log, records };
}

async function written(t, texts) {
  const path = join(temporaryDirectory(t), 'x.log');
  const log = await RecordLog.open(path, { master, name: NAME });
  const places = texts.map((text) => log.append(Buffer.from(text)));
  await log.flush();
  await log.close();
  return { path, places };
}

test('a file whose stream fails at once can be removed, and stays so', async (t) => {
  const dir = temporaryDirectory(t);
  async function* failing() {
    yield Buffer.alloc(1);
    throw new Error('the source is gone');
  }
  for (let i = 0; i < 50; i++) {
    const path = join(dir, `${i}`);
    await assert.rejects(writeStream(path, failing()), /the source is gone/);
    rmSync(path);
  }
  await assert.rejects(writeStream(dir, [Buffer.alloc(1)]), { code: 'EEXIST' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(readdirSync(dir), []);
  await writeStream(join(dir, 'whole'), [Buffer.from('a'), Buffer.from('b')]);
  assert.equal(readFileSync(join(dir, 'whole'), 'utf8'), 'ab');
});

test('a file that can not be replaced leaves nothing of the new one', async (t) => {
  const dir = temporaryDirectory(t);
  mkdirSync(join(dir, 'acked'));
  await assert.rejects(replaceFile(join(dir, 'acked'), '1', { durable: false }), { code: 'EISDIR' });
  assert.deepEqual(readdirSync(dir), ['acked']);
});

test('sealed data opens only as it was sealed', () => {
  const key = deriveKey(master, randomBytes(16), 'a');
  const sealed = seal(key, 'name', Buffer.from('secret'));
  assert.equal(open(key, 'name', sealed).toString(), 'secret');
  assert.ok(!sealed.includes('secret'));
  assert.throws(() => open(key, 'other', sealed));
  assert.throws(() => open(deriveKey(master, randomBytes(16), 'a'), 'name', sealed));
  sealed[20] ^= 1;
  assert.throws(() => open(key, 'name', sealed));
});

test('records come back in order; nothing readable is on disk', async (t) => {
  const texts = Array.from({ length: 500 }, (_, i) => `record ${i} ${'x'.repeat(i)}`);
  const { path } = await written(t, texts);
  const { log, records } = await readBack(path);
  assert.deepEqual(records, texts);
  assert.ok(!readFileSync(path).includes('record 1'));
  await log.close();
});

test('a record that a crash cut off is dropped, wherever it was cut', async (t) => {
  const { path, places } = await written(t, ['one', 'two', 'three']);
  const whole = readFileSync(path);
  for (let size = places[2].offset; size < whole.length; size += 1) {
    writeFileSync(path, whole.subarray(0, size));
    const { log, records } = await readBack(path);
    assert.deepEqual(records, ['one', 'two']);
    log.append(Buffer.from('four'));
    await log.flush();
    await log.close();
    const after = await readBack(path);
    assert.deepEqual(after.records, ['one', 'two', 'four']);
    await after.log.close();
  }
});

test('zeros at the end, as a power cut leaves them, are dropped', async (t) => {
  const { path } = await written(t, ['one']);
  appendFileSync(path, Buffer.alloc(4096));
  const { log, records } = await readBack(path);
  assert.deepEqual(records, ['one']);
  await log.close();
});

test('damage before the end and another key are errors, and the file stays', async (t) => {
  const { path, places } = await written(t, ['one', 'two', 'three']);
  const size = statSync(path).size;
  await assert.rejects(readBack(path, { master: randomBytes(32) }), /another master key/);
  await assert.rejects(readBack(path, { name: 'session y keys' }), /another master key/);
  const bytes = readFileSync(path);
  bytes[places[1].offset + 10] ^= 1;
  writeFileSync(path, bytes);
  await assert.rejects(readBack(path), /damaged record/);
  assert.equal(statSync(path).size, size);
});

test('a file that is no log is not touched', async (t) => {
  const path = join(temporaryDirectory(t), 'x.log');
  writeFileSync(path, 'something else entirely, long enough for a header');
  await assert.rejects(readBack(path), /not a log/);
  truncateSync(path, 3);
  await assert.rejects(readBack(path), /not a log/);
});

test('a log that is thrown away keeps nobody waiting', async (t) => {
  const log = await RecordLog.create(join(temporaryDirectory(t), 'log'), { master, name: 'thrown away' });
  log.append(Buffer.from('written'));
  await log.flush();
  log.append(Buffer.from('not written yet'));
  const gone = log.destroy();
  await Promise.race([log.flush(), new Promise((_, reject) => setTimeout(reject, 20000, new Error('still waiting')).unref())]);
  await gone;
  await log.flush();
});

test('one flush serves all that was appended before it', async (t) => {
  const log = await RecordLog.open(join(temporaryDirectory(t), 'x.log'), { master, name: NAME });
  for (let i = 0; i < 1000; i += 1) {
    log.append(Buffer.from(`${i}`));
  }
  assert.ok(!log.settled);
  await log.flush();
  assert.ok(log.settled);
  assert.deepEqual((await log.read(32, log.size - 32)).map(String), Array.from({ length: 1000 }, (_, i) => `${i}`));
  await log.close();
});

test('a map is what was last applied, also after many changes and a compaction', async (t) => {
  const path = join(temporaryDirectory(t), 'map.log');
  const options = { master, name: NAME };
  let map = await DurableMap.open(path, options);
  const value = 'v'.repeat(1000);
  let largest = 0;
  for (let i = 0; i < 6000; i += 1) {
    map.apply([
      [`key ${i % 50}`, `${value}${i}`],
      ['both', `${i}`],
    ]);
    if (i % 100 === 0) {
      await map.flush();
      largest = Math.max(largest, map.fileBytes);
    }
  }
  map.apply([['key 7', null]]);
  await map.flush();
  await map.close();
  assert.ok(largest < 4 * 1024 * 1024, `${largest} bytes for 50 KB`);
  map = await DurableMap.open(path, options);
  assert.equal(map.size, 50);
  assert.equal(map.get('both'), '5999');
  assert.equal(map.get('key 7'), undefined);
  assert.equal(map.get('key 49'), `${value}5999`);
  await map.erase();
  assert.equal(map.size, 0);
  map.apply([['new', '1']]);
  await map.close();
  map = await DurableMap.open(path, options);
  assert.deepEqual([...map.entries()], [['new', '1']]);
  await map.close();
});

test('a sealed file belongs to its name', async (t) => {
  const path = join(temporaryDirectory(t), 'state');
  assert.equal(await readSealed(path, master, 'a'), null);
  await writeSealed(path, master, 'a', { phone: '+4915111111111' });
  assert.deepEqual(await readSealed(path, master, 'a'), { phone: '+4915111111111' });
  await assert.rejects(readSealed(path, master, 'b'));
  assert.ok(!readFileSync(path).includes('4915111111111'));
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('a data directory has one user', async (t) => {
  const dir = temporaryDirectory(t);
  const release = await lockDirectory(dir);
  await assert.rejects(lockDirectory(dir), /another bridge/);
  await release();
  await (await lockDirectory(dir))();
});

test('the sent log moves forward only, survives, and forgets after its time', async (t) => {
  const dir = join(temporaryDirectory(t), 'sent');
  const options = { master, name: 's sent' };
  let log = await SentLog.open(dir, options);
  log.begin('A', 'chat', Buffer.from('content A'));
  assert.equal(log.get('A').status, 'trying');
  assert.ok(log.advance('A', 'sent', { sentAt: '2026-01-01T00:00:00.000Z' }));
  assert.ok(log.advance('A', 'read'));
  assert.ok(!log.advance('A', 'delivered'));
  assert.ok(!log.advance('unknown', 'read'));
  await log.close();
  log = await SentLog.open(dir, options);
  assert.equal(log.get('A').status, 'read');
  assert.equal(log.get('A').sentAt, '2026-01-01T00:00:00.000Z');
  assert.equal((await log.message('A')).toString(), 'content A');
  await log.close();
  log = await SentLog.open(dir, { ...options, keepMs: -1 });
  assert.equal(log.get('A'), undefined);
  assert.equal(await log.message('A'), null);
  await log.close();
});

test('keys of received files survive, by chat, and are forgotten after their time', async (t) => {
  const dir = join(temporaryDirectory(t), 'media');
  const options = { master, name: 's media' };
  let log = await MediaLog.open(dir, options);
  log.put('A', 'chat 1', { mediaKey: 'secret one' });
  log.put('A', 'chat 2', { mediaKey: 'secret two' });
  await log.flush();
  await log.close();
  log = await MediaLog.open(dir, options);
  assert.deepEqual(await log.get('A', 'chat 2'), { mediaKey: 'secret two' });
  assert.deepEqual(await log.get('A'), { mediaKey: 'secret one' });
  assert.equal(await log.get('A', 'chat 3'), null);
  assert.ok(log.has('A', 'chat 1') && !log.has('B', 'chat 1'));
  await log.close();
  for (const name of readdirSync(dir)) {
    assert.ok(!readFileSync(join(dir, name)).includes('secret'));
  }
  log = await MediaLog.open(dir, { ...options, keepMs: -1, segmentMs: -1 });
  assert.equal(await log.get('A'), null);
  log.put('B', 'chat 1', {});
  await log.close();
  const left = readdirSync(dir);
  assert.equal(left.length, 1, left.join());
});

test('a status that was noted before a crash, but perhaps not told, is told once more', async (t) => {
  const dir = temporaryDirectory(t);
  const options = { master, name: 's sent' };
  let log = await SentLog.open(dir, options);
  log.begin('A', 'chat', Buffer.from('text'));
  assert.equal(log.advance('A', 'sent'), true);
  assert.equal(log.advance('A', 'delivered'), true);
  assert.equal(log.advance('A', 'delivered'), false);
  await log.flush();
  await log.close();
  log = await SentLog.open(dir, options);
  assert.equal(log.advance('A', 'sent'), false);
  assert.equal(log.advance('A', 'delivered'), true);
  assert.equal(log.advance('A', 'delivered'), false);
  assert.equal(log.advance('A', 'read'), true);
  await log.close();
});
