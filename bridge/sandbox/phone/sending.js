/** What a person writes on a phone: texts, files, replies, and what changes a message that is there. */
import { randomBytes } from 'node:crypto';
import { makeJid } from '../lib/jid.js';
import { el } from '../lib/nodes.js';
import {
  deletionMessage, deviceSent, editMessage, fileMessage, fromWire, pack, reactionMessage, textMessage, toWire,
} from './content.js';
import { PhoneError } from './error.js';
import { describeFile, fieldOf, upload } from './media.js';

const newId = () => `3A${randomBytes(9).toString('hex').toUpperCase()}`;
const CHANGE_ATTRS = { edit: { edit: '1' }, deletion: { edit: '7' }, reaction: {} };
/** The sandbox's own: WhatsApp decides by itself whose number it tells. */
const HIDDEN = { 'sandbox-hidden': '1' };
const STANZA_TYPES = { reaction: 'reaction' };

/**
 * Encrypts content for all devices of a number and the own ones, and sends it.
 * @param {import('./phone.js').Phone} phone
 * @param {{id: string, to: string, content: object, type?: string, attrs?: object}} what
 * @param {() => void} stage what is kept together with the ratchets
 * @returns {Promise<string | undefined>} the server's code, if it refused
 */
async function transmit(phone, { id, to, content, type = 'text', attrs = {} }, stage) {
  const jid = makeJid(to.slice(1));
  const sent = await phone.task(async () => {
    const devices = await phone.outbox.devicesOf(to === phone.number ? [phone.pn] : [to.slice(1), phone.pn]);
    if (!devices.some((d) => d.pn === to.slice(1))) throw new PhoneError('not_on_whatsapp');
    const parts = await phone.outbox.encrypt(devices, (d) => pack(d.pn === phone.pn ? deviceSent(jid, content) : content));
    phone.signal.save();
    stage();
    await phone.commit();
    // Not awaited in here: the phone goes on receiving while the message is on its way.
    return { reply: phone.sendMessage(el('message', { id, to: jid, type, ...attrs }, [el('participants', {}, parts)])) };
  });
  return (await sent.reply).attrs.error;
}

/** Sends what becomes a bubble of its own. @returns {Promise<object>} the message */
async function sendShown(phone, { to, content, stanza, attrs, ...shown }) {
  const id = newId();
  const message = {
    id, chat: to, from: phone.number, to, at: new Date().toISOString(), direction: 'out', status: 'pending', ...shown, wire: toWire(content),
  };
  let error;
  try {
    error = await transmit(phone, { id, to, content, type: stanza, attrs }, () => phone.show(message));
  } catch (err) {
    // Whether the server has it is not known; a later tick will tell.
    phone.advance(id, 'out', to, 'failed');
    throw err;
  }
  phone.advance(id, 'out', to, error ? 'failed' : 'sent');
  await phone.commit();
  if (error) throw new PhoneError('rejected', { text: error });
  return message;
}

/** The message a reply is to. */
function quoteOf(phone, to, id) {
  if (id === undefined) return undefined;
  const message = phone.chats.inChat(to, id);
  if (!message) throw new PhoneError('message_not_found');
  return { id, jid: makeJid(message.from.slice(1)), text: message.text };
}

const quoted = (quote) => (quote ? { quoted_id: quote.id } : {});

/**
 * @param {boolean} [hidden] it comes under the phone's LID, and nobody is told its number
 * @returns {Promise<object>} the message
 */
export async function sendText(phone, to, text, quoteId, hidden) {
  const quote = quoteOf(phone, to, quoteId);
  const attrs = hidden ? HIDDEN : {};
  return sendShown(phone, { to, content: textMessage(text, quote), attrs, type: 'text', text, ...quoted(quote) });
}

/**
 * @param {import('./phone.js').Phone} phone
 * @param {string} to
 * @param {{type: string, bytes: Buffer, mime_type: string, file_name?: string, seconds?: number, caption?: string}} file
 * @param {string} [quoteId]
 * @returns {Promise<object>} the message
 */
export async function sendFile(phone, to, file, quoteId) {
  const quote = quoteOf(phone, to, quoteId);
  const part = await upload(phone, file);
  const media = { ...describeFile(file.type, part[fieldOf(file.type)]), state: 'ready' };
  const content = fileMessage(part, quote);
  const message = { to, content, stanza: 'media', type: file.type, text: file.caption ?? '', media, ...quoted(quote) };
  return sendShown(phone, { ...message, file: await phone.keepFile(file.bytes) });
}

/** Sends what changes a message, and changes it here. @returns {Promise<object>} the message as it is now */
async function sendChange(phone, change, target, content, text) {
  const id = newId();
  const to = target.chat;
  const error = await transmit(phone, { id, to, content, type: STANZA_TYPES[change] ?? 'text', attrs: CHANGE_ATTRS[change] }, () =>
    phone.keepControl(id, { to, wire: toWire(content) }));
  if (error) throw new PhoneError('rejected', { text: error });
  phone.change({ chat: to, from: phone.number, change, target: target.id, text });
  await phone.commit();
  return phone.chats.inChat(to, target.id);
}

function keyOf(phone, message) {
  return { remoteJid: makeJid(message.chat.slice(1)), fromMe: message.direction === 'out', id: message.id };
}

function own(message) {
  if (message.direction !== 'out') throw new PhoneError('not_yours');
  return message;
}

export const react = (phone, target, emoji) => sendChange(phone, 'reaction', target, reactionMessage(keyOf(phone, target), emoji), emoji);

export const edit = (phone, target, text) =>
  sendChange(phone, 'edit', own(target), editMessage({ ...keyOf(phone, target), type: target.type }, text), text);

/** Deletes it for everyone. */
export const remove = (phone, target) => sendChange(phone, 'deletion', own(target), deletionMessage(keyOf(phone, target)));

/** What was sent under an id, to be encrypted once more. @returns {{to: string, content: object} | null} */
export function contentOf(phone, id) {
  const message = phone.chats.find(id, 'out');
  if (message) return { to: message.to, content: message.wire ? fromWire(message.wire) : textMessage(message.text) };
  const control = phone.findControl(id);
  return control ? { to: control.to, content: fromWire(control.wire) } : null;
}
