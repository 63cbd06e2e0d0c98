/** A question the server answers with an error. */
export class IqError extends Error {
  /** @param {number} code as in HTTP @param {string} text */
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}
