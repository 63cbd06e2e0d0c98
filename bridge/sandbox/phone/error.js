/** Something a person at the phone is told. */
export class PhoneError extends Error {
  /**
   * @param {string} code stable name
   * @param {{code?: string, text?: string}} [about] what the server said
   */
  constructor(code, about = {}) {
    super(about.text ?? code);
    this.code = code;
    this.serverCode = about.code ? Number(about.code) : undefined;
  }
}
