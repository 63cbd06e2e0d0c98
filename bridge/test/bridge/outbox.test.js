/**
 * When a send is answered.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Outbox } from '../../src/sessions/outbox.js';
import { SentLog } from '../../src/sessions/sent-log.js';
import { CommitLog } from '../../src/storage/commit-log.js';
import { atEnd, messageId, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const master = randomBytes(32);
const TO = '4915122222222@s.whatsapp.net';

/** An outbox on a disk that holds each fsync until it is let go. */
async function setUp(t, options = {}) {
  const dir = temporaryDirectory(t);
  const disk = { held: false, let: [] };
  const sync = () => (disk.held ? new Promise((resolve) => disk.let.push(resolve)) : Promise.resolve());
  const commits = await CommitLog.open(dir, { master, sync });
  const sent = await SentLog.open(join(dir, 'sent'), { master, name: 's sent', commits });
  atEnd(t, async () => {
    disk.held = false;
    disk.let.forEach((go) => go());
    await sent.close();
    await commits.close();
  });
  const left = [];
  const link = { send: async ({ id }) => void left.push(id), lookup: async (phone) => `${phone}@s.whatsapp.net` };
  const outbox = new Outbox({ sent, encode: async () => Buffer.from('text'), link: () => link, tell: () => {}, ...options });
  const send = (id, timeoutMs = 5000) => outbox.send({ id, to: TO, type: 'text', text: 'x', timeoutMs });
  const ack = (id) => outbox.onAck({ id, at: 'now' });
  /** What a process that is killed now leaves to the next. */
  const killed = async () => {
    const after = join(temporaryDirectory(t), 'sent');
    mkdirSync(after);
    readdirSync(join(dir, 'sent')).forEach((name) => copyFileSync(join(dir, 'sent', name), join(after, name)));
    const log = await SentLog.open(after, { master, name: 's sent' });
    atEnd(t, () => log.close());
    return log;
  };
  return { disk, left, send, ack, killed };
}

test('answered as soon as a repeat after kill -9 would find it, whatever the disk does', async (t) => {
  const { disk, left, send, ack, killed } = await setUp(t);
  const id = messageId();
  const answer = send(id);
  await eventually(() => left.length, 'the send');
  disk.held = true;
  void ack(id);
  assert.equal((await answer).status, 'sent');
  assert.equal((await killed()).get(id).sentAt, 'now');
});

test('an engine that can not repeat waits for the disk', async (t) => {
  const { disk, left, send, ack } = await setUp(t, { repeatable: false });
  const id = messageId();
  let answered = false;
  const answer = send(id).then(() => {
    answered = true;
  });
  await eventually(() => left.length, 'the send');
  disk.held = true;
  void ack(id);
  await eventually(() => disk.let.length, 'the fsync');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.ok(!answered);
  disk.let.shift()();
  await answer;
});
