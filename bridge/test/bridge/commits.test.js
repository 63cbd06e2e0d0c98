/**
 * The commit log: whatever a power cut leaves of the files, what was flushed is there.
 *
 * A power cut is played: files are copied while they are open, and the copies lose what no fsync has brought to the
 * disk.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CommitLog } from '../../src/storage/commit-log.js';
import { DurableMap } from '../../src/storage/durable-map.js';
import { RecordLog } from '../../src/storage/record-log.js';
import { atEnd, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const master = randomBytes(32);
const HEADER = 32;

/** Closes it at the end of the test. */
async function closing(t, opening) {
  const opened = await opening;
  atEnd(t, () => opened.close().catch(() => {}));
  return opened;
}

const committed = (dir) => readdirSync(dir).filter((name) => name.startsWith('commits-'));
const openCommits = (t, dir, options) => closing(t, CommitLog.open(dir, { master, ...options }));
const openLog = (t, commits, dir, name, onRecord) => closing(t, RecordLog.open(join(dir, name), { master, name, commits, onRecord }));

async function read(t, commits, dir, name) {
  const texts = [];
  const log = await openLog(t, commits, dir, name, (plain) => texts.push(plain.toString()));
  await log.close();
  return texts;
}

/** What is on the disk now, in another directory, where `lose` is cut down to `bytes`. */
function powerCut(t, dir, lose = {}) {
  const after = temporaryDirectory(t);
  for (const name of readdirSync(dir)) {
    copyFileSync(join(dir, name), join(after, name));
  }
  for (const [name, bytes] of Object.entries(lose)) {
    truncateSync(join(after, name), bytes);
  }
  return after;
}

async function twoLogs(t, options = {}) {
  const dir = temporaryDirectory(t);
  const commits = await openCommits(t, dir, options);
  const logs = [await openLog(t, commits, dir, 'a.log'), await openLog(t, commits, dir, 'b.log')];
  return { dir, commits, logs };
}

test('what was flushed survives, wherever the files were cut off', async (t) => {
  const { dir, logs: [a, b] } = await twoLogs(t);
  for (let i = 0; i < 20; i += 1) {
    a.append(Buffer.from(`a ${i}`));
    b.append(Buffer.from(`b ${i}`));
    await Promise.all([a.flush(), b.flush()]);
  }
  for (let cut = HEADER; cut <= a.size; cut += 17) {
    const after = powerCut(t, dir, { 'a.log': cut, 'b.log': Math.min(cut * 2, b.size) });
    const again = await openCommits(t, after);
    assert.deepEqual(await read(t, again, after, 'a.log'), Array.from({ length: 20 }, (_, i) => `a ${i}`));
    assert.deepEqual(await read(t, again, after, 'b.log'), Array.from({ length: 20 }, (_, i) => `b ${i}`));
    await again.close();
    assert.deepEqual(committed(after), []);
  }
});

test('one fsync serves all logs', async (t) => {
  let syncs = 0;
  const { commits, logs } = await twoLogs(t, { sync: async () => void (syncs += 1) });
  for (let i = 0; i < 100; i += 1) {
    logs.forEach((log) => log.append(Buffer.from(`${i}`)));
  }
  await Promise.all(logs.map((log) => log.flush()));
  assert.equal(syncs, 1);
  await Promise.all(logs.map((log) => log.close()));
  await commits.close();
});

test('nobody is told that it is durable before the fsync', async (t) => {
  let release;
  const { dir, logs: [a] } = await twoLogs(t, { sync: () => new Promise((resolve) => (release = resolve)) });
  let flushed = false;
  a.append(Buffer.from('record'));
  const flush = a.flush().then(() => (flushed = true));
  await eventually(() => release, 'the fsync');
  assert.ok(readFileSync(join(dir, 'a.log')).length > HEADER, 'after kill -9 it would be there');
  assert.ok(!flushed && !a.settled);
  release();
  await flush;
  assert.ok(a.settled);
});

