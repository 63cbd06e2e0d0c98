/**
 * The event journal and its publisher: nothing lost, order kept, duplicates harmless.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EventJournal } from '../../src/events/journal.js';
import { Publisher } from '../../src/events/publisher.js';
import { createLogger } from '../../src/log.js';
import { atEnd, startModule, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const master = randomBytes(32);
const event = (i, key) => ({ session: 's', type: 'message.inbound', data: { i, text: `private ${i}` }, key });

async function openJournal(t, options = {}) {
  const dir = join(temporaryDirectory(t), 'events');
  const open = () => EventJournal.open(dir, { master, ...options });
  return { dir, open, journal: await open() };
}

function publish(t, journal, module, options = {}) {
  const publisher = new Publisher(journal, {
    url: module.url,
    secret: module.secret,
    bridgeId: 'b',
    mode: 'sandbox',
    sessions: () => 3,
    logger: createLogger('silent'),
    ...options,
  });
  publisher.start();
  atEnd(t, () => publisher.stop(1000));
  return publisher;
}

const numbers = (module) => module.events.items.map(({ data }) => data.i);

test('events survive, in order, across segments; acknowledged ones leave the disk', async (t) => {
  const { dir, open, journal } = await openJournal(t, { segmentBytes: 20000 });
  for (let i = 1; i <= 1000; i += 1) {
    assert.equal(journal.append(event(i)), i);
    if (i % 50 === 0) {
      await journal.flush();
    }
  }
  await journal.flush();
  assert.ok(readdirSync(dir).length > 3);
  await journal.close();
  const again = await open();
  assert.equal(again.pending, 1000);
  const read = [];
  while (again.pending) {
    const batch = await again.read(256, 512 * 1024);
    assert.ok(batch.length <= 256);
    read.push(...batch);
    await again.ack(batch.at(-1).seq);
  }
  assert.deepEqual(read.map(({ seq, data }) => [seq, data.i]), Array.from({ length: 1000 }, (_, i) => [i + 1, i + 1]));
  await again.tidy();
  const logs = readdirSync(dir).filter((name) => name.endsWith('.log'));
  assert.equal(logs.length, 1);
  assert.equal(statSync(join(dir, logs[0])).size, 32);
  await again.close();
  const third = await open();
  assert.equal(third.append(event(0)), 1001, 'the sequence goes on');
  await third.close();
});

test('a batch is bounded in bytes, but never empty', async (t) => {
  const { journal } = await openJournal(t);
  for (let i = 0; i < 5; i += 1) {
    journal.append({ ...event(i), data: { i, text: 'x'.repeat(300000) } });
  }
  await journal.flush();
  assert.equal((await journal.read(256, 512 * 1024)).length, 1);
  assert.equal((await journal.read(256, 1000)).length, 1);
  await journal.close();
});

test('what is not durable yet is not read', async (t) => {
  const { journal } = await openJournal(t);
  journal.append(event(1));
  assert.deepEqual(await journal.read(10, 1000), []);
  await journal.flush();
  await eventually(async () => (await journal.read(10, 1000)).length === 1, 'readable');
  await journal.close();
});

test('nothing readable is on disk', async (t) => {
  const { dir, journal } = await openJournal(t);
  journal.append(event(1));
  await journal.close();
  for (const name of readdirSync(dir)) {
    assert.ok(!readFileSync(join(dir, name)).includes('private'));
  }
});

test('a key is known until its event is acknowledged, also after a restart', async (t) => {
  const { open, journal } = await openJournal(t);
  journal.append(event(1, 'a'));
  await journal.close();
  const again = await open();
  assert.ok(again.has('a'));
  await again.ack(1);
  assert.ok(!again.has('a'));
  await again.close();
});

test('full is told, nothing is dropped, room is told', async (t) => {
  const { journal } = await openJournal(t, { maxBytes: 5000 });
  const told = [];
  journal.on('full', () => told.push('full'));
  journal.on('room', () => told.push('room'));
  let count = 0;
  while (!journal.full) {
    journal.append(event(count));
    count += 1;
  }
  journal.append(event(count));
  await journal.flush();
  const events = await journal.read(1000, 1e6);
  assert.equal(events.length, count + 1);
  await journal.ack(events.at(-1).seq);
  assert.deepEqual(told, ['full', 'room']);
  await journal.close();
});

test('the module goes and comes back: all events, once each, in order', async (t) => {
  const { journal } = await openJournal(t, { segmentBytes: 50000 });
  const module = await startModule(t);
  publish(t, journal, module);
  const total = 2000;
  for (let i = 1; i <= total; i += 1) {
    journal.append(event(i));
    if (i % 400 === 0) {
      await journal.flush();
      module.down = !module.down;
    }
  }
  await journal.flush();
  module.down = false;
  await module.events.until((events) => events.length >= total, 'all events');
  assert.deepEqual(numbers(module), Array.from({ length: total }, (_, i) => i + 1));
  await eventually(() => journal.pending === 0, 'all acknowledged');
});

test('events that come one soon after the other are posted together; at the end nothing waits', async (t) => {
  const { journal } = await openJournal(t);
  const module = await startModule(t);
  const publisher = publish(t, journal, module, { gatherMs: 600000 });
  for (let i = 1; i <= 5; i += 1) {
    journal.append(event(i));
    await journal.flush();
  }
  await publisher.stop(60000);
  assert.deepEqual(module.batches.items.filter(({ events }) => events.length).map(({ events }) => events.length), [5]);
});

test('what became of messages waits for more of it, and goes along with all else', async (t) => {
  const { journal } = await openJournal(t);
  const module = await startModule(t);
  publish(t, journal, module, { receiptsMs: 600000 });
  journal.append({ ...event(1), type: 'message.status' });
  journal.append({ ...event(2), type: 'message.status' });
  await journal.flush();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual(numbers(module), []);
  journal.append(event(3));
  await journal.flush();
  await module.events.until((events) => events.length, 'the events');
  assert.deepEqual(numbers(module), [1, 2, 3]);
});

test('what was acknowledged is known after the journal was closed', async (t) => {
  const { open, journal } = await openJournal(t);
  for (let i = 1; i <= 10; i += 1) {
    journal.append(event(i));
  }
  await journal.flush();
  await journal.ack(4);
  await journal.ack(7);
  await journal.close();
  const again = await open();
  assert.deepEqual((await again.read(10, 100000)).map(({ seq }) => seq), [8, 9, 10]);
  await again.close();
});

test('an answer that is lost costs a repetition, no event', async (t) => {
  const { journal } = await openJournal(t);
  const module = await startModule(t);
  let refuse = 3;
  publish(t, journal, module, {
    beforeForget: async () => {
      refuse -= 1;
      if (refuse > 0) {
        throw new Error('as if the answer had been lost');
      }
    },
  });
  for (let i = 1; i <= 10; i += 1) {
    journal.append(event(i));
  }
  await eventually(() => journal.pending === 0, 'all acknowledged');
  assert.deepEqual(numbers(module), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.ok(module.batches.items.length >= 3);
});

test('an empty batch is the heartbeat', async (t) => {
  const { journal } = await openJournal(t);
  const module = await startModule(t);
  publish(t, journal, module, { heartbeatMs: 50 });
  await module.batches.until((batches) => batches.length >= 3, 'heartbeats');
  assert.deepEqual(module.batches.items[2], { bridge_id: 'b', mode: 'sandbox', sessions: 3, events: [] });
});
