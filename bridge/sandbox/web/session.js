/** One open page: what it asks and is told, as JSON over its socket. */
import { IqError } from '../wa/iq-error.js';
import { Companion } from './companion.js';
import { Linking } from './linking.js';

const HISTORY = 2000;
/** The page's word for why its device was hung up on for good. */
const STATES = { replaced: 'CONFLICT', banned: 'TOS_BLOCK', outdated: 'DEPRECATED_VERSION' };
const PHONE_STATUS = { pending: 0, failed: -1, sent: 1, delivered: 2, read: 3 };

export class PageSession {
  #ws;
  #world;
  #linking = null;
  #companion = null;
  #page = null;

  /** @param {import('ws').WebSocket} ws @param {{store: object, server: object, logger: object, companions: Map<string, Companion>}} world */
  constructor(ws, world) {
    this.#ws = ws;
    this.#world = world;
    ws.on('error', (err) => world.logger.debug({ reason: err.message }, 'page socket'));
    ws.on('close', () => this.#closed());
    ws.on('message', (data) => this.#onMessage(data));
  }

  get number() {
    return this.#companion?.number;
  }

  describe() {
    return { number: this.number ?? null, linking: this.#linking !== null };
  }

  send(message) {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.send(JSON.stringify(message));
  }

  #closed() {
    this.#linking?.close();
    this.#companion?.close(this.#page);
  }

  #onMessage(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.#ws.terminate();
      return;
    }
    const handle = { new: this.#begin, resume: this.#resume, send: this.#send, exists: this.#exists, code: this.#code, logout: this.#logout }[message?.t];
    if (!handle) {
      this.#ws.terminate();
      return;
    }
    Promise.resolve(handle.call(this, message)).catch((err) => {
      this.#world.logger.info({ reason: err.message, what: message.t }, 'a page was not answered');
      // A page that waits for an answer to a question gets none; its socket is closed, and it asks again.
      this.#ws.close();
    });
  }

  /** A message as the page is told of it. */
  #told({ id, chat, from, type, text, at, direction, status, media, quoted_id: quoted, reactions, edited_at: edited, deleted_at: deleted }) {
    const pn = from.slice(1);
    return {
      id, chat: chat.slice(1), from: pn, name: this.#world.server.directory.byNumber(pn)?.name, type, text,
      t: Math.floor(Date.parse(at) / 1000), out: direction === 'out', ack: PHONE_STATUS[status] ?? 0,
      media, quoted, reactions, edited: edited !== undefined, deleted: deleted !== undefined,
    };
  }

  /** A page without a device, or whose codes have run out, asks for new codes. */
  #begin() {
    this.#linking?.close();
    const linking = new Linking(this.#world.server, {
      onRefs: (code) => this.send({ t: 'refs', ...code }),
      onScanned: () => this.send({ t: 'scanned' }),
      onLinked: (record) => this.#linked(record).catch((err) => this.#world.logger.error({ err }, 'a page was not linked')),
      onEnd: () => {
        // The phone refused: the page connects again and gets new codes.
        if (this.#linking === linking) this.#ws.close();
      },
    });
    this.#linking = linking;
  }

  async #linked(record) {
    const { store } = this.#world;
    this.#linking = null;
    store.put(`companion/${record.id}`, record);
    await store.commit();
    this.send({ t: 'paired', token: record.token });
    await this.#open(record);
  }

  async #resume({ token }) {
    const [, record] = [...this.#world.store.entries('companion/')].find(([, r]) => r.token === token) ?? [];
    if (record) await this.#open(record);
    else this.send({ t: 'removed' });
  }

  async #open(record) {
    const { store, server, files, logger, companions } = this.#world;
    const companion = companions.get(record.id) ?? new Companion(record, { store, server, files, logger });
    if (!companion.linked) {
      this.#forget(companion);
      return;
    }
    companions.set(record.id, companion);
    this.#companion = companion;
    this.#page = {
      onMessage: (message) => this.send({ t: 'message', message: this.#told(message) }),
      onSynced: () => this.send({ t: 'synced' }),
      onEnd: (why) => this.#ended(companion, why),
    };
    const { number, lid, name } = record;
    this.send({ t: 'online', me: { pn: number.slice(1), lid, name } });
    this.send({ t: 'messages', messages: companion.chats.list({ limit: HISTORY }).map((message) => this.#told(message)) });
    await companion.open(this.#page);
  }

  /** The phone has removed this device. */
  #forget(companion) {
    const { store, companions, logger } = this.#world;
    companions.delete(companion.id);
    companion.erase();
    store.commit().catch((err) => logger.error({ err }, 'a page was not forgotten'));
    this.send({ t: 'removed' });
  }

  #ended(companion, why) {
    if (why === 'removed') this.#forget(companion);
    else if (STATES[why]) this.send({ t: 'state', state: STATES[why] });
    else this.#ws.close();
  }

  /** Messages leave in the order the page sent them; their answers come when they come. */
  async #send({ id, to, type = 'text', text, wire }) {
    const companion = this.#companion;
    if (!companion) throw new Error('not linked');
    try {
      const status = await companion.sendAs(id, to, { type, text, wire });
      this.send({ t: 'ack', id, ack: PHONE_STATUS[status] });
    } catch (err) {
      if (err.code === 'not_on_whatsapp') this.send({ t: 'ack', id, ack: -1 });
      else throw err;
    }
  }

  async #exists({ n, pn }) {
    this.send({ t: 'exists', n, exists: await this.#companion.exists(pn) });
  }

  /** A code to type instead of those to scan. */
  async #code({ n, pn }) {
    try {
      this.send({ t: 'code', n, code: await this.#linking.offerCode(pn) });
    } catch (err) {
      if (err instanceof IqError) this.send({ t: 'code', n, refused: { code: err.code, text: err.message } });
      else throw err;
    }
  }

  async #logout() {
    const companion = this.#companion;
    await companion?.leave();
  }
}
