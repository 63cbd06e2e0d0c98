/**
 * All sessions of this bridge.
 */
import { readdir } from 'node:fs/promises';
import { errorFields } from '../log.js';
import { Problem } from '../problems.js';
import { makePrivateDirectory } from '../storage/files.js';
import { Gate } from './backoff.js';
import { Session } from './session.js';

const CONNECT_AT_ONCE = 8;
const RESUME_SPREAD_MS = 20;
const RESUME_SPREAD_MAX_MS = 3000;
const DRAIN_STEP_MS = 50;
const FULL_RETRY_S = 30;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export class Registry {
  #context;
  #sessions = new Map();
  #opening = new Map();
  #broken = new Map();
  #stopping = false;

  /**
   * @param {object} options
   * @param {string} options.dir
   * @param {Buffer} options.master
   * @param {import('../storage/commit-log.js').CommitLog} [options.commits]
   * @param {import('../engines/index.js').Engines} options.engines
   * @param {import('../events/journal.js').EventJournal} options.journal
   * @param {import('../credentials/replicator.js').Replicator} [options.replicator]
   * @param {import('./limits.js').Limits} [options.limits]
   * @param {import('pino').Logger} options.logger
   */
  constructor(options) {
    this.#context = { ...options, gate: new Gate(CONNECT_AT_ONCE), moved: (id) => this.#forget(id) };
    options.journal.on('full', () => {
      options.logger.error('the event journal is full: all sessions wait until the module takes events again');
      this.#each((session) => session.pause());
    });
    options.journal.on('room', () => {
      options.logger.info('the event journal has room again');
      this.#each((session) => session.unpause());
    });
  }

  #each(action) {
    for (const session of this.#sessions.values()) {
      action(session);
    }
  }

  /** Loads every session on disk; call resume() when the bridge is ready. */
  async load() {
    await makePrivateDirectory(this.#context.dir);
    for (const id of await readdir(this.#context.dir)) {
      if (!UUID.test(id)) {
        continue;
      }
      try {
        this.#sessions.set(id, await Session.open(id, this.#context));
      } catch (error) {
        // One session that can't be read must not keep the others down, nor be taken for a new one.
        this.#broken.set(id, error);
        this.#context.logger.error({ session: id, err: errorFields(error) }, 'the session could not be loaded');
      }
    }
  }

  /** Connects the sessions that were running, spread over a short while. */
  resume() {
    const waiting = [...this.#sessions.values()].filter((session) => session.resumable);
    const spread = Math.min(RESUME_SPREAD_MAX_MS, waiting.length * RESUME_SPREAD_MS);
    for (const session of waiting) {
      if (this.#context.journal.full) {
        session.pause();
        continue;
      }
      const timer = setTimeout(() => session.resume(), Math.random() * spread);
      timer.unref();
    }
  }

  /** @returns {Session} */
  get(id) {
    const session = this.#sessions.get(id);
    if (!session) {
      const error = this.#broken.get(id);
      if (error instanceof Problem) {
        throw error;
      }
      throw error ? new Problem('internal', 'The session could not be loaded') : new Problem('session_not_found');
    }
    return session;
  }

  /** The session of this id, made if there is none, and taken if another bridge has it. */
  async obtain(id, engineName) {
    this.#context.engines.get(engineName);
    const known = this.#sessions.get(id);
    if (known?.held && (!engineName || known.engineName === engineName)) {
      return known;
    }
    // A phone that has just logged it out is gone when its keys are.
    await known?.quiet;
    if (known?.held && known.linked) {
      throw new Problem('conflict', `A phone is linked to the session by the engine ${known.engineName}`);
    }
    if (this.#broken.has(id) || this.#stopping) {
      return this.get(id);
    }
    if (!this.#opening.has(id)) {
      if (!known) {
        this.#checkRoom();
      }
      // Of another engine's session without a phone nothing is worth keeping.
      const opening = Promise.resolve(known?.held ? known.remove() : known?.close())
        .then(() => Session.open(id, this.#context, engineName, true))
        .then((session) => {
          this.#sessions.set(id, session);
          return session;
        })
        .finally(() => this.#opening.delete(id));
      this.#opening.set(id, opening);
    }
    return this.#opening.get(id);
  }

  /** @throws {Problem} when there is no room for one more */
  #checkRoom() {
    const { limits } = this.#context;
    if (limits && !limits.room(this.#sessions.size + this.#opening.size)) {
      throw new Problem('bridge_full', limits.why, { retryAfter: FULL_RETRY_S });
    }
  }

  /** Logs the session out and forgets it; there need not be one. */
  async remove(id) {
    const session = this.#sessions.get(id);
    if (session) {
      await session.remove();
      this.#sessions.delete(id);
    }
  }

  /** The session is another bridge's now. */
  #forget(id) {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    session?.forget().catch((error) => this.#context.logger.error({ err: errorFields(error), session: id }, 'moved'));
  }

  /** How many sessions there are in each status. */
  counts() {
    const counts = {};
    this.#each(({ status }) => {
      counts[status] = (counts[status] ?? 0) + 1;
    });
    return counts;
  }

  /** Every session's engine, status and whether it is kept busy. */
  *list() {
    for (const session of this.#sessions.values()) {
      yield { engine: session.engineName, status: session.status };
    }
  }

  get size() {
    return this.#sessions.size;
  }

  /** Resolves when everything all sessions have decided so far is on disk. @param {{hurry?: boolean}} [options] as RecordLog's */
  async flush(options) {
    await Promise.all([...this.#sessions.values()].map((session) => session.flush(options)));
  }

  /** Waits for sends under way, for at most this long, then closes all sessions. */
  async stop(graceMs) {
    this.#stopping = true;
    const until = Date.now() + graceMs;
    while (Date.now() < until && [...this.#sessions.values()].some((session) => session.sending)) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_STEP_MS));
    }
    await Promise.all([...this.#sessions.values()].map((session) => session.close()));
  }
}
