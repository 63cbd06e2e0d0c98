/**
 * Where the files of received messages are, and their keys, for 30 days. Record logs by the day; RAM has an index.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory } from '../storage/files.js';
import { RecordLog } from '../storage/record-log.js';

const DAY_MS = 24 * 60 * 60 * 1000;
const KEEP_MS = 30 * DAY_MS;
const SEGMENT_NAME = /^media-(\d{13})\.log$/;

export class MediaLog {
  #dir;
  #options;
  #segments = [];
  /** By message id; two chats may have the same. */
  #index = new Map();
  #rolling = null;

  constructor(dir, options) {
    this.#dir = dir;
    this.#options = { keepMs: KEEP_MS, segmentMs: DAY_MS, onError: () => {}, ...options };
  }

  /**
   * @param {string} dir
   * @param {{master: Buffer, name: string, keepMs?: number, segmentMs?: number, onError?: (e: Error) => void, commits?: object}} options
   */
  static async open(dir, options) {
    await makePrivateDirectory(dir);
    const log = new MediaLog(dir, options);
    const names = (await readdir(dir)).filter((name) => SEGMENT_NAME.test(name)).sort();
    for (const name of names) {
      await log.#addSegment(Number(SEGMENT_NAME.exec(name)[1]));
    }
    if (!log.#segments.length) {
      await log.#addSegment(Date.now());
    }
    await log.prune();
    return log;
  }

  async #addSegment(start) {
    const segment = { start, log: null };
    segment.log = await RecordLog.open(join(this.#dir, `media-${start}.log`), {
      master: this.#options.master,
      name: `${this.#options.name}\0${start}`,
      onError: this.#options.onError,
      commits: this.#options.commits,
      onRecord: (plain, offset, length) => this.#add(JSON.parse(plain.toString()), { segment, offset, length }),
    });
    this.#segments.push(segment);
  }

  #add({ id, chat, at }, place) {
    const same = this.#index.get(id);
    const entry = { chat, at, ...place };
    if (same) {
      same.push(entry);
    } else {
      this.#index.set(id, [entry]);
    }
  }

  #find(id, chat) {
    const entry = this.#index.get(id)?.find((known) => chat === undefined || known.chat === chat);
    return entry && Date.now() - entry.at <= this.#options.keepMs ? entry : null;
  }

  has(id, chat) {
    return this.#find(id, chat) !== null;
  }

  /** Keeps what is needed to fetch a message's file. */
  put(id, chat, ref) {
    const segment = this.#segments.at(-1);
    const at = Date.now();
    const place = segment.log.append(Buffer.from(JSON.stringify({ id, chat, at, ref })));
    this.#add({ id, chat, at }, { segment, ...place });
    if (at - segment.start > this.#options.segmentMs && !this.#rolling) {
      this.#rolling = this.#addSegment(at)
        .then(() => this.prune())
        .catch((error) => this.#options.onError(error))
        .finally(() => {
          this.#rolling = null;
        });
    }
  }

  /**
   * @param {string} id of the message
   * @param {string} [chat]
   * @returns {Promise<object|null>}
   */
  async get(id, chat) {
    const entry = this.#find(id, chat);
    if (!entry) {
      return null;
    }
    const [plain] = await entry.segment.log.read(entry.offset, entry.length);
    return JSON.parse(plain.toString()).ref;
  }

  /** Removes the segments whose every entry is too old. */
  async prune() {
    const now = Date.now();
    while (this.#segments.length > 1 && now - this.#segments[1].start > this.#options.keepMs) {
      const [segment] = this.#segments.splice(0, 1);
      for (const [id, entries] of this.#index) {
        const left = entries.filter((entry) => entry.segment !== segment);
        if (left.length) {
          this.#index.set(id, left);
        } else {
          this.#index.delete(id);
        }
      }
      await segment.log.destroy();
    }
  }

  get settled() {
    return this.#segments.every(({ log }) => log.settled);
  }

  async flush(options) {
    await Promise.all(this.#segments.map(({ log }) => log.flush(options)));
  }

  async close() {
    await this.#rolling;
    for (const { log } of this.#segments) {
      await log.close();
    }
  }
}
