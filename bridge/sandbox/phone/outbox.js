/** Encrypting for every device of a person: who they are, their keys, one ciphertext for each. */
import { LID, PN, makeJid, parseJid } from '../lib/jid.js';
import { bigEndian, child, childBytes, childNumber, children, el } from '../lib/nodes.js';
import { withType } from '../lib/curve.js';
import { deviceSent, pack } from './content.js';
import { contentOf } from './sending.js';
import { addressOf } from './signal.js';

const MAX_RESENDS = 5;

/** @typedef {{pn: string, lid: string, device: number}} Target */

export class Outbox {
  #phone;
  #resends = new Map();

  constructor(phone) {
    this.#phone = phone;
  }

  /** Nodes that publish keys. */
  keyNodes(keys, preKeys) {
    const raw = (s) => Buffer.from(s, 'base64');
    const { signedPreKey: s } = keys;
    return [
      el('registration', {}, bigEndian(keys.registrationId, 4)),
      el('type', {}, Buffer.from([5])),
      el('identity', {}, raw(keys.identity.public)),
      el('list', {}, preKeys.map((k) => el('key', {}, [el('id', {}, bigEndian(k.id, 3)), el('value', {}, raw(k.public))]))),
      el('skey', {}, [el('id', {}, bigEndian(s.id, 3)), el('value', {}, raw(s.public)), el('signature', {}, raw(s.signature))]),
    ];
  }

  /** All devices of these numbers but this phone itself. @returns {Promise<Target[]>} */
  async devicesOf(numbers) {
    const reply = await this.#phone.query('get', 'usync', [el('usync', { context: 'message', mode: 'query', sid: '1', last: 'true', index: '0' }, [
      el('query', {}, [el('devices', { version: '2' }), el('lid')]),
      el('list', {}, numbers.map((pn) => el('user', { jid: makeJid(pn) }))),
    ])]);
    const out = [];
    for (const user of children(child(child(reply, 'usync'), 'list'), 'user')) {
      const pn = parseJid(user.attrs.jid).user;
      const lid = parseJid(child(user, 'lid').attrs.val).user;
      for (const d of children(child(child(user, 'devices'), 'device-list'), 'device')) {
        const device = Number(d.attrs.id);
        if (pn !== this.#phone.pn || device !== 0) out.push({ pn, lid, device });
      }
    }
    return out;
  }

  async #fetchKeys(targets) {
    const reply = await this.#phone.query('get', 'encrypt', [el('key', {}, targets.map((t) =>
      el('user', { jid: makeJid(t.lid, LID, t.device) })))]);
    for (const user of children(child(reply, 'list'), 'user')) {
      if (child(user, 'error')) continue;
      const { user: lid, device } = parseJid(user.attrs.jid);
      const skey = child(user, 'skey');
      const key = child(user, 'key');
      await this.#phone.signal.establish(addressOf(lid, device), {
        registrationId: childNumber(user, 'registration'),
        identityKey: withType(childBytes(user, 'identity')),
        signedPreKey: { keyId: childNumber(skey, 'id'), publicKey: withType(childBytes(skey, 'value')), signature: childBytes(skey, 'signature') },
        ...(key ? { preKey: { keyId: childNumber(key, 'id'), publicKey: withType(childBytes(key, 'value')) } } : {}),
      });
    }
  }

  /**
   * @param {Target[]} targets
   * @param {(target: Target) => Buffer} plaintext
   * @param {{fresh?: boolean, attrs?: object}} [options] `fresh`: with a new session
   * @returns {Promise<object[]>} a `<to>` with the ciphertext for each target
   */
  async encrypt(targets, plaintext, { fresh = false, attrs = {} } = {}) {
    const { signal } = this.#phone;
    const strangers = targets.filter((t) => fresh || !signal.hasSession(addressOf(t.lid, t.device)));
    if (strangers.length) await this.#fetchKeys(strangers);
    const out = [];
    for (const t of targets) {
      const address = addressOf(t.lid, t.device);
      if (!signal.hasSession(address)) continue;
      const { type, ciphertext } = await signal.encrypt(address, plaintext(t));
      out.push(el('to', { jid: makeJid(t.pn, PN, t.device) }, [el('enc', { v: '2', type, ...attrs }, ciphertext)]));
    }
    return out;
  }

  /** A device could not decrypt what this phone sent: the same message again, in a new session. */
  async resend(id, target, count) {
    const phone = this.#phone;
    const message = contentOf(phone, id);
    const key = `${id} ${target.pn} ${target.device}`;
    const times = this.#resends.get(key) ?? 0;
    if (!message || times >= MAX_RESENDS) return;
    this.#resends.set(key, times + 1);
    const own = target.pn === phone.pn;
    const jid = makeJid(message.to.slice(1));
    const { content } = message;
    const [part] = await this.encrypt([target], () => pack(own ? deviceSent(jid, content) : content), {
      fresh: true, attrs: { count: String(count) },
    });
    if (!part) return;
    phone.signal.save();
    await phone.commit();
    phone.post(el('message', {
      id, to: part.attrs.jid, type: 'text', device_fanout: 'false', ...(own ? { recipient: jid } : {}),
    }, children(part, 'enc')));
  }
}
