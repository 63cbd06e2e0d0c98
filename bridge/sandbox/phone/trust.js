/**
 * Whether a linked device that opens a session really belongs to the account it writes for: it has to
 * bring its identity, signed by that account's phone and by itself.
 */
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { proto } from 'baileys/WAProto/index.js';
import { isDeviceIdentityValid } from '../lib/adv.js';

const require = createRequire(import.meta.url);
const { PreKeyWhisperMessage } = require('libsignal/src/protobufs.js');

const KEEP = 1000;
const known = new Set();

/**
 * @param {Buffer} prekeyMessage the ciphertext that opens the session
 * @param {Buffer | undefined} identity the encoded, signed identity that came with it
 * @param {Buffer | null} account the key of the phone, if it is known
 * @returns {boolean}
 */
export function isDeviceTrusted(prekeyMessage, identity, account) {
  if (!identity) return false;
  let key;
  let signer;
  try {
    key = Buffer.from(PreKeyWhisperMessage.decode(prekeyMessage.subarray(1)).identityKey).subarray(1);
    signer = Buffer.from(proto.ADVSignedDeviceIdentity.decode(identity).accountSignatureKey ?? []);
  } catch {
    return false;
  }
  if (account && signer.length && !signer.equals(account)) return false;
  // Checking takes milliseconds and a device repeats its identity until it has an answer.
  const print = createHash('sha256').update(identity).update(key).update(account ?? signer).digest('base64');
  if (known.has(print)) return true;
  if (!isDeviceIdentityValid(identity, key, account ?? signer)) return false;
  if (known.size >= KEEP) known.clear();
  known.add(print);
  return true;
}
