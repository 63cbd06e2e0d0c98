/**
 * One socket of one session, from connecting to its end. A link is never reused.
 *
 * Receipts, acknowledgements and messages are taken from the stanzas, not from Baileys' events: those are
 * buffered for up to 30 s, merged with each other, and come after the stanza was acknowledged.
 */
import { mediaUnavailable } from '../../media/source.js';
import { Problem } from '../../problems.js';
import { within } from '../../within.js';
import { quietLogger } from './library.js';

const FIRST_QR_MS = 60000;
const NEXT_QR_MS = 20000;
/** A code that is typed lives as long as the server keeps its connection: that of all the codes to scan. */
const PAIRING_MS = FIRST_QR_MS + 5 * NEXT_QR_MS;
/** Until WhatsApp says its first word, and until the session is connected or shows a code. */
const SILENT_MS = 20000;
const CONNECT_MS = 60000;
const QUERY_MS = 15000;
const KEEP_ALIVE_MS = 20000;
const TERMINATE_MS = 1000;
/** For the phone to put a file at WhatsApp's hosts again. */
const FILE_AGAIN_MS = 20000;

const RECEIPTS = new Map([
  [undefined, 'delivered'],
  ['inactive', 'delivered'],
  ['read', 'read'],
  ['played', 'played'],
]);

/** Why a socket ended, in the bridge's words. */
export function closeKind(error) {
  const code = error?.output?.statusCode;
  switch (code) {
    case 515:
      return { kind: 'restart', code };
    case 401:
    case 406:
      return { kind: 'logged_out', code };
    case 402:
    case 403:
      return { kind: 'banned', code };
    case 405:
    case 409:
    case 411:
      return { kind: 'incompatible', code };
    case 440:
      return { kind: 'replaced', code };
    default:
      return { kind: /^QR refs attempts ended/.test(error?.message) ? 'qr_timeout' : 'network', code };
  }
}

/** @param {string|undefined} t seconds since 1970, as in stanzas */
function timeOf(t) {
  return new Date(Number(t) * 1000 || Date.now()).toISOString();
}

export class Link {
  #baileys;
  #account;
  #handlers;
  #logger;
  #sock = null;
  #view;
  #ended = false;
  #qrShown = 0;
  #watchdog;
  #stanzas = new WeakMap();
  /** Questions for files, by message. */
  #lostFiles = new Map();

