/** The server's own key and the throw-away chain of certificates a client wants to see for it. */
import { proto } from 'baileys/WAProto/index.js';
import { generateKeyPair, sign } from '../lib/curve.js';

const Details = proto.CertChain.NoiseCertificate.Details;

function certificate(details, signer) {
  const bytes = Details.encode(details).finish();
  return { details: bytes, signature: sign(signer.private, bytes) };
}

/** @returns {{staticKey: object, certificates: Buffer, rootPublic: Buffer}} */
export function makeServerKeys() {
  const root = generateKeyPair();
  const intermediate = generateKeyPair();
  const staticKey = generateKeyPair();
  const now = Math.floor(Date.now() / 1000);
  const life = { notBefore: now - 86400, notAfter: now + 10 * 365 * 86400 };
  const certificates = proto.CertChain.encode({
    intermediate: certificate({ serial: 1, issuerSerial: 0, key: intermediate.public, ...life }, root),
    leaf: certificate({ serial: 2, issuerSerial: 1, key: staticKey.public, ...life }, intermediate),
  }).finish();
  return { staticKey, certificates: Buffer.from(certificates), rootPublic: root.public };
}

/** The same keys after every start. @returns {ReturnType<typeof makeServerKeys>} */
export function loadServerKeys(store) {
  const saved = store.get('server-keys');
  if (saved) {
    return {
      staticKey: { public: Buffer.from(saved.public, 'base64'), private: Buffer.from(saved.private, 'base64') },
      certificates: Buffer.from(saved.certificates, 'base64'),
      rootPublic: Buffer.from(saved.root, 'base64'),
    };
  }
  const keys = makeServerKeys();
  store.put('server-keys', {
    public: keys.staticKey.public.toString('base64'),
    private: keys.staticKey.private.toString('base64'),
    certificates: keys.certificates.toString('base64'),
    root: keys.rootPublic.toString('base64'),
  });
  return keys;
}
