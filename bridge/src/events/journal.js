/**
 * The event journal: events in order, on disk until the module has acknowledged them.
 *
 * Segments `events-<first seq>.log` are record logs; the name carries the sequence on when all is
 * acknowledged and gone. Only durable events are ever read for publishing: a sequence number that somebody
 * has seen must not come to mean another event after a crash.
 */
import { EventEmitter } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, readIfThere, replaceFile } from '../storage/files.js';
import { RecordLog } from '../storage/record-log.js';

const SEGMENT_BYTES = 4 * 1024 * 1024;
const HOT_BYTES = 4 * 1024 * 1024;
const MAX_BYTES = 256 * 1024 * 1024;
const TIDY_BYTES = 256 * 1024;
/** How long the note of what was acknowledged may wait. */
const NOTE_MS = 1000;
const SEGMENT_NAME = /^events-(\d{16})\.log$/;

/**
 * @typedef {object} BridgeEvent
 * @property {number} seq
 * @property {string} session
 * @property {string} type
 * @property {string} at
 * @property {object} data
 */

/** Emits `durable` when there is more to publish, `full` and `room` when the bound is met and left. */
export class EventJournal extends EventEmitter {
  #dir;
  #options;
  #segments = [];
  #entries = [];
  #head = 0;
  #keys = new Map();
  #hotBytes = 0;
  #pendingBytes = 0;
  #lastSeq = 0;
  #durableSeq = 0;
  #ackedSeq = 0;
  #urgentSeq = 0;
  #full = false;
  #rotating = null;
  #noteTimer = null;
  #noting = Promise.resolve();

  constructor(dir, options) {
    super();
    this.#dir = dir;
    this.#options = { segmentBytes: SEGMENT_BYTES, maxBytes: MAX_BYTES, onError: () => {}, ...options };
  }

  /**
   * @param {string} dir
   * @param {object} options
   * @param {Buffer} options.master master key
   * @param {import('../storage/commit-log.js').CommitLog} [options.commits]
   * @param {number} [options.segmentBytes]
   * @param {number} [options.maxBytes] of events that nobody has acknowledged; see `full`
   * @param {(error: Error) => void} [options.onError]
   */
  static async open(dir, options) {
    await makePrivateDirectory(dir);
    const journal = new EventJournal(dir, options);
    await journal.#load();
    return journal;
  }

