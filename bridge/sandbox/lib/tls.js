/**
 * The sandbox's own certificates for TLS on loopback: one authority, made at the first start, and what it
 * has issued. All of it is kept, so that whoever trusts the authority's file, or the hash of a key, finds the
 * same ones after a restart.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';

const YEARS = 20;
const DAY_MS = 24 * 60 * 60 * 1000;
const AUTHORITY = 'mod_whatsapp sandbox';

const ECDSA_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('0603551d13', 'hex');
const KEY_USAGE = Buffer.from('0603551d0f', 'hex');
const VERSION_3 = Buffer.from('a003020102', 'hex');
const TRUE = Buffer.from('0101ff', 'hex');

const DNS = 0x82;
const IP = 0x87;

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
const extension = (id, value, critical = false) => sequence(id, ...(critical ? [TRUE] : []), der(0x04, value));

const FOR_AUTHORITY = [
  extension(BASIC_CONSTRAINTS, sequence(TRUE), true),
  // keyCertSign, and no other use.
  extension(KEY_USAGE, der(0x03, Buffer.from([2, 4])), true),
];

const altNames = ({ dns = [], ip = [] }) => extension(SUBJECT_ALT_NAME, sequence(
  ...dns.map((host) => der(DNS, Buffer.from(host))),
  ...ip.map((address) => der(IP, Buffer.from(address))),
));

/** @returns {{key: string, cert: string}} PEM */
function certify(subject, extensions, pair, issuerKey) {
  const serial = randomBytes(16);
  serial[0] &= 0x7f;
  serial[0] |= 0x40;
  const body = sequence(
    VERSION_3,
    der(0x02, serial),
    sequence(ECDSA_SHA256),
    name(AUTHORITY),
    sequence(time(Date.now() - DAY_MS), time(Date.now() + YEARS * 365 * DAY_MS)),
    name(subject),
    pair.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const cert = sequence(body, sequence(ECDSA_SHA256), der(0x03, Buffer.from([0]), sign('sha256', body, issuerKey)));
  return {
    key: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }),
    cert: `-----BEGIN CERTIFICATE-----\n${cert.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
  };
}

const newPair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

/** Whoever reads this file sees all of it or none. */
function writeWhole(file, text) {
  const fd = openSync(`${file}.tmp`, 'w', 0o644);
  writeSync(fd, text);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${file}.tmp`, file);
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    if (err.code === 'ENOENT') return null;
    throw err;
  }
}

export class Authority {
  #store;
  #pair;

  /**
   * @param {import('./store.js').Store} store where the keys are kept
   * @param {string} dir where `ca.pem` is put for those who are to trust it
   */
  constructor(store, dir) {
    this.#store = store;
    this.#pair = store.get('authority');
    if (!this.#pair) {
      const pair = newPair();
      this.#pair = certify(AUTHORITY, FOR_AUTHORITY, pair, pair.privateKey);
      store.put('authority', this.#pair);
    }
    this.file = path.join(dir, 'ca.pem');
    if (readText(this.file) !== this.#pair.cert) writeWhole(this.file, this.#pair.cert);
  }

  /** The authority's own certificate. */
  get cert() {
    return this.#pair.cert;
  }

  /**
   * @param {string} use under which it is kept
   * @param {{subject: string, dns?: string[], ip?: number[][]}} names
   * @returns {{key: string, cert: string, spki: string}} `spki`: what a browser pins
   */
  issue(use, { subject, ...names }) {
    let issued = this.#store.get(`certificate/${use}`);
    if (!issued) {
      issued = certify(subject, [altNames(names)], newPair(), createPrivateKey(this.#pair.key));
      this.#store.put(`certificate/${use}`, issued);
    }
    const spki = createPublicKey(createPrivateKey(issued.key)).export({ type: 'spki', format: 'der' });
    return { ...issued, spki: createHash('sha256').update(spki).digest('base64') };
  }
}
