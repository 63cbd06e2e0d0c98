/**
 * How long a voice message is: an Ogg stream says so in the head of its last page. Opus counts in 48 kHz.
 */
const OPUS_HZ = 48000;
/** A page is smaller than this. */
const PAGE_BYTES = 65536;
const MAGIC = Buffer.from('OggS');
const GRANULE_AT = 6;
const HEAD_BYTES = 27;

export class OggClock {
  #tail = Buffer.alloc(0);

  /** Takes the next piece of the file. */
  add(chunk) {
    this.#tail = Buffer.concat([this.#tail.subarray(-PAGE_BYTES), chunk]);
    if (this.#tail.length > 2 * PAGE_BYTES) {
      this.#tail = Buffer.from(this.#tail.subarray(-PAGE_BYTES - HEAD_BYTES));
    }
  }

  /** @returns {number|undefined} whole seconds, at least 1; undefined when it is no such file */
  get seconds() {
    const at = this.#tail.lastIndexOf(MAGIC);
    if (at < 0 || at + HEAD_BYTES > this.#tail.length) {
      return undefined;
    }
    const samples = Number(this.#tail.readBigInt64LE(at + GRANULE_AT));
    return samples > 0 ? Math.max(1, Math.round(samples / OPUS_HZ)) : undefined;
  }
}
