/**
 * When frames leave: gateFrames and letReceiptsWait, without WhatsApp.
 */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { gateFrames, letReceiptsWait } from '../../src/engines/baileys/hooks.js';

/** A socket of Baileys' as far as the hooks see it; `disk` lets frames go, `left` has those that went. */
function setUp({ patient = true } = {}) {
  const left = [];
  const corks = [];
  const asked = [];
  const disk = { go: null };
  class Client extends EventEmitter {
    isOpen = true;
    socket = { _socket: { cork: () => corks.push('cork'), uncork: () => corks.push('uncork') } };
    config = {
      durable: (options) => {
        asked.push(options);
        return new Promise((resolve) => {
          const before = disk.go;
          disk.go = () => {
            before?.();
            resolve();
          };
        });
      },
    };

    send(bytes, done) {
      left.push(bytes);
      corks.push(bytes);
      done?.();
    }
  }
  gateFrames(Client);
  const ws = new Client();
  if (patient) {
    letReceiptsWait(ws);
  }
  return { ws, left, corks, asked, disk };
}

/** Answers a stanza as Baileys does: some promises later. */
const answering = (ws, name) =>
  ws.on(name, async ({ attrs }) => {
    await new Promise((resolve) => setImmediate(resolve));
    ws.send(attrs.id);
  });
const moment = () => new Promise((resolve) => setTimeout(resolve, 5));

test('what acknowledges a receipt is in no hurry; all else is, and what was kept for an absent session', async () => {
  const { ws, asked } = setUp();
  for (const name of ['CB:receipt', 'CB:message']) {
    answering(ws, name);
  }
  const cases = [['CB:receipt', {}, false], ['CB:message', {}, true], ['CB:receipt', { offline: '0' }, true]];
  for (const [name, attrs, hurry] of cases) {
    ws.emit(name, { attrs: { id: 'x', ...attrs } });
    await moment();
    assert.deepEqual(asked.pop(), { hurry }, name);
  }
  assert.ok(!ws.emit('CB:other', { attrs: {} }), 'as without it');
});

test('without the hook a receipt hurries', async () => {
  const { ws, asked } = setUp({ patient: false });
  answering(ws, 'CB:receipt');
  ws.emit('CB:receipt', { attrs: { id: 'x' } });
  await moment();
  assert.deepEqual(asked, [{ hurry: true }]);
});

test('nothing leaves before the disk has it; what is let go together leaves in order and together', async () => {
  const { ws, left, corks, disk } = setUp();
  ws.send('first');
  ws.send('second');
  await moment();
  assert.deepEqual(left, []);
  disk.go();
  await moment();
  assert.deepEqual(left, ['first', 'second']);
  assert.deepEqual(corks, ['cork', 'first', 'cork', 'second', 'uncork', 'uncork']);
});
