/**
 * The engine "baileys": WhatsApp without a browser. Many sessions in one process.
 */
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { errorFields, maskText } from '../../log.js';
import { mediaUnavailable } from '../../media/source.js';
import { Problem } from '../../problems.js';
import { Gate } from '../../sessions/backoff.js';
import { DurableMap } from '../../storage/durable-map.js';
import { ReplicatedMap } from '../../storage/replicated-map.js';
import { hooks as allHooks } from './hooks.js';
import { describeInbound, describePlaintext } from './inbound.js';
import { loadBaileys } from './library.js';
import { Link } from './link.js';
import { BaileysMedia } from './media.js';
import { SignalStore } from './store.js';

const CAPABILITIES = [
  'qr', 'pairing_code', 'text', 'image', 'document', 'video', 'audio', 'voice', 'receipts', 'inbound', 'inbound_media', 'contact_check',
  'caller_message_id',
];
const MEDIA_MAX_BYTES = 2 * 1024 * 1024 * 1024;
/** Files under way at a time, in all sessions. */
const FILES_AT_ONCE = 8;

/** A session's credentials, keys and inbox; see engines/index.js for what an account is. */
export class BaileysAccount {
  #baileys;
  #hooks;
  #options;
  #onInbound = null;

  constructor({ baileys, hooks, store, options }) {
    this.#baileys = baileys;
    this.#hooks = hooks;
    this.#options = options;
    this.store = store;
    this.creds = store.readCreds();
  }

  get linked() {
    return Boolean(this.creds.me?.id && this.creds.account);
  }

  identity() {
    const { me } = this.creds;
    const user = me?.id ? this.#baileys.jidDecode(me.id)?.user : null;
    return { phone: user ? `+${user}` : null, pushName: me?.name && me.name !== '~' ? me.name : null };
  }

  /** Starts telling inbound messages, first those that a crash cut off before they were told. */
  receive(onInbound) {
    this.#onInbound = onInbound;
    if (this.linked) {
      for (const [id, entry] of this.store.unhandled()) {
        if (!entry.silent) {
          this.onPlaintext(id, entry);
        }
      }
    }
    this.store.prune();
  }

