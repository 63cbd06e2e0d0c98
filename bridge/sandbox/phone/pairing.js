/** The phone's part in linking: reads the code and signs that the device belongs to this account. */
import { createHmac, randomInt } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';
import { accountMessage, isDeviceIdentityValid } from '../lib/adv.js';
import { sign } from '../lib/curve.js';
import { loadPair } from './keys.js';

/**
 * Reads what a device shows: `[https://…#]REF,noise key,identity key,secret[,platform]`.
 * @param {string} text
 * @returns {{ref: string, noise: Buffer, identity: Buffer, secret: Buffer} | null} null if it is no such code
 */
export function parseQr(text) {
  const parts = text.trim().replace(/^https:\/\/wa\.me\/settings\/linked_devices#/, '').split(',');
  if (parts.length < 4 || !parts[0] || parts[0].length > 1000) return null;
  const [noise, identity, secret] = parts.slice(1, 4).map((p) => (/^[A-Za-z0-9+/]{43}=$/.test(p) ? Buffer.from(p, 'base64') : null));
  if (!noise || !identity || !secret) return null;
  return { ref: parts[0], noise, identity, secret };
}

/**
 * The phone's signed statement about the device, sealed with the secret from the code, so that the device
 * can tell that whoever sends it has seen the code.
 * @returns {Buffer}
 */
export function makeStatement(keys, { identity, secret }) {
  const account = loadPair(keys.identity);
  const details = Buffer.from(proto.ADVDeviceIdentity.encode({
    rawId: randomInt(1, 2 ** 31), timestamp: Math.floor(Date.now() / 1000), keyIndex: 1, accountType: 0, deviceType: 0,
  }).finish());
  const signed = proto.ADVSignedDeviceIdentity.encode({
    details,
    accountSignatureKey: account.public,
    accountSignature: sign(account.private, accountMessage(details, identity)),
  }).finish();
  const hmac = createHmac('sha256', secret).update(signed).digest();
  return Buffer.from(proto.ADVSignedDeviceIdentityHMAC.encode({ details: signed, hmac }).finish());
}

/** Whether the device really signed back. */
export const isAnswerValid = (keys, { identity }, answer) =>
  isDeviceIdentityValid(answer, identity, loadPair(keys.identity).public);
