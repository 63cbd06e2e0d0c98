/** The phone's part in linking by a typed code: both sides wrap their keys with it. */
import { createCipheriv, createDecipheriv, hkdfSync, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { generateKeyPair, sharedKey } from '../lib/curve.js';
import { loadPair } from './keys.js';

const ROUNDS = 2 << 16;
const derive = promisify(pbkdf2);

export const hkdf = (key, salt, info) => Buffer.from(hkdfSync('sha256', key, salt, info, 32));

/** A key under the code: salt(32) iv(16) AES-256-CTR(key) */
export async function wrap(code, publicKey) {
  const salt = randomBytes(32);
  const iv = randomBytes(16);
  const cipher = createCipheriv('aes-256-ctr', await derive(code, salt, ROUNDS, 32, 'sha256'), iv);
  return Buffer.concat([salt, iv, cipher.update(publicKey), cipher.final()]);
}

export async function unwrap(code, wrapped) {
  const key = await derive(code, wrapped.subarray(0, 32), ROUNDS, 32, 'sha256');
  const decipher = createDecipheriv('aes-256-ctr', key, wrapped.subarray(32, 48));
  return Buffer.concat([decipher.update(wrapped.subarray(48)), decipher.final()]);
}

/** One attempt to link the device that offered `wrapped`. */
export class CodeExchange {
  #keys;
  #code;
  #theirs;
  #ours = generateKeyPair();

  constructor(keys, code) {
    this.#keys = keys;
    this.#code = code;
  }

  /** @param {Buffer} wrapped the device's key @returns {Promise<Buffer>} the phone's, wrapped */
  async hello(wrapped) {
    this.#theirs = await unwrap(this.#code, wrapped);
    return wrap(this.#code, this.#ours.public);
  }

  /**
   * Opens what the device sealed.
   * @returns {Buffer | null} the secret for the statement; null if the code was not the device's
   */
  finish({ bundle, identity }) {
    const account = loadPair(this.#keys.identity);
    try {
      const shared = sharedKey(this.#ours.private, this.#theirs);
      const key = hkdf(shared, bundle.subarray(0, 32), 'link_code_pairing_key_bundle_encryption_key');
      const sealed = bundle.subarray(44);
      const decipher = createDecipheriv('aes-256-gcm', key, bundle.subarray(32, 44));
      decipher.setAuthTag(sealed.subarray(-16));
      const plain = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
      if (!plain.subarray(0, 32).equals(identity) || !plain.subarray(32, 64).equals(account.public)) return null;
      const secrets = Buffer.concat([shared, sharedKey(account.private, identity), plain.subarray(64)]);
      return hkdf(secrets, Buffer.alloc(0), 'adv_secret');
    } catch {
      return null;
    }
  }
}
