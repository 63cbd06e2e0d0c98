/**
 * A small crash-safe key-value store: everything lives in memory, every change is appended to a journal.
 *
 * `put` and `del` take effect at once in memory; `commit()` resolves when everything put so far is on
 * disk. Changes made between two awaits reach the disk as one line with a checksum, so after a crash
 * either all of them are there or none. A torn last line is dropped.
 *
 * Files: `snapshot-N` (all entries) and `journal-N` (what happened since). Compaction writes the next
 * pair beside the old one and removes the old one last.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, truncateSync, unlinkSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';

const LAZY_MS = 100;
const COMPACT_MIN_BYTES = 32 * 1024 * 1024;

/** One line of the journal: a batch of [key, JSON value] changes that belong together. */
function frame(changes) {
  // Values are JSON already: the line is put together from them, not encoded a second time.
  const json = `[${changes.map(([k, v]) => `[${JSON.stringify(k)},${v}]`).join(',')}]`;
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

/** @returns {{changes: Array, valid: number}} what can be read, and how many bytes of it are whole lines */
function readFrames(file) {
  const data = readFileSync(file);
  const changes = [];
  let pos = 0;
  for (;;) {
    const end = data.indexOf(10, pos);
    if (end < 0) break;
    const line = data.toString('utf8', pos, end);
    const json = line.slice(9);
    if (parseInt(line.slice(0, 8), 16) !== crc32(json)) break;
    changes.push(JSON.parse(json));
    pos = end + 1;
  }
  return { changes, valid: pos, size: data.length };
}

function syncDirectory(dir) {
  const fd = openSync(dir, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

export class Store {
  #dir;
  #data = new Map();
  #pending = new Map();
  #waiting = [];
  #flushing = false;
  #file = null;
  #generation = 0;
  #journalBytes = 0;
  #liveBytes = 0;
  #error = null;
  #lazy = null;

  constructor(dir) {
    this.#dir = dir;
  }

  /** Reads what is on disk and opens the journal. @returns {Promise<Store>} */
  async open() {
    mkdirSync(this.#dir, { recursive: true, mode: 0o700 });
    const names = readdirSync(this.#dir);
    const newest = Math.max(0, ...names.map((n) => Number(/^snapshot-(\d+)$/.exec(n)?.[1] ?? 0)));
    this.#generation = newest;
    for (const name of names) {
      const number = Number(/-(\d+)(\.tmp)?$/.exec(name)?.[1] ?? NaN);
      if (number < newest || name.endsWith('.tmp')) unlinkSync(path.join(this.#dir, name));
    }
    if (newest) this.#load(`snapshot-${newest}`);
    // A crash during compaction can leave a journal newer than the snapshot: both are read, in order.
    const journals = names.map((n) => /^journal-(\d+)$/.exec(n)?.[1]).filter((n) => n >= newest).map(Number);
    for (const n of journals.sort((a, b) => a - b)) {
      this.#load(`journal-${n}`);
      this.#generation = n;
    }
    this.#file = await open(this.#path('journal', this.#generation), 'a', 0o600);
    syncDirectory(this.#dir);
    return this;
  }

  #path(kind, n) {
    return path.join(this.#dir, `${kind}-${n}`);
  }

  #load(name) {
    const file = path.join(this.#dir, name);
    const { changes, valid, size } = readFrames(file);
    for (const batch of changes) for (const [k, v] of batch) this.#apply(k, v === null ? null : JSON.stringify(v));
    if (valid < size) truncateSync(file, valid);
    this.#journalBytes += valid;
  }

  #apply(key, json) {
    const old = this.#data.get(key);
    if (old !== undefined) this.#liveBytes -= old.length + key.length;
    if (json === null) {
      this.#data.delete(key);
    } else {
      this.#data.set(key, json);
      this.#liveBytes += json.length + key.length;
    }
  }

  /** All entries whose key starts with `prefix`: [key without the prefix, value]. */
  *entries(prefix) {
    for (const [key, json] of this.#data) {
      if (key.startsWith(prefix)) yield [key.slice(prefix.length), JSON.parse(json)];
    }
  }

  get(key) {
    const json = this.#data.get(key);
    return json === undefined ? undefined : JSON.parse(json);
  }

  put(key, value) {
    this.#change(key, JSON.stringify(value));
  }

  del(key) {
    if (this.#data.has(key)) this.#change(key, null);
  }

  #change(key, json) {
    this.#apply(key, json);
    this.#pending.set(key, json);
    // What nobody waits for reaches the disk soon all the same.
    this.#lazy ??= setTimeout(() => {
      this.#lazy = null;
      if (this.#file) this.commit().catch(() => {});
    }, LAZY_MS).unref();
  }

  /** Removes every entry under a prefix. */
  delAll(prefix) {
    for (const key of [...this.#data.keys()]) if (key.startsWith(prefix)) this.del(key);
  }

  /** @returns {Promise<void>} resolved once everything put so far is on disk */
  commit() {
    if (this.#error) return Promise.reject(this.#error);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#flushing) {
        this.#flushing = true;
        this.#flush();
      }
    });
  }

  async #flush() {
    // One turn of the event loop gathers what came in together into one write.
    await new Promise((resolve) => { setImmediate(resolve); });
    while (this.#waiting.length) {
      const waiting = this.#waiting.splice(0);
      try {
        await this.#write();
        for (const w of waiting) w.resolve();
      } catch (err) {
        this.#error = err;
        for (const w of [...waiting, ...this.#waiting.splice(0)]) w.reject(err);
      }
    }
    this.#flushing = false;
  }

  async #write() {
    if (this.#pending.size) {
      const line = frame([...this.#pending]);
      this.#pending.clear();
      await this.#file.appendFile(line);
      await this.#file.datasync();
      this.#journalBytes += Buffer.byteLength(line);
    }
    if (this.#journalBytes > COMPACT_MIN_BYTES && this.#journalBytes > 4 * this.#liveBytes) await this.#compact();
  }

  async #compact() {
    const old = this.#generation;
    const next = old + 1;
    const entries = [...this.#data];
    // Changes made from here on are in `pending` and go to the new journal.
    const oldFile = this.#file;
    this.#pending.clear();
    this.#file = await open(this.#path('journal', next), 'a', 0o600);
    const tmp = `${this.#path('snapshot', next)}.tmp`;
    const out = await open(tmp, 'w', 0o600);
    let bytes = 0;
    for (let i = 0; i < entries.length; i += 500) {
      const line = frame(entries.slice(i, i + 500));
      await out.appendFile(line);
      bytes += line.length;
    }
    await out.sync();
    await out.close();
    await rename(tmp, this.#path('snapshot', next));
    syncDirectory(this.#dir);
    this.#generation = next;
    this.#journalBytes = bytes;
    await oldFile.close();
    for (const name of readdirSync(this.#dir)) {
      if (Number(/-(\d+)$/.exec(name)?.[1] ?? NaN) < next) unlinkSync(path.join(this.#dir, name));
    }
  }

  /** Writes what is left and closes. */
  async close() {
    if (!this.#file) return;
    clearTimeout(this.#lazy);
    await this.commit().catch(() => {});
    await this.#file.close();
    this.#file = null;
  }
}
