/**
 * A phone's Signal sessions. What a call changes is collected and written by `save()`, so that the caller
 * can put it on disk together with what the message led to.
 */
import { createRequire } from 'node:module';
import { loadPair } from './keys.js';
import { withType } from '../lib/curve.js';

const require = createRequire(import.meta.url);
const { ProtocolAddress, SessionBuilder, SessionCipher, SessionRecord } = require('libsignal');

/** The library prints whole sessions, private keys included, whenever one is opened or closed. These don't. */
class QuietRecord extends SessionRecord {
  closeSession(session) {
    session.indexInfo.closed = Date.now();
  }

  openSession(session) {
    session.indexInfo.closed = -1;
  }

  removeOldSessions() {
    const closed = Object.entries(this.sessions).filter(([, s]) => this.isClosed(s))
      .sort(([, a], [, b]) => a.indexInfo.closed - b.indexInfo.closed);
    while (Object.keys(this.sessions).length > 40 && closed.length) delete this.sessions[closed.shift()[0]];
  }
}

class QuietCipher extends SessionCipher {
  /** The library steps a session's ratchet also when the message was not meant for it; that is undone here. */
  async doDecryptWhisperMessage(data, session) {
    const before = session?.serialize();
    try {
      return await super.doDecryptWhisperMessage(data, session);
    } catch (error) {
      if (before) Object.assign(session, session.constructor.deserialize(before));
      throw error;
    }
  }

  async decryptWithSessions(data, sessions) {
    for (const session of sessions) {
      try {
        const plaintext = await this.doDecryptWhisperMessage(data, session);
        session.indexInfo.used = Date.now();
        return { session, plaintext };
      } catch {
        // Another of the sessions may fit.
      }
    }
    throw new Error('no session fits');
  }
}

/** A device's Signal address: devices are known by LID. */
export const addressOf = (lid, device) => new ProtocolAddress(`${lid}_1`, device);

export class SignalState {
  #store;
  #phone;
  #keys;
  #sessions = new Map();
  #preKeys = new Map();
  #changes = new Map();

  /**
   * @param {import('../lib/store.js').Store} store
   * @param {string} phoneId
   * @param {object} keys from makePhoneKeys
   */
  constructor(store, phoneId, keys) {
    this.#store = store;
    this.#phone = phoneId;
    this.#keys = keys;
    for (const [address, value] of store.entries(`session/${phoneId}/`)) this.#sessions.set(address, value);
    for (const [id, value] of store.entries(`prekey/${phoneId}/`)) this.#preKeys.set(Number(id), value);
  }

  /** Hands over everything changed since the last call to the store. */
  save() {
    for (const [key, value] of this.#changes) {
      if (value === null) this.#store.del(key);
      else this.#store.put(key, value);
    }
    this.#changes.clear();
  }

  addPreKeys(preKeys) {
    for (const k of preKeys) {
      this.#preKeys.set(k.id, k);
      this.#changes.set(`prekey/${this.#phone}/${k.id}`, k);
    }
  }

  hasSession(address) {
    const saved = this.#sessions.get(address.toString());
    return !!saved && QuietRecord.deserialize(saved).haveOpenSession();
  }

  /** Starts a session from a device's public keys. */
  async establish(address, bundle) {
    await new SessionBuilder(this.#storage(), address).initOutgoing(bundle);
  }

  /** @returns {Promise<{type: 'pkmsg' | 'msg', ciphertext: Buffer}>} */
  async encrypt(address, data) {
    const { type, body } = await new QuietCipher(this.#storage(), address).encrypt(data);
    return { type: type === 3 ? 'pkmsg' : 'msg', ciphertext: Buffer.from(body) };
  }

  /** @returns {Promise<Buffer>} */
  async decrypt(address, type, ciphertext) {
    const cipher = new QuietCipher(this.#storage(), address);
    return type === 'pkmsg' ? cipher.decryptPreKeyWhisperMessage(ciphertext) : cipher.decryptWhisperMessage(ciphertext);
  }

  #storage() {
    const pair = (saved) => {
      const p = loadPair(saved);
      return { pubKey: withType(p.public), privKey: p.private };
    };
    return {
      loadSession: async (address) => {
        const saved = this.#sessions.get(address);
        return saved ? QuietRecord.deserialize(saved) : new QuietRecord();
      },
      storeSession: async (address, record) => {
        const saved = record.serialize();
        this.#sessions.set(address, saved);
        this.#changes.set(`session/${this.#phone}/${address}`, saved);
      },
      // As the real apps do by default: a new key of a contact is taken over.
      isTrustedIdentity: async () => true,
      loadPreKey: async (id) => (this.#preKeys.has(id) ? pair(this.#preKeys.get(id)) : undefined),
      removePreKey: async (id) => {
        this.#preKeys.delete(id);
        this.#changes.set(`prekey/${this.#phone}/${id}`, null);
      },
      loadSignedPreKey: async () => pair(this.#keys.signedPreKey),
      getOurRegistrationId: async () => this.#keys.registrationId,
      getOurIdentity: async () => pair(this.#keys.identity),
    };
  }
}
