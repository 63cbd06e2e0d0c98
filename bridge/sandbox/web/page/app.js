/**
 * Stand-in for the page at web.whatsapp.com: offers the modules that whatsapp-web.js 1.34.7 asks for, by the
 * names of the real page, and talks JSON to the sandbox. Written from the library's side of the contract:
 * it proves that library and bridge agree, not that either agrees with WhatsApp.
 */
import { asUserWidOrThrow, createWid, MsgKey, Wid } from './ids.js';
import { Collection, Model } from './models.js';
import { makeModules } from './modules.js';
import { Cmd, SocketModel } from './socket.js';
import { Storage } from './storage.js';

const FRAME_MS = 200;

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
const keep = (message) => storage.keepMessage(key(message), message);

/** A stored or received message becomes a model; `isNew` says that it has just come. */
function addModel(message, isNew) {
  const remote = new Wid(message.chat, 'c.us');
  const id = new MsgKey({ fromMe: message.out, remote, id: message.id });
  const own = new Wid(me.pn, 'c.us');
  chatOf(remote);
  return messages.add(new Msg({
    id, ack: message.ack, body: message.text, type: message.type === 'text' ? 'chat' : message.type, t: message.t,
    from: message.out ? own : new Wid(message.from, 'c.us'), to: message.out ? remote : own, self: message.out ? 'out' : 'in',
    isNewMsg: isNew, notifyName: message.name,
  }));
}

const find = ({ out, chat, id }) => messages.get(`${out}_${chat}@c.us_${id}`);

function advance(model, message) {
  if (message.ack === model.ack || (message.ack >= 0 && message.ack < model.ack)) return;
  keep({ ...message, text: model.body, t: model.t });
  model.set({ ack: message.ack });
}

function onMessages(list, isNew) {
  for (const message of list) {
    const known = find(message);
    if (known) {
      advance(known, message);
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
    if (model) advance(model, { out: true, chat: model.to.user, from: me.pn, id, type: 'text', ack });
  },
  /** What was not acknowledged when the connection went is sent again, under the same id. */
  pending: () => messages.getModelsArray().filter((m) => m.id.fromMe && m.ack === 0)
    .map((m) => ({ t: 'send', id: m.id.id, to: m.to.user, text: m.body })),
});
cmd.attach(socket);

/** The real page's way to send: the message is shown and kept first, then it goes to the server. */
function addAndSendMsgToChat(chat, data) {
  const model = new Msg({ ...data });
  messages.add(model);
  const stored = keep({ id: data.id.id, chat: chat.id.user, from: me.pn, type: 'text', text: data.body, t: data.t, out: true, ack: 0 });
  const result = new Promise((resolve) => {
    model.on('change:ack', (_, ack) => resolve({ messageSendResult: ack >= 1 ? 'OK' : 'ERROR_UNKNOWN' }));
  });
  const shown = stored.then(() => {
    socket.send({ t: 'send', id: data.id.id, to: chat.id.user, text: data.body });
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
  socket, cmd, conn, keys, me, messages, chats, contacts, chatOf, createWid, asUserWidOrThrow, Wid, MsgKey, addAndSendMsgToChat,
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
if (faults.version) window.Debug = { VERSION: faults.version };
socket.connect();
