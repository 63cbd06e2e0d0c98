/**
 * Files in messages: encrypted with a key of their own, which travels in the message; the ciphertext lies at
 * WhatsApp's media hosts.
 */
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { request as httpsRequest } from 'node:https';
import { proto } from 'baileys/WAProto/index.js';
import { child, el } from '../lib/nodes.js';
import { PhoneError } from './error.js';

const MAC_BYTES = 10;
const TAG_BYTES = 16;
const IDLE_MS = 30_000;

/** By type of message: its field in the protobuf, the name in its keys, its folder at the hosts. */
const KINDS = {
  image: { field: 'imageMessage', keys: 'Image', folder: 'image' },
  sticker: { field: 'stickerMessage', keys: 'Image', folder: 'image' },
  video: { field: 'videoMessage', keys: 'Video', folder: 'video' },
  audio: { field: 'audioMessage', keys: 'Audio', folder: 'audio' },
  voice: { field: 'audioMessage', keys: 'Audio', folder: 'audio' },
  document: { field: 'documentMessage', keys: 'Document', folder: 'document' },
};

/** What a phone can send. */
export const SENDABLE = ['image', 'video', 'audio', 'voice', 'document'];

const sha256 = (bytes) => createHash('sha256').update(bytes).digest();

function keysOf(mediaKey, type) {
  const all = Buffer.from(hkdfSync('sha256', mediaKey, Buffer.alloc(0), `WhatsApp ${KINDS[type].keys} Keys`, 112));
  return { iv: all.subarray(0, 16), cipher: all.subarray(16, 48), mac: all.subarray(48, 80) };
}

const macOf = (keys, ciphertext) => createHmac('sha256', keys.mac).update(keys.iv).update(ciphertext).digest().subarray(0, MAC_BYTES);

/** @returns {{mediaKey: Buffer, body: Buffer}} ciphertext with its MAC */
export function encryptFile(type, bytes, mediaKey = randomBytes(32)) {
  const keys = keysOf(mediaKey, type);
  const cipher = createCipheriv('aes-256-cbc', keys.cipher, keys.iv);
  const ciphertext = Buffer.concat([cipher.update(bytes), cipher.final()]);
  return { mediaKey, body: Buffer.concat([ciphertext, macOf(keys, ciphertext)]) };
}

/** @throws when anything about the file is not as the message says */
export function decryptFile(type, body, { mediaKey, fileSha256, fileEncSha256 }) {
  if (!sha256(body).equals(Buffer.from(fileEncSha256 ?? []))) throw new Error('not the file that was sent');
  const keys = keysOf(mediaKey, type);
  const ciphertext = body.subarray(0, -MAC_BYTES);
  if (!timingSafeEqual(macOf(keys, ciphertext), body.subarray(-MAC_BYTES))) throw new Error('the MAC does not fit');
  const decipher = createDecipheriv('aes-256-cbc', keys.cipher, keys.iv);
  const bytes = Buffer.concat([decipher.update(ciphertext), decipher.final()]);
  if (!sha256(bytes).equals(Buffer.from(fileSha256 ?? []))) throw new Error('the content does not fit its hash');
  return bytes;
}

/** One HTTPS request to a media host; the answer's body as a whole, which is at most `limit` bytes. */
function exchange(url, { method, body, ca, limit }) {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { method, ca, headers: body ? { 'content-length': body.length } : {} }, (response) => {
      const chunks = [];
      let size = 0;
      response.on('data', (chunk) => {
        size += chunk.length;
        if (size > limit) request.destroy(new Error('the answer is too large'));
        else chunks.push(chunk);
      });
      response.on('end', () => resolve({ status: response.statusCode, body: Buffer.concat(chunks) }));
      response.on('error', reject);
    });
    request.setTimeout(IDLE_MS, () => request.destroy(new Error('the media host is silent')));
    request.on('error', reject);
    request.end(body);
  });
}

/**
 * Puts a file at a media host.
 * @param {object} device whose line to the server says where; `trust` is the authority it trusts
 * @param {{type: string, bytes: Buffer, mime_type: string, file_name?: string, seconds?: number, caption?: string}} file
 * @returns {Promise<object>} the part of the message that describes it
 */
