/**
 * An append-only file of sealed records with group fsync: what everything durable in the bridge is made of. With a
 * commit log (commit-log.js) the fsync is one for the records of all files.
 *
 * File: 8 bytes magic, 16 bytes salt, 8 bytes key check; then records of u32be length and sealed bytes.
 * A record is bound to its file's name and its own offset, so records can't be moved or swapped.
 * A record cut off by a crash at the end of the file is dropped on open; damage before the end, or another
 * master key, is an error and the file stays as it is: rolling a Signal ratchet back silently is worse.
 */
import { createHmac, randomBytes } from 'node:crypto';
import { fdatasync, writeSync } from 'node:fs';
import { open as openFile, rename, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deriveKey, open, seal, SEAL_OVERHEAD } from '../crypto.js';
import { syncDirectory } from './files.js';

const MAGIC = Buffer.from('MWLOG1\0\0');
const SALT_BYTES = 16;
const CHECK_BYTES = 8;
const HEADER_BYTES = MAGIC.length + SALT_BYTES + CHECK_BYTES;
const LENGTH_BYTES = 4;
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const RETRY_MAX_MS = 2000;
/** What goes to the page cache at once: that takes some microseconds, the way to another thread and back far more. */
const DIRECT_BYTES = 64 * 1024;

const datasync = promisify(fdatasync);

/** The log can't be read: damaged before its end, or sealed with another key. */
export class LogError extends Error {
  constructor(path, what) {
    super(`${path}: ${what}`);
    this.code = 'LOG_UNREADABLE';
  }
}

function keyCheck(key) {
  return createHmac('sha256', key).update('check').digest().subarray(0, CHECK_BYTES);
}

export class RecordLog {
  #path;
  #name;
  #salt;
  #key;
  #handle;
  #commits;
  #end = HEADER_BYTES;
  #durableEnd = HEADER_BYTES;
  /** Sealed, and nowhere else yet. */
  #pending = [];
  /** In the file, but not known to be on the disk, nor given to the commit log yet. */
  #written = [];
  #writtenEnd = HEADER_BYTES;
  #waiters = [];
  #writing = null;
  #closed = false;
  #closing = null;
  #onError;

  constructor(path, { name, salt, key, handle, onError, commits }) {
    this.#path = path;
    this.#name = name;
    this.#salt = salt;
    this.#key = key;
    this.#handle = handle;
    this.#onError = onError;
    this.#commits = commits;
  }

  /**
   * Opens a log, making it if need be, and hands each whole record to onRecord.
   * @param {string} path
   * @param {object} options
   * @param {Buffer} options.master master key
   * @param {string} options.name whose it is and what it is, bound to each record
   * @param {(plain: Buffer, offset: number, length: number) => void} [options.onRecord]
   * @param {(error: Error) => void} [options.onError] told of each failed write; the write is repeated
   * @param {import('./commit-log.js').CommitLog} [options.commits] by which records become durable
   * @returns {Promise<RecordLog>}
   */
  static async open(path, { master, name, onRecord = () => {}, onError = () => {}, commits = null }) {
    let handle;
    try {
      handle = await openFile(path, 'r+');
    } catch (error) {
      if (error.code !== 'ENOENT') {
        throw error;
      }
      return RecordLog.create(path, { master, name, onError, commits });
    }
    try {
      const header = Buffer.alloc(HEADER_BYTES);
      const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, 0);
      if (bytesRead < HEADER_BYTES || !header.subarray(0, MAGIC.length).equals(MAGIC)) {
        throw new LogError(path, 'not a log of this bridge');
      }
      const salt = header.subarray(MAGIC.length, MAGIC.length + SALT_BYTES);
      const key = deriveKey(master, salt, name);
      if (!keyCheck(key).equals(header.subarray(HEADER_BYTES - CHECK_BYTES))) {
        throw new LogError(path, 'sealed with another master key');
      }
      const log = new RecordLog(path, { name, salt, key, handle, onError, commits });
      await log.#scan(onRecord);
      return log;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Makes a new, empty log, replacing what is there. */
  static async create(path, { master, name, onError = () => {}, commits = null }) {
    const salt = randomBytes(SALT_BYTES);
    const key = deriveKey(master, salt, name);
    const temporary = `${path}.new`;
    const handle = await openFile(temporary, 'w+', 0o600);
    try {
      await handle.write(Buffer.concat([MAGIC, salt, keyCheck(key)]), 0, HEADER_BYTES, 0);
      await handle.sync();
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await handle.close();
      throw error;
    }
    return new RecordLog(path, { name, salt, key, handle, onError, commits });
  }

  get path() {
    return this.#path;
  }

  /** Bytes including what is still on its way to the disk. */
  get size() {
    return this.#end;
  }

  get empty() {
    return this.#end === HEADER_BYTES;
  }

  /** True when everything appended so far is on disk. */
  get settled() {
    return this.#durableEnd === this.#end;
  }

  #aad(offset) {
    return `${this.#name}\0${offset}`;
  }

