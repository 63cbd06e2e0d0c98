/**
 * What a session has sent, for 24 hours: so that a repeated id sends nothing twice, a retry receipt can be
 * answered, and statuses only move forward. Record logs by the hour; contents stay on disk, RAM has an index.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../storage/files.js';
import { RecordLog } from '../storage/record-log.js';

const KEEP_MS = 24 * 60 * 60 * 1000;
const SEGMENT_MS = 60 * 60 * 1000;
const SEGMENT_NAME = /^sent-(\d{13})\.log$/;

/** The order of statuses; one only ever moves up. */
export const RANKS = { trying: 0, failed: 1, sent: 2, delivered: 3, read: 4, played: 5 };

/**
 * @typedef {object} Sent
 * @property {string} chat
 * @property {string} status a name of RANKS
 * @property {number} begunAt
 * @property {string} [sentAt] when WhatsApp's server acknowledged it
 * @property {string} [code] why it failed
 * @property {boolean} [left] it may have left (noted only for engines whose sends can't be repeated)
 */

export class SentLog {
  #dir;
  #options;
  #segments = [];
  #index = new Map();

  constructor(dir, options) {
    this.#dir = dir;
    this.#options = { keepMs: KEEP_MS, segmentMs: SEGMENT_MS, onError: () => {}, ...options };
  }

  /**
   * @param {string} dir
   * @param {{master: Buffer, name: string, keepMs?: number, segmentMs?: number, onError?: (e: Error) => void, commits?: object}} options
   */
  static async open(dir, options) {
    await makePrivateDirectory(dir);
    const log = new SentLog(dir, options);
    const names = (await readdir(dir)).filter((name) => SEGMENT_NAME.test(name)).sort();
    for (const name of names) {
      await log.#addSegment(Number(SEGMENT_NAME.exec(name)[1]));
    }
    await log.prune();
    if (!log.#segments.length) {
      await log.#addSegment(Date.now());
    }
    return log;
  }

  async #addSegment(start) {
    const segment = { start, log: null };
    segment.log = await RecordLog.open(join(this.#dir, `sent-${start}.log`), {
      master: this.#options.master,
      name: `${this.#options.name}\0${start}`,
      onError: this.#options.onError,
      commits: this.#options.commits,
      onRecord: (plain, offset, length) => this.#load(segment, JSON.parse(plain.toString()), offset, length),
    });
    this.#segments.push(segment);
  }

  #load(segment, record, offset, length) {
    if (record.message) {
      this.#index.set(record.id, { chat: record.chat, status: 'trying', begunAt: record.at, segment, offset, length });
      return;
    }
    const sent = this.#index.get(record.id);
    if (sent) {
      Object.assign(sent, record.change);
    }
  }

  /** @returns {Sent|undefined} */
  get(id) {
    const sent = this.#index.get(id);
    if (sent && Date.now() - sent.begunAt > this.#options.keepMs) {
      return undefined;
    }
    return sent;
  }

  get size() {
    return this.#index.size;
  }

  /** Notes a message before its first attempt. */
  begin(id, chat, message) {
    const segment = this.#segments.at(-1);
    const at = Date.now();
    const { offset, length } = segment.log.append(Buffer.from(JSON.stringify({ id, chat, at, message: message.toString('base64') })));
    this.#index.set(id, { chat, status: 'trying', begunAt: at, segment, offset, length });
    if (at - segment.start > this.#options.segmentMs && !this.rolling) {
      this.rolling = this.#addSegment(at)
        .then(() => this.prune())
        .catch((error) => this.#options.onError(error))
        .finally(() => {
          this.rolling = null;
        });
    }
  }

  /**
   * Moves a message's status forward.
   * @param {string} id
   * @param {string} status
   * @param {{sentAt?: string, code?: string}} [details]
   * @returns {boolean} whether to tell: false when it already stood there or further, or isn't known. What was noted
   *   before a crash may not have been told, so this process says it once more; whoever hears it twice has no harm.
   */
  advance(id, status, details = {}) {
    const sent = this.get(id);
    if (!sent || RANKS[status] < RANKS[sent.status] || (status === sent.status && sent.told)) {
      return false;
    }
    sent.told = true;
    if (status === sent.status) {
      return true;
    }
    const change = { status, ...details };
    Object.assign(sent, change);
    this.#segments.at(-1).log.append(Buffer.from(JSON.stringify({ id, change })));
    return true;
  }

  /** Notes that a message is about to leave, or that it provably did not, after all. */
  leaving(id, left) {
    const sent = this.get(id);
    if (sent) {
      sent.left = left;
      this.#segments.at(-1).log.append(Buffer.from(JSON.stringify({ id, change: { left } })));
    }
  }

  /** @returns {string[]} messages that may have left, and of which nothing was heard since */
  unresolved() {
    return [...this.#index.keys()].filter((id) => {
      const sent = this.get(id);
      return sent?.left && sent.status === 'trying';
    });
  }

  /** @returns {Promise<Buffer|null>} the content of a message sent in the last 24 hours */
  async message(id) {
    const sent = this.get(id);
    if (!sent) {
      return null;
    }
    const [plain] = await sent.segment.log.read(sent.offset, sent.length);
    return Buffer.from(JSON.parse(plain.toString()).message, 'base64');
  }

  get settled() {
    return this.#segments.every(({ log }) => log.settled);
  }

  async flush(options) {
    await Promise.all(this.#segments.map(({ log }) => log.flush(options)));
  }

  /** What was noted survives the end of this process, though not that of the machine. @returns {boolean} false: not yet, wait for flush() */
  written() {
    return this.#segments.at(-1).log.write();
  }

  /** Removes the segments whose every message is too old. */
  async prune() {
    const now = Date.now();
    while (this.#segments.length > 1 && now - this.#segments[1].start > this.#options.keepMs) {
      const [segment] = this.#segments.splice(0, 1);
      for (const [id, sent] of this.#index) {
        if (sent.segment === segment) {
          this.#index.delete(id);
        }
      }
      await segment.log.destroy();
    }
  }

  async close() {
    await this.rolling;
    for (const { log } of this.#segments) {
      await log.close();
    }
  }
}
