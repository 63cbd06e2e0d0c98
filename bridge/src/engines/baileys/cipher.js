/**
 * WhatsApp's encryption of files: AES-256-CBC and an HMAC behind it, with keys from the one in the message.
 * Files go through in pieces; what lies on this disk meanwhile is ciphertext.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { writeStream } from '../../storage/files.js';

const KEY_BYTES = 32;
const MAC_BYTES = 10;
const BLOCK_BYTES = 16;

/** What Baileys calls the kinds of files, by ours. */
export const MEDIA_TYPES = { image: 'image', video: 'video', audio: 'audio', voice: 'audio', document: 'document', sticker: 'sticker' };

/** The file is not the one that the message names. */
export class DamagedError extends Error {}

/** @returns {number} bytes of a file's ciphertext with its MAC */
export function encryptedSize(size) {
  return (Math.floor(size / BLOCK_BYTES) + 1) * BLOCK_BYTES + MAC_BYTES;
}

/**
 * Encrypts a file while it is read.
 * @param {object} baileys
 * @param {string} type of message
 * @param {AsyncIterable<Buffer>} source
 * @param {string} path of the ciphertext; must not exist
 * @returns {Promise<{mediaKey: Buffer, fileSha256: Buffer, fileEncSha256: Buffer, fileLength: number}>}
 */
export async function encryptFile(baileys, type, source, path) {
  const mediaKey = randomBytes(KEY_BYTES);
  const { cipherKey, iv, macKey } = await baileys.getMediaKeys(mediaKey, MEDIA_TYPES[type]);
  const cipher = createCipheriv('aes-256-cbc', cipherKey, iv);
  const mac = createHmac('sha256', macKey).update(iv);
  const plain = createHash('sha256');
  const encrypted = createHash('sha256');
  let fileLength = 0;
  const out = (bytes) => {
    mac.update(bytes);
    encrypted.update(bytes);
    return bytes;
  };
  await writeStream(
    path,
    source,
    async function* encrypt(chunks) {
      for await (const chunk of chunks) {
        fileLength += chunk.length;
        plain.update(chunk);
        yield out(cipher.update(chunk));
      }
      yield out(cipher.final());
      const tag = mac.digest().subarray(0, MAC_BYTES);
      encrypted.update(tag);
      yield tag;
    },
  );
  return { mediaKey, fileSha256: plain.digest(), fileEncSha256: encrypted.digest(), fileLength };
}

/**
 * @typedef {object} FileKeys
 * @property {string} type of message
 * @property {string} mediaKey base64, as are the hashes
 * @property {string} fileSha256
 * @property {string} [fileEncSha256]
 * @property {number} size
 */

/**
 * Checks a ciphertext on disk: its hash and its MAC.
 * @param {object} baileys
 * @param {FileKeys} keys
 * @param {string} path
 * @throws {DamagedError}
 */
export async function checkFile(baileys, keys, path) {
  const { iv, macKey } = await baileys.getMediaKeys(Buffer.from(keys.mediaKey, 'base64'), MEDIA_TYPES[keys.type]);
  const mac = createHmac('sha256', macKey).update(iv);
  const hash = createHash('sha256');
  const end = encryptedSize(keys.size) - MAC_BYTES;
  let at = 0;
  let tag = Buffer.alloc(0);
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk);
    mac.update(chunk.subarray(0, Math.max(0, end - at)));
    tag = Buffer.concat([tag, chunk.subarray(Math.max(0, end - at))]);
    at += chunk.length;
  }
  const sound = at === end + MAC_BYTES && timingSafeEqual(tag, mac.digest().subarray(0, MAC_BYTES));
  if (!sound || (keys.fileEncSha256 && hash.digest('base64') !== keys.fileEncSha256)) {
    throw new DamagedError('the file at WhatsApp is damaged');
  }
}

/**
 * Reads a ciphertext that was checked. The last piece comes only when the content fits its hash.
 * @param {object} baileys
 * @param {FileKeys} keys
 * @param {string} path
 * @returns {AsyncGenerator<Buffer>}
 */
export async function* decryptFile(baileys, keys, path) {
  const { cipherKey, iv } = await baileys.getMediaKeys(Buffer.from(keys.mediaKey, 'base64'), MEDIA_TYPES[keys.type]);
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv);
  const hash = createHash('sha256');
  let held = null;
  for await (const chunk of createReadStream(path, { end: encryptedSize(keys.size) - MAC_BYTES - 1 })) {
    const plain = decipher.update(chunk);
    hash.update(plain);
    if (held) {
      yield held;
    }
    held = plain;
  }
  const last = decipher.final();
  hash.update(last);
  if (hash.digest('base64') !== keys.fileSha256) {
    throw new DamagedError('the content does not fit its hash');
  }
  yield Buffer.concat([held ?? Buffer.alloc(0), last]);
}
