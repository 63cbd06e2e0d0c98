/**
 * A linked device that shares no code with the sandbox: handshake, node codec, signatures and Signal
 * sessions come from whatsapp-rust-bridge (Rust). What it understands is not just our own mistake twice.
 */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import WebSocket from 'ws';
import {
  NoiseSession, ProtocolAddress, SessionBuilder, SessionCipher, calculateSignature, decodeNode, generateIdentityKeyPair, generateKeyPair,
  generatePreKey, generateSignedPreKey, getWAConnHeader, verifySignature,
} from 'whatsapp-rust-bridge';
import { baileys, sandbox, within } from './harness.js';

const { proto } = baileys;
const raw = (key) => Buffer.from(key.subarray(1));
const be = (n, length) => { const b = Buffer.alloc(length); b.writeUIntBE(n, 0, length); return b; };
const el = (tag, attrs = {}, content = undefined) => ({ tag, attrs, content });
const kid = (node, tag) => [node.content ?? []].flat().find((n) => n.tag === tag);
const plainNode = (n) => ({ tag: n.tag, attrs: { ...n.attrs }, content: Array.isArray(n.content) ? n.content.map(plainNode) : n.content });

class RustDevice extends EventEmitter {
  constructor(url) {
    super();
    this.url = url;
    this.noise = generateKeyPair();
    this.identity = generateIdentityKeyPair();
    this.signed = generateSignedPreKey(this.identity, 1);
    this.preKeys = new Map([1, 2, 3, 4, 5, 6, 7, 8].map((id) => [id, generatePreKey(id)]));
    this.registrationId = 4711;
    this.secret = randomBytes(32);
    this.sessions = new Map();
    this.counter = 0;
  }

  payload() {
    return proto.ClientPayload.encode(this.me ? { username: Number(this.me.split(':')[0]), device: Number(this.me.match(/:(\d+)@/)[1]), passive: true }
      : { passive: false, devicePairingData: {
        eRegid: be(this.registrationId, 4), eKeytype: Buffer.from([5]), eIdent: raw(this.identity.pubKey), eSkeyId: be(1, 3),
        eSkeyVal: raw(this.signed.keyPair.pubKey), eSkeySig: this.signed.signature, buildHash: Buffer.alloc(16),
        deviceProps: proto.DeviceProps.encode({ os: 'Rust', platformType: 1 }).finish(),
      } }).finish();
  }

  async connect() {
    const ephemeral = generateKeyPair();
    this.session = new NoiseSession(raw(ephemeral.pubKey), getWAConnHeader());
    this.ws = new WebSocket(this.url);
    await within(new Promise((resolve, reject) => { this.ws.on('open', resolve).on('error', reject); }), 'open');
    const hello = new Promise((resolve) => { this.ws.once('message', resolve); });
    this.ws.send(this.session.encodeFrameRaw(proto.HandshakeMessage.encode({ clientHello: { ephemeral: raw(ephemeral.pubKey) } }).finish()));
    const frame = await within(hello, 'the server hello');
    const { serverHello } = proto.HandshakeMessage.decode(frame.subarray(3));
    this.certificates = this.session.processHandshakeInit(serverHello.ephemeral, serverHello.static, serverHello.payload, ephemeral.privKey);
    const sealed = this.session.processHandshakeFinish(raw(this.noise.pubKey), this.noise.privKey, serverHello.ephemeral);
    const payload = this.session.encrypt(this.payload());
    const last = this.session.encodeFrameRaw(proto.HandshakeMessage.encode({ clientFinish: { static: sealed, payload } }).finish());
    this.session.finishInit();
    this.ws.on('message', (data) => { for (const n of this.session.decodeFrame(data)) this.emit('node', plainNode(n)); });
    this.ws.on('close', () => this.emit('closed'));
    this.ws.send(last);
  }

  send(node) { this.ws.send(this.session.encodeFrame(node)); }