export async function upload(device, { type, bytes, mime_type: mimetype, file_name: fileName, seconds, caption }) {
  const kind = KINDS[type];
  const { mediaKey, body } = encryptFile(type, bytes);
  const { url: at, directPath } = await put(device, kind, body);
  const fileEncSha256 = sha256(body);
  return {
    [kind.field]: {
      url: at, directPath, mediaKey, fileEncSha256, fileSha256: sha256(bytes), fileLength: bytes.length, mimetype,
      mediaKeyTimestamp: Math.floor(Date.now() / 1000),
      ...(type === 'document' ? { fileName: fileName ?? 'file' } : {}),
      ...(type === 'audio' || type === 'voice' ? { ptt: type === 'voice', seconds } : {}),
      ...(type === 'video' ? { seconds } : {}),
      ...(caption ? { caption } : {}),
    },
  };
}

/** Puts ciphertext at the host that the server names. @returns {Promise<{url: string, directPath: string}>} */
async function put(device, kind, body) {
  const connection = child(await device.query('set', 'w:m', [el('media_conn')]), 'media_conn');
  const { auth } = connection.attrs;
  const { hostname } = child(connection, 'host').attrs;
  const name = sha256(body).toString('base64url');
  const url = `https://${hostname}/mms/${kind.folder}/${name}?auth=${encodeURIComponent(auth)}&token=${name}`;
  const answer = await exchange(url, { method: 'POST', body, ca: device.trust, limit: 65536 });
  if (answer.status !== 200) throw new PhoneError('media_refused', { text: `the media host answered ${answer.status}` });
  const { url: at, direct_path: directPath } = JSON.parse(answer.body);
  return { url: at, directPath };
}

const partOf = (type, wire) => proto.Message.decode(Buffer.from(wire, 'base64'))[KINDS[type].field];

/** The key and the words under which phone and device speak of a lost file. */
const retryKey = (mediaKey) => Buffer.from(hkdfSync('sha256', mediaKey, Buffer.alloc(0), 'WhatsApp Media Retry Notification', 32));

/**
 * Puts the file of a message at the host again, under the key it has.
 * @param {object} device
 * @param {{id: string, type: string, wire: string}} message
 * @param {Buffer} bytes
 * @param {{sealed: Buffer, iv: Buffer}} request of a device that knows the key
 * @returns {Promise<{sealed: Buffer, iv: Buffer}>} what it is told
 */
export async function putAgain(device, { id, type, wire }, bytes, request) {
  const { mediaKey } = partOf(type, wire);
  const decipher = createDecipheriv('aes-256-gcm', retryKey(mediaKey), request.iv);
  decipher.setAAD(Buffer.from(id)).setAuthTag(request.sealed.subarray(-TAG_BYTES));
  const { stanzaId } = proto.ServerErrorReceipt.decode(Buffer.concat([decipher.update(request.sealed.subarray(0, -TAG_BYTES)), decipher.final()]));
  const { directPath } = await put(device, KINDS[type], encryptFile(type, bytes, mediaKey).body);
  const { SUCCESS } = proto.MediaRetryNotification.ResultType;
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', retryKey(mediaKey), iv).setAAD(Buffer.from(id));
  const plain = proto.MediaRetryNotification.encode({ stanzaId, directPath, result: SUCCESS }).finish();
  return { sealed: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]), iv };
}

/** Fetches and opens the file of a message. @returns {Promise<Buffer>} */
export async function download(device, type, wire, limit) {
  const part = partOf(type, wire);
  const url = new URL(part.url || `https://mmg.whatsapp.net${part.directPath}`);
  const answer = await exchange(url, { method: 'GET', ca: device.trust, limit });
  if (answer.status !== 200) throw new Error(`the media host answered ${answer.status}`);
  return decryptFile(type, answer.body, part);
}

/** What a phone shows of a file. @returns {object} */
export function describeFile(type, part) {
  return {
    mime_type: part.mimetype || 'application/octet-stream',
    size: Number(part.fileLength ?? 0),
    sha256: Buffer.from(part.fileSha256 ?? []).toString('hex'),
    ...(part.fileName ? { file_name: part.fileName } : {}),
    ...(part.seconds ? { seconds: part.seconds } : {}),
  };
}

export const fieldOf = (type) => KINDS[type]?.field;
