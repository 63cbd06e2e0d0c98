/**
 * A durable map with a copy at the module, by which its session can move to another bridge.
 *
 * This disk is the truth as long as the bridge lives: what flush() waits for is on it. The copy follows within
 * moments, and is whole when the map was closed in order. A bridge that takes over from one that was not (its
 * machine died) learns that the copy may be old: `restored.clean` is false.
 */
import { createHmac } from 'node:crypto';
import { deriveKey, open, seal } from '../crypto.js';
import { DurableMap } from './durable-map.js';

const CLOSE_MS = 3000;

export class ReplicatedMap {
  #local;
  #session;
  #replicator;
  #valueKey;
  #nameKey;
  #hold = null;
  #holding = null;
  #dirty = new Set();
  #tidy = false;
  #closing = false;
  #done = false;
  #onLost;
  #idle = [];
  /** Set when the map was filled from the copy of another bridge. @type {{clean: boolean}|null} */
  restored = null;

  constructor(local, { session, master, replicator, onLost = () => {} }) {
    this.#local = local;
    this.#session = session;
    this.#replicator = replicator;
    this.#onLost = onLost;
    const salt = Buffer.from(session);
    this.#valueKey = deriveKey(master, salt, 'copied values');
    this.#nameKey = deriveKey(master, salt, 'copied names');
  }

  /**
   * @param {string} path of the file on this disk
   * @param {object} options as DurableMap's, and:
   * @param {string} options.session
   * @param {import('../credentials/replicator.js').Replicator} options.replicator
   * @param {boolean} options.take hold the session now, also when another bridge does; else hold() asks later
   * @param {() => void} [options.onLost] another bridge took the session
   */
  static async open(path, { session, replicator, take, onLost, ...options }) {
    const local = await DurableMap.open(path, options);
    const map = new ReplicatedMap(local, { session, master: options.master, replicator, onLost });
    if (take) {
      try {
        await map.#claim(true);
      } catch (error) {
        await local.close();
        throw error;
      }
    }
    return map;
  }

  /** Has this bridge asked for the session, and got it? */
  get held() {
    return this.#hold !== null;
  }

  /**
   * Resolves when this bridge may use what is here.
   * @throws {import('../credentials/client.js').MovedError} or when the module can't be asked
   */
  hold() {
    if (this.#hold) {
      return Promise.resolve();
    }
    this.#holding ??= this.#claim(false).finally(() => {
      this.#holding = null;
    });
    return this.#holding;
  }

  async #claim(take) {
    const claim = await this.#replicator.client.claim(this.#session, take);
    if (!claim) {
      // The module has forgotten the session: nothing is kept of it there.
      this.#hold = { epoch: 0, generation: 0, copied: false };
      return;
    }
    this.#hold = { epoch: claim.epoch, generation: claim.generation, copied: true };
    const empty = this.#local.size === 0;
    if (!claim.mine || (empty && claim.keys)) {
      await this.#restore(claim);
    } else if (!claim.clean || (!empty && !claim.keys)) {
      this.#copyAll();
    } else if (this.#dirty.size) {
      this.#changed();
    }
  }

  /** Takes over the copy in place of what is here. */
  async #restore({ epoch, clean }) {
    await this.#local.erase();
    this.#dirty.clear();
    for await (const page of this.#replicator.client.read(this.#session, epoch)) {
      this.#local.apply(page.map(([, sealed]) => this.#unseal(sealed)));
    }
    await this.#local.flush();
    this.restored = { clean };
  }

  /** The copy may lack something: writes a new one over it. */
  #copyAll() {
    this.#hold.generation += 1;
    this.#tidy = true;
    for (const [key] of this.#local.entries()) {
      this.#dirty.add(key);
    }
    this.#changed();
  }

  #name(key) {
    return createHmac('sha256', this.#nameKey).update(key).digest('hex');
  }

  #seal(key, value) {
    return seal(this.#valueKey, this.#session, Buffer.from(JSON.stringify([key, value]))).toString('base64');
  }

  #unseal(sealed) {
    return JSON.parse(open(this.#valueKey, this.#session, Buffer.from(sealed, 'base64')).toString());
  }

  #changed(now = this.#closing) {
    if (this.#hold?.copied && !this.#done) {
      this.#replicator[now ? 'changedInAHurry' : 'changed'](this);
    }
  }

  /** Part of what is to be copied. @param {number} maxBytes at least one change is given whatever its size */
  take(maxBytes) {
    const keys = [];
    const changes = [];
    let bytes = 0;
    for (const key of this.#dirty) {
      const value = this.#local.get(key);
      const change = [this.#name(key), value === undefined ? null : this.#seal(key, value)];
      keys.push(key);
      changes.push(change);
      this.#dirty.delete(key);
      bytes += 80 + (change[1]?.length ?? 0);
      if (bytes >= maxBytes) {
        break;
      }
    }
    const whole = this.#dirty.size === 0;
    const tidy = this.#tidy && whole;
    const { epoch, generation } = this.#hold;
    const body = { id: this.#session, epoch, generation, clean: this.#closing && whole, tidy, changes };
    if (tidy) {
      this.#tidy = false;
    }
    return { body, bytes, keys };
  }

  /** What was taken did not arrive. */
  untake({ body, keys }) {
    for (const key of keys) {
      this.#dirty.add(key);
    }
    this.#tidy ||= body.tidy;
    this.#changed();
  }

  /** What was taken arrived, and whether this bridge still holds the session. */
  stored({ body }, held) {
    if (!held) {
      this.#done = true;
      this.#release();
      this.#onLost();
      return;
    }
    if (this.#dirty.size || this.#tidy || (this.#closing && !body.clean)) {
      this.#changed();
    } else {
      this.#release();
    }
  }

  #release() {
    for (const resolve of this.#idle.splice(0)) {
      resolve();
    }
  }

  get(key) {
    return this.#local.get(key);
  }

  entries() {
    return this.#local.entries();
  }

  get size() {
    return this.#local.size;
  }

  /** As DurableMap's. @param {{copyNow?: boolean}} [options] the copy shall not wait for other changes */
  apply(changes, { copyNow = this.#closing } = {}) {
    this.#local.apply(changes);
    for (const [key] of changes) {
      this.#dirty.add(key);
    }
    this.#changed(copyNow);
  }

  get settled() {
    return this.#local.settled;
  }

  flush(options) {
    return this.#local.flush(options);
  }

  async erase() {
    await this.#local.erase();
    this.#dirty.clear();
    if (this.#hold) {
      this.#copyAll();
    }
  }

  /** Copies what is left, for a bounded time, says that this is all, and closes. */
  async close() {
    this.#closing = true;
    if (this.#hold?.copied && !this.#done) {
      const done = new Promise((resolve) => this.#idle.push(resolve));
      this.#changed();
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, CLOSE_MS))]);
      this.#done = true;
      this.#replicator.forget(this);
    }
    await this.#local.close();
  }
}
