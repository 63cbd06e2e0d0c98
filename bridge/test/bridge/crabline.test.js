/**
 * The engine baileys against a server that shares no code with the sandbox: crabline's loopback WhatsApp. It knows
 * no linking (the credentials are made up here), no number check and no receipts; opening, sending, decrypting and
 * the acknowledgement are looked at. So the engine does not live on peculiarities of our own sandbox.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { startWhatsAppServer } from '@openclaw/crabline';
import { createBaileysEngine } from '../../src/engines/baileys/engine.js';
import { createLogger } from '../../src/log.js';
import { atEnd, messageId, temporaryDirectory } from './lib/processes.js';
import { eventually, Record } from './lib/wait.js';

const OWN = '15550000000';
const FRIEND = '15550000001@s.whatsapp.net';
const DEADLINE_MS = 30000;

/** The server keeps locks in the account's home directory, which a system user has not. */
function haveHome(t, homedir) {
  const { userInfo } = os;
  os.userInfo = (options) => ({ ...userInfo(options), homedir });
  syncBuiltinESMExports();
  atEnd(t, () => {
    os.userInfo = userInfo;
    syncBuiltinESMExports();
  });
}

test('opens, sends and is acknowledged by another server, which can decrypt it', { timeout: 120000 }, async (t) => {
  const dir = temporaryDirectory(t);
  const recorderPath = join(dir, 'recorded', 'whatsapp.jsonl');
  haveHome(t, dir);
  const server = await startWhatsAppServer({ selfJid: `${OWN}@s.whatsapp.net`, recorderPath });
  atEnd(t, () => server.close());
  const logger = createLogger('silent');
  const engine = await createBaileysEngine({ waUrl: server.manifest.endpoints.baileysWebSocketUrl, logger });
  const account = await engine.openAccount({ id: randomUUID(), dir, master: randomBytes(32), eventsDurable: async () => {}, logger });
  atEnd(t, () => account.close());
  // A device that was linked once: this server asks for no proof of it.
  Object.assign(account.creds, {
    me: { id: `${OWN}:1@s.whatsapp.net`, name: 'Ada' },
    account: { details: randomBytes(16), accountSignatureKey: randomBytes(32), accountSignature: randomBytes(64), deviceSignature: randomBytes(64) },
    registered: true,
  });
  account.receive(async () => {});

  const told = new Record();
  const tell = (name) => (value) => told.push({ name, ...value });
  const nothing = () => {};
  const link = account.connect({
    pairingPhone: null, onQr: tell('qr'), onPairingCode: nothing, onPaired: nothing, onOpen: tell('open'), onProfile: nothing,
    onRestricted: nothing, onInterrupted: nothing, onClose: tell('close'), onAck: tell('ack'), onReceipt: nothing, onActivity: nothing,
    loadMessage: async () => null, durable: () => null,
  });
  atEnd(t, () => link.end());
  const until = (name) =>
    told.until((items) => items.find((item) => item.name === name), `${name}, got ${JSON.stringify(told.items)}`, DEADLINE_MS);

  assert.equal((await until('open')).phone, `+${OWN}`);
  const id = messageId();
  await link.send({ id, to: FRIEND, message: await account.encode({ type: 'text', text: 'a text for another server ✓' }, link) });
  const ack = await until('ack');
  assert.equal(ack.id, id, 'the caller\'s own id');
  assert.equal(ack.error, undefined);
  await eventually(() => {
    const recorded = readFileSync(recorderPath, 'utf8');
    return recorded.includes('a text for another server ✓') && recorded.includes(id);
  }, 'the server has decrypted and written down the text', DEADLINE_MS);
  assert.ok(!told.items.some(({ name }) => name === 'qr' || name === 'close'));
});