  async #load() {
    this.#ackedSeq = Number((await readIfThere(join(this.#dir, 'acked')))?.toString() ?? 0) || 0;
    this.#lastSeq = this.#ackedSeq;
    const names = (await readdir(this.#dir)).filter((name) => SEGMENT_NAME.test(name)).sort();
    for (const name of names) {
      const segment = { first: Number(SEGMENT_NAME.exec(name)[1]), last: 0, log: null };
      segment.last = segment.first - 1;
      this.#segments.push(segment);
      this.#lastSeq = Math.max(this.#lastSeq, segment.last);
      segment.log = await this.#openLog(segment.first, (plain, offset, length) => {
        const { q, k } = JSON.parse(plain.toString());
        segment.last = q;
        this.#lastSeq = Math.max(this.#lastSeq, q);
        if (q > this.#ackedSeq) {
          this.#remember({ seq: q, segment, offset, length, key: k, urgent: true, json: null });
        }
      });
    }
    this.#durableSeq = this.#lastSeq;
    if (!this.#segments.length) {
      await this.#addSegment();
    }
    await this.#dropAcked();
    this.#full = this.#pendingBytes >= this.#options.maxBytes;
  }

  #openLog(first, onRecord) {
    const file = `events-${String(first).padStart(16, '0')}.log`;
    return RecordLog.open(join(this.#dir, file), {
      master: this.#options.master,
      name: `events\0${first}`,
      onRecord,
      onError: this.#options.onError,
      commits: this.#options.commits,
    });
  }

  async #addSegment() {
    const first = this.#lastSeq + 1;
    const log = await this.#openLog(first, () => {});
    // Events may have come while the file was being made; they stand in the segment before.
    this.#segments.push({ first, last: this.#lastSeq, log });
  }

  #remember(entry) {
    this.#entries.push(entry);
    this.#pendingBytes += entry.length;
    if (entry.json) {
      this.#hotBytes += entry.json.length;
    }
    if (entry.key) {
      this.#keys.set(entry.key, entry.seq);
    }
    if (entry.urgent) {
      this.#urgentSeq = entry.seq;
    }
  }

  /**
   * Adds an event; it is durable when flush() of now or later resolves.
   * @param {{session: string, type: string, data: object, at?: string, key?: string}} event
   *        key: names what happened, for has()
   * @returns {number} its sequence number
   */
  append({ session, type, data, at = new Date().toISOString(), key }) {
    const seq = this.#lastSeq + 1;
    this.#lastSeq = seq;
    const json = JSON.stringify({ q: seq, s: session, t: type, a: at, d: data, k: key });
    const segment = this.#segments.at(-1);
    const { offset, length } = segment.log.append(Buffer.from(json));
    segment.last = seq;
    this.#remember({ seq, segment, offset, length, key, urgent: type !== 'message.status', json: this.#hotBytes < HOT_BYTES ? json : null });
    void this.#announce(segment, seq);
    if (segment.log.size > this.#options.segmentBytes) {
      this.#rotate();
    }
    if (!this.#full && this.#pendingBytes >= this.#options.maxBytes) {
      this.#full = true;
      this.emit('full');
    }
    return seq;
  }

  async #announce(segment, seq) {
    try {
      // Events wait for each other anyway before they are posted; whoever is in a hurry calls flush().
      await segment.log.flush({ hurry: false });
    } catch (error) {
      this.#options.onError(error);
      return;
    }
    if (seq > this.#durableSeq) {
      this.#durableSeq = seq;
      this.emit('durable');
    }
  }

  #rotate() {
    this.#rotating ??= this.#addSegment()
      .catch((error) => this.#options.onError(error))
      .finally(() => {
        this.#rotating = null;
      });
  }

  /** True while an event of this key waits for its acknowledgement. */
  has(key) {
    return this.#keys.has(key);
  }

  get settled() {
    return this.#segments.every((segment) => segment.log.settled);
  }

  /** Resolves when all events appended so far are on disk. */
  async flush(options) {
    await Promise.all(this.#segments.map((segment) => segment.log.flush(options)));
  }

  get lastSeq() {
    return this.#lastSeq;
  }

  get ackedSeq() {
    return this.#ackedSeq;
  }

  /** How many events nobody has acknowledged. */
  get pending() {
    return this.#entries.length - this.#head;
  }

  /** Is there more than what became of messages? */
  get urgent() {
    return this.#urgentSeq > this.#ackedSeq;
  }

  /** Full: take nothing in that would have to be told. Events are still accepted, none is ever dropped. */
  get full() {
    return this.#full;
  }

  /**
   * The next events to publish, oldest first.
   * @param {number} maxEvents
   * @param {number} maxBytes of their JSON, roughly; a single event is never held back for its size
   * @returns {Promise<BridgeEvent[]>}
   */
  async read(maxEvents, maxBytes) {
    const chosen = [];
    let bytes = 0;
    for (let i = this.#head; i < this.#entries.length && chosen.length < maxEvents; i += 1) {
      const entry = this.#entries[i];
      if (entry.seq > this.#durableSeq || (chosen.length && bytes + entry.length > maxBytes)) {
        break;
      }
      bytes += entry.length;
      chosen.push(entry);
    }
    const events = [];
    for (let i = 0; i < chosen.length; ) {
      if (chosen[i].json) {
        events.push(toEvent(chosen[i].json));
        i += 1;
        continue;
      }
      let end = i;
      while (end + 1 < chosen.length && !chosen[end + 1].json && chosen[end + 1].segment === chosen[i].segment) {
        end += 1;
      }
      const from = chosen[i].offset;
      const plain = await chosen[i].segment.log.read(from, chosen[end].offset + chosen[end].length - from);
      events.push(...plain.map((record) => toEvent(record.toString())));
      i = end + 1;
    }
    return events;
  }

  /** Events up to and including this one may be forgotten. */
  async ack(seq) {
    const upTo = Math.min(seq, this.#durableSeq);
    if (upTo <= this.#ackedSeq) {
      return;
    }
    this.#ackedSeq = upTo;
    while (this.#head < this.#entries.length && this.#entries[this.#head].seq <= upTo) {
      const entry = this.#entries[this.#head];
      this.#pendingBytes -= entry.length;
      this.#hotBytes -= entry.json?.length ?? 0;
      if (entry.key && this.#keys.get(entry.key) === entry.seq) {
        this.#keys.delete(entry.key);
      }
      this.#entries[this.#head] = null;
      this.#head += 1;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries.splice(0, this.#head);
      this.#head = 0;
    }
    if (this.#full && this.#pendingBytes < this.#options.maxBytes / 2) {
      this.#full = false;
      this.emit('room');
    }
    this.#noteTimer ??= setTimeout(() => this.#note(), NOTE_MS).unref();
    await this.#dropAcked();
    if (this.#segments.at(-1).log.size > TIDY_BYTES) {
      await this.tidy();
    }
  }

  /** Writes down what was acknowledged. Losing it costs batches that are repeated, so it waits, and isn't worth an fsync. */
  #note() {
    clearTimeout(this.#noteTimer);
    this.#noteTimer = null;
    this.#noting = this.#noting
      .then(() => replaceFile(join(this.#dir, 'acked'), String(this.#ackedSeq), { durable: false }))
      .catch((error) => this.#options.onError(error));
    return this.#noting;
  }

  /** Removes acknowledged events from the disk, also those in the segment being written. */
  async tidy() {
    if (!this.pending && !this.#segments.at(-1).log.empty && !this.#rotating) {
      this.#rotate();
      await this.#rotating;
      await this.#dropAcked();
    }
  }

  async #dropAcked() {
    while (this.#segments.length > 1 && this.#segments[0].last <= this.#ackedSeq) {
      const [segment] = this.#segments.splice(0, 1);
      await segment.log.flush();
      await segment.log.destroy();
    }
  }

  async close() {
    await (this.#noteTimer ? this.#note() : this.#noting);
    await this.#rotating;
    for (const segment of this.#segments) {
      await segment.log.close();
    }
  }
}

function toEvent(json) {
  const { q, s, t, a, d } = JSON.parse(json);
  return { seq: q, session: s, type: t, at: a, data: d };
}
