/**
 * What a decrypted stanza means to the outside: the data of a message.inbound event, or nothing.
 */
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

/** Carriers of keys, edits, deletions and votes: no message of their own. */
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

/**
 * @param {object} options
 * @param {object} options.baileys
 * @param {import('./store.js').SignalStore} options.store
 * @param {object} options.key Baileys' message key
 * @param {object} options.message the content
 * @param {string} [options.pushName]
 * @param {number} options.timestamp seconds
 * @returns {{key: string, data: object}|null} null when there is nothing to tell
 */
export function describeInbound({ baileys, store, key, message, pushName, timestamp }) {
  const content = baileys.normalizeMessageContent(message);
  const contentType = baileys.getContentType(content);
  if (!contentType || SILENT.has(contentType) || key.fromMe) {
    return null;
  }
  const chat = baileys.jidNormalizedUser(key.remoteJid);
  if (baileys.isJidBroadcast(chat) || baileys.isJidNewsletter(chat)) {
    return null;
  }
  const from = baileys.jidNormalizedUser(key.participant || key.remoteJid);
  const type = typeOf(content, contentType);
  const data = {
    whatsapp_id: key.id,
    chat,
    from,
    from_phone: phoneOf(baileys, store, from, key.participantAlt || key.remoteJidAlt),
    push_name: pushName || undefined,
    type,
    text: type === 'text' ? (content.conversation ?? content.extendedTextMessage?.text ?? '') : undefined,
    quoted_id: content[contentType]?.contextInfo?.stanzaId || undefined,
    at: new Date((timestamp || Math.floor(Date.now() / 1000)) * 1000).toISOString(),
  };
  return { key: `${chat}|${key.id}|${from}`, data };
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
