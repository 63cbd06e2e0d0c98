/**
 * "ADV": the signed statement that a device belongs to an account. The phone signs for the device, the
 * device signs back. This file only checks; it holds no keys.
 */
import { proto } from 'baileys/WAProto/index.js';
import { verify } from './curve.js';

const ACCOUNT_PREFIX = Buffer.from([6, 0]);
const DEVICE_PREFIX = Buffer.from([6, 1]);

/** What the phone signs. */
export const accountMessage = (details, deviceIdentity) =>
  Buffer.concat([ACCOUNT_PREFIX, details, deviceIdentity]);

/** What the device signs in return. */
export const deviceMessage = (details, deviceIdentity, accountIdentity) =>
  Buffer.concat([DEVICE_PREFIX, details, deviceIdentity, accountIdentity]);

/**
 * Checks both signatures of a device's identity.
 * @param {Uint8Array} encoded ADVSignedDeviceIdentity
 * @param {Buffer} deviceIdentity the device's public identity key
 * @param {Buffer} accountIdentity the phone's public identity key
 * @returns {boolean}
 */
export function isDeviceIdentityValid(encoded, deviceIdentity, accountIdentity) {
  let id;
  try {
    id = proto.ADVSignedDeviceIdentity.decode(encoded);
  } catch {
    return false;
  }
  const details = Buffer.from(id.details ?? []);
  return verify(accountIdentity, accountMessage(details, deviceIdentity), id.accountSignature)
    && verify(deviceIdentity, deviceMessage(details, deviceIdentity, accountIdentity), id.deviceSignature);
}
