/**
 * What waits for one device: stanzas stay here, on disk, until the device has answered for them, and are
 * sent again after it reconnects.
 */
import { decodeDecompressedBinaryNode } from 'baileys/lib/WABinary/decode.js';
import * as constants from 'baileys/lib/WABinary/constants.js';
import { encodeBinaryNode } from 'baileys/lib/WABinary/encode.js';

const decode = (text) => decodeDecompressedBinaryNode(Buffer.from(text, 'base64').subarray(1), constants);

/** @typedef {{seq: number, key: string, from: string, peer: boolean, node: object, ready: boolean, gone: boolean}} Entry */

export class DeviceQueue {
  #store;
  #prefix;
  #entries = new Map();
  #byKey = new Map();
  #unsent = [];

  constructor(store, prefix) {
    this.#store = store;
    this.#prefix = prefix;
  }

  get size() {
    return this.#entries.size;
  }

  /** Puts back an entry read from disk. */
  restore(seq, saved) {
    this.#add({ seq, key: saved.key, from: saved.from, peer: saved.peer, node: decode(saved.node), ready: true, gone: false });
  }

  /**
   * @param {number} seq grows with every entry of the server
   * @param {object} node
   * @param {{from?: string, peer?: boolean}} about `from`: number of the account that sent it
   * @returns {Entry}
   */
  push(seq, node, { from = '', peer = false } = {}) {
    const entry = { seq, key: `${node.tag}:${node.attrs.id}`, from, peer, node, ready: false, gone: false };
    this.#add(entry);
    this.#store.put(this.#prefix + seq, {
      key: entry.key, from, peer, node: Buffer.from(encodeBinaryNode(node)).toString('base64'),
    });
    return entry;
  }

  #add(entry) {
    this.#entries.set(entry.seq, entry);
    const same = this.#byKey.get(entry.key);
    if (same) same.push(entry);
    else this.#byKey.set(entry.key, [entry]);
    this.#unsent.push(entry);
  }

  /** The entries that a device's answer to `tag` with this id can mean. @returns {Entry[]} */
  find(tag, id) {
    return this.#byKey.get(`${tag}:${id}`) ?? [];
  }

  remove(entry) {
    if (entry.gone) return;
    entry.gone = true;
    this.#entries.delete(entry.seq);
    const rest = this.#byKey.get(entry.key).filter((e) => e !== entry);
    if (rest.length) this.#byKey.set(entry.key, rest);
    else this.#byKey.delete(entry.key);
    this.#store.del(this.#prefix + entry.seq);
  }

  /** A device (re)connects: everything is to be sent again. @returns {Entry[]} in order, and none left unsent */
  takeAll() {
    const all = [...this.#entries.values()].filter((e) => e.ready);
    this.#unsent = [...this.#entries.values()].filter((e) => !e.ready);
    return all;
  }

  /** What has not been sent on this connection yet and is on disk, in order. @returns {Entry[]} */
  takeReady() {
    let n = 0;
    while (n < this.#unsent.length && (this.#unsent[n].gone || this.#unsent[n].ready)) n++;
    return this.#unsent.splice(0, n).filter((e) => !e.gone);
  }

  clear() {
    for (const e of [...this.#entries.values()]) this.remove(e);
    this.#unsent = [];
  }
}

/** The queues of all devices. */
export class Queues {
  #store;
  #queues = new Map();
  #seq = 0;

  constructor(store) {
    this.#store = store;
    const saved = [...store.entries('queue/')].map(([key, value]) => {
      const [pn, device, seq] = key.split('/');
      return { pn, device, seq: Number(seq), value };
    });
    for (const { pn, device, seq, value } of saved.sort((a, b) => a.seq - b.seq)) {
      this.of(pn, device).restore(seq, value);
      this.#seq = Math.max(this.#seq, seq);
    }
  }

  /** @returns {DeviceQueue} */
  of(pn, device) {
    const name = `${pn}/${device}`;
    let queue = this.#queues.get(name);
    if (!queue) this.#queues.set(name, queue = new DeviceQueue(this.#store, `queue/${name}/`));
    return queue;
  }

  nextSeq() {
    return ++this.#seq;
  }

  drop(pn, device) {
    this.of(pn, device).clear();
    this.#queues.delete(`${pn}/${device}`);
  }

  /** How many stanzas wait in all. */
  get size() {
    let n = 0;
    for (const q of this.#queues.values()) n += q.size;
    return n;
  }
}
