/**
 * Encryption at rest: AES-256-GCM under keys derived from the bridge's master key.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomFillSync } from 'node:crypto';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const NONCES = 256;

/** What sealing adds to a plaintext, in bytes. */
export const SEAL_OVERHEAD = NONCE_BYTES + TAG_BYTES;

/**
 * Derives a 32-byte key for one purpose (one file, usually), so that no single key sees many nonces.
 * @param {Buffer} master
 * @param {Buffer} salt
 * @param {string} purpose
 * @returns {Buffer}
 */
export function deriveKey(master, salt, purpose) {
  return Buffer.from(hkdfSync('sha256', master, salt, `mod_whatsapp bridge ${purpose}`, 32));
}

const nonces = Buffer.alloc(NONCES * NONCE_BYTES);
let nextNonce = nonces.length;

/** A random nonce. Asking for many at once costs as much as for one. */
function nonce() {
  if (nextNonce === nonces.length) {
    randomFillSync(nonces);
    nextNonce = 0;
  }
  nextNonce += NONCE_BYTES;
  return nonces.subarray(nextNonce - NONCE_BYTES, nextNonce);
}

/**
 * @param {Buffer} key
 * @param {string} aad bound to the ciphertext: who it belongs to and what it is
 * @param {Buffer} plain
 * @returns {Buffer} nonce, ciphertext, tag
 */
export function seal(key, aad, plain) {
  const iv = nonce();
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  cipher.setAAD(Buffer.from(aad));
  return Buffer.concat([iv, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Opens what seal() made; throws when the key, the aad or a single bit differs.
 * @param {Buffer} key
 * @param {string} aad
 * @param {Buffer} sealed
 * @returns {Buffer}
 */
export function open(key, aad, sealed) {
  if (sealed.length < SEAL_OVERHEAD) {
    throw new Error('sealed data is too short');
  }
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE_BYTES));
  decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES)), decipher.final()]);
}