test('what was written is there after kill -9 before any fsync, and goes to the disk with the next group', async (t) => {
  let syncs = 0;
  const { dir, logs: [a, b] } = await twoLogs(t, { sync: async () => void (syncs += 1), lazyMs: 600000 });
  a.append(Buffer.from('one'));
  assert.ok(a.write());
  a.append(Buffer.from('two'));
  assert.ok(a.write());
  const after = powerCut(t, dir);
  assert.deepEqual(await read(t, null, after, 'a.log'), ['one', 'two']);
  assert.ok(!a.settled && !syncs);
  a.append(Buffer.from('three'));
  b.append(Buffer.from('of the other'));
  await Promise.all([a.flush({ hurry: false }), b.flush()]);
  assert.equal(syncs, 1);
  const cut = powerCut(t, dir, { 'a.log': HEADER });
  const again = await openCommits(t, cut);
  assert.deepEqual(await read(t, again, cut, 'a.log'), ['one', 'two', 'three']);
});

test('who is in no hurry waits a moment for company', async (t) => {
  const { logs: [a, b] } = await twoLogs(t, { lazyMs: 600000 });
  a.append(Buffer.from('patient'));
  const patient = a.flush({ hurry: false });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(!a.settled);
  b.append(Buffer.from('hurried'));
  await b.flush();
  assert.ok(a.settled, 'it went along');
  await patient;
});

test('nobody comes: it goes to the disk all the same', async (t) => {
  const { logs: [a] } = await twoLogs(t);
  a.append(Buffer.from('alone'));
  await a.flush({ hurry: false });
  assert.ok(a.settled);
});

test('a group that was cut off is dropped, those before it are not', async (t) => {
  const { dir, logs: [a] } = await twoLogs(t, { fileBytes: 0 });
  const name = committed(dir)[0];
  a.append(Buffer.from('first'));
  await a.flush();
  const whole = readFileSync(join(dir, name));
  const after = powerCut(t, dir, { 'a.log': HEADER });
  const end = whole.findLastIndex((byte) => byte) + 1;
  for (let cut = HEADER; cut < end; cut += 1) {
    writeFileSync(join(after, name), Buffer.concat([whole.subarray(0, cut), Buffer.alloc(1000)]));
    const again = await openCommits(t, after);
    assert.deepEqual(await read(t, again, after, 'a.log'), []);
    await again.close();
  }
  writeFileSync(join(after, name), whole);
  const again = await openCommits(t, after);
  assert.deepEqual(await read(t, again, after, 'a.log'), ['first']);
});

test('a full file gives way to the next one, once all logs are on the disk by themselves', async (t) => {
  const dir = temporaryDirectory(t);
  const commits = await openCommits(t, dir, { fileBytes: 10000 });
  const a = await openLog(t, commits, dir, 'a.log');
  const real = a.sync.bind(a);
  let syncs = 0;
  a.sync = () => {
    assert.equal(committed(dir).length, 2, 'the old one is there until then');
    syncs += 1;
    return real();
  };
  const texts = Array.from({ length: 200 }, (_, i) => `${i} ${'x'.repeat(200)}`);
  for (const text of texts) {
    a.append(Buffer.from(text));
    await a.flush();
  }
  await eventually(() => syncs && committed(dir).length === 1, 'the last one');
  assert.notEqual(committed(dir)[0], 'commits-000000000001.log');
  const after = powerCut(t, dir);
  const again = await openCommits(t, after);
  assert.deepEqual(await read(t, again, after, 'a.log'), texts);
});

