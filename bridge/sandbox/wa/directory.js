/**
 * Who is on WhatsApp: accounts, their devices and the public keys these have uploaded.
 * Public keys only; no private key ever comes here.
 */
import { randomInt } from 'node:crypto';
import { LID, PN, makeJid, parseJid } from '../lib/jid.js';

/**
 * @typedef {object} Device
 * @property {number} id 0 is the phone
 * @property {number} registrationId
 * @property {string} identity base64, as are all keys here
 * @property {{id: number, value: string, signature: string}} skey
 * @property {string | null} noise the key it opens its socket with; the phone has none
 * @property {number} keyIndex
 * @property {string} label
 * @property {string} linkedAt
 * @property {boolean} announced whether the phone was told that it came online for the first time
 * @property {Map<number, string>} preKeys
 *
 * @typedef {object} Account
 * @property {string} pn digits
 * @property {string} lid digits
 * @property {string} name
 * @property {number} nextDevice
 * @property {Set<string>} watchers accounts that keep this one's device list
 * @property {Map<number, Device>} devices
 */

export class Directory {
  #store;
  #byPn = new Map();
  #byLid = new Map();

  constructor(store) {
    this.#store = store;
    for (const [, a] of store.entries('account/')) {
      this.#index({ ...a, watchers: new Set(a.watchers), devices: new Map() });
    }
    for (const [key, d] of store.entries('device/')) {
      this.#byPn.get(key.split('/')[0])?.devices.set(d.id, { ...d, preKeys: new Map() });
    }
    for (const [key, value] of store.entries('prekey/')) {
      const [pn, device, id] = key.split('/');
      this.#byPn.get(pn)?.devices.get(Number(device))?.preKeys.set(Number(id), value);
    }
  }

  #index(account) {
    this.#byPn.set(account.pn, account);
    this.#byLid.set(account.lid, account);
    return account;
  }

  /** @returns {IterableIterator<Account>} */
  accounts() {
    return this.#byPn.values();
  }

  /** @returns {Account | undefined} */
  byNumber(pn) {
    return this.#byPn.get(pn);
  }

  /** @returns {{account: Account, device: number, server: string} | null} null if that person is not on WhatsApp */
  resolve(jid) {
    const j = parseJid(jid);
    if (!j) return null;
    const account = (j.server === LID ? this.#byLid : this.#byPn).get(j.user);
    return account ? { account, device: j.device, server: j.server } : null;
  }

  /** A number keeps its LID and goes on counting its devices, also when it is registered anew. */
  createAccount(pn, name) {
    const past = this.#store.get(`number/${pn}`);
    const lid = past?.lid ?? this.#freeLid();
    const account = { pn, lid, name, nextDevice: past?.nextDevice ?? 1, watchers: new Set(past?.watchers), devices: new Map() };
    this.#index(account);
    this.saveAccount(account);
    return account;
  }

  #freeLid() {
    for (;;) {
      const lid = `1${String(randomInt(1e12)).padStart(13, '0')}`;
      if (!this.#byLid.has(lid)) return lid;
    }
  }

  saveAccount({ pn, lid, name, nextDevice, watchers }) {
    this.#store.put(`account/${pn}`, { pn, lid, name, nextDevice, watchers: [...watchers] });
    this.#store.put(`number/${pn}`, { lid, nextDevice, watchers: [...watchers] });
  }

  removeAccount(account) {
    for (const d of [...account.devices.values()]) this.removeDevice(account, d);
    this.#byPn.delete(account.pn);
    this.#byLid.delete(account.lid);
    this.#store.del(`account/${account.pn}`);
  }

  /** @returns {Device} */
  addDevice(account, { id, registrationId, identity, skey, noise = null, label = '' }) {
    const device = {
      id, registrationId, identity, skey, noise, label, keyIndex: id,
      linkedAt: new Date().toISOString(), announced: false, preKeys: new Map(),
    };
    account.devices.set(id, device);
    this.saveDevice(account, device);
    return device;
  }

  saveDevice(account, { preKeys: _, ...rest }) {
    this.#store.put(`device/${account.pn}/${rest.id}`, rest);
  }

  removeDevice(account, device) {
    account.devices.delete(device.id);
    this.#store.del(`device/${account.pn}/${device.id}`);
    for (const id of device.preKeys.keys()) this.#store.del(`prekey/${account.pn}/${device.id}/${id}`);
  }

  addPreKeys(account, device, keys) {
    for (const { id, value } of keys) {
      device.preKeys.set(id, value);
      this.#store.put(`prekey/${account.pn}/${device.id}/${id}`, value);
    }
  }

  /** Hands out one one-time key and forgets it. @returns {{id: number, value: string} | null} */
  takePreKey(account, device) {
    const first = device.preKeys.entries().next();
    if (first.done) return null;
    const [id, value] = first.value;
    device.preKeys.delete(id);
    this.#store.del(`prekey/${account.pn}/${device.id}/${id}`);
    return { id, value };
  }

  /** Remembers that `watcher` now knows the devices of `account` and must hear of changes. */
  watch(account, watcher) {
    if (account.watchers.has(watcher.pn)) return;
    account.watchers.add(watcher.pn);
    this.saveAccount(account);
  }
}

/** The id of an account's device, by phone number or by LID. */
export const jidOf = (account, device = 0, server = PN) =>
  makeJid(server === LID ? account.lid : account.pn, server, device);
