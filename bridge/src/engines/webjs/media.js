/**
 * Files of one session on their way between the bridge and the process that drives the browser. That takes and
 * gives them as a whole, so they lie in the session's directory meanwhile, and go at once when they were read.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { mediaUnavailable } from '../../media/source.js';
import { Problem } from '../../problems.js';
import { makePrivateDirectory, writeStream } from '../../storage/files.js';

async function sha256Of(path) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

export class WebjsMedia {
  #options;
  #ready = null;

  /**
   * @param {object} options
   * @param {string} options.dir of the session
   * @param {import('../../media/source.js').MediaSource} options.source
   * @param {import('../../sessions/backoff.js').Gate} options.gate how many files may be under way in all sessions
   */
  constructor(options) {
    this.#options = { ...options, tmp: join(options.dir, 'media-tmp') };
  }

  /** A place for a file. What a crash left goes at the first use. */
  async #place() {
    const { tmp, gate } = this.#options;
    this.#ready ??= rm(tmp, { recursive: true, force: true }).then(() => makePrivateDirectory(tmp));
    await this.#ready;
    const leave = await gate.enter();
    const path = join(tmp, randomUUID());
    return {
      path,
      remove: async () => {
        leave();
        await rm(path, { force: true });
      },
    };
  }

  /**
   * Fetches a file to send and hands its place to `work`.
   * @param {import('../../media/source.js').Media} media
   * @param {(path: string) => Promise<T>} work
   * @template T
   * @returns {Promise<T>}
   */
  async with(media, work) {
    const { path, remove } = await this.#place();
    try {
      await writeStream(path, this.#options.source.read(media));
      return await work(path);
    } finally {
      await remove();
    }
  }

  /**
   * Has the page fetch a file that was received.
   * @param {{key: string, size: number, sha256: string, mimeType: string}} ref
   * @param {import('./link.js').Link} link
   */
  async open({ key, size, sha256, mimeType }, link) {
    const { path, remove } = await this.#place();
    try {
      const found = await link.download({ key, path }).catch(() => {
        throw mediaUnavailable('The page could not fetch the file');
      });
      if (!found) {
        throw new Problem('media_gone', 'WhatsApp no longer has the file, or the page no longer has its message');
      }
      if ((await sha256Of(path)) !== sha256) {
        throw new Problem('media_gone', 'The file is not the one that was sent');
      }
      return { stream: createReadStream(path), size, mimeType, remove };
    } catch (error) {
      await remove();
      throw error;
    }
  }
}
