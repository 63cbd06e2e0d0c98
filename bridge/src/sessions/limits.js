/**
 * How much this bridge takes upon itself.
 */
const MIB = 1024 * 1024;

export class Limits {
  #maxSessions;
  #maxMemory;
  #memory;
  /** Why there is no room, for people. */
  why = '';

  /**
   * @param {object} options
   * @param {number|null} options.maxSessions
   * @param {number|null} options.maxMemory MiB
   * @param {() => number} options.memory what is in use, in bytes
   */
  constructor({ maxSessions, maxMemory, memory }) {
    this.#maxSessions = maxSessions;
    this.#maxMemory = maxMemory;
    this.#memory = memory;
  }

  /** @returns {boolean} is there room for one more beside so many sessions? */
  room(sessions) {
    if (this.#maxSessions && sessions >= this.#maxSessions) {
      this.why = `The bridge has ${sessions} sessions, as many as it may`;
      return false;
    }
    if (this.#maxMemory) {
      const used = Math.round(this.#memory() / MIB);
      if (used >= this.#maxMemory) {
        this.why = `The bridge uses ${used} MiB, and takes no further session above ${this.#maxMemory}`;
        return false;
      }
    }
    return true;
  }
}