  /**
   * @param {object} options
   * @param {object} options.baileys
   * @param {typeof import('./hooks.js').hooks} options.hooks
   * @param {import('./engine.js').BaileysAccount} options.account
   * @param {import('../index.js').LinkHandlers} options.handlers
   * @param {string|null} options.waUrl null: WhatsApp's own
   * @param {import('pino').Logger} options.logger
   * @param {(text: unknown) => string} options.mask
   * @param {number} [options.silentMs]
   */
  constructor({ baileys, hooks, account, handlers, waUrl, logger, mask, silentMs = SILENT_MS }) {
    this.#baileys = baileys;
    this.#account = account;
    this.#handlers = handlers;
    this.#logger = logger;
    this.#view = account.store.attach();
    this.#watch(silentMs);
    const config = {
      auth: { creds: account.creds, keys: this.#view },
      logger: quietLogger(logger, mask),
      browser: ['mod_whatsapp', 'Chrome', '1.0'],
      // The phone goes on ringing for messages that the bridge receives.
      markOnlineOnConnect: false,
      syncFullHistory: false,
      // What carries LID mappings and the push name is processed; past conversations are not. Saying no to
      // RECENT also spares the first connection a buffering pause of 20 s.
      shouldSyncHistoryMessage: ({ syncType }) => this.#wantsHistory(syncType),
      emitOwnEvents: false,
      generateHighQualityLinkPreview: false,
      defaultQueryTimeoutMs: QUERY_MS,
      // With a time of its own each frame costs Baileys three stack traces; that of connecting is watched here.
      connectTimeoutMs: undefined,
      keepAliveIntervalMs: KEEP_ALIVE_MS,
      transactionOpts: { maxCommitRetries: 3, delayBetweenTriesMs: 200 },
      getMessage: async (key) => {
        const bytes = await handlers.loadMessage(key.id);
        return bytes ? baileys.proto.Message.decode(bytes) : undefined;
      },
      makeSignalRepository: hooks.repositoryFactory({
        makeRepository: baileys.DEFAULT_CONNECTION_CONFIG.makeSignalRepository,
        lockName: hooks.lockName,
        store: this.#view,
        stanzaOf: (ciphertext) => this.#stanzas.get(ciphertext),
        onPlaintext: (id, entry) => account.onPlaintext(id, entry),
      }),
      durable: (options) => handlers.durable(options),
    };
    if (waUrl) {
      config.waWebSocketUrl = waUrl;
    }
    this.#sock = hooks.containRejections(() => baileys.makeWASocket(config));
    hooks.letReceiptsWait(this.#sock.ws);
    hooks.keepLateWrites(this.#sock.authState.keys, this.#view);
    this.#listen();
  }

  #wantsHistory(syncType) {
    const { INITIAL_BOOTSTRAP, PUSH_NAME, NON_BLOCKING_DATA } = this.#baileys.proto.HistorySync.HistorySyncType;
    return [INITIAL_BOOTSTRAP, PUSH_NAME, NON_BLOCKING_DATA].includes(syncType);
  }

  /** Ends the link when it is not connected in time. */
  #watch(ms) {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => this.#finish({ kind: 'network', code: 'connect_timeout' }), ms);
  }

  #listen() {
    const { ev, ws } = this.#sock;
    ws.once('frame', () => !this.#ended && this.#watch(CONNECT_MS));
    ev.on('error', (error) => this.#finish({ kind: 'network', code: error?.code }));
    ev.on('creds.update', (update) => this.#onCreds(update));
    ev.on('connection.update', (update) => this.#onConnection(update));
    ev.on('messages.upsert', ({ messages }) => this.#account.onUpsert(messages));
    // Before Baileys' own listeners, so that what a stanza says is written before it is acknowledged.
    ws.prependListener('CB:message', (node) => this.#onMessage(node));
    ws.prependListener('CB:receipt', (node) => this.#onReceipt(node));
    ws.prependListener('CB:ack,class:message', (node) => this.#onAck(node));
    ws.prependListener('CB:notification,type:mediaretry', (node) => this.#lostFiles.get(node.attrs.id)?.answer(node));
  }

  #onCreds(update) {
    this.#view.writeCreds(this.#account.creds);
    if (update.me?.name && !this.#ended) {
      this.#handlers.onProfile(this.#account.identity());
    }
  }

  #onConnection({ qr, isNewLogin, connection, lastDisconnect, reachoutTimeLock: lock }) {
    if (this.#ended) {
      return;
    }
    if (lock) {
      this.#handlers.onRestricted({ restricted: lock.isActive, until: lock.timeEnforcementEnds?.toISOString() ?? null });
    }
    if (qr && this.#handlers.pairingPhone) {
      this.#requestPairingCode(this.#handlers.pairingPhone);
    } else if (qr) {
      clearTimeout(this.#watchdog);
      const life = this.#qrShown === 0 ? FIRST_QR_MS : NEXT_QR_MS;
      this.#qrShown += 1;
      this.#handlers.onQr({ code: qr, expiresAt: new Date(Date.now() + life).toISOString() });
    }
    if (isNewLogin) {
      this.#handlers.onPaired(this.#account.identity());
    }
    if (connection === 'open') {
      clearTimeout(this.#watchdog);
      this.#handlers.onOpen(this.#account.identity());
    }
    if (connection === 'close') {
      this.#finish(closeKind(lastDisconnect?.error));
    }
  }

  /** The first code to scan says that the server is ready; the others are of no use here. */
  async #requestPairingCode(phone) {
    if (this.#qrShown) {
      return;
    }
    this.#qrShown += 1;
    const expiresAt = new Date(Date.now() + PAIRING_MS).toISOString();
    const { ws } = this.#sock;
    try {
      // Baileys does not listen for the answer: WhatsApp may not know the number.
      ws.once('CB:iq,type:error', () => this.#finish({ kind: 'pairing_refused' }));
      const taken = new Promise((resolve) => {
        ws.once('CB:iq,type:result,link_code_companion_reg', resolve);
      });
      const code = await this.#sock.requestPairingCode(phone.slice(1));
      await taken;
      if (!this.#ended) {
        clearTimeout(this.#watchdog);
        this.#handlers.onPairingCode({ code, expiresAt });
      }
    } catch (error) {
      this.#logger.warn({ err: error }, 'a pairing code could not be made');
      this.#finish({ kind: 'network', code: 'pairing_code' });
    }
  }

  #onMessage(node) {
    this.#handlers.onActivity();
    if (node.attrs.recipient && this.#isOwn(node.attrs.from)) {
      this.#handlers.onEcho({ id: node.attrs.id, at: timeOf(node.attrs.t) });
    }
    for (const child of Array.isArray(node.content) ? node.content : []) {
      if (child.tag === 'enc' && child.content instanceof Uint8Array) {
        this.#stanzas.set(child.content, node);
      }
    }
  }

  #onReceipt({ attrs, content }) {
    this.#handlers.onActivity();
    const status = RECEIPTS.get(attrs.type);
    const sender = attrs.participant ?? attrs.from;
    if (!status || attrs.recipient || this.#isOwn(sender)) {
      return;
    }
    const items = Array.isArray(content) ? (content.find((child) => child.tag === 'list')?.content ?? []) : [];
    const ids = [attrs.id, ...(Array.isArray(items) ? items : []).map((item) => item.attrs?.id)].filter(Boolean);
    const at = timeOf(attrs.t);
    for (const id of ids) {
      this.#handlers.onReceipt({ id, chat: this.#baileys.jidNormalizedUser(attrs.from), status, at });
    }
  }

  #isOwn(jid) {
    const { me } = this.#account.creds;
    return this.#baileys.areJidsSameUser(jid, me?.id) || Boolean(me?.lid && this.#baileys.areJidsSameUser(jid, me.lid));
  }

  #onAck({ attrs }) {
    this.#handlers.onActivity();
    this.#handlers.onAck({
      id: attrs.id,
      error: attrs.error,
      at: timeOf(attrs.t),
    });
  }

  /** Hands a message to the socket; resolves when its stanza has left. */
  async send({ id, to, message }) {
    await this.#sock.relayMessage(to, this.#baileys.proto.Message.decode(message), { messageId: id });
  }

  /**
   * Asks the own phone to put the file of a message at WhatsApp's hosts again; those who ask at one time share the answer.
   * @returns {Promise<string>} where it is now
   */
  askForFile({ key, mediaKey }) {
    const asked = this.#lostFiles.get(key.id)?.result;
    if (asked) {
      return asked;
    }
    let answer;
    const answered = new Promise((resolve) => {
      answer = resolve;
    });
    const result = this.#askForFile(key, Buffer.from(mediaKey, 'base64'), answered).finally(() => this.#lostFiles.delete(key.id));
    this.#lostFiles.set(key.id, { answer, result });
    return result;
  }

  async #askForFile(key, mediaKey, answered) {
    const { decodeMediaRetryNode, decryptMediaRetryData, encryptMediaRetryRequest, proto } = this.#baileys;
    const silent = () => mediaUnavailable("WhatsApp no longer has the file; the phone was asked for it, and has not answered");
    try {
      await this.#sock.sendNode(encryptMediaRetryRequest(key, mediaKey, this.#account.creds.me.id));
    } catch {
      throw silent();
    }
    const { media } = decodeMediaRetryNode(await within(FILE_AGAIN_MS, answered, silent));
    const { result, directPath } = media ? decryptMediaRetryData(media, mediaKey, key.id) : {};
    if (result !== proto.MediaRetryNotification.ResultType.SUCCESS || !directPath) {
      throw new Problem('media_gone', 'WhatsApp no longer has the file, and the phone does not have it either');
    }
    return directPath;
  }

  /** Where files go, and with which word. @param {boolean} fresh the last answer is of no use any more */
  mediaConnection(fresh) {
    return this.#sock.refreshMediaConn(fresh);
  }

  /**
   * Asks WhatsApp about a number.
   * @param {string} phone digits
   * @returns {Promise<string|null>} its id, null if it is not on WhatsApp
   */
  async lookup(phone) {
    const found = await this.#sock.onWhatsApp(phone);
    if (!found) {
      throw new Error('no answer to the number check');
    }
    return found.find(({ exists }) => exists)?.jid ?? null;
  }

  /** Tells WhatsApp that this device goes, and waits for its answer, but not for long. */
  async unlink(timeoutMs) {
    const jid = this.#account.creds.me?.id;
    if (!jid) {
      return;
    }
    const node = {
      tag: 'iq',
      attrs: { to: this.#baileys.S_WHATSAPP_NET, type: 'set', xmlns: 'md' },
      content: [{ tag: 'remove-companion-device', attrs: { jid, reason: 'user_initiated' } }],
    };
    await this.#sock.query(node, timeoutMs).catch((error) => {
      this.#logger.debug({ err: error }, 'unlinking was not confirmed');
    });
  }

  /** Closes the socket without telling anybody. */
  end() {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#stop();
  }

  #finish(reason) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#stop();
    this.#handlers.onClose(reason);
  }

  #stop() {
    clearTimeout(this.#watchdog);
    // A socket that is dead to us must not write keys over those of the next one.
    this.#view.detached = true;
    const socket = this.#sock?.ws?.socket;
    Promise.resolve(this.#sock?.end?.(undefined)).catch(() => {});
    const timer = setTimeout(() => socket?.terminate?.(), TERMINATE_MS);
    timer.unref();
  }
}
