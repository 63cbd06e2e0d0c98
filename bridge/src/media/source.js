/**
 * Files to send: their bytes come from the module, by the id it gave them.
 */
import { createHash } from 'node:crypto';
import { Problem } from '../problems.js';

const IDLE_MS = 30000;
const RETRY_AFTER_S = 2;

/** Worth trying again. */
export function mediaUnavailable(detail) {
  return new Problem('media_unavailable', detail, { retryAfter: RETRY_AFTER_S });
}

/**
 * @typedef {object} Media
 * @property {string} id
 * @property {string} mime_type
 * @property {number} size
 * @property {string} sha256 hex
 * @property {string} [file_name]
 */

export class MediaSource {
  #options;

  /** @param {{url: string, secret: string, idleMs?: number}} options `url` of the module's /internal/v1 */
  constructor(options) {
    this.#options = { idleMs: IDLE_MS, ...options };
  }

  /**
   * Reads a file piece by piece. Its end comes only when it is the file that was meant.
   * @param {Media} media
   * @returns {AsyncGenerator<Buffer>}
   * @throws {Problem} media_not_found, media_unavailable
   */
  async *read({ id, size, sha256 }) {
    const { url, secret, idleMs } = this.#options;
    const silent = new AbortController();
    const timer = setTimeout(() => silent.abort(), idleMs);
    const hash = createHash('sha256');
    let read = 0;
    try {
      const response = await this.#ask(`${url}/media/${encodeURIComponent(id)}`, secret, silent.signal);
      for await (const chunk of response.body ?? []) {
        timer.refresh();
        read += chunk.length;
        if (read > size) {
          break;
        }
        hash.update(chunk);
        yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length);
        timer.refresh();
      }
    } catch (error) {
      throw error instanceof Problem ? error : mediaUnavailable('The module did not give the whole file');
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
    if (read !== size || hash.digest('hex') !== sha256) {
      throw mediaUnavailable('The module gave another file than it named');
    }
  }

  async #ask(url, secret, signal) {
    const response = await fetch(url, { redirect: 'error', headers: { authorization: `Bearer ${secret}` }, signal });
    if (response.status === 404) {
      throw new Problem('media_not_found', 'The module has no such file', { status: 422 });
    }
    if (response.status !== 200) {
      throw mediaUnavailable(`The module answered ${response.status} for the file`);
    }
    return response;
  }
}