  next(test, what) {
    return within(new Promise((resolve) => {
      const on = (n) => { if (test(n)) { this.off('node', on); resolve(n); } };
      this.on('node', on);
    }), what);
  }

  async query(type, xmlns, content) {
    const id = `r${++this.counter}`;
    const answer = this.next((n) => n.tag === 'iq' && n.attrs.id === id, xmlns);
    this.send(el('iq', { id, to: 's.whatsapp.net', type, xmlns }, content));
    return answer;
  }

  qr(ref) {
    return [ref, raw(this.noise.pubKey).toString('base64'), raw(this.identity.pubKey).toString('base64'), this.secret.toString('base64'), '1'].join(',');
  }

  /** Checks the phone's statement and signs back; `spoil` may alter the signature. */
  signBack(success, spoil = (x) => x) {
    const { details, hmac } = proto.ADVSignedDeviceIdentityHMAC.decode(kid(kid(success, 'pair-success'), 'device-identity').content);
    assert.deepEqual(Buffer.from(hmac), createHmac('sha256', this.secret).update(details).digest());
    const id = proto.ADVSignedDeviceIdentity.decode(details);
    const message = Buffer.concat([Buffer.from([6, 0]), id.details, raw(this.identity.pubKey)]);
    const account = Buffer.concat([Buffer.from([5]), id.accountSignatureKey]);
    assert.equal(verifySignature(account, message, id.accountSignature), true, 'the phone signed');
    const flipped = Buffer.from(id.accountSignature);
    flipped[3] ^= 1;
    assert.equal(verifySignature(account, message, flipped), false);
    const deviceSignature = spoil(Buffer.from(calculateSignature(this.identity.privKey,
      Buffer.concat([Buffer.from([6, 1]), id.details, raw(this.identity.pubKey), id.accountSignatureKey]))));
    this.me = kid(kid(success, 'pair-success'), 'device').attrs.jid;
    this.statement = Buffer.from(proto.ADVSignedDeviceIdentity.encode({ ...id, deviceSignature }).finish());
    this.send(el('iq', { id: success.attrs.id, to: 's.whatsapp.net', type: 'result' }, [el('pair-device-sign', {}, [
      el('device-identity', { 'key-index': '1' }, Buffer.from(proto.ADVSignedDeviceIdentity.encode({
        details: id.details, accountSignature: id.accountSignature, deviceSignature,
      }).finish()))])]));
  }

  storage() {
    return {
      loadSession: async (a) => this.sessions.get(a) ?? null,
      storeSession: async (a, record) => { this.sessions.set(a, record.serialize()); },
      getOurIdentity: async () => this.identity,
      getOurRegistrationId: async () => this.registrationId,
      isTrustedIdentity: async () => true,
      loadPreKey: async (id) => this.preKeys.get(id)?.keyPair ?? null,
      removePreKey: async (id) => { this.preKeys.delete(id); },
      loadSignedPreKey: async () => this.signed,
      loadSenderKey: async () => null,
      storeSenderKey: async () => {},
    };
  }

  uploadKeys() {
    return this.query('set', 'encrypt', [
      el('registration', {}, be(this.registrationId, 4)), el('type', {}, Buffer.from([5])), el('identity', {}, raw(this.identity.pubKey)),
      el('list', {}, [...this.preKeys].map(([id, k]) => el('key', {}, [el('id', {}, be(id, 3)), el('value', {}, raw(k.keyPair.pubKey))]))),
      el('skey', {}, [el('id', {}, be(1, 3)), el('value', {}, raw(this.signed.keyPair.pubKey)), el('signature', {}, Buffer.from(this.signed.signature))]),
    ]);
  }
}

