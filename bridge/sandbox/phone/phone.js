/**
 * A virtual phone: the primary device of its number. It has its own keys and chats, and talks to the
 * server half in nodes, as every device does.
 */
import { createHash, randomBytes } from 'node:crypto';
import { PN, makeJid } from '../lib/jid.js';
import { magic } from '../lib/magic.js';
import { child, childBytes, children, el, seconds } from '../lib/nodes.js';
import { Chats, view } from './chats.js';
import { pack } from './content.js';
import { PhoneError } from './error.js';
import { receive } from './inbox.js';
import { makePreKey } from './keys.js';
import { download } from './media.js';
import { Outbox } from './outbox.js';
import { CodeExchange } from './link-code.js';
import { isAnswerValid, makeStatement, parseQr } from './pairing.js';
import { sendText } from './sending.js';
import { setupMessages } from './setup.js';
import { SignalState } from './signal.js';

const PREKEYS = 50;
const QUERY_MS = 30_000;

export class Phone {
  #store;
  #files;
  #loads = Promise.resolve();
  #line = null;
  #queries = new Map();
  #tasks = Promise.resolve();
  #counter = 0;

  /**
   * @param {object} record what is stored of it
   * @param {{store: object, files: import('../lib/blobs.js').Blobs, trust: string, openLine: Function, emit: (event: object) => void, logger: object}} world
   */
  constructor(record, { store, files, trust, openLine, emit, logger }) {
    this.record = record;
    this.#store = store;
    this.#files = files;
    /** The authority it trusts at media hosts. */
    this.trust = trust;
    this.openLine = openLine;
    this.emit = emit;
    this.logger = logger.child({ phone: record.id });
    this.signal = new SignalState(store, record.id, record.keys);
    this.chats = new Chats(store, record.id);
    this.outbox = new Outbox(this);
    /** What its number makes it do by itself. */
    this.magic = magic(this.pn) ?? {};
  }

  get id() { return this.record.id; }
  get number() { return this.record.number; }
  get pn() { return this.record.number.slice(1); }
  get lid() { return this.record.lid; }
  get connected() { return this.#line !== null; }

  /** What others may see of it. */
  toJSON() {
    const { id, number, name, online, linked, createdAt } = this.record;
    return { id, number, name, online, linked_devices: linked, created_at: createdAt };
  }

  /** Puts the record itself into the store. */
  saveRecord() {
    this.#store.put(`phone/${this.id}`, this.record);
    this.emit({ type: 'phone', phone: this.toJSON() });
  }

  commit() {
    return this.#store.commit();
  }

  /** Runs one thing after the other: sessions and chats are changed by one at a time. */
  task(what) {
    const run = this.#tasks.then(what);
    this.#tasks = run.catch(() => {});
    return run;
  }

  /* ---- the line to the server --------------------------------------------------------------- */

  /** Goes on the network: keys first if it has none there, then what waited. */
  async connect() {
    if (this.#line) return;
    this.#line = this.openLine(this.pn, { onNode: (node) => this.#onNode(node), onClose: () => this.#onClose() });
    const reply = await this.query('get', 'encrypt', [el('count')]);
    if (Number(child(reply, 'count').attrs.value) < PREKEYS / 2) await this.uploadPreKeys();
    await this.query('set', 'passive', [el('active')]);
    if (this.fetchesFiles) for (const message of this.chats.loading()) this.#load(message);
  }

  disconnect() {
    this.#line?.close();
  }

  /** Sends a node, if there is a line; what is lost is repeated by whoever waits for an answer. */
  post(node) {
    this.#line?.send(node);
  }

  /** Asks the server. @returns {Promise<object>} */
  query(type, xmlns, content) {
    return this.#await(`q${++this.#counter}`, (id) => el('iq', { id, to: PN, type, xmlns }, content));
  }

  /** Sends a message and waits until the server has it. @returns {Promise<object>} the acknowledgement */
  sendMessage(node) {
    return this.#await(`m${node.attrs.id}`, () => node);
  }

  #await(key, make) {
    if (!this.#line) throw new PhoneError('phone_offline');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(key, (q) => q.reject(new Error('the server did not answer'))), QUERY_MS);
      this.#queries.set(key, { resolve, reject, timer });
      this.#line.send(make(key));
    });
  }

