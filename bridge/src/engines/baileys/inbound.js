/**
 * What a decrypted stanza means to the outside: the data of a message.inbound event, or nothing.
 */
import { cleanFileName, cleanMimeType } from '../../media/names.js';

const TYPES = new Map([
  ['conversation', 'text'],
  ['extendedTextMessage', 'text'],
  ['imageMessage', 'image'],
  ['videoMessage', 'video'],
  ['ptvMessage', 'video'],
  ['documentMessage', 'document'],
  ['stickerMessage', 'sticker'],
  ['locationMessage', 'location'],
  ['liveLocationMessage', 'location'],
  ['contactMessage', 'contact'],
  ['contactsArrayMessage', 'contact'],
  ['pollCreationMessage', 'poll'],
  ['pollCreationMessageV2', 'poll'],
  ['pollCreationMessageV3', 'poll'],
  ['reactionMessage', 'reaction'],
]);

/** Types whose file can be fetched. */
const WITH_FILE = new Set(['image', 'video', 'document', 'sticker', 'audio', 'voice']);
const KEY_BYTES = 32;
const HASH_BYTES = 32;

/** Carriers of keys and votes: no message of their own. */
const SILENT = new Set(['protocolMessage', 'pollUpdateMessage', 'encReactionMessage', 'keepInChatMessage', 'pinInChatMessage']);

function typeOf(content, contentType) {
  if (contentType === 'audioMessage') {
    return content.audioMessage.ptt ? 'voice' : 'audio';
  }
  return TYPES.get(contentType) ?? 'other';
}

/** @returns {string|undefined} E.164 of the sender, if it is known */
function phoneOf(baileys, store, jid, alternative) {
  for (const candidate of [jid, alternative]) {
    if (baileys.isPnUser(candidate)) {
      return `+${baileys.jidDecode(candidate).user}`;
    }
  }
  const lid = baileys.isLidUser(jid) ? baileys.jidDecode(jid).user : null;
  const user = lid ? store.value('lid-mapping', `${lid}_reverse`) : undefined;
  return user ? `+${user}` : undefined;
}

function textOf(content, contentType) {
  const part = content[contentType];
  return typeof part === 'string' ? part : (part?.text ?? part?.caption ?? undefined);
}

/** What changes another message. @returns {object|null} */
function describeChange(baileys, content, contentType) {
  if (contentType === 'reactionMessage') {
    const { key, text } = content.reactionMessage;
    return key?.id ? { type: 'reaction', target_id: key.id, text: text ?? '' } : null;
  }
  if (contentType !== 'protocolMessage') {
    return null;
  }
  const { REVOKE, MESSAGE_EDIT } = baileys.proto.Message.ProtocolMessage.Type;
  const { type, key, editedMessage } = content.protocolMessage;
  if (!key?.id) {
    return null;
  }
  if (type === REVOKE) {
    return { type: 'deletion', target_id: key.id };
  }
  if (type === MESSAGE_EDIT) {
    const edited = baileys.normalizeMessageContent(editedMessage);
    return { type: 'edit', target_id: key.id, text: textOf(edited ?? {}, baileys.getContentType(edited)) ?? '' };
  }
  return null;
}

/** A file: what is told of it, and what is kept to fetch it. */
function describeFile(type, part) {
  const size = Number(part.fileLength ?? 0);
  const plain = Buffer.from(part.fileSha256 ?? []);
  if (part.mediaKey?.length !== KEY_BYTES || plain.length !== HASH_BYTES || !Number.isSafeInteger(size) || size < 1) {
    return {};
  }
  const base64 = (bytes) => (bytes?.length ? Buffer.from(bytes).toString('base64') : undefined);
  const mimeType = cleanMimeType(part.mimetype);
  return {
    media: {
      mime_type: mimeType,
      size,
      sha256: plain.toString('hex'),
      file_name: cleanFileName(part.fileName),
      seconds: part.seconds || undefined,
    },
    ref: {
      type,
      url: part.url || undefined,
      directPath: part.directPath || undefined,
      mediaKey: base64(part.mediaKey),
      fileSha256: base64(plain),
      fileEncSha256: base64(part.fileEncSha256),
      size,
      mimeType,
    },
  };
}

/**
 * @param {object} options
 * @param {object} options.baileys
 * @param {import('./store.js').SignalStore} options.store
 * @param {object} options.key Baileys' message key
 * @param {object} options.message the content
 * @param {string} [options.pushName]
 * @param {number} options.timestamp seconds
 * @returns {{key: string, data: object, ref?: object}|null} null when there is nothing to tell; `ref`: for its file
 */
export function describeInbound({ baileys, store, key, message, pushName, timestamp }) {
  const content = baileys.normalizeMessageContent(message);
  const contentType = baileys.getContentType(content);
  if (!contentType || key.fromMe) {
    return null;
  }
  const change = describeChange(baileys, content, contentType);
  if (!change && SILENT.has(contentType)) {
    return null;
  }
  const chat = baileys.jidNormalizedUser(key.remoteJid);
  if (baileys.isJidBroadcast(chat) || baileys.isJidNewsletter(chat)) {
    return null;
  }
  const from = baileys.jidNormalizedUser(key.participant || key.remoteJid);
  const type = change?.type ?? typeOf(content, contentType);
  const part = content[contentType];
  const file = WITH_FILE.has(type) ? describeFile(type, part) : {};
  const data = {
    whatsapp_id: key.id,
    chat,
    from,
    from_phone: phoneOf(baileys, store, from, key.participantAlt || key.remoteJidAlt),
    push_name: pushName || undefined,
    type,
    text: type === 'text' || WITH_FILE.has(type) ? textOf(content, contentType) || (type === 'text' ? '' : undefined) : undefined,
    media: file.media,
    quoted_id: part?.contextInfo?.stanzaId || undefined,
    ...change,
    at: new Date((timestamp || Math.floor(Date.now() / 1000)) * 1000).toISOString(),
  };
  const ref = file.ref && { ...file.ref, key: { id: key.id, remoteJid: chat, participant: key.participant || undefined } };
  return { key: `${chat}|${key.id}|${from}`, data, ref };
}

/** The same from a stanza's attributes and the padded plaintext of one of its <enc> nodes. */
export function describePlaintext({ baileys, store, creds, attrs, plain }) {
  const { fullMessage } = baileys.decodeMessageNode({ attrs }, creds.me.id, creds.me.lid ?? '');
  const decoded = baileys.proto.Message.decode(baileys.unpadRandomMax16(plain));
  return describeInbound({
    baileys,
    store,
    key: fullMessage.key,
    message: decoded.deviceSentMessage?.message ?? decoded,
    pushName: fullMessage.pushName,
    timestamp: fullMessage.messageTimestamp,
  });
}
