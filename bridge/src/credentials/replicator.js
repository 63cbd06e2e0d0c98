/**
 * Carries changes of all sessions' keys to the module, many in one call, one call at a time. What is on its way is
 * also on this disk, so that the calls can wait and be repeated.
 */
/**
 * A copy that is a second old is as good as one that is some milliseconds old: neither is clean after a crash. The keys
 * of one chat change with each message, and go once for all of that second.
 */
const GATHER_MS = 1000;
const BATCH_BYTES = 2 * 1024 * 1024;
const BACKOFF_FIRST_MS = 100;
const BACKOFF_MAX_MS = 3000;

export class Replicator {
  #client;
  #logger;
  #gatherMs;
  #waiting = new Set();
  #running = false;
  #failures = 0;
  #hurry = false;
  #wake = null;

  /**
   * @param {import('./client.js').CredentialsClient} client
   * @param {import('pino').Logger} logger
   * @param {{gatherMs?: number}} [options]
   */
  constructor(client, logger, { gatherMs = GATHER_MS } = {}) {
    this.#client = client;
    this.#logger = logger;
    this.#gatherMs = gatherMs;
  }

  get client() {
    return this.#client;
  }

  /** How many sessions have something that is not copied yet. */
  get pending() {
    return this.#waiting.size;
  }

  /** @param {import('../storage/replicated-map.js').ReplicatedMap} map has something to be copied */
  changed(map) {
    this.#waiting.add(map);
    if (!this.#running) {
      this.#running = true;
      this.#run();
    }
  }

  /** As changed(), and it must not wait for others. */
  changedInAHurry(map) {
    this.#hurry = true;
    this.changed(map);
    this.#wake?.();
  }

  /** The map is of no interest any more. */
  forget(map) {
    this.#waiting.delete(map);
  }

  async #run() {
    while (this.#waiting.size) {
      await this.#wait(this.#failures ? this.#pause() : this.#gatherMs);
      await this.#round();
    }
    this.#running = false;
  }

  /** Failures are waited for whoever is in a hurry. */
  async #wait(ms) {
    if (!this.#hurry || this.#failures) {
      await new Promise((resolve) => {
        this.#wake = this.#failures ? null : resolve;
        setTimeout(resolve, ms).unref();
      });
      this.#wake = null;
    }
    this.#hurry = false;
  }

  #pause() {
    const bound = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** Math.min(this.#failures, 6));
    return bound / 2 + Math.random() * (bound / 2);
  }

  async #round() {
    const parts = [];
    let bytes = 0;
    for (const map of [...this.#waiting]) {
      this.#waiting.delete(map);
      const part = map.take(BATCH_BYTES - bytes);
      bytes += part.bytes;
      parts.push({ map, part });
      if (bytes >= BATCH_BYTES) {
        break;
      }
    }
    try {
      const held = await this.#client.store(parts.map(({ part }) => part.body));
      if (this.#failures) {
        this.#logger.info({ failures: this.#failures }, 'keys: the module takes them again');
      }
      this.#failures = 0;
      for (const { map, part } of parts) {
        map.stored(part, held.get(part.body.id) === true);
      }
    } catch (error) {
      this.#failures += 1;
      const level = this.#failures === 1 || this.#failures % 100 === 0 ? 'warn' : 'debug';
      this.#logger[level]({ reason: error.code ?? error.message }, 'keys: not copied, will be repeated');
      for (const { map, part } of parts) {
        map.untake(part);
      }
    }
  }
}
