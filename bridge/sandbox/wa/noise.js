/**
 * The server's side of WhatsApp's encrypted socket: Noise_XX_25519_AESGCM_SHA256 and the framing
 * (three bytes of length) around it.
 */
import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import { proto } from 'baileys/WAProto/index.js';
import { decodeDecompressedBinaryNode } from 'baileys/lib/WABinary/decode.js';
import * as constants from 'baileys/lib/WABinary/constants.js';
import { encodeBinaryNode } from 'baileys/lib/WABinary/encode.js';
import { generateKeyPair, sharedKey } from '../lib/curve.js';

const PROTOCOL = Buffer.from('Noise_XX_25519_AESGCM_SHA256\0\0\0\0');
const HEADER = Buffer.from([0x57, 0x41, 6, 3]);
const MAX_FRAME = 8 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

const sha256 = (data) => createHash('sha256').update(data).digest();

function nonce(counter) {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(counter, 8);
  return iv;
}

function seal(key, counter, data, aad) {
  const cipher = createCipheriv('aes-256-gcm', key, nonce(counter));
  cipher.setAAD(aad);
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

function unseal(key, counter, data, aad) {
  const decipher = createDecipheriv('aes-256-gcm', key, nonce(counter));
  decipher.setAAD(aad);
  decipher.setAuthTag(data.subarray(data.length - 16));
  return Buffer.concat([decipher.update(data.subarray(0, data.length - 16)), decipher.final()]);
}

/** One client's socket. Feed it bytes; it hands out the client's payload and then nodes. */
export class NoiseServer {
  #hash;
  #salt = PROTOCOL;
  #key = PROTOCOL;
  #counter = 0;
  #buffer = EMPTY;
  #stage = 'intro';
  #ephemeral;
  #static;
  #certificates;
  #sendKey;
  #receiveKey;
  #sent = 0;
  #received = 0;
  #write;

  /**
   * @param {{public: Buffer, private: Buffer}} staticKey the server's own key
   * @param {Buffer} certificates encoded CertChain for it
   * @param {(bytes: Buffer) => void} write
   */
  constructor(staticKey, certificates, write) {
    this.#static = staticKey;
    this.#certificates = certificates;
    this.#write = write;
    this.#hash = PROTOCOL;
    this.#mixHash(HEADER);
  }

  #mixHash(data) {
    this.#hash = sha256(Buffer.concat([this.#hash, data]));
  }

  #mixKey(secret) {
    const out = Buffer.from(hkdfSync('sha256', secret, this.#salt, '', 64));
    this.#salt = out.subarray(0, 32);
    this.#key = out.subarray(32);
    this.#counter = 0;
  }

  #encrypt(data) {
    const out = seal(this.#key, this.#counter++, data, this.#hash);
    this.#mixHash(out);
    return out;
  }

  #decrypt(data) {
    const out = unseal(this.#key, this.#counter++, data, this.#hash);
    this.#mixHash(data);
    return out;
  }

  /**
   * @param {Buffer} data what came in
   * @returns {Array<{payload?: object, clientStatic?: Buffer, node?: object}>} the client's payload once, nodes after
   */
  feed(data) {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, data]) : data;
    if (this.#stage === 'intro' && !this.#skipIntro()) return [];
    const out = [];
    while (this.#buffer.length >= 3) {
      const size = this.#buffer.readUIntBE(0, 3);
      if (size > MAX_FRAME) throw new Error('frame too long');
      if (this.#buffer.length < size + 3) break;
      const frame = this.#buffer.subarray(3, size + 3);
      this.#buffer = this.#buffer.subarray(size + 3);
      const item = this.#frame(frame);
      if (item) out.push(item);
    }
    return out;
  }

  /** A returning client may put routing information before the header: ED 0 1 len(3) bytes. */
  #skipIntro() {
    const b = this.#buffer;
    let at = 0;
    if (b[0] === 0x45 && b[1] === 0x44) {
      if (b.length < 7) return false;
      at = 7 + b.readUIntBE(4, 3);
    }
    if (b.length < at + 4) return false;
    if (!b.subarray(at, at + 4).equals(HEADER)) throw new Error('not a WhatsApp client');
    this.#buffer = b.subarray(at + 4);
    this.#stage = 'hello';
    return true;
  }

  #frame(frame) {
    if (this.#stage === 'hello') return this.#hello(frame);
    if (this.#stage === 'finish') return this.#finish(frame);
    const plain = unseal(this.#receiveKey, this.#received++, frame, EMPTY);
    const body = plain[0] & 2 ? inflateSync(plain.subarray(1), { maxOutputLength: MAX_FRAME }) : plain.subarray(1);
    return { node: decodeDecompressedBinaryNode(body, constants) };
  }

  #hello(frame) {
    const { clientHello } = proto.HandshakeMessage.decode(frame);
    const theirs = Buffer.from(clientHello.ephemeral);
    this.#mixHash(theirs);
    this.#ephemeral = generateKeyPair();
    this.#mixHash(this.#ephemeral.public);
    this.#mixKey(sharedKey(this.#ephemeral.private, theirs));
    const sealedStatic = this.#encrypt(this.#static.public);
    this.#mixKey(sharedKey(this.#static.private, theirs));
    const payload = this.#encrypt(this.#certificates);
    this.#stage = 'finish';
    this.#writeFrame(proto.HandshakeMessage.encode({
      serverHello: { ephemeral: this.#ephemeral.public, static: sealedStatic, payload },
    }).finish());
    return null;
  }

  #finish(frame) {
    const { clientFinish } = proto.HandshakeMessage.decode(frame);
    const clientStatic = this.#decrypt(Buffer.from(clientFinish.static));
    this.#mixKey(sharedKey(this.#ephemeral.private, clientStatic));
    const payload = proto.ClientPayload.decode(this.#decrypt(Buffer.from(clientFinish.payload)));
    const keys = Buffer.from(hkdfSync('sha256', EMPTY, this.#salt, '', 64));
    this.#receiveKey = keys.subarray(0, 32);
    this.#sendKey = keys.subarray(32);
    this.#stage = 'transport';
    return { payload, clientStatic };
  }

  /** Sends one node, encrypted. */
  send(node) {
    this.#writeFrame(seal(this.#sendKey, this.#sent++, encodeBinaryNode(node), EMPTY));
  }

  #writeFrame(data) {
    const out = Buffer.allocUnsafe(data.length + 3);
    out.writeUIntBE(data.length, 0, 3);
    out.set(data, 3);
    this.#write(out);
  }
}