test('a log whose own fsync fails when the file is full is written once more', async (t) => {
  const dir = temporaryDirectory(t);
  const errors = [];
  const commits = await openCommits(t, dir, { fileBytes: 1000, onError: (error) => errors.push(error.message) });
  const a = await openLog(t, commits, dir, 'a.log');
  let failed = false;
  a.sync = async () => {
    failed = true;
    // As a page that could not be written, and is no longer in the cache either.
    writeFileSync(join(dir, 'a.log'), readFileSync(join(dir, 'a.log')).fill(0, HEADER));
    throw new Error('no space');
  };
  for (let i = 0; !failed && i < 1000; i += 1) {
    a.append(Buffer.from(`${i} ${'x'.repeat(500)}`));
    await a.flush();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await eventually(() => committed(dir).length === 1, 'the old one is gone');
  assert.ok(errors.includes('no space'));
  const after = powerCut(t, dir);
  const again = await openCommits(t, after);
  assert.equal((await read(t, again, after, 'a.log'))[0], `0 ${'x'.repeat(500)}`);
});

test('without the commit log the logs go to the disk by themselves', async (t) => {
  let broken = true;
  const errors = [];
  const { dir, commits, logs: [a, b] } = await twoLogs(t, {
    onError: (error) => errors.push(error.message),
    sync: async () => {
      if (broken) {
        broken = false;
        throw new Error('no disk');
      }
    },
  });
  a.append(Buffer.from('a 1'));
  b.append(Buffer.from('b 1'));
  await Promise.all([a.flush(), b.flush()]);
  assert.deepEqual(errors, ['no disk']);
  a.append(Buffer.from('a 2'));
  await a.flush();
  await eventually(() => committed(dir).length === 1 && !committed(dir)[0].endsWith('01.log'), 'another file');
  b.append(Buffer.from('b 2'));
  await b.flush();
  await a.close();
  await b.close();
  await commits.close();
  assert.deepEqual(await read(t, null, dir, 'a.log'), ['a 1', 'a 2']);
  assert.deepEqual(await read(t, null, dir, 'b.log'), ['b 1', 'b 2']);
});

test('what comes while an fsync fails is not written into the file that is given up', async (t) => {
  let fail;
  const { dir, logs: [a, b] } = await twoLogs(t, { sync: () => (fail ? Promise.resolve() : new Promise((resolve, reject) => (fail = reject))) });
  const first = join(dir, committed(dir)[0]);
  const start = readFileSync(first).subarray(0, HEADER);
  // So that the file is still there: it goes when both are on the disk.
  let go;
  a.sync = b.sync = () => new Promise((resolve) => (go = resolve));
  a.append(Buffer.from('a 1'));
  const flushed = a.flush();
  await eventually(() => fail, 'the fsync');
  b.append(Buffer.from('b 1'));
  const second = b.flush();
  fail(new Error('no disk'));
  await Promise.all([flushed, second]);
  assert.deepEqual(readFileSync(first).subarray(0, HEADER), start);
  await eventually(() => go, 'the next file');
  go();
  assert.deepEqual(await read(t, null, powerCut(t, dir), 'a.log'), ['a 1']);
  assert.deepEqual(await read(t, null, powerCut(t, dir), 'b.log'), ['b 1']);
});

test('what was written while an fsync fails is written once more, in its order', async (t) => {
  let fail;
  const { dir, commits, logs: [a, b] } = await twoLogs(t, { lazyMs: 600000, sync: () => (fail ? Promise.resolve() : new Promise((resolve, reject) => (fail = reject))) });
  a.append(Buffer.from('a 1'));
  const flushed = a.flush();
  await eventually(() => fail, 'the fsync');
  for (const [log, text] of [[a, 'a 2'], [b, 'b 1']]) {
    log.append(Buffer.from(text));
    assert.ok(log.write());
  }
  fail(new Error('no disk'));
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(!commits.usable);
  b.append(Buffer.from('b 2'));
  a.append(Buffer.from('a 3'));
  await Promise.all([flushed, a.flush(), b.flush()]);
  assert.deepEqual(await read(t, null, powerCut(t, dir), 'a.log'), ['a 1', 'a 2', 'a 3']);
  assert.deepEqual(await read(t, null, powerCut(t, dir), 'b.log'), ['b 1', 'b 2']);
});

test('no room for another file: it is tried again until there is some', async (t) => {
  const errors = [];
  let broken = true;
  const { dir, commits, logs: [a] } = await twoLogs(t, {
    onError: (error) => errors.push(error.code ?? error.message),
    sync: async () => {
      if (broken) {
        broken = false;
        throw new Error('no disk');
      }
    },
  });
  const next = join(dir, 'commits-000000000002.log');
  mkdirSync(next);
  a.append(Buffer.from('a 1'));
  await a.flush();
  await eventually(() => errors.filter((error) => error === 'EISDIR').length > 1, 'tried twice');
  assert.ok(!commits.usable);
  rmdirSync(next);
  await eventually(() => commits.usable, 'another file');
  await eventually(() => committed(dir).length === 1, 'and that one alone');
  assert.deepEqual(await read(t, null, powerCut(t, dir), 'a.log'), ['a 1']);
});

test('closed while there is no room for another file: it ends, and nothing is lost', async (t) => {
  const { dir, commits, logs: [a, b] } = await twoLogs(t, { fileBytes: 0 });
  mkdirSync(join(dir, 'commits-000000000002.log'));
  a.append(Buffer.from('a 1'));
  await a.flush();
  await a.close();
  await b.close();
  await commits.close();
  assert.deepEqual(committed(dir), ['commits-000000000002.log']);
  assert.deepEqual(await read(t, null, dir, 'a.log'), ['a 1']);
});

test('a file that was made anew in the place of another does not get the other\'s records', async (t) => {
  const { dir, commits, logs: [a] } = await twoLogs(t);
  a.append(Buffer.from('of the first'));
  await a.flush();
  await a.destroy();
  const next = await openLog(t, commits, dir, 'a.log');
  const empty = powerCut(t, dir);
  await openCommits(t, empty);
  assert.equal(readFileSync(join(empty, 'a.log')).length, HEADER);
  next.append(Buffer.from('of the second'));
  await next.flush();
  const after = powerCut(t, dir, { 'a.log': HEADER });
  const again = await openCommits(t, after);
  assert.deepEqual(await read(t, again, after, 'a.log'), ['of the second']);
});

test('a map that is compacted keeps what came meanwhile', async (t) => {
  const dir = temporaryDirectory(t);
  const commits = await openCommits(t, dir);
  const options = { master, name: 'map', commits };
  const next = await closing(t, RecordLog.create(join(dir, 'map.log.compact'), options));
  next.append(Buffer.from(JSON.stringify([['key', 'value']])));
  await next.flush();
  await next.moveTo(join(dir, 'map.log'));
  const after = powerCut(t, dir, { 'map.log': HEADER });
  const again = await openCommits(t, after);
  const map = await closing(t, DurableMap.open(join(after, 'map.log'), { ...options, commits: again }));
  assert.equal(map.get('key'), 'value');
});

test('another master key is refused, and the file stays', async (t) => {
  const { dir, logs: [a] } = await twoLogs(t);
  a.append(Buffer.from('record'));
  await a.flush();
  await assert.rejects(CommitLog.open(dir, { master: randomBytes(32) }), /another master key/);
  assert.equal(committed(dir).length, 1);
});

test('files that are gone, or outside, are left alone', async (t) => {
  const outer = temporaryDirectory(t);
  const dir = join(outer, 'data');
  mkdirSync(dir);
  const commits = await openCommits(t, dir);
  const outside = await openLog(t, commits, outer, 'outside.log');
  outside.append(Buffer.from('record'));
  await outside.flush();
  truncateSync(join(outer, 'outside.log'), HEADER);
  const gone = await openLog(t, commits, dir, 'gone.log');
  gone.append(Buffer.from('record'));
  await gone.flush();
  await gone.destroy();
  const again = await openCommits(t, dir);
  assert.equal(readFileSync(join(outer, 'outside.log')).length, HEADER);
  assert.deepEqual(readdirSync(dir), committed(dir));
  await again.close();
});
