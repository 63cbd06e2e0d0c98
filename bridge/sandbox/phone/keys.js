/** A phone's private keys: made once, kept in the phones' own store, never shown to the server half. */
import { randomBytes, randomInt } from 'node:crypto';
import { generateKeyPair, sign, withType } from '../lib/curve.js';

const b64 = (b) => b.toString('base64');
const save = (pair) => ({ public: b64(pair.public), private: b64(pair.private) });

/** @returns {object} JSON that holds a new phone's keys */
export function makePhoneKeys() {
  const identity = generateKeyPair();
  const signed = generateKeyPair();
  return {
    registrationId: randomInt(1, 16380),
    identity: save(identity),
    signedPreKey: { id: 1, ...save(signed), signature: b64(sign(identity.private, withType(signed.public))) },
    nextPreKey: 1,
    appStateKey: { id: b64(Buffer.concat([Buffer.from([0, 0]), randomBytes(4)])), data: b64(randomBytes(32)) },
  };
}

/** @returns {{id: number, public: string, private: string}} */
export const makePreKey = (id) => ({ id, ...save(generateKeyPair()) });

/** A saved pair as buffers. */
export const loadPair = (saved) => ({
  public: Buffer.from(saved.public, 'base64'),
  private: Buffer.from(saved.private, 'base64'),
});