  #settle(key, how) {
    const query = this.#queries.get(key);
    if (!query) return;
    this.#queries.delete(key);
    clearTimeout(query.timer);
    how(query);
  }

  #onNode(node) {
    if (node.tag === 'iq') {
      const error = node.attrs.type === 'error' ? child(node, 'error') : null;
      this.#settle(node.attrs.id, (q) => (error ? q.reject(new PhoneError('server', error.attrs)) : q.resolve(node)));
    } else if (node.tag === 'ack') {
      if (node.attrs.class === 'message') this.#settle(`m${node.attrs.id}`, (q) => q.resolve(node));
    } else if (['message', 'receipt', 'notification'].includes(node.tag)) {
      const arrived = Date.now();
      this.task(() => receive(this, node, arrived)).catch((err) => this.logger.error({ err, tag: node.tag, id: node.attrs.id }, 'a stanza could not be handled'));
    }
  }

  #onClose() {
    this.#line = null;
    for (const key of [...this.#queries.keys()]) this.#settle(key, (q) => q.reject(new PhoneError('phone_offline')));
  }

  async uploadPreKeys() {
    const { keys } = this.record;
    const fresh = Array.from({ length: PREKEYS }, (_, i) => makePreKey(keys.nextPreKey + i));
    keys.nextPreKey += PREKEYS;
    this.signal.addPreKeys(fresh);
    this.signal.save();
    this.saveRecord();
    await this.commit();
    await this.query('set', 'encrypt', this.outbox.keyNodes(keys, fresh));
  }

  /* ---- what a person does with it ------------------------------------------------------------ */

  /** On or off the network; it stays so over a restart. */
  async setOnline(online) {
    if (this.record.online !== online) {
      this.record.online = online;
      this.saveRecord();
      await this.commit();
    }
    if (online) await this.connect();
    else this.disconnect();
  }

  /**
   * Scans the code a device shows.
   * @param {string} text
   * @returns {Promise<object>} the linked device
   */
  async scan(text) {
    const qr = parseQr(text);
    if (!qr) throw new PhoneError('qr_invalid');
    return this.#link(qr);
  }

  /**
   * Types the code a device shows.
   * @param {string} code eight characters
   * @returns {Promise<object>} the linked device
   */
  async linkByCode(code) {
    const TAG = 'link_code_companion_reg';
    const list = child(await this.query('set', 'md', [el(TAG, { stage: 'primary_list' })]), TAG);
    for (const offer of children(list, 'device')) {
      const exchange = new CodeExchange(this.record.keys, code);
      const ref = childBytes(offer, 'ref');
      const reply = child(await this.query('set', 'md', [el(TAG, { stage: 'primary_hello' }, [
        el('link_code_pairing_wrapped_primary_ephemeral_pub', {}, await exchange.hello(childBytes(offer, 'wrapped'))),
        el('primary_identity_pub', {}, Buffer.from(this.record.keys.identity.public, 'base64')),
        el('link_code_pairing_ref', {}, ref),
      ])]), TAG);
      const identity = childBytes(reply, 'identity');
      const secret = exchange.finish({ bundle: childBytes(reply, 'bundle'), identity });
      if (secret) return this.#link({ ref: ref.toString(), noise: childBytes(offer, 'noise'), identity, secret });
    }
    throw new PhoneError('code_invalid');
  }

  async #link(qr) {
    const reply = await this.query('set', 'md', [el('pair-device', {}, [
      el('ref', {}, Buffer.from(qr.ref)),
      el('noise', {}, qr.noise),
      el('identity', {}, qr.identity),
      el('device-identity', {}, makeStatement(this.record.keys, qr)),
    ])]);
    const { id, label, t } = child(reply, 'device').attrs;
    // The server has checked this too; a phone does not take its word for it.
    if (!isAnswerValid(this.record.keys, qr, child(reply, 'device-identity').content)) {
      await this.unlink(Number(id));
      throw new PhoneError('qr_invalid', { text: 'the device signed back wrongly' });
    }
    const device = { device_id: Number(id), name: label, linked_at: t };
    this.record.linked = [...this.record.linked.filter((d) => d.device_id !== device.device_id), device];
    this.saveRecord();
    await this.commit();
    return device;
  }

  /** "Log out" on the phone: one linked device, or all. @returns {Promise<number[]>} which */
  async unlink(deviceId) {
    const ids = this.record.linked.map((d) => d.device_id);
    const gone = deviceId === undefined ? ids : ids.filter((i) => i === deviceId);
    if (deviceId !== undefined && !gone.length) throw new PhoneError('device_not_found');
    for (const id of gone) {
      await this.query('set', 'md', [el('remove-companion-device', { jid: makeJid(this.pn, PN, id), reason: 'user_initiated' })])
        .catch((err) => { if (err.code !== 'server') throw err; });
      this.forgetDevice(id);
    }
    await this.commit();
    return gone;
  }

  /** A device is no longer linked. */
  forgetDevice(id) {
    if (!this.record.linked.some((d) => d.device_id === id)) return;
    this.record.linked = this.record.linked.filter((d) => d.device_id !== id);
    this.saveRecord();
  }

  /** Sends a text to all devices of a number and to its own. @returns {Promise<object>} the message */
  send(to, text, quoteId, hidden) {
    return sendText(this, to, text, quoteId, hidden);
  }

  /** Looks at messages: their senders get read receipts. @returns {Promise<number>} how many were new */
  async read(messages) {
    if (!this.connected) throw new PhoneError('phone_offline');
    const bySender = groupBy(messages, (m) => m.from);
    let news = 0;
    const receipts = [];
    for (const [from, list] of bySender) {
      const ids = list.filter((m) => this.advance(m.id, 'in', m.chat, 'read')).map((m) => m.id);
      if (!ids.length) continue;
      news += ids.length;
      const more = ids.slice(1).map((id) => el('item', { id }));
      receipts.push(el('receipt', { id: ids[0], to: makeJid(from.slice(1)), type: 'read', t: seconds() },
        more.length ? [el('list', {}, more)] : undefined));
    }
    await this.commit();
    for (const r of receipts) this.post(r);
    return news;
  }

  /* ---- used by inbox and outbox -------------------------------------------------------------- */

  #tell(message) {
    this.emit({ type: 'message', phone_id: this.id, message: view(message) });
  }

  /** Shows a message, and fetches its file. */
  show(message) {
    if (!this.chats.add(message)) return;
    this.#tell(message);
    if (this.fetchesFiles && message.media?.state === 'loading') this.#load(message);
  }

  /** A phone fetches files when it is told of them. */
  get fetchesFiles() { return true; }

  /** Fetches files one after the other; messages go on meanwhile. */
  #load(message) {
    this.#loads = this.#loads.then(async () => {
      let change;
      try {
        const bytes = await download(this, message.type, message.wire, this.#files.fileBytes);
        change = { file: await this.keepFile(bytes), media: { ...message.media, state: 'ready' } };
      } catch (err) {
        this.logger.info({ id: message.id, reason: err.message }, 'a file was not fetched');
        change = { media: { ...message.media, state: 'failed', reason: err.message } };
      }
      if (message.deleted_at) return;
      this.chats.change(message, change);
      this.#tell(message);
      await this.commit();
    }).catch((err) => this.logger.error({ err, id: message.id }, 'a file was not kept'));
  }

  /** @returns {Promise<string>} the name under which it can be read */
  async keepFile(bytes) {
    const name = `${this.id}-${createHash('sha256').update(bytes).digest('base64url')}`;
    if (!this.#files.find(name)) await this.#files.put(name, [bytes]);
    return name;
  }

  /** @returns {{path: string, size: number} | null} */
  fileOf(message) {
    return message.file ? this.#files.find(message.file) : null;
  }

  /** What was sent and is no message of its own, for devices that could not read it. */
  keepControl(id, control) {
    this.#store.put(`control/${this.id}/${id}`, control);
  }

  findControl(id) {
    return this.#store.get(`control/${this.id}/${id}`);
  }

  /**
   * Someone changed a message: only their own, but anyone may react.
   * @param {{chat: string, from: string, change: 'edit' | 'deletion' | 'reaction', target: string, text?: string}} what
   */
  change({ chat, from, change, target, text }) {
    const message = this.chats.inChat(chat, target);
    if (!message || message.deleted_at || (change !== 'reaction' && message.from !== from)) return;
    if (change === 'reaction') {
      const others = (message.reactions ?? []).filter((r) => r.from !== from);
      this.chats.change(message, { reactions: text ? [...others, { from, text }] : others });
    } else if (change === 'edit') {
      this.chats.change(message, { text, edited_at: new Date().toISOString() });
    } else {
      this.chats.change(message, { text: '', media: undefined, wire: undefined, file: undefined, reactions: undefined, deleted_at: new Date().toISOString() });
    }
    this.#tell(message);
  }

  /** Moves a message's ticks forward. @returns {boolean} */
  advance(id, direction, chat, status) {
    const message = this.chats.advance(id, direction, chat, status);
    if (message) this.#tell(message);
    return !!message;
  }

  /** Tells a freshly linked device who it is; it waits for this before it shows anything. */
  async setUp(deviceId) {
    const device = { pn: this.pn, lid: this.lid, device: deviceId };
    for (const content of setupMessages({ number: this.number, name: this.record.name, appStateKey: this.record.keys.appStateKey })) {
      const [part] = await this.outbox.encrypt([device], () => pack(content));
      this.signal.save();
      await this.commit();
      this.post(el('message', {
        id: randomBytes(10).toString('hex').toUpperCase(), to: makeJid(this.pn, PN, deviceId), type: 'text', category: 'peer',
      }, children(part, 'enc')));
    }
  }
}

function groupBy(list, key) {
  const out = new Map();
  for (const x of list) out.set(key(x), [...(out.get(key(x)) ?? []), x]);
  return out;
}
