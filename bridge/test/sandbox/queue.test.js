/** What a device's answer settles in the queue of what waits for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceQueue } from '../../sandbox/wa/queue.js';

const node = (id) => ({ tag: 'message', attrs: { id }, content: undefined });
let seq = 0;

function queue() {
  return new DeviceQueue({ put() {}, del() {} }, 'queue/1/1/');
}

/** Queues a stanza that is on disk. */
function pushed(q, id, from) {
  const entry = q.push(++seq, node(id), { from });
  entry.ready = true;
  return entry;
}

test('an answer settles what was sent', () => {
  const q = queue();
  pushed(q, 'A');
  q.takeReady();
  q.answered('message', 'A', { ack: true });
  assert.equal(q.size, 0);
});

test('an answer does not settle the same id that has not been sent yet', () => {
  const q = queue();
  pushed(q, 'A');
  q.takeReady();
  q.answered('message', 'A', { retry: true });
  const again = q.push(++seq, node('A'));
  q.answered('message', 'A', { ack: true });
  again.ready = true;
  assert.deepEqual(q.takeReady(), [again]);
});

test('the ack that follows a retry receipt does not settle the second copy; its receipt does', () => {
  const q = queue();
  pushed(q, 'A');
  q.takeReady();
  q.answered('message', 'A', { retry: true });
  pushed(q, 'A');
  q.takeReady();
  q.answered('message', 'A', { ack: true });
  assert.equal(q.size, 1);
  q.answered('message', 'A');
  assert.equal(q.size, 0);
});

test('an answer settles only what that account sent', () => {
  const q = queue();
  pushed(q, 'A', '1');
  pushed(q, 'A', '2');
  q.takeReady();
  q.answered('message', 'A', { from: '2' });
  assert.deepEqual(q.takeAll().map((e) => e.from), ['1']);
});

test('what was not answered for is sent again on the next connection', () => {
  const q = queue();
  const entry = pushed(q, 'A');
  q.takeReady();
  assert.deepEqual(q.takeAll(), [entry]);
});
