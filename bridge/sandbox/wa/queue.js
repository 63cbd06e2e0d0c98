/**
 * What waits for one device: stanzas stay here, on disk, until the device has answered for them, and are
 * sent again after it reconnects.
 */
import { decodeDecompressedBinaryNode } from 'baileys/lib/WABinary/decode.js';
import * as constants from 'baileys/lib/WABinary/constants.js';
import { encodeBinaryNode } from 'baileys/lib/WABinary/encode.js';

const decode = (text) => decodeDecompressedBinaryNode(Buffer.from(text, 'base64').subarray(1), constants);

/** @typedef {{seq: number, key: string, from: string, peer: boolean, node: object, ready: boolean, sent: boolean, gone: boolean}} Entry */

function sent(entries) {
  for (const entry of entries) entry.sent = true;
  return entries;
}

export class DeviceQueue {
  #store;
  #prefix;
  #entries = new Map();
  #byKey = new Map();
  #unsent = [];
  #retried = new Set();

  constructor(store, prefix) {
    this.#store = store;
    this.#prefix = prefix;
  }

  get size() {
    return this.#entries.size;
  }

  /** Puts back an entry read from disk. */
  restore(seq, saved) {
    this.#add({ seq, key: saved.key, from: saved.from, peer: saved.peer, node: decode(saved.node), ready: true, sent: false, gone: false });
  }

  /**
   * @param {number} seq grows with every entry of the server
   * @param {object} node
   * @param {{from?: string, peer?: boolean}} about `from`: number of the account that sent it
   * @returns {Entry}
   */
  push(seq, node, { from = '', peer = false } = {}) {
    const entry = { seq, key: `${node.tag}:${node.attrs.id}`, from, peer, node, ready: false, sent: false, gone: false };
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

  /**
   * The device has answered for a stanza: what it was sent under this id need not be sent again. An answer
   * can't mean what has not been sent yet: the same id again, for a device that could not decrypt the first.
   * @param {string} tag
   * @param {string} id
   * @param {{from?: string, retry?: boolean, ack?: boolean}} about `from`: only what this account sent;
   *   `retry`: the device asks for it again. Baileys follows that with an ack of the same stanza, which may
   *   arrive when the second copy is on its way; it is not an answer to that one.
   */
  answered(tag, id, { from, retry = false, ack = false } = {}) {
    const key = `${tag}:${id}`;
    if (ack && this.#retried.delete(key)) return;
    if (retry) this.#retried.add(key);
    for (const entry of this.#byKey.get(key) ?? []) {
      if (entry.sent && (!from || !entry.from || entry.from === from)) this.remove(entry);
    }
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
    this.#retried.clear();
    return sent(all);
  }

  /** What has not been sent on this connection yet and is on disk, in order. @returns {Entry[]} */
  takeReady() {
    let n = 0;
    while (n < this.#unsent.length && (this.#unsent[n].gone || this.#unsent[n].ready)) n++;
    return sent(this.#unsent.splice(0, n).filter((e) => !e.gone));
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