  async #scan(onRecord) {
    const { size } = await this.#handle.stat();
    let offset = HEADER_BYTES;
    let window = Buffer.alloc(0);
    let windowStart = offset;
    const need = async (from, bytes) => {
      if (from + bytes > size) {
        return null;
      }
      if (from + bytes > windowStart + window.length) {
        const length = Math.min(Math.max(bytes, READ_BYTES), size - from);
        window = Buffer.alloc(length);
        windowStart = from;
        await readFully(this.#handle, window, from);
      }
      return window.subarray(from - windowStart, from - windowStart + bytes);
    };
    while (offset < size) {
      const prefix = await need(offset, LENGTH_BYTES);
      const length = prefix?.readUInt32BE(0) ?? 0;
      if (length < SEAL_OVERHEAD || length > MAX_RECORD_BYTES) {
        break;
      }
      const sealed = await need(offset + LENGTH_BYTES, length);
      if (!sealed) {
        break;
      }
      let plain;
      try {
        plain = open(this.#key, this.#aad(offset), sealed);
      } catch {
        if (offset + LENGTH_BYTES + length !== size) {
          throw new LogError(this.#path, `damaged record at ${offset}`);
        }
        break;
      }
      onRecord(plain, offset, LENGTH_BYTES + length);
      offset += LENGTH_BYTES + length;
    }
    if (offset < size) {
      await this.#handle.truncate(offset);
      await this.#handle.sync();
    }
    this.#end = offset;
    this.#durableEnd = offset;
    this.#writtenEnd = offset;
  }

  /**
   * Adds one record; it is durable once flush() of now or later resolves.
   * @param {Buffer} plain
   * @returns {{offset: number, length: number}} where it stands
   */
  append(plain) {
    if (this.#closed) {
      throw new Error(`${this.#path} is closed`);
    }
    const offset = this.#end;
    const sealed = seal(this.#key, this.#aad(offset), plain);
    const prefix = Buffer.alloc(LENGTH_BYTES);
    prefix.writeUInt32BE(sealed.length);
    this.#pending.push(prefix, sealed);
    const length = LENGTH_BYTES + sealed.length;
    this.#end += length;
    if (this.#commits?.usable && !this.#writing) {
      this.#commits.soon(this);
    } else {
      this.#writing ??= this.#write();
    }
    return { offset, length };
  }

  /**
   * Hands what was appended so far to the system, without waiting for the disk: it survives the end of this process,
   * kill -9 too, but not that of the machine.
   * @returns {boolean} false: it will be written later, wait for flush()
   */
  write() {
    if (!this.#pending.length) {
      return !this.#writing;
    }
    if (this.#writing || this.#closed) {
      return false;
    }
    const bytes = this.#pending.length > 1 ? Buffer.concat(this.#pending) : this.#pending[0];
    if (bytes.length > DIRECT_BYTES) {
      return false;
    }
    try {
      writeNow(this.#handle, bytes, this.#writtenEnd);
    } catch (error) {
      this.#onError(error);
      return false;
    }
    this.#pending = [];
    this.#written.push(bytes);
    this.#writtenEnd += bytes.length;
    return true;
  }

  /** For the commit log: writes what is pending without waiting for the disk, and says what came since the last time. */
  take() {
    if (this.#writing || this.#closed) {
      return null;
    }
    if (!this.write()) {
      this.#writing = this.#write();
      return null;
    }
    if (!this.#written.length) {
      return null;
    }
    const bytes = this.#written.length > 1 ? Buffer.concat(this.#written) : this.#written[0];
    this.#written = [];
    return { path: this.#path, salt: this.#salt, offset: this.#writtenEnd - bytes.length, bytes };
  }

  /** For the commit log: what was taken is durable. */
  done({ bytes }) {
    this.#durableEnd += bytes.length;
    this.#release();
  }

  /** For the commit log: what was taken is not durable by it. */
  failed({ bytes }) {
    this.#pending.unshift(bytes, ...this.#written);
    this.#written = [];
    this.#writing ??= this.#write();
  }

  /** Resolves when the file on the disk has all of it without the commit log. */
  sync() {
    return this.#closing ?? datasync(this.#handle.fd);
  }

  /**
   * Resolves when all that has been appended so far is on disk; of a log that was thrown away nothing is to come.
   * @param {{hurry?: boolean}} [options] hurry: false waits for the next group of the commit log, without asking for one
   */
  flush({ hurry = true } = {}) {
    if (this.settled || this.#closed) {
      return Promise.resolve();
    }
    const end = this.#end;
    if (hurry) {
      this.#commits?.hurry(this);
    }
    return new Promise((resolve, reject) => this.#waiters.push({ end, resolve, reject }));
  }

  async #write() {
    // One turn of the event loop gathers what belongs together; while an fsync runs the next group gathers.
    await new Promise((resolve) => setImmediate(resolve));
    let wait = 50;
    this.#pending.unshift(...this.#written);
    this.#written = [];
    while (this.#pending.length && !this.#closed) {
      const group = this.#pending;
      this.#pending = [];
      const bytes = Buffer.concat(group);
      try {
        await writeFully(this.#handle, bytes, this.#durableEnd);
        await datasync(this.#handle.fd);
        this.#durableEnd += bytes.length;
        this.#writtenEnd = this.#durableEnd;
        wait = 50;
        this.#release();
      } catch (error) {
        // After a failed fsync the page cache can't be trusted: write the whole group again, from where
        // the disk was last known good. Whoever waits goes on waiting, so nothing is acknowledged.
        this.#pending = [bytes, ...this.#pending];
        this.#onError(error);
        await this.#handle.truncate(this.#durableEnd).catch(() => {});
        await delay(wait);
        wait = Math.min(wait * 2, RETRY_MAX_MS);
      }
    }
    this.#writing = null;
  }

  #release() {
    let done = 0;
    while (done < this.#waiters.length && this.#waiters[done].end <= this.#durableEnd) {
      this.#waiters[done].resolve();
      done += 1;
    }
    this.#waiters.splice(0, done);
  }

  /**
   * Reads records that lie one after the other.
   * @param {number} offset of the first
   * @param {number} length of all of them
   * @returns {Promise<Buffer[]>}
   */
  async read(offset, length) {
    const bytes = Buffer.alloc(length);
    await this.flush();
    await readFully(this.#handle, bytes, offset);
    const plain = [];
    for (let at = 0; at < length; ) {
      const size = bytes.readUInt32BE(at);
      const from = at + LENGTH_BYTES;
      plain.push(open(this.#key, this.#aad(offset + at), bytes.subarray(from, from + size)));
      at = from + size;
    }
    return plain;
  }

  /** Takes over another path; the log goes on being written where it is. */
  async moveTo(path) {
    await rename(this.#path, path);
    this.#path = path;
    await syncDirectory(dirname(path)).catch((error) => this.#onError(error));
  }

  /** Writes out what is pending and closes; with `discard` the rest is thrown away. */
  close({ discard = false } = {}) {
    this.#closing ??= this.#close(discard);
    return this.#closing;
  }

  async #close(discard) {
    if (!discard) {
      await this.flush();
    }
    this.#closed = true;
    await this.#writing;
    for (const waiter of this.#waiters.splice(0)) {
      waiter.reject(new Error(`${this.#path} was closed`));
    }
    try {
      if (this.#commits && !discard) {
        await datasync(this.#handle.fd);
      }
      this.#commits?.forget(this);
    } finally {
      await this.#handle.close();
    }
  }

  /** Closes and removes the file. */
  async destroy() {
    await this.close({ discard: true });
    await unlink(this.#path).catch((error) => {
      if (error.code !== 'ENOENT') {
        throw error;
      }
    });
    await syncDirectory(dirname(this.#path));
  }
}

async function readFully(handle, buffer, position) {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done);
    if (!bytesRead) {
      throw new Error('unexpected end of file');
    }
    done += bytesRead;
  }
}

function writeNow(handle, buffer, position) {
  for (let done = 0; done < buffer.length; ) {
    done += writeSync(handle.fd, buffer, done, buffer.length - done, position + done);
  }
}

async function writeFully(handle, buffer, position) {
  if (buffer.length <= DIRECT_BYTES) {
    writeNow(handle, buffer, position);
    return;
  }
  for (let done = 0; done < buffer.length; ) {
    const { bytesWritten } = await handle.write(buffer, done, buffer.length - done, position + done);
    done += bytesWritten;
  }
}
