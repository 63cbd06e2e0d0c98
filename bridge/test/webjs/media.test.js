/**
 * Files with whatsapp-web.js in a real Chromium, on the stand-in page: the suite that Baileys passes, and the cap.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { mediaBothWays, sha256 } from '../bridge/lib/media-flow.js';
import { linkedPair } from '../bridge/lib/pair.js';
import { messageId } from '../bridge/lib/processes.js';

const CAP = 50 * 1024 * 1024;

test('files and changes both ways, webjs', (t) =>
  mediaBothWays(t, { engine: 'webjs', refused: [503, 'media_unavailable'], damaged: [503, 'media_unavailable'], largest: CAP }));

test('the largest file passes, both ways; a larger one is not fetched', async (t) => {
  const { module, bridge, friend, id } = await linkedPair(t, 'webjs');
  const bytes = randomBytes(CAP);
  const media = module.file(bytes, 'application/x-tar', { file_name: 'a.tar' });
  const message = { id: messageId(), to: friend.jid, type: 'document', text: undefined, media, timeout_ms: 60000 };
  let answer = await bridge.send(id, message);
  if (answer.status === 504) {
    // A slow machine: the outcome comes later, and the repeat asks for it.
    await module.event('message.status', (data) => data.whatsapp_id === message.id && data.status === 'sent', { deadlineMs: 180000 });
    answer = await bridge.send(id, message);
  }
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.equal(sha256(await friend.file(message.id)), sha256(bytes));
  const fetched = async (file) => {
    const sent = await friend.sendFile('+4915111111111', file, 'application/x-tar', { type: 'document', file_name: 'b.tar' });
    await module.event('message.inbound', (data) => data.whatsapp_id === sent.id);
    return bridge.fetchFile(id, sent.id);
  };
  assert.equal(sha256((await fetched(bytes)).bytes), sha256(bytes));
  const larger = await fetched(Buffer.concat([bytes, Buffer.alloc(1)]));
  assert.equal(larger.status, 422);
  assert.equal(JSON.parse(larger.bytes).code, 'media_too_large');
});
