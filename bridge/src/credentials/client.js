/**
 * The module's part of the bridge's keys: who holds a session, and the copy of what its engine keeps.
 * The only file that knows these calls (docs/bridge-api.md).
 */
import { InternalClient } from '../internal-client.js';

const TIMEOUT_MS = 10000;
const PAGE = 1000;

/** Another bridge holds the session. */
export class MovedError extends Error {
  constructor() {
    super('another bridge holds the session');
    this.code = 'MOVED';
  }
}

export class CredentialsClient {
  #client;
  #bridgeId;

  /** @param {{url: string, secret: string, bridgeId: string}} options `url` of the module's /internal/v1 */
  constructor({ bridgeId, ...options }) {
    this.#client = new InternalClient(options);
    this.#bridgeId = bridgeId;
  }

  async #post(path, body) {
    const { status, text } = await this.#client.post(`/credentials${path}`, { bridge_id: this.#bridgeId, ...body }, { timeoutMs: TIMEOUT_MS });
    if (status === 409) {
      throw new MovedError();
    }
    if (status === 404) {
      return null;
    }
    if (status !== 200) {
      throw new Error(`the module answered ${status}`);
    }
    return JSON.parse(text);
  }

  /**
   * Holds a session.
   * @param {string} session
   * @param {boolean} take also when another bridge holds it
   * @returns {Promise<{epoch: number, generation: number, clean: boolean, mine: boolean, keys: number}|null>}
   *          null: the module knows no such session; `clean`: the holder before wrote all it had; `mine`: it was this bridge
   * @throws {MovedError}
   */
  claim(session, take) {
    return this.#post(`/${session}/claim`, { take });
  }

  /** All that is stored of a session, in pages of [name, sealed value]. */
  async *read(session, epoch) {
    let after;
    for (;;) {
      const page = await this.#post(`/${session}/read`, { epoch, ...(after ? { after } : {}) });
      const keys = page?.keys ?? [];
      yield keys;
      if (keys.length < PAGE) {
        return;
      }
      after = keys.at(-1)[0];
    }
  }

  /**
   * Writes what changed in several sessions.
   * @param {Array<{id: string, epoch: number, generation: number, clean: boolean, tidy: boolean, changes: Array<[string, string|null]>}>} sessions
   * @returns {Promise<Map<string, boolean>>} by session: is it still this bridge's
   */
  async store(sessions) {
    const answer = await this.#post('', { sessions });
    return new Map((answer?.sessions ?? []).map(({ id, held }) => [id, held]));
  }
}
