/**
 * The stand-in's own certificate. Nobody but a browser that was given the hash of its key trusts it; it is
 * kept, so that a browser which runs on while the sandbox restarts finds the same key.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

export const PAGE_HOST = 'web.whatsapp.com';

const HOSTS = [PAGE_HOST, '*.whatsapp.com', '*.whatsapp.net'];
const YEARS = 20;
const DAY_MS = 24 * 60 * 60 * 1000;

const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const VERSION_3 = Buffer.from('a003020102', 'hex');

/** One DER element. */
function der(tag, ...parts) {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const size = body.length.toString(16).padStart(body.length > 255 ? 4 : 2, '0');
  return Buffer.concat([Buffer.from([tag, 0x80 | (size.length / 2)]), Buffer.from(size, 'hex'), body]);
}

const sequence = (...parts) => der(0x30, ...parts);
const name = (text) => sequence(der(0x31, sequence(COMMON_NAME, der(0x0c, Buffer.from(text)))));
const time = (ms) => der(0x18, Buffer.from(`${new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`));

/** @returns {{key: string, cert: string}} PEM */
function make() {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial = randomBytes(16);
  serial[0] &= 0x7f;
  serial[0] |= 0x40;
  const names = sequence(...HOSTS.map((host) => der(0x82, Buffer.from(host))));
  const body = sequence(
    VERSION_3,
    der(0x02, serial),
    sequence(ECDSA_SHA256),
    name('mod_whatsapp sandbox'),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + YEARS * 365 * DAY_MS)),
    name(PAGE_HOST),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(sequence(SUBJECT_ALT_NAME, der(0x04, names)))),
  );
  const signature = sign('sha256', body, privateKey);
  const cert = sequence(body, sequence(ECDSA_SHA256), der(0x03, Buffer.from([0]), signature));
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${cert.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
  };
}

/**
 * @param {import('../lib/store.js').Store} store
 * @returns {{key: string, cert: string, spki: string}} `spki`: what a browser pins
 */
export function loadCertificate(store) {
  let pair = store.get('certificate');
  if (!pair) {
    pair = make();
    store.put('certificate', pair);
  }
  const spki = createPublicKey(createPrivateKey(pair.key)).export({ type: 'spki', format: 'der' });
  return { ...pair, spki: createHash('sha256').update(spki).digest('base64') };
}
