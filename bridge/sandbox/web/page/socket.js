/** The page's connection: its states, its codes, what comes in and goes out. */
import { Emitter, Model } from './models.js';

const FIRST_CODE_MS = 60_000;
const NEXT_CODE_MS = 20_000;
const RECONNECT_MS = 300;
const TURNED_AWAY = new Set(['TOS_BLOCK', 'DEPRECATED_VERSION']);

const faults = window.standInFaults;
const b64 = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

export class SocketModel extends Model {
  state = 'UNLAUNCHED';
  hasSynced = false;
  #ws = null;
  #page;
  #codes = null;
  #codeTimer = null;
  #questions = new Map();
  #counter = 0;
  #ended = false;

  /** @param {object} page { conn, cmd, storage, keys, onMessages, onAck, pending, onOnline } */
  constructor(page) {
    super();
    this.#page = page;
  }

  serialize() {
    return { state: this.state, hasSynced: this.hasSynced };
  }

  connect() {
    if (this.#ended) return;
    this.set({ state: 'OPENING' });
    const ws = new WebSocket(`wss://${location.host}/ws/chat`);
    this.#ws = ws;
    ws.onopen = async () => {
      const token = await this.#page.storage.token();
      this.#post(token ? { t: 'resume', token } : { t: 'new' });
    };
    ws.onmessage = ({ data }) => this.#onMessage(JSON.parse(data));
    ws.onclose = () => {
      // A page that was turned away says so, and does not come again by itself.
      if (this.#ws !== ws || this.#ended || TURNED_AWAY.has(this.state)) return;
      clearTimeout(this.#codeTimer);
      this.set({ state: 'TIMEOUT' });
      setTimeout(() => this.connect(), RECONNECT_MS);
    };
  }

  #post(message) {
    if (this.#ws?.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(message));
    return true;
  }

  #onMessage(message) {
    const { storage, keys, onMessages, onAck, onOnline, cmd } = this.#page;
    switch (message.t) {
      case 'refs':
        Object.assign(keys, { noise: b64(message.noise), identity: b64(message.identity), secret: message.secret });
        this.#codes = message.refs;
        this.#nextCode(FIRST_CODE_MS);
        this.set({ state: 'UNPAIRED' });
        break;
      case 'scanned':
        clearTimeout(this.#codeTimer);
        this.set({ state: 'PAIRING' });
        break;
      case 'paired':
        storage.keepToken(message.token);
        break;
      case 'online':
        onOnline(message.me);
        if (faults.early_sync) this.set({ hasSynced: true });
        this.set({ state: 'CONNECTED' });
        for (const sent of this.#page.pending()) this.#post(sent);
        break;
      case 'messages':
        onMessages(message.messages, false);
        break;
      case 'message':
        onMessages([message.message], true);
        break;
      case 'synced':
        cmd.trigger('offline_progress_update_from_bridge');
        setTimeout(() => this.set({ hasSynced: true }), faults.sync_delay_ms);
        break;
      case 'ack':
        onAck(message);
        break;
      case 'exists':
      case 'code':
        this.#questions.get(message.n)?.(message);
        this.#questions.delete(message.n);
        break;
      case 'state':
        this.set({ state: message.state });
        break;
      case 'removed':
        this.#removed();
        break;
      default:
    }
  }

  /** Shows the next code, until there is none. */
  #nextCode(lifeMs) {
    const ref = this.#codes.shift();
    if (!ref) {
      this.set({ state: 'UNPAIRED_IDLE' });
      return;
    }
    this.#page.conn.set({ ref });
    this.#codeTimer = setTimeout(() => this.#nextCode(NEXT_CODE_MS), faults.code_ms || lifeMs);
  }

  /** New codes, after the old ones have run out. */
  refreshCodes() {
    clearTimeout(this.#codeTimer);
    this.#post({ t: 'new' });
  }

  /** As the real page: it clears itself and loads anew. */
  async #removed() {
    this.#ended = true;
    this.#page.cmd.trigger('logout');
    await this.#page.storage.erase();
    this.#ws.close();
    setTimeout(() => location.assign('/?post_logout=1'), faults.logout_delay_ms);
  }

  send(message) {
    return this.#post(message);
  }

  #ask(question) {
    const n = ++this.#counter;
    return new Promise((resolve, reject) => {
      this.#questions.set(n, resolve);
      if (!this.#post({ ...question, n })) reject(new Error('not connected'));
    });
  }

  /** @returns {Promise<boolean>} whether the number is on WhatsApp */
  async exists(pn) {
    return (await this.#ask({ t: 'exists', pn })).exists;
  }

  /**
   * Codes to scan go on beside it, and may run out before it does.
   * @returns {Promise<string>} a code to type on the phone of this number; fails with the real page's error
   */
  async offerCode(pn) {
    const { code, refused } = await this.#ask({ t: 'code', pn });
    if (refused) {
      throw Object.assign(new Error(), { name: 'CompanionHelloError', type: { name: 'IQErrorBadRequest', value: { text: 'bad-request', code: refused.code } } });
    }
    return code;
  }

  async logout() {
    this.#post({ t: 'logout' });
  }

  reconnect() {
    this.#ws?.close();
  }

  takeover() {
    this.#ws?.close();
  }
}

export class Cmd extends Emitter {
  #socket;

  attach(socket) {
    this.#socket = socket;
  }

  refreshQR() {
    this.#socket.refreshCodes();
  }
}