  /** A decrypted <enc>: its ratchet and content are on their way to the disk. */
  onPlaintext(id, entry) {
    let described = null;
    try {
      if (entry.attrs) {
        const plain = Buffer.from(entry.plain, 'base64');
        described = describePlaintext({ baileys: this.#baileys, store: this.store, creds: this.creds, attrs: entry.attrs, plain });
      }
    } catch (error) {
      // Not to be read as a message; Baileys, which gets the same bytes, answers the sender.
      this.#options.logger.warn({ err: errorFields(error) }, 'an inbound message could not be read');
    }
    if (!described) {
      this.store.markSilent(id);
      return;
    }
    const { key, data, ref } = described;
    // First the inbox, then the event: were the event told and the ratchet then lost in a crash, the message
    // would be decrypted and told again.
    const told = this.store.wasSeen(key)
      ? this.#options.eventsDurable()
      : this.store.flush().then(() => this.#onInbound({ key, data, ref }));
    this.store.see(key);
    told.then(() => this.store.settle(id, key)).catch((error) => this.#options.logger.error({ err: error }, 'inbox'));
  }

  /** Messages that came without Signal encryption or by way of the own phone; the others were told already. */
  onUpsert(messages) {
    for (const { key, message, messageStubType, pushName, messageTimestamp } of messages) {
      if (!message || messageStubType || !key?.remoteJid) {
        continue;
      }
      const timestamp = this.#baileys.toNumber(messageTimestamp);
      const described = describeInbound({ baileys: this.#baileys, store: this.store, key, message, pushName, timestamp });
      if (described && !this.store.wasSeen(described.key)) {
        this.store.see(described.key);
        this.#onInbound(described).catch((error) => this.#options.logger.error({ err: error }, 'inbox'));
      }
    }
  }

  /** The content of a message, as it is kept for repeats and retries. Its file is at WhatsApp then. */
  async encode({ type, text, media }, link) {
    const { Message } = this.#baileys.proto;
    const what = media
      ? await this.#options.media.encode({ type, text, media }, (fresh) => link.mediaConnection(fresh))
      : { extendedTextMessage: { text } };
    const content = { ...what, messageContextInfo: { messageSecret: randomBytes(32) } };
    return Buffer.from(Message.encode(Message.fromObject(content)).finish());
  }

  /** The file of a received message. Needs a connection only where WhatsApp's hosts have lost it: then the phone is asked. */
  async openMedia(ref, link) {
    try {
      return await this.#options.media.open(ref);
    } catch (error) {
      if (!error.lost || !ref.key || !this.linked) {
        throw error;
      }
    }
    let open;
    try {
      open = link();
    } catch {
      throw mediaUnavailable('WhatsApp no longer has the file, and the phone can only be asked for it by a session that is connected');
    }
    const directPath = await open.askForFile(ref);
    return this.#options.media.open({ ...ref, directPath });
  }

  /** @returns {Link} */
  connect(handlers) {
    if (!this.linked && this.creds.me) {
      // An unfinished pairing by code leaves an id that no server knows.
      this.creds = this.#baileys.initAuthCreds();
      this.store.writeCreds(this.creds);
    }
    const { waUrl, logger, silentMs } = this.#options;
    return new Link({ baileys: this.#baileys, hooks: this.#hooks, account: this, handlers, waUrl, logger, mask: maskText, silentMs });
  }

  get held() {
    return this.#options.held();
  }

  /** Resolves when this bridge may connect: no other holds the session. */
  async hold() {
    await this.#options.hold();
  }

  get settled() {
    return this.store.settled;
  }

  flush(options) {
    return this.store.flush(options);
  }

  async erase() {
    await this.store.erase();
    this.creds = this.store.readCreds();
  }

  close() {
    return this.store.close();
  }
}

async function openReplicated(path, options) {
  try {
    return await ReplicatedMap.open(path, options);
  } catch (error) {
    if (error.code === 'LOG_UNREADABLE') {
      throw error;
    }
    options.onError(error);
    throw new Problem('session_unavailable', 'The module could not be asked for the keys of the session', { retryAfter: 2 });
  }
}

/**
 * @param {object} options
 * @param {string|null} options.waUrl the sandbox's socket; null for WhatsApp's own
 * @param {import('pino').Logger} options.logger
 * @param {import('../../media/source.js').MediaSource} [options.mediaSource] where files to send come from
 * @param {typeof allHooks} [options.hooks]
 * @param {(path: string, options: object) => Promise<DurableMap>} [options.openStore] where keys are kept
 * @param {number} [options.silentMs] how long a WhatsApp that says nothing is waited for
 * @returns {Promise<import('../index.js').Engine>}
 */
export async function createBaileysEngine({ waUrl, logger, mediaSource, hooks = allHooks, openStore = DurableMap.open, silentMs }) {
  const baileys = await loadBaileys(hooks, logger);
  const gate = new Gate(FILES_AT_ONCE);
  return {
    name: 'baileys',
    version: baileys.packageVersion,
    capabilities: CAPABILITIES,
    mediaMaxBytes: MEDIA_MAX_BYTES,
    async openAccount({ id, dir, master, commits, eventsDurable, replicator, take, onMoved, logger: sessionLogger }) {
      const onError = (error) => sessionLogger.error({ err: error }, 'keys could not be written, will be repeated');
      const path = join(dir, 'keys.log');
      const options = { master, commits, name: `session ${id} keys`, onError };
      const map = replicator
        ? await openReplicated(path, { ...options, session: id, replicator, take, onLost: onMoved })
        : await openStore(path, options);
      const store = new SignalStore(map, baileys);
      if (map.restored && !map.restored.clean) {
        sessionLogger.warn('taken over from a bridge that did not leave in order: Signal sessions begin anew');
        store.forgetRatchets();
      }
      const hold = async () => map.hold?.();
      const held = () => map.held ?? true;
      const media = new BaileysMedia(baileys, { dir, source: mediaSource, sandbox: waUrl !== null, gate, logger: sessionLogger });
      return new BaileysAccount({ baileys, hooks, store, options: { waUrl, silentMs, eventsDurable, hold, held, media, logger: sessionLogger } });
    },
  };
}
