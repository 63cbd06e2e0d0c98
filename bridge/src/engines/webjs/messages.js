/**
 * What the library's messages mean to the outside.
 */
import { createHash } from 'node:crypto';
import { cleanFileName, cleanMimeType } from '../../media/names.js';

const TYPES = new Map([
  ['chat', 'text'],
  ['image', 'image'],
  ['video', 'video'],
  ['ptv', 'video'],
  ['document', 'document'],
  ['audio', 'audio'],
  ['ptt', 'voice'],
  ['sticker', 'sticker'],
  ['location', 'location'],
  ['vcard', 'contact'],
  ['multi_vcard', 'contact'],
  ['poll_creation', 'poll'],
]);

/** Notices, keys, calls, deletions: no message of their own. */
const SILENT = new Set([
  'e2e_notification', 'notification', 'notification_template', 'gp2', 'broadcast_notification', 'call_log', 'protocol',
  'ciphertext', 'revoked', 'debug', 'pinned_message', 'keep_in_chat', 'reaction', 'poll_update',
]);

const STATUSES = new Map([
  [2, 'delivered'],
  [3, 'read'],
  [4, 'played'],
]);

/** The library's chat ids, as everybody else writes them. */
export function toJid(id) {
  const text = typeof id === 'string' ? id : (id?._serialized ?? '');
  return text.replace(/@c\.us$/, '@s.whatsapp.net');
}

export function toChatId(jid) {
  return jid.replace(/@s\.whatsapp\.net$/, '@c.us');
}

/** @returns {string|undefined} */
export function statusOf(ack) {
  return STATUSES.get(ack);
}

/** Types whose file can be fetched. */
const WITH_FILE = new Set(['image', 'video', 'document', 'sticker', 'audio', 'voice']);
const SHA256 = /^[0-9A-Za-z+/]{43}=$/;

/** A file: what is told of it, and what is kept to fetch it. */
function describeFile(type, { id, mimetype, size, filehash, filename, duration, directPath }) {
  const bytes = Number(size);
  if (!directPath || !Number.isSafeInteger(bytes) || bytes < 1 || !SHA256.test(filehash ?? '')) {
    return {};
  }
  const sha256 = Buffer.from(filehash, 'base64').toString('hex');
  const mimeType = cleanMimeType(mimetype);
  return {
    media: { mime_type: mimeType, size: bytes, sha256, file_name: type === 'document' ? cleanFileName(filename) : undefined, seconds: Number(duration) || undefined },
    ref: { key: id._serialized ?? `${id.fromMe}_${id.remote}_${id.id}`, type, size: bytes, sha256, mimeType },
  };
}

/**
 * The page tells what a message is now, not which message changed it: an id is made for that one, the same for
 * the same change.
 */
function changeId(target, kind, text = '') {
  return `${target}.${kind}.${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

/**
 * Someone edited or deleted a message, or reacted to it.
 * @param {{kind: 'edit'|'deletion'|'reaction', target: object, from: string, text?: string, seconds: number, pushName?: string}} change
 * @returns {{key: string, seconds: number, data: object}|null}
 */
export function describeChange({ kind, target, from: sender, text, seconds, pushName }) {
  const chat = toJid(target.remote);
  if (!/@(s\.whatsapp\.net|lid|g\.us)$/.test(chat)) {
    return null;
  }
  const from = toJid(sender);
  // A reaction may come back after it was taken away: it is another one then.
  const id = changeId(target.id, kind, kind === 'reaction' ? `${from} ${text} ${seconds}` : text);
  const data = {
    whatsapp_id: id,
    chat,
    from,
    from_phone: phoneOf(from),
    push_name: pushName || undefined,
    type: kind,
    text,
    target_id: target.id,
    at: new Date(seconds * 1000).toISOString(),
  };
  return { key: `${chat}|${id}|${from}`, seconds: Math.floor(seconds), data };
}

function phoneOf(jid) {
  const match = /^(\d+)@s\.whatsapp\.net$/.exec(jid);
  return match ? `+${match[1]}` : undefined;
}

/**
 * @param {object} message a model of the library
 * @returns {{key: string, seconds: number, data: object, ref?: object}|null} null when there is nothing to tell
 */
export function describeInbound(message) {
  const chat = toJid(message.id?.remote);
  if (message.id?.fromMe || SILENT.has(message.type) || !/@(s\.whatsapp\.net|lid|g\.us)$/.test(chat)) {
    return null;
  }
  const from = toJid(message.author ?? message.id.participant ?? message.from);
  const type = TYPES.get(message.type) ?? 'other';
  const file = WITH_FILE.has(type) ? describeFile(type, message) : {};
  const data = {
    whatsapp_id: message.id.id,
    chat,
    from,
    from_phone: phoneOf(from),
    push_name: message.notifyName || undefined,
    type,
    text: type === 'text' ? (message.body ?? '') : file.media && message.caption ? message.caption : undefined,
    media: file.media,
    quoted_id: message.quotedStanzaID || undefined,
    at: new Date(message.t * 1000).toISOString(),
  };
  return { key: `${chat}|${message.id.id}|${from}`, seconds: message.t, data, ref: file.ref };
}
