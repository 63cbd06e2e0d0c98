/** Misbehaviour on demand, for testing what stands in front of the sandbox. Kept in memory only. */

const NONE = { ack_delay_ms: 0, drop_acks: 0, close_before_ack: 0, reject: null, media: null };

export class Faults {
  #current = { ...NONE };

  /** Replaces what is given, leaves the rest. */
  set(changes) {
    Object.assign(this.#current, changes);
  }

  clear() {
    this.#current = { ...NONE };
  }

  get() {
    return { ...this.#current };
  }

  /**
   * What is to happen with the acknowledgement of one message to `number`. Counted faults are used up.
   * @returns {{reject?: number, drop?: boolean, close?: boolean, delay: number}}
   */
  forMessage(number) {
    const f = this.#current;
    if (f.reject && (f.reject.to === '*' || f.reject.to === number)) return { reject: f.reject.code, delay: f.ack_delay_ms };
    if (f.close_before_ack > 0) {
      f.close_before_ack -= 1;
      return { close: true, delay: 0 };
    }
    if (f.drop_acks > 0) {
      f.drop_acks -= 1;
      return { drop: true, delay: 0 };
    }
    return { delay: f.ack_delay_ms };
  }
}