async function showCode(t, s) {
  const device = new RustDevice(s.socketUrl);
  t.after(() => device.ws?.terminate());
  const offered = new Promise((resolve) => { device.on('node', (n) => { if (kid(n, 'pair-device')) resolve(n); }); });
  await device.connect();
  const offer = await within(offered, 'the references');
  device.send(el('iq', { id: offer.attrs.id, to: 's.whatsapp.net', type: 'result' }));
  const ref = Buffer.from(kid(kid(offer, 'pair-device'), 'ref').content).toString();
  return { device, code: device.qr(ref) };
}

test('a device written in Rust is linked, decrypts, encrypts', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const { device, code } = await showCode(t, s);
  const { leaf, intermediate } = proto.CertChain.decode(device.certificates);
  const { key } = proto.CertChain.NoiseCertificate.Details.decode(intermediate.details);
  assert.equal(verifySignature(Buffer.concat([Buffer.from([5]), key]), leaf.details, leaf.signature), true);

  const success = device.next((n) => kid(n, 'pair-success'), 'pair-success');
  const restart = device.next((n) => n.tag === 'stream:error', 'the restart');
  const scan = s.ok('POST', `/phones/${anna.id}/scan`, { qr: code });
  device.signBack(await success);
  assert.equal((await restart).attrs.code, '515');
  assert.equal((await scan).name, 'Chrome on Rust');

  device.ws.terminate();
  const welcome = device.next((n) => n.tag === 'success', 'the login');
  await device.connect();
  assert.match((await welcome).attrs.lid, /^\d+:\d+@lid$/);
  await device.uploadKeys();
  const setup = device.next((n) => n.tag === 'message' && n.attrs.category === 'peer', 'the set-up');
  await device.query('set', 'passive', [el('active')]);
  await setup;

  const incoming = device.next((n) => n.tag === 'message' && n.attrs.from.startsWith(ben.number.slice(1)), 'a message');
  await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'für Rust 🦀' });
  const node = await incoming;
  const lid = node.attrs.sender_lid.split('@')[0];
  const address = new ProtocolAddress(`${lid}_1`, 0);
  const cipher = new SessionCipher(device.storage(), address);
  const padded = await cipher.decryptPreKeyWhisperMessage(kid(node, 'enc').content);
  const message = proto.Message.decode(padded.subarray(0, padded.length - padded.at(-1)));
  assert.equal(message.conversation, 'für Rust 🦀');
  device.send(el('receipt', { id: node.attrs.id, to: node.attrs.from }));
  await s.message(ben, (m) => m.id === node.attrs.id && m.status === 'delivered');

  // The answer goes through the session that message opened; to Anna's phone a new one is opened.
  const own = await device.query('get', 'encrypt', [el('key', {}, [el('user', { jid: device.me.replace(/:\d+/, '') })])]);
  const user = kid(kid(own, 'list'), 'user');
  const bytes = (n, tag) => Buffer.from(kid(n, tag).content);
  const typed = (b) => Buffer.concat([Buffer.from([5]), b]);
  const ownAddress = new ProtocolAddress('own', 0);
  await new SessionBuilder(device.storage(), ownAddress).processPreKeyBundle({
    registrationId: bytes(user, 'registration').readUInt32BE(0), identityKey: typed(bytes(user, 'identity')),
    signedPreKey: { keyId: bytes(kid(user, 'skey'), 'id').readUIntBE(0, 3), publicKey: typed(bytes(kid(user, 'skey'), 'value')), signature: bytes(kid(user, 'skey'), 'signature') },
    preKey: { keyId: bytes(kid(user, 'key'), 'id').readUIntBE(0, 3), publicKey: typed(bytes(kid(user, 'key'), 'value')) },
  });
  const content = { conversation: 'Grüße aus Rust' };
  const pad = (m) => Buffer.concat([proto.Message.encode(m).finish(), Buffer.from([1])]);
  const part = async (jid, to, m) => {
    const { type, body } = await new SessionCipher(device.storage(), to).encrypt(pad(m));
    return el('to', { jid }, [el('enc', { v: '2', type: type === 3 ? 'pkmsg' : 'msg' }, Buffer.from(body))]);
  };
  const benJid = `${ben.number.slice(1)}@s.whatsapp.net`;
  const ownJid = device.me.replace(/:\d+/, '');
  // Without its signed identity, or with a spoilt one, the phone it opens a session to does not listen.
  const spoilt = Buffer.from(device.statement);
  spoilt[spoilt.length - 5] ^= 1;
  for (const [id, proof] of [['3EB0BAD1', []], ['3EB0BAD2', [el('device-identity', {}, spoilt)]]]) {
    const enc = kid(await part(ownJid, ownAddress, content), 'enc');
    device.send(el('message', { id, to: ownJid, type: 'text' }, [el('participants', {}, [el('to', { jid: ownJid }, [enc])]), ...proof]));
  }
  device.send(el('message', { id: '3EB0FEEDFACE', to: benJid, type: 'text' }, [el('participants', {}, [
    await part(benJid, address, content),
    await part(ownJid, ownAddress, { deviceSentMessage: { destinationJid: benJid, message: content } }),
  ]), el('device-identity', {}, device.statement)]));
  assert.equal((await s.message(ben, (m) => m.id === '3EB0FEEDFACE')).text, 'Grüße aus Rust');
  assert.equal((await s.message(anna, (m) => m.id === '3EB0FEEDFACE')).direction, 'out');
  assert.deepEqual((await s.messages(anna)).filter((m) => m.id.startsWith('3EB0BAD')), []);
  assert.deepEqual((await s.ok('GET', '/log')).filter((e) => e.kind === 'nack').map((e) => e.id), ['3EB0BAD1', '3EB0BAD2']);
});

