/**
 * A map of strings held in RAM, written behind to a record log and compacted when it has grown.
 *
 * This is the store interface of the engines: get, entries, apply, flush, settled, erase, close. Another
 * implementation (a database, say) must keep its two promises: apply() is atomic, and flush() resolves
 * only when all that was applied before survives a crash.
 */
import { RecordLog } from './record-log.js';

const COMPACT_MIN_BYTES = 1024 * 1024;
const COMPACT_FACTOR = 4;
const SNAPSHOT_RECORD_BYTES = 256 * 1024;

export class DurableMap {
  #values = new Map();
  #liveBytes = 0;
  #log = null;
  #shadow = null;
  #compacting = null;
  #path;
  #options;

  constructor(path, options) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * @param {string} path
   * @param {{master: Buffer, name: string, onError?: (error: Error) => void}} options
   */
  static async open(path, options) {
    const map = new DurableMap(path, options);
    map.#log = await RecordLog.open(path, { ...options, onRecord: (plain) => map.#load(JSON.parse(plain.toString())) });
    return map;
  }

  #load(changes) {
    for (const [key, value] of changes) {
      this.#put(key, value);
    }
  }

  #put(key, value) {
    const old = this.#values.get(key);
    if (old !== undefined) {
      this.#liveBytes -= key.length + old.length;
    }
    if (value === null) {
      this.#values.delete(key);
    } else {
      this.#values.set(key, value);
      this.#liveBytes += key.length + value.length;
    }
  }

  /** @returns {string|undefined} */
  get(key) {
    return this.#values.get(key);
  }

  entries() {
    return this.#values.entries();
  }

  get size() {
    return this.#values.size;
  }

  /** Size of the file, for whoever watches it grow. */
  get fileBytes() {
    return this.#log.size;
  }

  /**
   * Changes several keys at once; after a crash all of them are there or none is.
   * @param {Array<[string, string|null]>} changes null removes
   */
  apply(changes) {
    const real = changes.filter(([key, value]) => (this.#values.get(key) ?? null) !== value);
    if (!real.length) {
      return;
    }
    this.#load(real);
    const record = Buffer.from(JSON.stringify(real));
    this.#log.append(record);
    this.#shadow?.append(record);
    if (!this.#compacting && this.#log.size > COMPACT_MIN_BYTES && this.#log.size > COMPACT_FACTOR * this.#liveBytes) {
      this.#compacting = this.#compact()
        .catch((error) => this.#options.onError?.(error))
        .finally(() => {
          this.#compacting = null;
        });
    }
  }

  /** True when nothing is on its way to the disk. */
  get settled() {
    return this.#log.settled && (this.#shadow?.settled ?? true);
  }

  /** Resolves when all that was applied so far is durable. @param {{hurry?: boolean}} [options] as RecordLog's */
  async flush(options) {
    await Promise.all([this.#log.flush(options), this.#shadow?.flush(options)]);
  }

  /**
   * Writes what is alive to a new file and puts it in place of the old. Meanwhile changes go to both,
   * so whichever file a crash leaves at the path is complete.
   */
  async #compact() {
    const next = await RecordLog.create(`${this.#path}.compact`, this.#options);
    try {
      let chunk = [];
      let bytes = 0;
      for (const [key, value] of this.#values) {
        chunk.push([key, value]);
        bytes += key.length + value.length;
        if (bytes > SNAPSHOT_RECORD_BYTES) {
          next.append(Buffer.from(JSON.stringify(chunk)));
          chunk = [];
          bytes = 0;
        }
      }
      next.append(Buffer.from(JSON.stringify(chunk)));
      this.#shadow = next;
      await next.flush();
      await next.moveTo(this.#path);
    } catch (error) {
      this.#shadow = null;
      await next.destroy().catch(() => {});
      throw error;
    }
    const old = this.#log;
    this.#log = next;
    this.#shadow = null;
    // Whoever waits on the old file must be let go before it closes.
    await old.close();
  }

  /** Forgets everything, in RAM and on disk. */
  async erase() {
    await this.#compacting;
    this.#values.clear();
    this.#liveBytes = 0;
    await this.#log.destroy();
    this.#log = await RecordLog.create(this.#path, this.#options);
  }

  async close() {
    await this.#compacting;
    await this.#log.close();
  }
}
