/**
 * Baileys' credentials and Signal keys on a store of the bridge (see storage/durable-map.js).
 *
 * Values are kept serialised: what Baileys is given is a copy, as it changes some objects in place before it
 * knows that they will be stored.
 */
const CREDS = 'creds\0';
const INBOX = 'inbox\0';
/** Kinds of keys that move on with each message. */
const RATCHETS = ['session', 'sender-key', 'sender-key-memory'];
/** More than a bridge makes between two copies. */
const PRE_KEYS_SKIPPED = 2000;

/** How long a decrypted content is kept when no event stands for it (key shares, sender keys). */
const CONTENT_MS = 10 * 60 * 1000;
/** How long it is remembered that a ciphertext was decrypted. */
const SEEN_MS = 24 * 60 * 60 * 1000;
const PRUNE_MS = 5 * 60 * 1000;

export class SignalStore {
  #map;
  #baileys;
  #seen = new Set();
  /** Texts of Signal sessions. */
  #encoded = new WeakMap();
  #nextPrune = 0;

  /**
   * @param {import('../../storage/durable-map.js').DurableMap} map
   * @param {object} baileys
   */
  constructor(map, baileys) {
    this.#map = map;
    this.#baileys = baileys;
    this.#readSeen();
  }

  #readSeen() {
    for (const [, entry] of this.#inbox()) {
      if (entry.key) {
        this.#seen.add(entry.key);
      }
    }
  }

  *#inbox() {
    for (const [key, value] of this.#map.entries()) {
      if (key.startsWith(INBOX)) {
        yield [key.slice(INBOX.length), JSON.parse(value)];
      }
    }
  }

  #encode(type, value) {
    // Signal sessions are plain JSON and by far the most written. Each comes twice: when it has changed, and at the end
    // of the transaction; it is an object of its own for each change, that nobody writes to.
    if (type !== 'session') {
      return JSON.stringify(value, this.#baileys.BufferJSON.replacer);
    }
    let text = this.#encoded.get(value);
    if (text === undefined) {
      text = JSON.stringify(value);
      this.#encoded.set(value, text);
    }
    return text;
  }

  #decode(type, text) {
    const value = type === 'session' ? JSON.parse(text) : JSON.parse(text, this.#baileys.BufferJSON.reviver);
    return type === 'app-state-sync-key' ? this.#baileys.proto.Message.AppStateSyncKeyData.fromObject(value) : value;
  }

  /** Credentials, new ones if there are none. */
  readCreds() {
    const text = this.#map.get(CREDS);
    return text ? this.#decode('creds', text) : this.#baileys.initAuthCreds();
  }

  /** They say who is linked: without them a copy is of no use. */
  writeCreds(creds) {
    this.#map.apply([[CREDS, this.#encode('creds', creds)]], { copyNow: true });
  }

  /** A view for one socket; detached, it takes no more writes of a socket that is dead. */
  attach() {
    const view = {
      detached: false,
      get: async (type, ids) => {
        const found = {};
        for (const id of ids) {
          const text = this.#map.get(`${type}\0${id}`);
          if (text !== undefined) {
            found[id] = this.#decode(type, text);
          }
        }
        return found;
      },
      set: async (data) => {
        if (!view.detached) {
          this.#write(data);
        }
      },
      inboxEntry: (id) => this.inboxEntry(id),
      writeCreds: (creds) => {
        if (!view.detached) {
          this.writeCreds(creds);
        }
      },
    };
    return view;
  }

  #write(data) {
    const changes = [];
    for (const [type, values] of Object.entries(data)) {
      for (const [id, value] of Object.entries(values)) {
        // Baileys says null for "remove", and an undefined would be no JSON.
        changes.push([`${type}\0${id}`, value === null || value === undefined ? null : this.#encode(type, value)]);
      }
    }
    this.#map.apply(changes);
  }

  /** One value, for the bridge's own use. */
  value(type, id) {
    const text = this.#map.get(`${type}\0${id}`);
    return text === undefined ? undefined : this.#decode(type, text);
  }

  /** @returns {{plain?: string, attrs?: object, at: number, key?: string}|undefined} */
  inboxEntry(id) {
    const text = this.#map.get(INBOX + id);
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** Entries whose content has not been turned into an event yet, or never will be. */
  unhandled() {
    return [...this.#inbox()].filter(([, entry]) => entry.plain);
  }

  /** Was a message of this key already told? */
  wasSeen(key) {
    return this.#seen.has(key);
  }

  /** Remembers a key until it is written with settle(). */
  see(key) {
    this.#seen.add(key);
  }

  /** The event of this entry is safe: its content may go, its key stays for a while. */
  settle(id, key) {
    this.#map.apply([[INBOX + id, JSON.stringify({ at: Date.now(), key })]]);
    this.prune();
  }

  /** Removes what is too old to come again. */
  prune(now = Date.now()) {
    if (now < this.#nextPrune) {
      return;
    }
    this.#nextPrune = now + PRUNE_MS;
    const changes = [];
    for (const [id, entry] of this.#inbox()) {
      if (now - entry.at > SEEN_MS) {
        changes.push([INBOX + id, null]);
        this.#seen.delete(entry.key);
      } else if (entry.plain && entry.silent && now - entry.at > CONTENT_MS) {
        changes.push([INBOX + id, JSON.stringify({ at: entry.at })]);
      }
    }
    this.#map.apply(changes);
  }

  /** Marks content that stands for no event; it is kept a while in case its stanza comes again. */
  markSilent(id) {
    const entry = this.inboxEntry(id);
    if (entry && !entry.silent) {
      this.#map.apply([[INBOX + id, JSON.stringify({ ...entry, silent: true })]]);
    }
  }

  /**
   * What is here may be older than what was used last: no Signal session of it may be used again, since its
   * keys were. New ones are begun with the next message; one-time keys get numbers that were not used yet.
   */
  forgetRatchets() {
    const stale = [...this.#map.entries()].filter(([key]) => RATCHETS.some((type) => key.startsWith(`${type}\0`)));
    this.#map.apply(stale.map(([key]) => [key, null]));
    const creds = this.readCreds();
    const next = creds.nextPreKeyId + PRE_KEYS_SKIPPED;
    this.writeCreds({ ...creds, nextPreKeyId: next, firstUnuploadedPreKeyId: next });
  }

  get settled() {
    return this.#map.settled;
  }

  flush(options) {
    return this.#map.flush(options);
  }

  async erase() {
    this.#seen.clear();
    await this.#map.erase();
  }

  close() {
    return this.#map.close();
  }
}
