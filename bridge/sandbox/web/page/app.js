/**
 * Stand-in for the page at web.whatsapp.com: offers the modules that whatsapp-web.js 1.34.7 asks for, by the
 * names of the real page, and talks JSON to the sandbox. Written from the library's side of the contract:
 * it proves that library and bridge agree, not that either agrees with WhatsApp.
 */
import { base64OfHex, makeFiles, pageType, typeOf } from './files.js';
import { asUserWidOrThrow, createWid, MsgKey, Wid } from './ids.js';
import { Collection, Model } from './models.js';
import { makeModules } from './modules.js';
import { Cmd, SocketModel } from './socket.js';
import { Storage } from './storage.js';

const FRAME_MS = 200;
const MIB = 1024 * 1024;

const faults = window.standInFaults;
const storage = await new Storage().open();
const keys = {};
const me = { pn: null, lid: null };
const conn = new Model({ ref: undefined, pushname: undefined, platform: 'android' });
const cmd = new Cmd();

class Msg extends Model {}

const messages = new Collection(String);
messages.modelClass = Msg;
const chats = new Collection(String);
const contacts = new Collection(String);

function chatOf(wid) {
  return chats.get(wid) ?? chats.add(new Model({ id: wid, formattedTitle: wid.user, unreadCount: 0, mute: { expiration: 0 } }));
}

const key = (message) => `${message.out}_${message.chat}_${message.id}`;
/** Messages as they are kept, by their model. */
const kept = new WeakMap();
const keep = (message) => storage.keepMessage(key(message), message);

/** What a file adds to a model: what the library takes from the real one. */
const fileFields = ({ media }) => (media ? {
  mimetype: media.mime_type, size: media.size, filehash: base64OfHex(media.sha256), filename: media.file_name, duration: media.seconds,
  directPath: '/media', mediaData: { mediaStage: 'RESOLVED' },
} : {});

const typeOfModel = (message) => (message.deleted ? 'revoked' : pageType(message.type));

/** A stored or received message becomes a model; `isNew` says that it has just come. */
function addModel(message, isNew) {
  const remote = new Wid(message.chat, 'c.us');
  const id = new MsgKey({ fromMe: message.out, remote, id: message.id });
  const own = new Wid(me.pn, 'c.us');
  chatOf(remote);
  const model = new Msg({
    id, ack: message.ack, type: typeOfModel(message), t: message.t, quotedStanzaID: message.quoted,
    ...(message.media ? { body: '', caption: message.text } : { body: message.text }), ...fileFields(message),
    from: message.out ? own : new Wid(message.from, 'c.us'), to: message.out ? remote : own, self: message.out ? 'out' : 'in',
    isNewMsg: isNew, notifyName: message.name,
  });
  kept.set(model, message);
  return messages.add(model);
}

const find = ({ out, chat, id }) => messages.get(`${out}_${chat}@c.us_${id}`);

function advance(model, { ack }) {
  if (ack === model.ack || (ack >= 0 && ack < model.ack)) return;
  const message = { ...kept.get(model), ack };
  kept.set(model, message);
  keep(message);
  model.set({ ack });
}

/** What someone did to a message that is there: edited it, deleted it, reacted to it. */
function change(model, message) {
  const before = kept.get(model);
  const { reactions = [], deleted, text } = message;
  kept.set(model, { ...before, text, deleted, reactions });
  keep(kept.get(model));
  if (deleted && !before.deleted) model.set({ type: 'revoked', body: '', caption: undefined });
  else if (text !== before.text) model.set(message.media ? { caption: text } : { body: text });
  const was = before.reactions ?? [];
  const taken = was.filter((r) => !reactions.some(({ from }) => from === r.from)).map((r) => ({ ...r, text: '' }));
  const fresh = [...reactions, ...taken].filter((r) => !was.some(({ from, text: t }) => from === r.from && t === r.text));
  if (fresh.length) reactionTable.bulkUpsert(fresh.map((r) => reactionOf(model, r)));
}

