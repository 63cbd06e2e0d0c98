/** All virtual phones of this sandbox. */
import { randomUUID } from 'node:crypto';
import { magic } from '../lib/magic.js';
import { openLine } from '../wa/line.js';
import { PhoneError } from './error.js';
import { makePhoneKeys } from './keys.js';
import { Phone } from './phone.js';

export class Phones {
  #store;
  #server;
  #files;
  #logger;
  #phones = new Map();
  #listeners = new Set();

  /**
   * @param {{store: import('../lib/store.js').Store, server: import('../wa/server.js').WaServer, files: import('../lib/blobs.js').Blobs, logger: object}} options
   */
  constructor({ store, server, files, logger }) {
    this.#files = files;
    this.#store = store;
    this.#server = server;
    this.#logger = logger;
    server.summon = (pn) => this.#summon(pn);
  }

  /** Numbers with a behaviour of their own have a phone as soon as somebody asks for them. */
  async #summon(pn) {
    const special = magic(pn);
    if (special && !special.nobody && !this.#server.directory.byNumber(pn)) await this.create(`+${pn}`, special.name);
  }

  /** Puts the phones back on the network that were on it. */
  async start() {
    for (const [, record] of this.#store.entries('phone/')) this.#add(record);
    this.#reconcile();
    for (const phone of this.#phones.values()) if (phone.record.online) await phone.connect();
  }

  /** Signing up writes to two stores; a crash in between leaves one half, which is put right here. */
  #reconcile() {
    const numbers = new Set(this.list().map((p) => p.pn));
    for (const { pn } of [...this.#server.directory.accounts()]) if (!numbers.has(pn)) this.#server.deregister(pn);
    for (const { pn, record } of this.list()) if (!this.#server.directory.byNumber(pn)) this.#signUp(pn, record.name, record.keys);
  }

  #signUp(pn, name, { registrationId, identity, signedPreKey: s }) {
    return this.#server.register(pn, name, {
      registrationId, identity: identity.public, skey: { id: s.id, value: s.public, signature: s.signature },
    });
  }

  stop() {
    for (const phone of this.#phones.values()) phone.disconnect();
  }

  #add(record) {
    const phone = new Phone(record, {
      store: this.#store,
      files: this.#files,
      trust: this.#server.media.authority.cert,
      openLine: (pn, handlers) => openLine(this.#server, pn, handlers),
      emit: (event) => { for (const l of this.#listeners) l(event); },
      logger: this.#logger,
    });
    this.#phones.set(phone.id, phone);
    return phone;
  }

  /** Calls back on every change. @returns {() => void} stops that */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  list() {
    return [...this.#phones.values()];
  }

  /** By id or by number. @returns {Phone} */
  get(key) {
    const phone = this.#phones.get(key) ?? this.list().find((p) => p.number === key);
    if (!phone) throw new PhoneError('phone_not_found');
    return phone;
  }

  /** A new phone signs up with its number. @returns {Promise<Phone>} */
  async create(number, name) {
    const pn = number.slice(1);
    if (this.#server.directory.byNumber(pn)) throw new PhoneError('number_taken');
    const keys = makePhoneKeys();
    const account = this.#signUp(pn, name, keys);
    const phone = this.#add({
      id: randomUUID(), number, name, online: !magic(pn)?.away, lid: account.lid, linked: [], createdAt: new Date().toISOString(), keys,
    });
    phone.saveRecord();
    await Promise.all([this.#store.commit(), this.#server.store.commit()]);
    await phone.connect();
    // It went on the network once, to leave its keys.
    if (!phone.record.online) phone.disconnect();
    return phone;
  }

  /** The number leaves WhatsApp; its linked devices are logged out. */
  async remove(phone) {
    this.#phones.delete(phone.id);
    phone.disconnect();
    this.#server.deregister(phone.pn);
    this.#store.del(`phone/${phone.id}`);
    for (const kind of ['session', 'prekey', 'message', 'status', 'control']) this.#store.delAll(`${kind}/${phone.id}/`);
    this.#files.removeAll(`${phone.id}-`);
    for (const l of this.#listeners) l({ type: 'phone_removed', phone_id: phone.id });
    await Promise.all([this.#store.commit(), this.#server.store.commit()]);
  }
}
