/**
 * One fdatasync for what many record logs have written.
 *
 * A log of the bridge (keys, sent messages, events: several for each session) writes its records to its own file
 * without waiting for the disk, and the same bytes come in here, with those of all other logs of that moment, in one
 * group and with one fdatasync. Then they are durable. After kill -9 the files are whole by themselves, for the page
 * cache stays; after a power cut what a file may lack is written into it from here, before it is opened.
 *
 * Files `commits-<n>.log`: 8 bytes magic, 16 bytes salt, 8 bytes key check; then groups of u32be length, 16 bytes
 * HMAC, and entries: u16be length of the path (below the data directory), path, 16 bytes salt of the file, u48be
 * offset, u32be length, bytes. The file has its length from the start, all zeros, so that a group changes nothing but
 * data. When it is full the next one is begun, the logs bring their own files to the disk, and the old one goes.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { fdatasync, writeSync } from 'node:fs';
import { open as openFile, readdir, readFile, unlink } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { deriveKey } from '../crypto.js';
import { syncDirectory } from './files.js';

const MAGIC = Buffer.from('MWCMT1\0\0');
const SALT_BYTES = 16;
const CHECK_BYTES = 8;
const HEADER_BYTES = MAGIC.length + SALT_BYTES + CHECK_BYTES;
const MAC_BYTES = 16;
const GROUP_HEAD_BYTES = 4 + MAC_BYTES;
const ENTRY_HEAD_BYTES = 2 + SALT_BYTES + 6 + 4;
const FILE_BYTES = 4 * 1024 * 1024;
const ZEROS_BYTES = 256 * 1024;
const NAME = /^commits-(\d{12})\.log$/;
const RETRY_MS = 1000;
/** How long records wait for company when nobody waits for them. */
const LAZY_MS = 10;

const datasync = promisify(fdatasync);

function keyOf(master, salt) {
  return deriveKey(master, salt, 'commits');
}

function mac(key, bytes, length) {
  return createHmac('sha256', key).update(bytes).digest().subarray(0, length);
}

function fileName(number) {
  return `commits-${String(number).padStart(12, '0')}.log`;
}

/** Reads a commit log's entries, up to what a crash cut off. */
function* entriesOf(bytes, master) {
  if (bytes.length < HEADER_BYTES || !bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    return; // cut off while it was made: nothing was committed by it
  }
  const key = keyOf(master, bytes.subarray(MAGIC.length, MAGIC.length + SALT_BYTES));
  if (!mac(key, 'check', CHECK_BYTES).equals(bytes.subarray(HEADER_BYTES - CHECK_BYTES, HEADER_BYTES))) {
    throw new Error('the commit log was written with another master key');
  }
  for (let at = HEADER_BYTES; at + GROUP_HEAD_BYTES < bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const group = bytes.subarray(at + GROUP_HEAD_BYTES, at + GROUP_HEAD_BYTES + length);
    const said = bytes.subarray(at + 4, at + GROUP_HEAD_BYTES);
    if (!length || group.length < length || !timingSafeEqual(mac(key, group, MAC_BYTES), said)) {
      return;
    }
    for (let i = 0; i < length; ) {
      const path = i + 2 + group.readUInt16BE(i);
      const head = path + SALT_BYTES;
      const end = head + 10 + group.readUInt32BE(head + 6);
      yield {
        path: group.toString('utf8', i + 2, path),
        salt: group.subarray(path, head),
        offset: group.readUIntBE(head, 6),
        bytes: group.subarray(head + 10, end),
      };
      i = end;
    }
    at += GROUP_HEAD_BYTES + length;
  }
}

export class CommitLog {
  #dir;
  #master;
  #onError;
  #fileBytes;
  #lazyMs;
  #number = 0;
  #handle = null;
  #key;
  #end = 0;
  /** Logs that have bytes in the current file which their own may lack on the disk. */
  #touched = new Set();
  #waiting = new Set();
  /** Somebody waits for one of them. */
  #wanted = false;
  #timer = null;
  #running = null;
  #committing = null;
  #changing = null;
  #closed = false;
  #sync;

