/** What a phone does with what reaches it: messages, receipts, notices of the server. */
import { readFile } from 'node:fs/promises';
import { LID, PN, parseJid } from '../lib/jid.js';
import { bigEndian, bytes, child, childBytes, children, el, seconds } from '../lib/nodes.js';
import { describe, unpack } from './content.js';
import { loadPair } from './keys.js';
import { putAgain } from './media.js';
import { addressOf } from './signal.js';
import { isDeviceTrusted } from './trust.js';

const MAX_RETRIES = 5;
const NOT_TRUSTED = '500';
const NOT_FOUND = '2';
const retries = new WeakMap();

/** Handles one stanza. Called for one after the other. */
export async function receive(phone, node, arrived) {
  if (node.tag === 'message') {
    const { delayMs } = phone.magic;
    // Not yet answered for, so the server keeps it as long.
    if (delayMs) await new Promise((resolve) => { setTimeout(resolve, arrived + delayMs - Date.now()).unref(); });
    await onMessage(phone, node);
  }
  else if (node.tag === 'receipt') await onReceipt(phone, node);
  else await onNotification(phone, node);
}

/** Who sent this: number, LID, device, and whether it is one of the phone's own devices. */
function senderOf(phone, { from, sender_lid: lid, sender_pn: pn }) {
  const j = parseJid(from);
  const own = j.user === phone.pn || j.user === phone.lid;
  if (own) return { own, pn: phone.pn, lid: phone.lid, device: j.device };
  return {
    own,
    pn: j.server === PN ? j.user : parseJid(pn)?.user,
    lid: j.server === LID ? j.user : parseJid(lid)?.user,
    device: j.device,
  };
}

/** The number of the chat a message from one of the own devices belongs to. */
function chatOfOwn({ recipient, peer_recipient_pn: pn }) {
  const j = parseJid(recipient);
  return j?.server === PN ? j.user : parseJid(pn)?.user;
}

async function onMessage(phone, node) {
  const { id, from, recipient, category } = node.attrs;
  const sender = senderOf(phone, node.attrs);
  const chat = `+${sender.own ? chatOfOwn(node.attrs) ?? phone.pn : sender.pn}`;
  const key = { chat, from: `+${sender.pn}`, id };
  const enc = child(node, 'enc');
  if (enc.attrs.type === 'pkmsg' && sender.device !== 0
    && !isDeviceTrusted(bytes(enc), childBytes(node, 'device-identity'), sender.own ? loadPair(phone.record.keys.identity).public : null)) {
    phone.logger.warn({ id, from }, 'a device did not prove that it belongs to its account');
    phone.post(el('ack', { class: 'message', id, to: from, error: NOT_TRUSTED }));
    return;
  }
  let message;
  try {
    message = unpack(await phone.signal.decrypt(addressOf(sender.lid, sender.device), enc.attrs.type, bytes(enc)));
  } catch (err) {
    // What is shown already and comes again after a crash can't be decrypted twice; that is no fault.
    if (!phone.chats.has(key) && category !== 'peer') {
      askAgain(phone, node, sender, err);
      return;
    }
  }
  phone.signal.save();
  const isNew = !phone.chats.has(key);
  const content = message && category !== 'peer' ? describe(message.deviceSentMessage?.message ?? message) : null;
  if (content?.change) {
    phone.change({ ...content, chat, from: key.from });
  } else if (content) {
    const { media, wire, quoted_id: quotedId } = content;
    phone.show({
      ...key, to: sender.own ? chat : phone.number, type: content.type, text: content.text,
      at: new Date().toISOString(), direction: sender.own ? 'out' : 'in', status: sender.own ? 'sent' : 'delivered',
      ...(quotedId ? { quoted_id: quotedId } : {}), ...(media ? { media: { ...media, state: 'loading' }, wire } : {}),
    });
  }
  retries.get(phone)?.delete(`${from} ${id}`);
  const type = category === 'peer' ? 'peer_msg' : sender.own ? 'sender' : undefined;
  // The server forgets the message when it has the receipt: it must be on disk here before.
  phone.commit().then(() => phone.post(el('receipt', { id, to: from, type, recipient: sender.own ? recipient : undefined })), (err) =>
    phone.logger.error({ err, id }, 'a message was not stored'));
  if (content && isNew && !sender.own) react(phone, key);
}

