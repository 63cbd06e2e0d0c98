/**
 * A linked device of the kind the web page is. The page has no Signal end of its own: keys, ratchets and
 * the connection to the server half are here, and the page is told what the device reads. To the server
 * and to the phones it is a device like any other.
 */
import { Phone } from '../phone/phone.js';
import { Outbox } from '../phone/outbox.js';
import { deviceSent, fromWire, pack, textMessage, toWire } from '../phone/content.js';
import { describeFile, download, fieldOf, upload } from '../phone/media.js';
import { PhoneError } from '../phone/error.js';
import { PN, makeJid } from '../lib/jid.js';
import { child, el } from '../lib/nodes.js';
import { Client } from '../wa/client.js';
import { banned } from '../wa/faults.js';

/** What the page put at the host, as a message of a type and with these words. */
function captioned(content, type, text) {
  return text ? { [fieldOf(type)]: { ...content[fieldOf(type)], caption: text } } : content;
}

const DONE = new Set(['sent', 'delivered', 'read']);

/** The devices a message goes to are all but this one; the own phone is one of them. */
class CompanionOutbox extends Outbox {
  #device;

  constructor(device) {
    super(device);
    this.#device = device;
  }

  async devicesOf(numbers) {
    const { pn, lid, device } = this.#device;
    const others = (await super.devicesOf(numbers)).filter((d) => d.pn !== pn || d.device !== device);
    return numbers.includes(pn) ? [...others, { pn, lid, device: 0 }] : others;
  }
}

/** The device's connection, inside one process: the same nodes as over the socket. */
function openLine(server, { pn, device }, { onNode, onClose }) {
  const account = server.directory.byNumber(pn);
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    client.closed();
    server.gone(client);
    setImmediate(onClose);
  };
  // The last word ("removed", "replaced") must arrive before the end.
  const client = new Client({ send: (node) => setImmediate(onNode, node), close });
  server.counts.connections += 1;
  if (server.faults.isBanned(pn)) client.end(banned());
  else server.login(client, account, account.devices.get(device));
  return {
    send(node) {
      if (open) server.handle(client, node);
    },
    close,
  };
}

export class Companion extends Phone {
  #store;
  #server;
  #files;
  #page = null;
  #lastWord = null;

