/** Stands in for a test where none runs: what is to be done at the end, last first. */
export class Ends {
  #ends = [];

  after(end) {
    this.#ends.push(end);
  }

  async run() {
    for (const end of this.#ends.reverse()) {
      await end();
    }
  }
}
