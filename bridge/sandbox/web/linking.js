/**
 * The page's part in linking a device: references to show, or a code to type, and signing back when a phone has
 * scanned or typed one.
 */
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';
import { accountMessage, deviceMessage } from '../lib/adv.js';
import { generateKeyPair, sign, verify } from '../lib/curve.js';
import { makeJid, parseJid } from '../lib/jid.js';
import { bigEndian, bytes, child, childBytes, children, el } from '../lib/nodes.js';
import { loadPair, makePhoneKeys } from '../phone/keys.js';
import { Client } from '../wa/client.js';
import { IqError } from '../wa/iq-error.js';
import { CodeOffer } from './link-code.js';

const CODE_TAG = 'link_code_companion_reg';

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
  #offer = null;
  #questions = new Map();

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

  /** Asks the server. @throws {IqError} its refusal */
  #ask(content) {
    const id = `page-${this.#questions.size + 1}`;
    return new Promise((resolve, reject) => {
      if (!this.#client.open) throw new Error('the connection was closed');
      this.#questions.set(id, { resolve, reject });
      this.#server.handle(this.#client, el('iq', { id, type: 'set', xmlns: 'md' }, [content]));
    });
  }

  #answered({ attrs: { id, type }, content }) {
    const { resolve, reject } = this.#questions.get(id);
    const { code, text } = content?.find(({ tag }) => tag === 'error')?.attrs ?? {};
    if (type === 'error') reject(new IqError(Number(code), text));
    else resolve(content);
  }

  /**
   * Offers a code that is typed on the phone of this number.
   * @param {string} number digits
   * @returns {Promise<string>} the code @throws {IqError} the server's refusal
   */
  async offerCode(number) {
    const offer = new CodeOffer();
    const wrapped = await offer.wrapped();
    this.#offer = offer;
    await this.#ask(el(CODE_TAG, { jid: makeJid(number), stage: 'companion_hello', should_show_push_notification: 'true' }, [
      el('link_code_pairing_wrapped_companion_ephemeral_pub', {}, wrapped),
    ]));
    return offer.code;
  }

  /** Somebody has typed a code on the phone. */
  async #onTyped(hello) {
    const own = loadPair(this.#keys.identity);
    const { bundle, secret } = await this.#offer.answer(own, {
      wrapped: childBytes(hello, 'link_code_pairing_wrapped_primary_ephemeral_pub'), identity: childBytes(hello, 'primary_identity_pub'),
    });
    this.#secret = secret;
    await this.#ask(el(CODE_TAG, { stage: 'companion_finish' }, [
      el('link_code_pairing_ref', {}, childBytes(hello, 'link_code_pairing_ref')),
      el('link_code_pairing_wrapped_key_bundle', {}, bundle),
      el('companion_identity_public', {}, own.public),
    ]));
  }

  #closed() {
    this.#client.closed();
    for (const { reject } of this.#questions.values()) reject(new Error('the connection was closed'));
    this.#server.gone(this.#client);
    setImmediate(() => (this.#admitted ? this.#handlers.onLinked(this.#record) : this.#handlers.onEnd()));
  }

  #onNode(node) {
    if (node.tag === 'stream:error' && node.attrs.code === '515') this.#admitted = true;
    if (node.tag === 'notification' && this.#offer) this.#onTyped(child(node, CODE_TAG)).catch(() => this.close());
    if (node.tag !== 'iq') return;
    if (this.#questions.has(node.attrs.id)) {
      this.#answered(node);
      return;
    }
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
