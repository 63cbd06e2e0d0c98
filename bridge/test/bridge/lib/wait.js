/**
 * Waiting on what happens, with a deadline.
 */

/** A list that can be waited on. */
export class Record {
  #waiting = new Set();
  items = [];

  push(...items) {
    this.items.push(...items);
    for (const check of [...this.#waiting]) {
      check();
    }
  }

  /**
   * Resolves with the first truthy result of `find(items)`.
   * @param {(items: any[]) => any} find
   * @param {string | (() => string)} what for the message when the deadline passes
   * @param {number} [deadlineMs]
   */
  until(find, what, deadlineMs = 60000) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`not within ${deadlineMs} ms: ${typeof what === 'function' ? what() : what}`));
      }, deadlineMs);
      const check = () => {
        const found = find(this.items);
        if (found) {
          clearTimeout(timer);
          this.#waiting.delete(check);
          resolve(found);
        }
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** Asks again and again, for what can't be waited on otherwise. */
export async function eventually(ask, what, deadlineMs = 60000) {
  const until = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    if (Date.now() > until) {
      throw new Error(`not within ${deadlineMs} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
