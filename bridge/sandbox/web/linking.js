/** The page's part in linking a device: references to show, and signing back when a phone has scanned one. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';
import { accountMessage, deviceMessage } from '../lib/adv.js';
import { generateKeyPair, sign, verify } from '../lib/curve.js';
import { parseJid } from '../lib/jid.js';
import { bigEndian, bytes, child, childBytes, children, el } from '../lib/nodes.js';
import { loadPair, makePhoneKeys } from '../phone/keys.js';
import { Client } from '../wa/client.js';

const b64 = (b) => Buffer.from(b).toString('base64');

function makeKeys() {
  const noise = generateKeyPair();
  return { ...makePhoneKeys(), noise: { public: b64(noise.public), private: b64(noise.private) } };
}

export class Linking {
  #server;
  #handlers;
  #client;
  #record = null;
  #admitted = false;
  #secret = randomBytes(32);
  #keys = makeKeys();

  /**
   * @param {import('../wa/server.js').WaServer} server
   * @param {{onRefs: (code: object) => void, onScanned: () => void, onLinked: (record: object) => void, onEnd: () => void}} handlers
   */
  constructor(server, handlers) {
    this.#server = server;
    this.#handlers = handlers;
    this.#client = new Client({ send: (node) => setImmediate(() => this.#onNode(node)), close: () => this.#closed() });
    const { signedPreKey: s, registrationId, identity, noise } = this.#keys;
    const { CHROME } = proto.DeviceProps.PlatformType;
    server.counts.connections += 1;
    server.pairing.begin(this.#client, { devicePairingData: {
      deviceProps: proto.DeviceProps.encode({ os: 'WhatsApp Web', platformType: CHROME }).finish(),
      eIdent: loadPair(identity).public,
      eRegid: bigEndian(registrationId, 4),
      eSkeyId: bigEndian(s.id, 3),
      eSkeyVal: loadPair(s).public,
      eSkeySig: Buffer.from(s.signature, 'base64'),
    } }, loadPair(noise).public);
  }

  /** What of the keys stands in a code. */
  get publicPart() {
    return { noise: this.#keys.noise.public, identity: this.#keys.identity.public, secret: b64(this.#secret) };
  }

  close() {
    this.#client.close();
  }

  #closed() {
    this.#client.closed();
    this.#server.gone(this.#client);
    setImmediate(() => (this.#admitted ? this.#handlers.onLinked(this.#record) : this.#handlers.onEnd()));
  }

  #onNode(node) {
    if (node.tag === 'stream:error' && node.attrs.code === '515') this.#admitted = true;
    if (node.tag !== 'iq') return;
    const refs = child(node, 'pair-device');
    const success = child(node, 'pair-success');
    const answer = (type, content) => this.#server.handle(this.#client, el('iq', { id: node.attrs.id, type }, content));
    if (refs) {
      answer('result');
      this.#handlers.onRefs({ refs: children(refs, 'ref').map((ref) => bytes(ref).toString()), ...this.publicPart });
    } else if (success) {
      this.#handlers.onScanned();
      const identity = this.#signBack(childBytes(success, 'device-identity'));
      if (!identity) {
        answer('error', [el('error', { code: '406' })]);
        return;
      }
      this.#record = this.#makeRecord(child(success, 'device').attrs, identity);
      answer('result', [el('pair-device-sign', {}, [el('device-identity', { 'key-index': '1' }, identity)])]);
    }
  }

  /** Checks that the phone has seen the code and signed for this device. @returns {Buffer | null} */
  #signBack(statement) {
    const { details: signed, hmac } = proto.ADVSignedDeviceIdentityHMAC.decode(statement);
    if (!createHmac('sha256', this.#secret).update(signed).digest().equals(Buffer.from(hmac))) return null;
    const account = proto.ADVSignedDeviceIdentity.decode(signed);
    const own = loadPair(this.#keys.identity);
    const details = Buffer.from(account.details);
    const phone = Buffer.from(account.accountSignatureKey);
    if (!verify(phone, accountMessage(details, own.public), account.accountSignature)) return null;
    const deviceSignature = sign(own.private, deviceMessage(details, own.public, phone));
    return Buffer.from(proto.ADVSignedDeviceIdentity.encode({
      details, accountSignatureKey: phone, accountSignature: account.accountSignature, deviceSignature,
    }).finish());
  }

  #makeRecord({ jid, lid }, identity) {
    const { user, device } = parseJid(jid);
    const account = this.#server.directory.byNumber(user);
    return {
      id: randomUUID(), token: randomBytes(24).toString('base64url'), number: `+${user}`, lid: parseJid(lid).user, device,
      name: account.name, linked: [], identity: b64(identity), keys: this.#keys,
    };
  }
}
