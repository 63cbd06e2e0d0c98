/**
 * kill -9 of the bridge at any moment: no new pairing, nothing lost, nothing shown twice, no broken ratchet.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startDriver } from './lib/driver-process.js';
import { linkedPair } from './lib/pair.js';
import { messageId, startSandbox, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

/** Repeats a send as the module does, until there is a final answer. */
async function sendUntilFinal(bridge, session, message, deadlineMs = 60000) {
  return eventually(async () => {
    try {
      const answer = await bridge.send(session, { ...message, timeout_ms: 3000 });
      return answer.status === 200 && answer;
    } catch {
      return false; // the bridge is down
    }
  }, `${message.id} is sent`, deadlineMs);
}

/** Undisturbed, nobody ever asked for a message to be sent again, and nothing failed to decrypt. */
async function assertRatchetsWhole(sandbox) {
  const { retries } = await sandbox.stats();
  assert.equal(retries, 0, 'retry receipts');
}

test('killed in the middle of 50 sends, the caller repeats: each message once', { timeout: 120000 }, async (t) => {
  const { sandbox, module, bridge, friend, id } = await linkedPair(t, 'baileys');
  const messages = Array.from({ length: 50 }, (_, i) => ({ id: messageId(), to: friend.jid, text: `message ${i}` }));

  const sends = messages.map((message) => sendUntilFinal(bridge, id, message));
  for (let kill = 1; kill <= 3; kill += 1) {
    await eventually(async () => (await friend.received()).length >= kill * 10, `${kill * 10} messages before the kill`);
    await bridge.kill();
    await bridge.start();
  }
  const answers = await Promise.all(sends);

  assert.deepEqual(answers.map(({ body }) => body.whatsapp_id), messages.map((message) => message.id));
  const received = await friend.gets(50);
  assert.deepEqual(received.map((entry) => entry.id).sort(), messages.map((message) => message.id).sort());
  for (const { id: whatsappId, text } of messages) {
    assert.equal(received.find((entry) => entry.id === whatsappId).text, text);
  }
  const seen = new Set((await sandbox.log()).filter((entry) => entry.kind === 'message').map((entry) => entry.id));
  assert.ok(messages.every((message) => seen.has(message.id)));
  for (const { id: whatsappId } of messages) {
    await module.event('message.status', (data) => data.whatsapp_id === whatsappId && data.status === 'delivered');
  }
  assert.equal(module.events.items.filter(({ type }) => type === 'session.qr').length, 1);
  await assertRatchetsWhole(sandbox);
});

test('killed five times with traffic both ways: no new code, all inbound told once', { timeout: 180000 }, async (t) => {
  const { sandbox, module, bridge, friend, id } = await linkedPair(t, 'baileys');
  const sent = [];
  const outgoing = [];
  for (let round = 0; round < 5; round += 1) {
    const from = module.events.items.length;
    const inbound = Array.from({ length: 20 }, (_, i) => friend.send('+4915111111111', `round ${round}, ${i}`));
    outgoing.push(...Array.from({ length: 5 }, (_, i) => sendUntilFinal(bridge, id, { id: messageId(), to: friend.jid, text: `out ${round} ${i}` })));
    sent.push(...(await Promise.all(inbound)).map((message) => message.id));
    await module.event('message.inbound', () => true, { from });
    await bridge.kill();
    await bridge.start();
    await bridge.connected(id, from);
  }
  await Promise.all(outgoing);
  for (const whatsappId of sent) {
    await module.event('message.inbound', (data) => data.whatsapp_id === whatsappId);
  }
  const told = module.events.items.filter(({ type }) => type === 'message.inbound').map(({ data }) => data.whatsapp_id);
  assert.equal(new Set(told).size, told.length, 'told twice');
  assert.equal(told.length, sent.length);
  assert.equal((await friend.gets(25)).length, 25);
  assert.equal(module.events.items.filter(({ type }) => type === 'session.qr').length, 1);
  await assertRatchetsWhole(sandbox);
});

test('an acknowledged id is known after kill -9', { timeout: 60000 }, async (t) => {
  const { sandbox, bridge, friend, id } = await linkedPair(t, 'baileys');
  const message = { id: messageId(), to: friend.jid, text: 'once' };
  const first = await bridge.send(id, message);
  assert.equal(first.status, 200);
  await bridge.kill();
  await bridge.start();
  const again = await bridge.send(id, message);
  assert.deepEqual(again.body, first.body);
  const wire = (await sandbox.log()).filter((entry) => entry.kind === 'message' && entry.id === message.id);
  assert.equal(wire.length, 1);
});

test('a retry receipt is answered with the same message, after kill -9 too', { timeout: 180000 }, async (t) => {
  const sandbox = await startSandbox(t);
  const base = { socketUrl: sandbox.socketUrl, dir: temporaryDirectory(t), key: randomBytes(32).toString('hex'), authority: sandbox.authority };
  const own = await sandbox.phone('+4915111111111', 'Ada');
  const friend = await sandbox.phone('+4915122222222', 'Berta');
  const driver = await startDriver(t, base);
  const id = await driver.link(own);
  const message = messageId();
  const file = messageId();
  await driver.do('send', { id, to: friend.jid, messages: [message] });
  await driver.do('sendFile', { id, to: friend.jid, message: file });
  await friend.gets(2);
  driver.do('die').catch(() => {});
  await driver.exited;
  const again = await startDriver(t, base);
  await again.do('connected', { id });
  for (const wanted of [message, file]) {
    await again.do('retry', { id: wanted, from: friend.jid });
    await eventually(
      async () => (await sandbox.log()).filter((entry) => entry.kind === 'message' && entry.id === wanted).length === 2,
      'the message on the wire again',
    );
  }
  assert.equal((await friend.received()).length, 2);
  assert.equal((await sandbox.stats()).media.uploads, 1, 'the file is at the media host already');
});