  /**
   * @param {object} record
   * @param {{store: object, server: object, files: object, logger: object}} world
   */
  constructor(record, { store, server, files, logger }) {
    const line = (pn, { onNode, onClose }) => openLine(server, this, {
      onNode: (node) => {
        this.#onNode(node);
        onNode(node);
      },
      onClose: () => {
        onClose();
        this.#ended();
      },
    });
    super(record, { store, files, trust: server.media.authority.cert, openLine: line, logger, emit: (event) => this.#tell(event) });
    this.#store = store;
    this.#files = files;
    this.#server = server;
    this.outbox = new CompanionOutbox(this);
  }

  get device() { return this.record.device; }

  saveRecord() {
    this.#store.put(`companion/${this.id}`, this.record);
  }

  /** Whether the server still has this very device. */
  get linked() {
    const known = this.#server.directory.byNumber(this.pn)?.devices.get(this.device);
    return known?.noise === this.record.keys.noise.public;
  }

  /**
   * Goes on the network for a page. Another page that has it open is told that it was replaced.
   * @param {{onMessage: (message: object) => void, onSynced: () => void, onEnd: (why: 'removed' | 'replaced' | 'banned' | 'outdated' | 'closed') => void}} page
   */
  async open(page) {
    if (this.connected) await this.#replace();
    this.#lastWord = null;
    this.#page = page;
    await this.connect();
  }

  #replace() {
    const other = this.#page;
    this.#lastWord = 'replaced';
    return new Promise((resolve) => {
      this.#page = { onEnd: (why) => { other?.onEnd(why); resolve(); } };
      this.disconnect();
    });
  }

  /** The page is gone: what comes now waits at the server. */
  close(page) {
    if (this.#page !== page) return;
    this.#page = null;
    this.disconnect();
  }

  #tell({ type, message }) {
    if (type === 'message') this.#page?.onMessage?.(message);
  }

  #onNode(node) {
    if (node.tag === 'stream:error') {
      const { type } = child(node, 'conflict')?.attrs ?? {};
      this.#lastWord = { device_removed: 'removed', replaced: 'replaced' }[type] ?? 'closed';
    } else if (node.tag === 'failure') {
      this.#lastWord = { 403: 'banned', 405: 'outdated' }[node.attrs.reason] ?? 'closed';
    } else if (node.tag === 'ib' && child(node, 'offline')) {
      // What waited came before this node and is handled in order; this comes after it.
      this.task(async () => this.#page?.onSynced?.()).catch(() => {});
    }
  }

  #ended() {
    const page = this.#page;
    this.#page = null;
    page?.onEnd(this.#lastWord ?? 'closed');
  }

  /** Files are fetched when the page asks for them. */
  get fetchesFiles() { return false; }

  /**
   * Sends a message under an id the page has chosen. A repeat of what the server has taken sends nothing.
   * @param {string} id
   * @param {string} pn
   * @param {{type: string, text: string, wire?: string}} what `wire`: of a file, what putFile() gave
   * @returns {Promise<string>} its status
   */
  async sendAs(id, pn, { type, text, wire }) {
    const chat = `+${pn}`;
    const jid = makeJid(pn);
    const known = this.chats.find(id, 'out');
    if (known && DONE.has(known.status)) return known.status;
    const content = wire ? captioned(fromWire(wire), type, text) : textMessage(text);
    const { reply } = await this.task(async () => {
      const devices = await this.outbox.devicesOf([pn, this.pn]);
      if (!devices.some((d) => d.pn === pn)) throw new PhoneError('not_on_whatsapp');
      const parts = await this.outbox.encrypt(devices, (d) => pack(d.pn === this.pn && pn !== this.pn ? deviceSent(jid, content) : content));
      this.signal.save();
      this.show({
        id, chat, from: this.number, to: chat, type, text, at: new Date().toISOString(), direction: 'out', status: 'pending',
        ...(wire ? { wire: toWire(content), media: { ...describeFile(type, content[fieldOf(type)]), state: 'loading' } } : {}),
      });
      await this.commit();
      const identity = el('device-identity', {}, Buffer.from(this.record.identity, 'base64'));
      const stanza = { id, to: jid, type: wire ? 'media' : 'text' };
      return { reply: this.sendMessage(el('message', stanza, [el('participants', {}, parts), identity])) };
    });
    const { error } = (await reply).attrs;
    this.advance(id, 'out', chat, error ? 'failed' : 'sent');
    await this.commit();
    return error ? 'failed' : 'sent';
  }

  /** Puts a file of the page at a media host. @returns {Promise<string>} what describes it in a message */
  async putFile(file) {
    return toWire(await upload(this, file));
  }

  /** Fetches the file with this hash. @param {string} sha256 hex @returns {Promise<Buffer | null>} */
  async getFile(sha256) {
    const message = this.chats.list().findLast((m) => m.media?.sha256 === sha256);
    return message?.wire ? download(this, message.type, message.wire, this.#files.fileBytes) : null;
  }

  /** Is this number on WhatsApp? */
  async exists(pn) {
    return (await this.outbox.devicesOf([pn])).some((d) => d.pn === pn);
  }

  /** The device asks to be removed, as "log out" in the page does. */
  async leave() {
    await this.query('set', 'md', [el('remove-companion-device', { jid: makeJid(this.pn, PN, this.device), reason: 'user_initiated' })]);
  }

  /** Nothing of it stays. */
  erase() {
    this.#store.del(`companion/${this.id}`);
    for (const kind of ['session', 'prekey', 'message', 'status', 'control']) this.#store.delAll(`${kind}/${this.id}/`);
    this.#files.removeAll(`${this.id}-`);
  }
}
