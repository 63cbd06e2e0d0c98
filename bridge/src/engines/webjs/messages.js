/**
 * What the library's messages mean to the outside.
 */
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

function phoneOf(jid) {
  const match = /^(\d+)@s\.whatsapp\.net$/.exec(jid);
  return match ? `+${match[1]}` : undefined;
}

/**
 * @param {object} message a model of the library
 * @returns {{key: string, seconds: number, data: object}|null} null when there is nothing to tell
 */
export function describeInbound(message) {
  const chat = toJid(message.id?.remote);
  if (message.id?.fromMe || SILENT.has(message.type) || !/@(s\.whatsapp\.net|lid|g\.us)$/.test(chat)) {
    return null;
  }
  const from = toJid(message.author ?? message.id.participant ?? message.from);
  const type = TYPES.get(message.type) ?? 'other';
  const data = {
    whatsapp_id: message.id.id,
    chat,
    from,
    from_phone: phoneOf(from),
    push_name: message.notifyName || undefined,
    type,
    text: type === 'text' ? (message.body ?? '') : undefined,
    quoted_id: message.quotedStanzaID || undefined,
    at: new Date(message.t * 1000).toISOString(),
  };
  return { key: `${chat}|${message.id.id}|${from}`, seconds: message.t, data };
}
