/**
 * What the server half saw, for people to look at: ids, types, sizes, hashes of ciphertext. The newest
 * entries only, in memory.
 */
import { createHash } from 'node:crypto';

export const KEEP = 100_000;

export class WireLog {
  #entries = [];
  #seq = 0;

  /** @param {object} entry flat facts about one stanza */
  add(entry) {
    this.#entries.push({ seq: ++this.#seq, at: new Date().toISOString(), ...entry });
    if (this.#entries.length > 2 * KEEP) this.#entries.splice(0, this.#entries.length - KEEP);
  }

  /**
   * @param {{after?: number, limit?: number, kind?: string}} [which] with `after`, the next ones; else the newest
   * @returns {object[]} oldest first
   */
  list({ after, limit = 1000, kind } = {}) {
    const fits = this.#entries.filter((e) => e.seq > (after ?? 0) && (!kind || e.kind === kind));
    if (!limit) return fits;
    return after === undefined ? fits.slice(-limit) : fits.slice(0, limit);
  }
}

/** Describes an encrypted part without its content. */
export const describeCipher = (to, enc) => ({
  to,
  type: enc.attrs.type,
  bytes: enc.content?.length ?? 0,
  sha256: createHash('sha256').update(enc.content ?? '').digest('hex'),
});
