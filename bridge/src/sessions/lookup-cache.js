/**
 * Remembers which numbers are on WhatsApp: long if they are, briefly if not, and asks once for many callers.
 */
const MAX_NUMBERS = 10000;
const THERE_MS = 24 * 60 * 60 * 1000;
const MISSING_MS = 60 * 1000;

export class LookupCache {
  #known = new Map();
  #asking = new Map();

  /** @param {{max?: number, thereMs?: number, missingMs?: number}} [options] */
  constructor({ max = MAX_NUMBERS, thereMs = THERE_MS, missingMs = MISSING_MS } = {}) {
    this.max = max;
    this.thereMs = thereMs;
    this.missingMs = missingMs;
  }

  /**
   * @param {string} phone
   * @param {(phone: string) => Promise<string|null>} ask
   * @returns {Promise<string|null>} the WhatsApp id, or null
   */
  async get(phone, ask) {
    const known = this.#known.get(phone);
    if (known && known.until > Date.now()) {
      // Used last, dropped last.
      this.#known.delete(phone);
      this.#known.set(phone, known);
      return known.jid;
    }
    if (!this.#asking.has(phone)) {
      const question = ask(phone).then((jid) => this.#learn(phone, jid));
      this.#asking.set(phone, question);
      const done = () => this.#asking.delete(phone);
      question.then(done, done);
    }
    return this.#asking.get(phone);
  }

  #learn(phone, jid) {
    this.#known.delete(phone);
    this.#known.set(phone, { jid, until: Date.now() + (jid ? this.thereMs : this.missingMs) });
    if (this.#known.size > this.max) {
      this.#known.delete(this.#known.keys().next().value);
    }
    return jid;
  }

  clear() {
    this.#known.clear();
  }
}