test('a device that signs back wrongly is not linked', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const spoils = {
    flipped: (sig) => { sig[10] ^= 1; return sig; },
    zero: () => Buffer.alloc(64),
    short: (sig) => sig.subarray(0, 40),
    foreign: () => Buffer.from(calculateSignature(generateKeyPair().privKey, Buffer.from('other'))),
  };
  for (const [name, spoil] of Object.entries(spoils)) {
    const { device, code } = await showCode(t, s);
    const success = device.next((n) => kid(n, 'pair-success'), 'pair-success');
    const scan = s.call('POST', `/phones/${anna.id}/scan`, { qr: code });
    device.signBack(await success, spoil);
    const { status, body } = await scan;
    assert.deepEqual([status, body.code], [422, 'qr_invalid'], name);
    const refused = device.next((n) => n.tag === 'failure', 'the refusal');
    device.ws.terminate();
    await device.connect();
    assert.equal((await refused).attrs.reason, '401');
  }
  assert.deepEqual((await s.ok('GET', `/phones/${anna.id}`)).linked_devices, []);
});

test('another key than the linked one does not get in', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const { device, code } = await showCode(t, s);
  const success = device.next((n) => kid(n, 'pair-success'), 'pair-success');
  const scan = s.ok('POST', `/phones/${anna.id}/scan`, { qr: code });
  device.signBack(await success);
  await scan;
  const thief = new RustDevice(s.socketUrl);
  t.after(() => thief.ws?.terminate());
  thief.me = device.me;
  const refused = thief.next((n) => n.tag === 'failure', 'the refusal');
  await thief.connect();
  assert.equal((await refused).attrs.reason, '401');
});

test('nodes the sandbox encodes read the same in Rust', async () => {
  const { encodeBinaryNode } = await import('baileys/lib/WABinary/encode.js');
  const node = el('message', { from: '491700000001:3@s.whatsapp.net', id: '3EB0', t: '1700000000', sender_lid: '12345:3@lid' }, [el('enc', { v: '2', type: 'msg' }, randomBytes(300))]);
  assert.deepEqual(plainNode(decodeNode(encodeBinaryNode(node))), { ...node, content: node.content.map((n) => ({ ...n, content: new Uint8Array(n.content) })) });
});
