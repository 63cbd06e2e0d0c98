/**
 * X25519 keys as raw 32 bytes, and XEdDSA signatures over them. Verifying is done by `curve25519-js`
 * itself: the client library's own wrapper drops the result and accepts anything.
 */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import curve25519 from 'curve25519-js';

const SPKI = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8 = Buffer.from('302e020100300506032b656e04220420', 'hex');

/** @returns {{public: Buffer, private: Buffer}} */
export function generateKeyPair() {
  const pair = generateKeyPairSync('x25519', {
    publicKeyEncoding: { format: 'der', type: 'spki' },
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
  });
  return {
    public: Buffer.from(pair.publicKey.subarray(SPKI.length)),
    private: Buffer.from(pair.privateKey.subarray(PKCS8.length)),
  };
}

/** @returns {Buffer} the Diffie-Hellman secret */
export function sharedKey(privateKey, publicKey) {
  return diffieHellman({
    privateKey: createPrivateKey({ key: Buffer.concat([PKCS8, privateKey]), format: 'der', type: 'pkcs8' }),
    publicKey: createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' }),
  });
}

/** @returns {Buffer} 64 bytes */
export const sign = (privateKey, message) => Buffer.from(curve25519.sign(privateKey, message));

/** @returns {boolean} whether the signature is really by that key over that message */
export function verify(publicKey, message, signature) {
  if (publicKey?.length !== 32 || signature?.length !== 64) return false;
  try {
    return curve25519.verify(publicKey, message, signature) === true;
  } catch {
    return false;
  }
}

/** Signal writes public keys with a type byte in front. */
export const withType = (publicKey) => Buffer.concat([Buffer.from([5]), publicKey]);