/** What some numbers do by themselves with what they get. */
function react(phone, { chat, from, id }) {
  const { reads, replies } = phone.magic;
  if (!reads && !replies) return;
  const message = phone.chats.find(id, 'in');
  const acts = phone.commit().then(async () => {
    if (reads) await phone.read([message]);
    if (replies) await phone.send(from, replies);
  });
  acts.catch((err) => phone.logger.warn({ err, id, chat }, 'a reaction failed'));
}

function askAgain(phone, node, sender, err) {
  const { id, from, recipient, t } = node.attrs;
  const counts = retries.get(phone) ?? retries.set(phone, new Map()).get(phone);
  const count = (counts.get(`${from} ${id}`) ?? 0) + 1;
  counts.set(`${from} ${id}`, count);
  phone.logger.info({ id, count, reason: err.message }, 'a message could not be decrypted');
  if (count > MAX_RETRIES) {
    phone.post(el('ack', { class: 'message', id, to: from, error: '500' }));
    return;
  }
  phone.post(el('receipt', { id, to: from, type: 'retry', recipient: sender.own ? recipient : undefined }, [
    el('retry', { count: String(count), id, t: t ?? seconds(), v: '1', error: '0' }),
    el('registration', {}, bigEndian(phone.record.keys.registrationId, 4)),
  ]));
}

async function onReceipt(phone, node) {
  const { id, from, type, recipient } = node.attrs;
  const sender = parseJid(from);
  const ids = [id, ...children(child(node, 'list'), 'item').map((i) => i.attrs.id)];
  if (type === 'server-error') {
    void answerLostFile(phone, node);
  } else if (type === 'retry') {
    await answerRetry(phone, node, sender);
  } else if (type === undefined || type === 'read' || type === 'played') {
    for (const i of ids) phone.advance(i, 'out', undefined, type === undefined ? 'delivered' : 'read');
  } else if (type === 'read-self') {
    for (const i of ids) phone.advance(i, 'in', undefined, 'read');
  }
  phone.commit().then(() => phone.post(el('ack', { class: 'receipt', id, to: from, type, recipient })), (err) =>
    phone.logger.error({ err, id }, 'a receipt was not stored'));
}

async function answerRetry(phone, node, sender) {
  const own = sender.user === phone.pn || sender.user === phone.lid;
  if (!own && sender.server !== PN) return;
  const [target] = (await phone.outbox.devicesOf([own ? phone.pn : sender.user])).filter((d) => d.device === sender.device);
  const count = Number(child(node, 'retry')?.attrs.count ?? 1);
  if (target) await phone.outbox.resend(node.attrs.id, target, count);
}

/** The media host has lost a file, and one of the own devices wants it: the phone has it, perhaps. */
async function answerLostFile(phone, node) {
  const { id, from } = node.attrs;
  const request = child(node, 'encrypt');
  const message = phone.chats.find(id, 'in');
  let answer = el('error', { code: NOT_FOUND });
  try {
    const file = message?.wire ? phone.fileOf(message) : null;
    if (file) {
      const { sealed, iv } = await putAgain(phone, message, await readFile(file.path), {
        sealed: childBytes(request, 'enc_p'), iv: childBytes(request, 'enc_iv'),
      });
      answer = el('encrypt', {}, [el('enc_p', {}, sealed), el('enc_iv', {}, iv)]);
    }
    await phone.query('set', 'w:m', [el('mediaretry', { id, to: from }, [answer, child(node, 'rmr')])]);
  } catch (err) {
    phone.logger.info({ id, reason: err.message }, 'a file was not put at the host again');
  }
}

async function onNotification(phone, node) {
  const { id, from, type } = node.attrs;
  const change = child(node);
  if (type === 'devices' && parseJid(from)?.user === phone.pn && change?.tag === 'remove') {
    for (const d of children(change, 'device')) phone.forgetDevice(parseJid(d.attrs.jid).device);
    await phone.commit();
  } else if (type === 'link_ready') {
    await phone.setUp(parseJid(change.attrs.jid).device);
  } else if (type === 'encrypt') {
    await phone.uploadPreKeys();
  }
  phone.post(el('ack', { class: 'notification', id, to: from, type }));
}