const reactionTable = { bulkUpsert() {} };

function reactionOf(model, { from, text }) {
  const author = new Wid(from.slice(1), 'c.us');
  const id = new MsgKey({ fromMe: from.slice(1) === me.pn, remote: model.id.remote, id: `${model.id.id}-${crypto.randomUUID().slice(0, 8)}` });
  return { id, reactionParentKey: model.id, reactionText: text, reactionTimestamp: Date.now(), author };
}

function onMessages(list, isNew) {
  for (const message of list) {
    const known = find(message);
    if (known) {
      advance(known, message);
      change(known, message);
    } else {
      keep(message);
      addModel(message, isNew);
    }
  }
}

function ownMessage(id) {
  return messages.getModelsArray().find((m) => m.id.fromMe && m.id.id === id);
}

const socket = new SocketModel({
  conn, cmd, storage, keys, onMessages,
  onOnline({ pn, lid, name }) {
    Object.assign(me, { pn, lid });
    conn.set({ pushname: name });
  },
  onAck({ id, ack }) {
    const model = ownMessage(id);
    if (model) advance(model, { ack });
  },
  /** What was not acknowledged when the connection went is sent again, under the same id. */
  pending: () => messages.getModelsArray().filter((m) => m.id.fromMe && m.ack === 0)
    .map((m) => sendRequest(kept.get(m))),
});
cmd.attach(socket);

const sendRequest = ({ id, chat, type, text, wire }) => ({ t: 'send', id, to: chat, type, text, wire });

/** The real page's way to send: the message is shown and kept first, then it goes to the server. */
function addAndSendMsgToChat(chat, data) {
  const fields = { ...data };
  delete fields.mediaBlob;
  const model = new Msg(fields);
  const wire = data.mediaKey;
  const message = {
    id: data.id.id, chat: chat.id.user, from: me.pn, type: typeOf(data.type), text: (wire ? data.caption : data.body) ?? '', t: data.t, out: true, ack: 0, wire,
  };
  kept.set(model, message);
  messages.add(model);
  const stored = keep(message);
  const result = new Promise((resolve) => {
    model.on('change:ack', (_, ack) => resolve({ messageSendResult: ack >= 1 ? 'OK' : 'ERROR_UNKNOWN' }));
  });
  const shown = stored.then(() => {
    socket.send(sendRequest(message));
    return model;
  });
  return [shown, result];
}

function showFrames() {
  for (let i = 0; i < faults.iframes; i++) {
    const frame = document.createElement('iframe');
    frame.src = '/frame.html';
    document.body.append(frame);
  }
}

function showDeadFrame() {
  const frame = document.createElement('iframe');
  frame.src = 'about:blank#x';
  document.body.append(frame);
}

socket.on('change:state', (_, state) => {
  if (state === 'CONNECTED' && faults.dead_frame) showDeadFrame();
  if (state === 'UNPAIRED' || state === 'CONNECTED') setTimeout(showFrames, FRAME_MS);
});

const modules = makeModules({
  socket, cmd, conn, keys, me, messages, chats, contacts, chatOf, createWid, asUserWidOrThrow, Wid, MsgKey, addAndSendMsgToChat, reactionTable, files: makeFiles({ storage }),
});

window.require = (name) => {
  const module = faults.missing.includes(name) ? undefined : modules[name];
  if (!module) throw new Error(`Requiring unknown module "${name}"`);
  return module;
};

for (const message of await storage.messages()) {
  if (!me.pn && message.out) me.pn = message.from;
  addModel(message, false);
}
// Written to, or it would be in no memory.
window.standInBallast = Array.from({ length: faults.ballast_mib }, () => new Uint8Array(MIB).fill(1));
if (faults.version) window.Debug = { VERSION: faults.version };
socket.connect();
