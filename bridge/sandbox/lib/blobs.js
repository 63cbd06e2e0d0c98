/**
 * A directory of files with bounds: each of a size, all together of a size, and each for a time. What is over
 * the bounds goes, the oldest first. A file is there whole or not at all.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

const NAME = /^[0-9A-Za-z_-]{1,128}$/;
const SWEEP_MS = 10 * 60 * 1000;

/** More than may be kept. */
export class TooLargeError extends Error {
  constructor() {
    super('the file is too large');
    this.code = 'too_large';
  }
}

export class Blobs {
  #dir;
  #bounds;
  #files = new Map();
  #bytes = 0;
  #counter = 0;
  #timer;

  /**
   * @param {string} dir
   * @param {{fileBytes: number, totalBytes: number, keepMs: number}} bounds
   */
  constructor(dir, bounds) {
    this.#dir = dir;
    this.#bounds = bounds;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(dir)) {
      const file = path.join(dir, name);
      // What was being written when the process ended.
      if (!NAME.test(name)) {
        rmSync(file, { force: true });
        continue;
      }
      const { size, mtimeMs } = statSync(file);
      this.#files.set(name, { size, at: mtimeMs });
      this.#bytes += size;
    }
    this.#files = new Map([...this.#files].sort((a, b) => a[1].at - b[1].at));
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS).unref();
    this.sweep();
  }

  get fileBytes() {
    return this.#bounds.fileBytes;
  }

  /** @returns {{path: string, size: number} | null} */
  find(name) {
    const file = this.#files.get(name);
    return file && Date.now() - file.at <= this.#bounds.keepMs ? { path: path.join(this.#dir, name), size: file.size } : null;
  }

  /**
   * Writes a file; one that is there already is replaced.
   * @param {string} name
   * @param {AsyncIterable<Buffer> | Iterable<Buffer>} source
   * @param {() => boolean} [isGood] asked when all is written: whether to keep it
   * @returns {Promise<boolean>} whether it was kept
   */
  async put(name, source, isGood = () => true) {
    if (!NAME.test(name)) throw new Error('not a name of a file');
    const { fileBytes } = this.#bounds;
    const temporary = path.join(this.#dir, `${name}.${++this.#counter}.tmp`);
    let size = 0;
    // Open before it can be removed again: a stream that fails at once opens its file all the same, later.
    const file = await open(temporary, 'w', 0o600);
    try {
      await pipeline(source, async function* bounded(chunks) {
        for await (const chunk of chunks) {
          size += chunk.length;
          if (size > fileBytes) throw new TooLargeError();
          yield chunk;
        }
      }, file.createWriteStream({ flush: true }));
      if (!isGood()) return false;
      renameSync(temporary, path.join(this.#dir, name));
    } finally {
      rmSync(temporary, { force: true });
    }
    this.#forget(name);
    this.#files.set(name, { size, at: Date.now() });
    this.#bytes += size;
    this.sweep();
    return true;
  }

  #forget(name) {
    const file = this.#files.get(name);
    if (!file) return;
    this.#files.delete(name);
    this.#bytes -= file.size;
  }

  remove(name) {
    if (!this.#files.has(name)) return;
    this.#forget(name);
    rmSync(path.join(this.#dir, name), { force: true });
  }

  get size() {
    return this.#files.size;
  }

  /** Removes every file whose name begins so. */
  removeAll(prefix) {
    for (const name of [...this.#files.keys()]) if (name.startsWith(prefix)) this.remove(name);
  }

  /** Removes what is over the bounds. */
  sweep(now = Date.now()) {
    for (const [name, { at }] of this.#files) {
      if (this.#bytes <= this.#bounds.totalBytes && now - at <= this.#bounds.keepMs) break;
      this.remove(name);
    }
  }

  close() {
    clearInterval(this.#timer);
  }
}
