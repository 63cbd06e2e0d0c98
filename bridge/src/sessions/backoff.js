/**
 * When to try again, and how many at once: no storm after an outage or a restart.
 */
const FIRST_MS = 500;
const MAX_MS = 30000;
const STABLE_MS = 10000;

/** Jittered exponential back-off of one session. */
export class Backoff {
  #failures = 0;
  #openedAt = null;

  opened() {
    this.#openedAt = Date.now();
  }

  /** @returns {number} milliseconds until the next attempt */
  next() {
    if (this.#openedAt && Date.now() - this.#openedAt > STABLE_MS) {
      this.#failures = 0;
    }
    this.#openedAt = null;
    const bound = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    return Math.random() * bound + bound / 10;
  }

  reset() {
    this.#failures = 0;
    this.#openedAt = null;
  }
}

/** Lets so many pass at a time. */
export class Gate {
  #free;
  #waiting = [];

  constructor(places) {
    this.#free = places;
  }

  /** @returns {Promise<() => void>} gives the place back; calling it twice is harmless */
  async enter() {
    if (this.#free > 0) {
      this.#free -= 1;
    } else {
      await new Promise((resolve) => this.#waiting.push(resolve));
    }
    let inside = true;
    return () => {
      if (!inside) {
        return;
      }
      inside = false;
      const next = this.#waiting.shift();
      if (next) {
        next();
      } else {
        this.#free += 1;
      }
    };
  }
}
