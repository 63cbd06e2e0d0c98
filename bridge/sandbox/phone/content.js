/** From WhatsApp's protobuf messages to what a phone shows, and back; and the padding around them. */
import { randomInt } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';

/** @returns {Buffer} the encoded message with 1 to 16 bytes of padding */
export function pack(message) {
  const n = randomInt(1, 17);
  return Buffer.concat([proto.Message.encode(message).finish(), Buffer.alloc(n, n)]);
}

/** @returns {proto.Message} */
export function unpack(padded) {
  const n = padded[padded.length - 1];
  if (!n || n > padded.length) throw new Error('bad padding');
  return proto.Message.decode(padded.subarray(0, padded.length - n));
}

const WRAPPERS = ['ephemeralMessage', 'viewOnceMessage', 'viewOnceMessageV2', 'documentWithCaptionMessage', 'editedMessage'];
const KINDS = {
  imageMessage: 'image', videoMessage: 'video', audioMessage: 'audio', documentMessage: 'document',
  stickerMessage: 'sticker', locationMessage: 'location', liveLocationMessage: 'location',
  contactMessage: 'contact', contactsArrayMessage: 'contact', reactionMessage: 'reaction',
  pollCreationMessage: 'poll', pollCreationMessageV2: 'poll', pollCreationMessageV3: 'poll',
};

/** @returns {{type: string, text: string} | null} null for what a phone does not show */
export function describe(message) {
  let m = message;
  for (const w of WRAPPERS) if (m?.[w]?.message) m = m[w].message;
  if (!m || m.protocolMessage || m.senderKeyDistributionMessage) return null;
  if (typeof m.conversation === 'string' && m.conversation) return { type: 'text', text: m.conversation };
  if (m.extendedTextMessage) return { type: 'text', text: m.extendedTextMessage.text ?? '' };
  for (const [field, type] of Object.entries(KINDS)) {
    const part = m[field];
    if (part) return { type, text: part.caption ?? part.text ?? part.name ?? part.displayName ?? part.fileName ?? '' };
  }
  return { type: 'unknown', text: '' };
}

/** A text, as a phone sends it. */
export const textMessage = (text) => ({ conversation: text });

/** The copy of it for the sender's own other devices. */
export const deviceSent = (destinationJid, message) => ({ deviceSentMessage: { destinationJid, message } });
