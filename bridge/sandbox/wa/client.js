/** What the server half knows of a connection, whatever carries it. */
import { el } from '../lib/nodes.js';

const REQUEST_MS = 15_000;
let counter = 0;

export class Client {
  account = null;
  device = null;
  active = false;
  #transport;
  #requests = new Map();
  #closed = false;

  /** @param {{send: (node: object) => void, close: () => void, raw?: (bytes: Buffer) => void}} transport */
  constructor(transport) {
    this.#transport = transport;
  }

  /** Whether it may still say something: not after it was hung up on. */
  get open() {
    return !this.#closed;
  }

  send(node) {
    if (!this.#closed) this.#transport.send(node);
  }

  /** Says why, and hangs up. */
  end(lastNode) {
    if (this.#closed) return;
    if (lastNode) this.#transport.send(lastNode);
    this.close();
  }

  /** Bytes that are no stanza, where the connection has any. */
  garbage(bytes) {
    if (this.#transport.raw) this.#transport.raw(bytes);
    else this.close();
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#transport.close();
  }

  /** The connection broke or was closed. */
  closed() {
    this.#closed = true;
    for (const { reject, timer } of this.#requests.values()) {
      clearTimeout(timer);
      reject(new Error('the connection was closed'));
    }
    this.#requests.clear();
  }

  /** Asks the client something. @returns {Promise<object>} its answer */
  request(attrs, content) {
    const id = `srv-${++counter}`;
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error('the connection was closed'));
        return;
      }
      const timer = setTimeout(() => {
        this.#requests.delete(id);
        reject(new Error('the client did not answer'));
      }, REQUEST_MS);
      this.#requests.set(id, { resolve, reject, timer });
      this.send(el('iq', { from: 's.whatsapp.net', id, ...attrs }, content));
    });
  }

  /** An answer came in; late and unasked ones are nobody's business. */
  answered(node) {
    const request = this.#requests.get(node.attrs.id);
    if (!request) return;
    this.#requests.delete(node.attrs.id);
    clearTimeout(request.timer);
    request.resolve(node);
  }
}
