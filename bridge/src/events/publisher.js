/**
 * Posts the journal to the module: in order, one batch in flight, until each is acknowledged.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { InternalClient } from '../internal-client.js';
import { within } from '../within.js';

const MAX_EVENTS = 256;
const MAX_BYTES = 512 * 1024;
/** Events come in groups: each post costs the module a transaction. */
const GATHER_MS = 20;
/** Receipts come with every message, and nobody waits for them. */
const RECEIPTS_MS = 100;
/** It is quiet when no event has come for so long. */
const QUIET_MS = 1000;
const HEARTBEAT_MS = 5000;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 2000;
const POST_TIMEOUT_MS = 10000;
const FORGET_TIMEOUT_MS = 10000;

export class Publisher {
  #journal;
  #options;
  #client;
  #stopping = null;
  #running = null;
  #wake = null;
  #more = false;
  #abort = new AbortController();
  #failures = 0;

  /**
   * @param {import('./journal.js').EventJournal} journal
   * @param {object} options
   * @param {string} options.url of the module's /internal/v1
   * @param {string} options.secret
   * @param {string} options.bridgeId
   * @param {string} options.mode
   * @param {() => number} options.sessions how many sessions there are, for the heartbeat
   * @param {() => Promise<void>} options.beforeForget awaited before an acknowledged event leaves the journal
   * @param {import('pino').Logger} options.logger
   * @param {number} [options.heartbeatMs]
   * @param {number} [options.gatherMs]
   * @param {number} [options.receiptsMs]
   */
  constructor(journal, options) {
    this.#journal = journal;
    this.#options = { heartbeatMs: HEARTBEAT_MS, gatherMs: GATHER_MS, receiptsMs: RECEIPTS_MS, beforeForget: async () => {}, ...options };
    this.#client = new InternalClient(options);
    journal.on('durable', () => {
      this.#more = true;
      this.#wake?.();
    });
  }

  start() {
    this.#running = this.#run();
  }

  /** Publishes what is left for at most this long, then stops. */
  async stop(graceMs) {
    if (!this.#running) {
      return;
    }
    this.#stopping = Date.now() + graceMs;
    this.#wake?.();
    const timer = setTimeout(() => this.#abort.abort(), graceMs);
    await this.#running;
    clearTimeout(timer);
  }

  async #run() {
    let lastPost = 0;
    while (!this.#abort.signal.aborted) {
      try {
        await this.#gather();
        this.#more = false;
        const events = await this.#journal.read(MAX_EVENTS, MAX_BYTES);
        const idle = lastPost + this.#options.heartbeatMs - Date.now();
        if (!events.length && (this.#stopping || idle > 0)) {
          if (this.#stopping) {
            return;
          }
          await this.#idle(idle);
          continue;
        }
        await this.#post(events);
        lastPost = Date.now();
        this.#recovered();
      } catch (error) {
        lastPost = Date.now();
        if (this.#stopping && Date.now() > this.#stopping) {
          return;
        }
        await this.#failed(error);
      }
    }
  }

  /** Lets a moment pass when a few events are there; a full batch goes at once, and so does what is left at the end. */
  async #gather() {
    const { gatherMs, receiptsMs } = this.#options;
    const full = () => this.#journal.pending >= MAX_EVENTS;
    if (this.#journal.pending) {
      await this.#wait(gatherMs, full);
      await this.#wait(receiptsMs - gatherMs, () => this.#journal.urgent || full());
    }
  }

  async #idle(ms) {
    await this.#wait(Math.min(ms, QUIET_MS), () => this.#more);
    if (ms > QUIET_MS && !this.#more && !this.#stopping) {
      // What was acknowledged leaves the disk when it is quiet, not at each batch: a new file is several fsyncs.
      await this.#journal.tidy();
      await this.#wait(ms - QUIET_MS, () => this.#more);
    }
  }

  /** Until this is so, or the end has come, or the time is over; looks when an event has become durable. */
  async #wait(ms, until) {
    const over = () => this.#stopping || until();
    if (ms <= 0 || over()) {
      return;
    }
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        if (over()) {
          clearTimeout(timer);
          resolve();
        }
      };
    });
    this.#wake = null;
  }

  async #post(events) {
    const { bridgeId, mode, sessions, beforeForget } = this.#options;
    const body = { bridge_id: bridgeId, mode, sessions: sessions(), events };
    const { status, text } = await this.#client.post('/events', body, { timeoutMs: POST_TIMEOUT_MS, signal: this.#abort.signal });
    if (status !== 200) {
      throw new Error(`the module answered ${status}`);
    }
    if (!events.length) {
      return;
    }
    const { acked } = JSON.parse(text);
    if (!Number.isSafeInteger(acked) || acked < events[0].seq) {
      throw new Error('the module acknowledged nothing');
    }
    // A store that never settles must not keep all other events from being told: they are posted again.
    await within(FORGET_TIMEOUT_MS, beforeForget(), 'settling the stores');
    await this.#journal.ack(Math.min(acked, events.at(-1).seq));
  }

  #recovered() {
    if (this.#failures) {
      this.#options.logger.info({ failures: this.#failures }, 'events: the module takes them again');
    }
    this.#failures = 0;
  }

  async #failed(error) {
    this.#failures += 1;
    const fields = { reason: error.code ?? error.message, pending: this.#journal.pending };
    // The first failure and then one line in a while, not two a second for hours.
    const level = this.#failures === 1 || this.#failures % 100 === 0 ? 'warn' : 'debug';
    this.#options.logger[level](fields, 'events: not delivered, will be repeated');
    const bound = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 10));
    await delay(bound / 2 + Math.random() * (bound / 2), undefined, { signal: this.#abort.signal }).catch(() => {});
  }
}
