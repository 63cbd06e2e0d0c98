/** From WhatsApp's protobuf messages to what a phone shows, and back; and the padding around them. */
import { randomInt } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';
import { describeFile, fieldOf } from './media.js';

const { Type } = proto.Message.ProtocolMessage;

/** @returns {Buffer} the encoded message with 1 to 16 bytes of padding */
export function pack(message) {
  const n = randomInt(1, 17);
  return Buffer.concat([proto.Message.encode(proto.Message.fromObject(message)).finish(), Buffer.alloc(n, n)]);
}

/** @returns {proto.Message} */
export function unpack(padded) {
  const n = padded[padded.length - 1];
  if (!n || n > padded.length) throw new Error('bad padding');
  return proto.Message.decode(padded.subarray(0, padded.length - n));
}

/** Content as it is kept: to be sent once more, or to fetch its file. */
export const toWire = (content) => Buffer.from(proto.Message.encode(proto.Message.fromObject(content)).finish()).toString('base64');
export const fromWire = (wire) => proto.Message.decode(Buffer.from(wire, 'base64'));

const WRAPPERS = ['ephemeralMessage', 'viewOnceMessage', 'viewOnceMessageV2', 'documentWithCaptionMessage', 'editedMessage'];
const KINDS = {
  imageMessage: 'image', videoMessage: 'video', audioMessage: 'audio', documentMessage: 'document',
  stickerMessage: 'sticker', locationMessage: 'location', liveLocationMessage: 'location',
  contactMessage: 'contact', contactsArrayMessage: 'contact',
  pollCreationMessage: 'poll', pollCreationMessageV2: 'poll', pollCreationMessageV3: 'poll',
};

function unwrap(message) {
  let m = message;
  for (const w of WRAPPERS) if (m?.[w]?.message) m = m[w].message;
  return m;
}

/** What changes another message. @returns {{change: 'edit' | 'deletion' | 'reaction', target: string, text?: string} | null} */
function describeChange(m) {
  if (m.reactionMessage?.key?.id) return { change: 'reaction', target: m.reactionMessage.key.id, text: m.reactionMessage.text ?? '' };
  const { type, key, editedMessage } = m.protocolMessage ?? {};
  if (!key?.id) return null;
  if (type === Type.REVOKE) return { change: 'deletion', target: key.id };
  if (type === Type.MESSAGE_EDIT) return { change: 'edit', target: key.id, text: describe(editedMessage)?.text ?? '' };
  return null;
}

/**
 * @returns {{type: string, text: string, quoted_id?: string, media?: object} | {change: string, target: string, text?: string} | null}
 *   null for what a phone does not show
 */
export function describe(message) {
  const m = unwrap(message);
  if (!m || m.senderKeyDistributionMessage) return null;
  if (m.protocolMessage || m.reactionMessage) return describeChange(m);
  if (typeof m.conversation === 'string' && m.conversation) return { type: 'text', text: m.conversation };
  const quoted = (part) => (part.contextInfo?.stanzaId ? { quoted_id: part.contextInfo.stanzaId } : {});
  if (m.extendedTextMessage) return { type: 'text', text: m.extendedTextMessage.text ?? '', ...quoted(m.extendedTextMessage) };
  for (const [field, kind] of Object.entries(KINDS)) {
    const part = m[field];
    if (!part) continue;
    const type = part.ptt ? 'voice' : kind;
    const text = part.caption ?? part.text ?? part.name ?? part.displayName ?? '';
    const file = fieldOf(type) && part.mediaKey?.length ? { media: describeFile(type, part), wire: toWire({ [field]: part }) } : {};
    return { type, text, ...quoted(part), ...file };
  }
  return { type: 'unknown', text: '' };
}

/** Puts a quotation into content. */
function quoting(content, quote) {
  if (!quote) return content;
  const contextInfo = { stanzaId: quote.id, participant: quote.jid, quotedMessage: { conversation: quote.text } };
  const [[field, part]] = Object.entries(content);
  if (field === 'conversation') return { extendedTextMessage: { text: part, contextInfo } };
  return { [field]: { ...part, contextInfo } };
}

/** A text, as a phone sends it. @param {{id: string, jid: string, text: string}} [quote] */
export const textMessage = (text, quote) => quoting({ conversation: text }, quote);

/** A file: `part` is what upload() gave. */
export const fileMessage = (part, quote) => quoting(part, quote);

const keyOf = ({ remoteJid, fromMe, id }) => ({ remoteJid, fromMe, id });

/** An empty text takes the reaction back. */
export const reactionMessage = (target, text) => ({ reactionMessage: { key: keyOf(target), text, senderTimestampMs: Date.now() } });

export const deletionMessage = (target) => ({ protocolMessage: { key: keyOf(target), type: Type.REVOKE } });

export function editMessage(target, text) {
  const field = target.type === 'text' ? null : fieldOf(target.type);
  const editedMessage = field ? { [field]: { caption: text } } : { conversation: text };
  return { editedMessage: { message: { protocolMessage: { key: keyOf(target), type: Type.MESSAGE_EDIT, editedMessage, timestampMs: Date.now() } } } };
}

/** The copy of it for the sender's own other devices. */
export const deviceSent = (destinationJid, message) => ({ deviceSentMessage: { destinationJid, message } });
