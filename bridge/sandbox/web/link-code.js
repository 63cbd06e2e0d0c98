/** The device's part in linking by a typed code; phone/link-code.js has the phone's. */
import { createCipheriv, randomBytes } from 'node:crypto';
import { generateKeyPair, sharedKey } from '../lib/curve.js';
import { hkdf, unwrap, wrap } from '../phone/link-code.js';

/** What can't be taken for another letter. */
const LETTERS = '123456789ABCDEFGHJKLMNPQRSTVWXYZ';
const LENGTH = 8;

/** A code, and the key that goes with it. */
export class CodeOffer {
  code = Array.from(randomBytes(LENGTH), (byte) => LETTERS[byte % LETTERS.length]).join('');
  #keys = generateKeyPair();

  /** @returns {Promise<Buffer>} the device's key, wrapped with the code */
  wrapped() {
    return wrap(this.code, this.#keys.public);
  }

  /**
   * Answers a phone on which the code was typed, or another one: that shows when the phone opens the answer.
   * @param {{public: Buffer, private: Buffer}} own the device's identity
   * @param {{wrapped: Buffer, identity: Buffer}} phone
   * @returns {Promise<{bundle: Buffer, secret: Buffer}>} what goes to the phone, and the secret of its statement
   */
  async answer(own, { wrapped, identity }) {
    const shared = sharedKey(this.#keys.private, await unwrap(this.code, wrapped));
    const [random, salt, iv] = [randomBytes(32), randomBytes(32), randomBytes(12)];
    const cipher = createCipheriv('aes-256-gcm', hkdf(shared, salt, 'link_code_pairing_key_bundle_encryption_key'), iv);
    const sealed = Buffer.concat([cipher.update(Buffer.concat([own.public, identity, random])), cipher.final(), cipher.getAuthTag()]);
    const secrets = Buffer.concat([shared, sharedKey(own.private, identity), random]);
    return { bundle: Buffer.concat([salt, iv, sealed]), secret: hkdf(secrets, Buffer.alloc(0), 'adv_secret') };
  }
}
