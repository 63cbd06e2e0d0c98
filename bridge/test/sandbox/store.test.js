import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Store } from '../../sandbox/lib/store.js';
import { tempDir } from './harness.js';

const all = (store) => Object.fromEntries(store.entries(''));

test('what was committed is there after a crash; a torn line is not', async () => {
  const dir = tempDir();
  const store = await new Store(dir).open();
  store.put('a', { n: 1 });
  store.put('b', 'x');
  await store.commit();
  store.put('a', { n: 2 });
  store.del('b');
  await store.commit();
  const journal = path.join(dir, 'journal-0');
  appendFileSync(journal, '12345678 [["a",{"n":3}');
  const again = await new Store(dir).open();
  assert.deepEqual(all(again), { a: { n: 2 } });
  again.put('c', 1);
  await again.commit();
  assert.deepEqual(all(await new Store(dir).open()), { a: { n: 2 }, c: 1 });
});

test('one batch is there as a whole or not at all', async () => {
  const dir = tempDir();
  const store = await new Store(dir).open();
  store.put('ratchet', 1);
  store.put('message', 1);
  await store.commit();
  store.put('ratchet', 2);
  store.put('message', 2);
  await store.commit();
  const journal = path.join(dir, 'journal-0');
  const bytes = readFileSync(journal);
  const half = bytes.indexOf(10) + 1;
  for (let cut = half; cut < bytes.length; cut++) {
    writeFileSync(journal, bytes.subarray(0, cut));
    assert.deepEqual(all(await new Store(dir).open()), { ratchet: 1, message: 1 });
  }
});

test('it compacts itself and loses nothing', async () => {
  const dir = tempDir();
  const store = await new Store(dir).open();
  const value = 'v'.repeat(200_000);
  for (let i = 0; i < 400; i++) {
    store.put(`key ${i % 7}`, value + i);
    if (i === 3) store.put('kept', true);
    await store.commit();
  }
  const before = all(store);
  assert.ok(readdirSync(dir).some((f) => f.startsWith('snapshot-')));
  assert.deepEqual(all(await new Store(dir).open()), before);
  assert.equal(before.kept, true);
  await store.close();
  assert.deepEqual(all(await new Store(dir).open()), before);
});

test('a crash in the middle of compacting loses nothing', async () => {
  const dir = tempDir();
  const store = await new Store(dir).open();
  for (let i = 0; i < 20; i++) store.put(`key ${i}`, i);
  await store.close();
  const expected = all(await new Store(dir).open());
  const file = (name) => path.join(dir, name);
  // Before the snapshot is complete: its unfinished file and the new, empty journal are there.
  writeFileSync(file('snapshot-1.tmp'), 'half of it');
  writeFileSync(file('journal-1'), '');
  const second = await new Store(dir).open();
  assert.deepEqual(all(second), expected);
  second.put('later', true);
  await second.close();
  assert.deepEqual(all(await new Store(dir).open()), { ...expected, later: true });
  // After it is complete: the old files are still there and must not win.
  copyFileSync(file('journal-0'), file('snapshot-2'));
  writeFileSync(file('journal-2'), '');
  assert.deepEqual(all(await new Store(dir).open()), expected);
  assert.deepEqual(readdirSync(dir).sort(), ['journal-2', 'snapshot-2']);
});
