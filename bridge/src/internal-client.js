/**
 * Calls of the bridge to the module: JSON posted over connections that are kept. There is one for several messages, so
 * it has to be cheap; fetch() takes three times as long.
 */
import * as http from 'node:http';
import * as https from 'node:https';

/** Connections to the module: one for events, one for keys, and one to spare. */
const SOCKETS = 3;

export class InternalClient {
  #url;
  #options;
  #request;

  /** @param {{url: string, secret: string}} options `url` of the module's /internal/v1 */
  constructor({ url, secret }) {
    const { request, Agent } = url.startsWith('https:') ? https : http;
    this.#url = url;
    this.#request = request;
    this.#options = {
      method: 'POST',
      agent: new Agent({ keepAlive: true, maxSockets: SOCKETS }),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
    };
  }

  /**
   * Posts once; a redirect is an answer like any other. What is posted here may come twice: where a kept connection had
   * ended in that moment it goes out again, by a new one.
   * @param {string} path
   * @param {object} body
   * @param {{timeoutMs: number, signal?: AbortSignal}} options `timeoutMs` until the answer is there as a whole
   * @returns {Promise<{status: number, text: string}>}
   */
  async post(path, body, options) {
    const bytes = Buffer.from(JSON.stringify(body));
    try {
      return await this.#post(path, bytes, options);
    } catch (error) {
      if (error.code === 'ECONNRESET' && error.reused) {
        return this.#post(path, bytes, options);
      }
      throw error;
    }
  }

  #post(path, bytes, { timeoutMs, signal }) {
    return new Promise((resolve, reject) => {
      const headers = { ...this.#options.headers, 'content-length': bytes.length };
      const request = this.#request(this.#url + path, { ...this.#options, headers, signal });
      const timer = setTimeout(() => request.destroy(new Error(`the module did not answer in ${timeoutMs} ms`)), timeoutMs);
      const failed = (error) => {
        clearTimeout(timer);
        reject(Object.assign(error, { reused: request.reusedSocket }));
      };
      request.once('error', failed);
      request.once('response', (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.once('error', failed);
        response.once('end', () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode, text });
        });
      });
      request.end(bytes);
    });
  }
}