  constructor(dir, { master, onError = () => {}, fileBytes = FILE_BYTES, lazyMs = LAZY_MS, sync = datasync }) {
    this.#dir = resolve(dir);
    this.#master = master;
    this.#onError = onError;
    this.#fileBytes = fileBytes;
    this.#lazyMs = lazyMs;
    this.#sync = sync;
  }

  /**
   * Writes what a power cut may have left out into the files it belongs to, and begins a new commit log. No record
   * log below `dir` may be open yet.
   * @param {string} dir the data directory
   * @param {{master: Buffer, onError?: (error: Error) => void, fileBytes?: number, lazyMs?: number, sync?: (fd: number) => Promise<void>}} options
   */
  static async open(dir, options) {
    const commits = new CommitLog(dir, options);
    await commits.#replay();
    await commits.#begin();
    return commits;
  }

  async #replay() {
    const names = (await readdir(this.#dir)).filter((name) => NAME.test(name)).sort();
    for (const name of names) {
      this.#number = Number(NAME.exec(name)[1]);
      await this.#apply(join(this.#dir, name));
    }
    // Only when all of them are in place: they build on each other.
    for (const name of names) {
      await unlink(join(this.#dir, name));
    }
    await syncDirectory(this.#dir);
  }

  async #apply(path) {
    const handles = new Map();
    try {
      for (const entry of entriesOf(await readFile(path), this.#master)) {
        const name = `${entry.path}\0${entry.salt.toString('hex')}`;
        if (!handles.has(name)) {
          handles.set(name, await this.#find(entry));
        }
        await writeFully(handles.get(name), entry.bytes, entry.offset);
      }
      for (const handle of handles.values()) {
        await handle?.sync();
      }
    } finally {
      for (const handle of handles.values()) {
        await handle?.close();
      }
    }
  }

  /** The file an entry is about; null when it is there no more. While it was made anew it had a name of its own. */
  async #find({ path, salt }) {
    for (const name of [path, path.replace(/\.compact$/, '')]) {
      const full = resolve(this.#dir, name);
      if (!full.startsWith(this.#dir + sep)) {
        continue;
      }
      let handle;
      try {
        handle = await openFile(full, 'r+');
      } catch (error) {
        if (error.code === 'ENOENT' || error.code === 'ENOTDIR') {
          continue;
        }
        throw error;
      }
      const head = Buffer.alloc(HEADER_BYTES);
      await handle.read(head, 0, HEADER_BYTES, 0);
      if (head.subarray(MAGIC.length, MAGIC.length + SALT_BYTES).equals(salt)) {
        return handle;
      }
      await handle.close();
    }
    return null;
  }

  /** A new file in place of the current one. */
  async #begin() {
    const number = this.#number + 1;
    const salt = randomBytes(SALT_BYTES);
    const key = keyOf(this.#master, salt);
    const handle = await openFile(join(this.#dir, fileName(number)), 'w', 0o600);
    try {
      const zeros = Buffer.alloc(ZEROS_BYTES);
      for (let at = 0; at < this.#fileBytes; at += zeros.length) {
        await writeFully(handle, zeros, at);
      }
      await writeFully(handle, Buffer.concat([MAGIC, salt, mac(key, 'check', CHECK_BYTES)]), 0);
      await handle.sync();
      await syncDirectory(this.#dir);
    } catch (error) {
      await handle.close();
      throw error;
    }
    // From here to the end in one go: a group is in the one file or in the other.
    const old = { handle: this.#handle, number: this.#number, touched: this.#touched };
    this.#handle = handle;
    this.#number = number;
    this.#key = key;
    this.#end = HEADER_BYTES;
    this.#touched = new Set();
    return old;
  }

  /** Brings to the disk what only the current file has, and goes on with a new one. */
  async #change() {
    const old = await this.#begin();
    await this.#committing;
    const path = join(this.#dir, fileName(old.number));
    let whole = true;
    try {
      await Promise.all([...old.touched].map((log) => log.sync()));
    } catch (error) {
      this.#onError(error);
      whole = await this.#applyAtLast(path);
    }
    await old.handle.close();
    if (whole) {
      await unlink(path);
    }
  }

  /**
   * After a failed fsync the page cache can't be trusted: what is in the file is written once more. Not at the end: the
   * file stays then, for the next start.
   */
  async #applyAtLast(path) {
    while (!this.#closed) {
      await delay(RETRY_MS);
      try {
        await this.#apply(path);
        return true;
      } catch (error) {
        this.#onError(error);
      }
    }
    return false;
  }

  #changeWhenFull() {
    if (this.#end > this.#fileBytes && !this.#changing && !this.#closed) {
      this.#changing = this.#change()
        .then(
          () => false,
          async (error) => {
            this.#onError(error);
            await delay(RETRY_MS);
            return true;
          },
        )
        .then((again) => {
          this.#changing = null;
          if (again) {
            // Nobody else would: a file that is given up takes no commits.
            this.#changeWhenFull();
          }
        });
    }
  }

  /**
   * A log has something to be written. It is asked for it with take(), which writes to the log's own file and gives
   * {path, salt, offset, bytes}, or null when it went to the disk by itself; then told with done() or failed().
   * @param {{take: Function, done: Function, failed: Function, sync: Function}} log
   */
  soon(log) {
    this.#waiting.add(log);
    if (!this.#running) {
      this.#timer ??= setTimeout(() => this.#start(), this.#lazyMs);
    }
  }

  /** Somebody waits for what the log has. */
  hurry(log) {
    if (this.#waiting.has(log)) {
      this.#start();
    }
  }

  #start() {
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#wanted = true;
    this.#running ??= this.#run();
  }

  async #run() {
    // One turn of the event loop gathers what belongs together; while an fsync runs the next group gathers.
    await new Promise((next) => setImmediate(next));
    while (this.#wanted) {
      this.#wanted = false;
      const group = [];
      for (const log of this.#waiting) {
        const part = log.take();
        if (part) {
          group.push({ log, part });
        }
      }
      this.#waiting.clear();
      if (group.length) {
        this.#committing = this.#commit(group);
        await this.#committing;
      }
    }
    this.#running = null;
    if (this.#waiting.size) {
      this.#timer ??= setTimeout(() => this.#start(), this.#lazyMs);
    }
  }

  async #commit(group) {
    if (!this.usable) {
      // The file was given up while these gathered.
      group.forEach(({ log, part }) => log.failed(part));
      return;
    }
    const handle = this.#handle;
    try {
      const bytes = this.#encode(group.map(({ part }) => part));
      for (const { log } of group) {
        this.#touched.add(log);
      }
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(handle.fd, bytes, done, bytes.length - done, this.#end + done);
      }
      this.#end += bytes.length;
      await this.#sync(handle.fd);
      group.forEach(({ log, part }) => log.done(part));
    } catch (error) {
      this.#onError(error);
      if (this.#handle === handle) {
        // Not to be relied on any more: the logs go to the disk by themselves until there is another file.
        this.#end = Infinity;
      }
      group.forEach(({ log, part }) => log.failed(part));
    }
    this.#changeWhenFull();
  }

  #encode(parts) {
    const pieces = [];
    for (const { path, salt, offset, bytes } of parts) {
      const name = Buffer.from(relative(this.#dir, resolve(path)));
      const head = Buffer.alloc(ENTRY_HEAD_BYTES - 2);
      salt.copy(head);
      head.writeUIntBE(offset, SALT_BYTES, 6);
      head.writeUInt32BE(bytes.length, SALT_BYTES + 6);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(name.length);
      pieces.push(length, name, head, bytes);
    }
    const entries = Buffer.concat(pieces);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(entries.length);
    return Buffer.concat([length, mac(this.#key, entries, MAC_BYTES), entries]);
  }

  /** Whether a log may go to the disk by way of this one. */
  get usable() {
    return this.#end !== Infinity && !this.#closed;
  }

  /** The log's own file has all of it on the disk, or is gone. */
  forget(log) {
    this.#waiting.delete(log);
    this.#touched.delete(log);
  }

  /** When all logs are closed nothing stands only here any more, and nothing is kept. */
  async close() {
    clearTimeout(this.#timer);
    await this.#running;
    this.#closed = true;
    await this.#changing;
    clearTimeout(this.#timer);
    await this.#handle.close();
    if (!this.#touched.size) {
      await unlink(join(this.#dir, fileName(this.#number)));
    }
  }
}

async function writeFully(handle, bytes, position) {
  for (let done = 0; handle && done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
