/**
 * Files of one session: out, from the module to WhatsApp's media hosts; in, from there to whoever asks.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OggClock } from '../../media/ogg.js';
import { Problem } from '../../problems.js';
import { makePrivateDirectory } from '../../storage/files.js';
import { checkFile, DamagedError, decryptFile, encryptedSize, encryptFile, MEDIA_TYPES } from './cipher.js';
import { addressOf, download, upload } from './hosts.js';

const MAX_BYTES = 2 * 1024 * 1024 * 1024;

const FIELDS = { image: 'imageMessage', video: 'videoMessage', audio: 'audioMessage', voice: 'audioMessage', document: 'documentMessage' };
const CAPTIONED = new Set(['image', 'video', 'document']);

/** A source that lets each piece be looked at as well. */
async function* observed(source, look) {
  for await (const chunk of source) {
    look(chunk);
    yield chunk;
  }
}

export class BaileysMedia {
  #baileys;
  #options;
  #ready = null;

  /**
   * @param {object} baileys
   * @param {object} options
   * @param {string} options.dir of the session
   * @param {import('../../media/source.js').MediaSource} options.source
   * @param {boolean} options.sandbox
   * @param {import('../../sessions/backoff.js').Gate} options.gate how many files may be under way in all sessions
   * @param {import('pino').Logger} options.logger
   */
  constructor(baileys, options) {
    this.#baileys = baileys;
    this.#options = { ...options, tmp: join(options.dir, 'media-tmp') };
  }

  /** Runs `work` with the path of a file that is gone afterwards. What a crash left goes at the first use. */
  async #withFile(work) {
    const { tmp, gate } = this.#options;
    this.#ready ??= rm(tmp, { recursive: true, force: true }).then(() => makePrivateDirectory(tmp));
    await this.#ready;
    const leave = await gate.enter();
    const path = join(tmp, randomUUID());
    const remove = async () => {
      leave();
      await rm(path, { force: true });
    };
    try {
      return await work(path, remove);
    } catch (error) {
      await remove();
      throw error;
    }
  }

  /**
   * Encrypts a file, puts it at WhatsApp's hosts, and describes it as a message's content.
   * @param {{type: string, text?: string, media: import('../../media/source.js').Media}} request
   * @param {(fresh: boolean) => Promise<object>} connection
   * @returns {Promise<object>} content
   */
  encode({ type, text, media }, connection) {
    const { source, logger } = this.#options;
    return this.#withFile(async (path, remove) => {
      const clock = type === 'voice' ? new OggClock() : null;
      const bytes = observed(source.read(media), (chunk) => clock?.add(chunk));
      const keys = await encryptFile(this.#baileys, type, bytes, path);
      const folder = this.#baileys.MEDIA_PATH_MAP[MEDIA_TYPES[type]];
      const at = await upload(connection, { path, folder, name: keys.fileEncSha256.toString('base64url') }, logger);
      await remove();
      return {
        [FIELDS[type]]: {
          ...at,
          ...keys,
          mediaKeyTimestamp: Math.floor(Date.now() / 1000),
          mimetype: media.mime_type,
          ...(type === 'document' ? { fileName: media.file_name ?? 'file', title: media.file_name } : {}),
          ...(FIELDS[type] === 'audioMessage' ? { ptt: type === 'voice', seconds: clock?.seconds } : {}),
          ...(text && CAPTIONED.has(type) ? { caption: text } : {}),
        },
      };
    });
  }

  /**
   * Fetches a file that was received.
   * @param {import('./cipher.js').FileKeys & {url?: string, directPath?: string, mimeType: string}} ref
   * @returns {Promise<{stream: AsyncGenerator<Buffer>, size: number, mimeType: string}>}
   */
  open(ref) {
    const address = addressOf(ref, this.#options.sandbox);
    if (!address) {
      throw new Problem('media_gone', "The file is not at WhatsApp's media hosts");
    }
    if (ref.size > MAX_BYTES) {
      throw new Problem('media_too_large', 'The file is larger than WhatsApp allows');
    }
    return this.#withFile(async (path, remove) => {
      await download(address, path, encryptedSize(ref.size));
      await checkFile(this.#baileys, ref, path).catch((error) => {
        throw error instanceof DamagedError ? new Problem('media_gone', 'The file at WhatsApp is damaged') : error;
      });
      const baileys = this.#baileys;
      const stream = async function* plain() {
        try {
          yield* decryptFile(baileys, ref, path);
        } finally {
          await remove();
        }
      };
      return { stream: stream(), size: ref.size, mimeType: ref.mimeType, remove };
    });
  }
}
