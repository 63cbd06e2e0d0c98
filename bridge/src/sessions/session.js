/**
 * One session: what state it is in, when it connects, what it tells. Engines only carry it out.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { errorFields } from '../log.js';
import { Problem } from '../problems.js';
import { makePrivateDirectory, readSealed, writeSealed } from '../storage/files.js';
import { Backoff } from './backoff.js';
import { MediaLog } from './media-log.js';
import { Outbox } from './outbox.js';
import { SentLog } from './sent-log.js';
import { EMPTY, ENDS, KEPT, NO_CODE, TOLD } from './states.js';

const UNLINK_MS = 3000;
const RETRY_AFTER_S = 2;
const MAX_TIMER_MS = 2147483647;

export class Session {
  #context;
  #dir;
  #engine;
  #account;
  #sent;
  #outbox;
  #media;
  #state = { ...EMPTY };
  #desired = 'stopped';
  /** The number to be linked by a code that is typed; null: by one that is scanned. */
  #pairingPhone = null;
  /** When WhatsApp's limit ends, if it said so. */
  #restrictedUntil = null;
  #limitTimer = null;
  #link = null;
  #leaveGate = null;
  #timer = null;
  #backoff = new Backoff();
  #operations = Promise.resolve();
  #saving = null;
  #saveAgain = false;
  #paused = false;
  #closed = false;

  /**
   * @param {string} id
   * @param {object} context of the registry: dir, master, engines, journal, gate, logger
   */
  constructor(id, context) {
    this.id = id;
    this.#context = context;
    this.#dir = join(context.dir, id);
    this.logger = context.logger.child({ session: id });
  }

  /** Makes or loads a session; it does nothing until start() or resume(). `take`: whichever bridge has it. */
  static async open(id, context, engineName, take = false) {
    const session = new Session(id, context);
    await session.#load(engineName, take);
    return session;
  }

  async #load(engineName, take) {
    const { master, commits, engines, journal, replicator } = this.#context;
    await makePrivateDirectory(this.#dir);
    const kept = await readSealed(join(this.#dir, 'state'), master, `session ${this.id} state`);
    this.#engine = engines.get(engineName ?? kept?.engine);
    this.#desired = kept?.desired ?? 'stopped';
    this.#pairingPhone = kept?.pairingPhone ?? null;
    this.#restrictedUntil = kept?.restrictedUntil ?? null;
    Object.assign(this.#state, kept?.state);
    if (this.#desired === 'running') {
      Object.assign(this.#state, { status: 'connecting', reason: 'restart', connected_at: null });
    }
    this.#account = await this.#engine.openAccount({
      id: this.id,
      dir: this.#dir,
      master,
      commits,
      eventsDurable: () => journal.flush(),
      replicator,
      take,
      onMoved: () => this.#moved(),
      logger: this.logger,
    });
    this.#sent = await SentLog.open(join(this.#dir, 'sent'), {
      master,
      commits,
      name: `session ${this.id} sent`,
      onError: (error) => this.logger.error({ err: error }, 'the sent log could not be written, will be repeated'),
    });
    this.#media = await MediaLog.open(join(this.#dir, 'media'), {
      master,
      commits,
      name: `session ${this.id} media`,
      onError: (error) => this.logger.error({ err: error }, 'the media log could not be written, will be repeated'),
    });
    this.#outbox = new Outbox({
      sent: this.#sent,
      encode: (content, link) => this.#account.encode(content, link),
      link: () => this.#openLink(),
      tell: (data) => journal.append({ session: this.id, type: 'message.status', data }),
      repeatable: this.#engine.capabilities.includes('caller_message_id'),
    });
    this.#account.receive((message) => this.#tellInbound(message));
  }

  async #tellInbound({ key, data, ref }) {
    const { journal } = this.#context;
    const name = `${this.id}|${key}`;
    if (ref && !this.#media.has(data.whatsapp_id, data.chat)) {
      this.#media.put(data.whatsapp_id, data.chat, ref);
      // Whoever hears of the file may ask for it at once, also after a crash.
      await this.#media.flush();
    }
    if (!journal.has(name)) {
      journal.append({ session: this.id, type: 'message.inbound', data, key: name });
    }
    await journal.flush();
  }

  /** The public state. */
  state() {
    return { id: this.id, engine: this.#engine.name, ...this.#state };
  }

  get status() {
    return this.#state.status;
  }

  /** It is known that no other bridge has it. */
  get held() {
    return this.#account.held ?? true;
  }

  /** Changes the state; what is worth telling becomes an event, all of it is kept. */
  #change(change) {
    const told = TOLD.some((name) => name in change && change[name] !== this.#state[name]);
    Object.assign(this.#state, change);
    if (told) {
      this.#tellState();
    }
    this.#save();
  }

  #tellState() {
    const data = this.state();
    for (const name of Object.keys(NO_CODE)) {
      delete data[name];
    }
    this.#context.journal.append({ session: this.id, type: 'session.status', data });
    this.logger.info({ status: data.status, reason: data.reason }, 'session');
  }

  #save() {
    if (this.#saving) {
      this.#saveAgain = true;
      return;
    }
    this.#saving = this.#write()
      .catch((error) => this.logger.error({ err: error }, 'the state could not be written'))
      .finally(() => {
        this.#saving = null;
        if (this.#saveAgain && !this.#closed) {
          this.#saveAgain = false;
          this.#save();
        }
      });
  }

  #write() {
    const state = Object.fromEntries(KEPT.map((name) => [name, this.#state[name]]));
    const value = { engine: this.#engine.name, desired: this.#desired, pairingPhone: this.#pairingPhone, restrictedUntil: this.#restrictedUntil, state };
    return writeSealed(join(this.#dir, 'state'), this.#context.master, `session ${this.id} state`, value);
  }

  async #saved() {
    while (this.#saving) {
      await this.#saving;
    }
  }

  /** Runs start, disconnect, logout and remove one after the other. */
  #exclusive(operation) {
    const result = this.#operations.then(operation);
    this.#operations = result.catch(() => {});
    return result;
  }

  /** Was started and not stopped: goes on after a restart of the bridge. */
  get resumable() {
    return this.#desired === 'running';
  }

  /** Connects again after a restart of the bridge. */
  resume() {
    if (this.#link || this.#timer || this.#closed) {
      return;
    }
    this.#tellState();
    this.#connect();
  }

  /** Resolves when what was begun (a logout, a stop) is done. */
  get quiet() {
    return this.#operations;
  }

  get linked() {
    return this.#account.linked;
  }

  get engineName() {
    return this.#engine.name;
  }

  /**
   * Starts the session, or keeps it running.
   * @param {{phone?: string|null}} [options] `phone`: to be linked by a pairing code, unless a phone is linked
   */
  start({ phone = null } = {}) {
    if (phone && !this.#engine.capabilities.includes('pairing_code')) {
      throw new Problem('not_supported', `The engine ${this.#engine.name} cannot link a phone by its number`);
    }
    return this.#exclusive(async () => {
      const running = this.#desired === 'running' && (this.#link || this.#timer || this.#paused);
      if (running && (!phone || phone === this.#pairingPhone || this.#account.linked)) {
        return this.state();
      }
      this.#drop();
      this.#change(NO_CODE);
      this.#pairingPhone = phone;
      this.#desired = 'running';
      this.#backoff.reset();
      this.#change({ status: 'connecting', reason: null });
      this.#connect();
      await this.#saved();
      return this.state();
    });
  }

  /** Closes the socket and stays away until start(). */
  disconnect() {
    return this.#exclusive(async () => {
      this.#stop();
      const { status, reason } = this.#state;
      this.#change({
        status: 'disconnected',
        reason: status === 'disconnected' ? reason : 'user',
        ...NO_CODE,
        connected_at: null,
      });
      await this.#saved();
      return this.state();
    });
  }

  /** Disconnects when nothing happened for so long; an active session stays as it is. */
  endIdle(seconds) {
    return this.#exclusive(async () => {
      const { status, connected_at: connected, last_active_at: active } = this.#state;
      const since = Math.max(Date.parse(connected ?? 0), Date.parse(active ?? 0));
      if (status === 'connected' && !this.sending && Date.now() - since >= seconds * 1000) {
        this.#stop();
        this.#change({ status: 'disconnected', reason: 'idle', connected_at: null });
        await this.#saved();
      }
      return this.state();
    });
  }

  /** Unlinks at WhatsApp, as far as that can be done now, and erases the credentials. */
  logout() {
    return this.#exclusive(async () => {
      const linked = this.#account.linked;
      if (linked && this.#state.status === 'connected') {
        await this.#link.unlink(UNLINK_MS);
      }
      this.#stop();
      await this.#account.erase();
      this.#change({
        ...EMPTY,
        reason: linked ? 'logged_out' : 'never_linked',
        last_active_at: this.#state.last_active_at,
      });
      await this.#saved();
      return this.state();
    });
  }

  /** logout(), and nothing of the session stays on disk. */
  async remove() {
    await this.logout();
    await this.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Another bridge has the session: nothing of it stays here, and the other one tells its state. */
  #moved() {
    if (this.#closed) {
      return;
    }
    this.logger.warn('another bridge has the session now');
    this.#context.moved(this.id);
  }

  /** Ends the session here and removes its files, leaving WhatsApp and the other bridge alone. */
  async forget() {
    await this.close();
    await rm(this.#dir, { recursive: true, force: true });
  }

  /** Holds the socket closed while events can't be taken; the session stays started. */
  pause() {
    if (this.#desired === 'running' && !this.#paused) {
      this.#paused = true;
      this.#drop();
      this.#change({ status: 'connecting', reason: 'network', ...NO_CODE, connected_at: null });
    }
  }

  unpause() {
    if (this.#paused) {
      this.#paused = false;
      this.#reconnect();
    }
  }

  #stop() {
    this.#desired = 'stopped';
    this.#paused = false;
    this.#drop();
  }

  /** Ends the socket and what waits for one. */
  #drop() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const link = this.#link;
    this.#link = null;
    link?.end();
    this.#leaveGate?.();
    this.#outbox.onLinkClosed();
  }

  #reconnect() {
    if (this.#desired !== 'running' || this.#paused || this.#closed) {
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#connect(), this.#backoff.next());
  }

  /** Opens a socket, when it is this session's turn. */
  async #connect() {
    const turn = Symbol('turn');
    this.#timer = turn;
    const leave = await this.#context.gate.enter();
    if (this.#timer !== turn || this.#link || this.#closed) {
      leave();
      return;
    }
    this.#leaveGate = leave;
    try {
      await this.#account.hold?.();
      if (this.#timer !== turn) {
        return;
      }
      this.#timer = null;
      const handlers = this.#handlers(() => this.#link === link);
      const link = this.#account.connect(handlers);
      this.#link = link;
    } catch (error) {
      leave();
      if (this.#timer === turn) {
        this.#timer = null;
      }
      if (error.code === 'MOVED') {
        this.#moved();
        return;
      }
      this.logger.warn({ err: error }, 'the socket could not be made');
      this.#change({ status: 'connecting', reason: 'network' });
      this.#reconnect();
    }
  }

  /** What an engine tells about a link, heard only as long as it is this session's. */
  #handlers(current) {
    const heard = (handler) => (value) => {
      if (current()) {
        handler(value);
      }
    };
    const { journal } = this.#context;
    return {
      pairingPhone: this.#pairingPhone,
      onQr: heard((qr) => this.#onQr(qr)),
      onPairingCode: heard((pairing) => this.#onPairingCode(pairing)),
      onPaired: heard((identity) => this.#onPaired(identity)),
      onOpen: heard((identity) => this.#onOpen(identity)),
      onRestricted: heard((limit) => this.#onRestricted(limit)),
      onInterrupted: heard(() => this.#onInterrupted()),
      onProfile: heard((identity) => this.#onProfile(identity)),
      onClose: heard((reason) => this.#onClose(reason)),
      onActivity: heard(() => this.#active()),
      onAck: (ack) => {
        this.#outbox.onAck(ack).catch((error) => this.logger.error({ err: error }, 'acknowledgement'));
      },
      onEcho: (echo) => {
        this.#outbox.onEcho(echo).catch((error) => this.logger.error({ err: error }, 'echo'));
      },
      onReceipt: (receipt) => this.#outbox.onReceipt(receipt),
      loadMessage: (id) => this.#sent.message(id),
      durable: (options) => {
        const parts = [this.#account, this.#sent, journal].filter((part) => !part.settled);
        return parts.length ? Promise.all(parts.map((part) => part.flush(options))) : null;
      },
    };
  }

  #active() {
    this.#state.last_active_at = new Date().toISOString();
  }

  #onQr({ code, expiresAt }) {
    this.#leaveGate?.();
    this.#change({ status: 'qr_pending', reason: null, ...NO_CODE, qr_code: code, qr_expires_at: expiresAt });
    this.#context.journal.append({ session: this.id, type: 'session.qr', data: { qr_code: code, qr_expires_at: expiresAt } });
  }

  #onPairingCode({ code, expiresAt }) {
    this.#leaveGate?.();
    const data = { pairing_code: code, pairing_code_expires_at: expiresAt };
    this.#change({ status: 'qr_pending', reason: null, ...NO_CODE, ...data });
    this.#context.journal.append({ session: this.id, type: 'session.pairing_code', data });
  }

  #onPaired({ phone, pushName }) {
    this.#change({ status: 'connecting', reason: 'restart', phone_number: phone, push_name: pushName, ...NO_CODE });
  }

  #onOpen({ phone, pushName }) {
    this.#leaveGate?.();
    this.#backoff.opened();
    this.#active();
    this.#change({
      status: 'connected',
      reason: null,
      restricted: this.#state.restricted && !this.#limitOver(),
      phone_number: phone,
      push_name: pushName,
      ...NO_CODE,
      connected_at: new Date().toISOString(),
    });
    this.#outbox.reconcile().catch((error) => this.logger.warn({ err: error }, 'what became of earlier messages is not known'));
  }

  /** WhatsApp tells of a limit once, and of its end perhaps; a time it names is believed. */
  #onRestricted({ restricted, until }) {
    this.#restrictedUntil = restricted ? until : null;
    this.#change({ restricted });
    clearTimeout(this.#limitTimer);
    if (this.#restrictedUntil) {
      const left = Math.min(Date.parse(until) - Date.now(), MAX_TIMER_MS);
      this.#limitTimer = setTimeout(() => this.#limitOver() && this.#change({ restricted: false }), Math.max(left, 0));
      this.#limitTimer.unref();
    }
  }

  #limitOver() {
    return this.#restrictedUntil !== null && Date.parse(this.#restrictedUntil) <= Date.now();
  }

  /** The link is there, but WhatsApp is not, for the moment. */
  #onInterrupted() {
    this.#change({ status: 'connecting', reason: 'network', connected_at: null });
  }

  #onProfile({ phone, pushName }) {
    if (this.#state.status === 'connected') {
      this.#change({ phone_number: phone, push_name: pushName });
    }
  }

  #onClose({ kind, code }) {
    this.#drop();
    this.logger.info({ kind, code }, 'socket closed');
    const cleared = { ...NO_CODE, connected_at: null };
    const end = ENDS[kind];
    if (!end) {
      this.#change({ status: 'connecting', reason: kind, ...cleared });
      if (kind === 'restart') {
        this.#connect();
      } else {
        this.#reconnect();
      }
      return;
    }
    this.#desired = 'stopped';
    const { erase, ...change } = end;
    if (erase) {
      this.#exclusive(() => this.#account.erase()).catch((error) => this.logger.error({ err: error }, 'credentials could not be erased'));
    }
    this.#change({ ...change, ...cleared });
  }

  /** @returns {import('../engines/index.js').Link} */
  #openLink() {
    if (this.#state.status === 'connected' && this.#link) {
      return this.#link;
    }
    if (this.#account.linked && this.#desired === 'running') {
      throw new Problem('session_unavailable', 'The session is connecting', { retryAfter: RETRY_AFTER_S });
    }
    if (this.#account.linked && this.#state.reason === 'replaced') {
      throw new Problem('session_unavailable', 'Another connection took the place of this session', { retryAfter: RETRY_AFTER_S });
    }
    throw new Problem('session_not_linked', `The session is ${this.#state.status}`);
  }

  /** @param {{id: string, to: string, type: string, text?: string, media?: import('../media/source.js').Media, timeoutMs: number}} request */
  async send(request) {
    const { name, capabilities, mediaMaxBytes } = this.#engine;
    if (!capabilities.includes(request.type)) {
      throw new Problem('not_supported', `${name} cannot send ${request.type}`);
    }
    if (request.media?.size > mediaMaxBytes) {
      throw new Problem('media_too_large', `${name} carries files of at most ${mediaMaxBytes} bytes`);
    }
    return this.#outbox.send(request);
  }

  /**
   * The file of a received message.
   * @param {string} id of the message
   * @param {string} [chat]
   * @returns {Promise<{stream: Readable, size: number, mimeType: string}>}
   */
  async media(id, chat) {
    if (!this.#engine.capabilities.includes('inbound_media')) {
      throw new Problem('not_supported', `${this.#engine.name} cannot fetch files`);
    }
    const ref = await this.#media.get(id, chat);
    if (!ref) {
      throw new Problem('media_not_found', 'No file of such a message is known');
    }
    const { stream, size, mimeType, remove } = await this.#account.openMedia(ref, () => this.#openLink());
    const readable = Readable.from(stream, { objectMode: false });
    readable.once('close', () => void remove());
    return { stream: readable, size, mimeType };
  }

  contact(phone) {
    if (!this.#engine.capabilities.includes('contact_check')) {
      throw new Problem('not_supported');
    }
    return this.#outbox.contact(phone);
  }

  get sending() {
    return this.#outbox.busy;
  }

  /** Resolves when everything decided so far is on disk. @param {{hurry?: boolean}} [options] as RecordLog's */
  async flush(options) {
    const parts = [this.#account, this.#sent, this.#media].filter((part) => !part.settled);
    await Promise.all(parts.map((part) => part.flush(options)));
  }

  /** Ends the session's part in this process; what is desired stays as it is. */
  async close() {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    this.#drop();
    try {
      await this.#saved();
      await this.#write();
      await this.#account.close();
      await this.#sent.close();
      await this.#media.close();
    } catch (error) {
      this.logger.error({ err: errorFields(error) }, 'the session could not be closed cleanly');
    }
  }
}
