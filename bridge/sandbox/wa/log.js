/**
 * What the server half saw, for people to look at: ids, types, sizes, hashes of ciphertext. The newest
 * entries only, in memory.
 */
import { createHash } from 'node:crypto';

const KEEP = 10_000;

export class WireLog {
  #entries = [];
  #seq = 0;

  /** @param {object} entry flat facts about one stanza */
  add(entry) {
    this.#entries.push({ seq: ++this.#seq, at: new Date().toISOString(), ...entry });
    if (this.#entries.length > 2 * KEEP) this.#entries.splice(0, this.#entries.length - KEEP);
  }

  /** @returns {object[]} oldest first */
  list({ after = 0, limit = 1000 } = {}) {
    return this.#entries.filter((e) => e.seq > after).slice(limit ? -limit : this.#entries.length);
  }
}

/** Describes an encrypted part without its content. */
export const describeCipher = (to, enc) => ({
  to,
  type: enc.attrs.type,
  bytes: enc.content?.length ?? 0,
  sha256: createHash('sha256').update(enc.content ?? '').digest('hex'),
});
