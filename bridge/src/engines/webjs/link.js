/**
 * One browser of one session, from its start to its end, seen from the bridge: the child process that drives
 * it, its deadlines, and what it tells. A link is never reused.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { maskText } from '../../log.js';
import { descendantsPss } from '../../memory.js';
import { mediaUnavailable } from '../../media/source.js';
import { Problem } from '../../problems.js';
import { chromiumFlags, killBrowsersOf, killGroup, sandboxTarget } from './browser.js';
import { statusOf } from './messages.js';

const CHILD = fileURLToPath(new URL('./child.js', import.meta.url));

const FIRST_CODE_MS = 60000;
const NEXT_CODE_MS = 20000;
const MIB = 1024 * 1024;

/** Defaults; tests shorten them. */
export const TIMES = {
  /** From the fork to a code or to "authenticated". */
  startMs: 120000,
  /** From "authenticated" to "ready". */
  readyMs: 60000,
  /** For the page to say which version it is. */
  authMs: 60000,
  probeMs: 5000,
  probeDeadlineMs: 5000,
  probeFailures: 3,
  /** Without a word of the child. */
  silentMs: 45000,
  /** How long the page may try to connect by itself before its browser is started anew. */
  passingMs: 120000,
  /** Between two looks at what a browser has in memory. */
  memoryMs: 30000,
  /** All codes together. */
  codesMs: 300000,
  /** A code that is typed. */
  pairingMs: 160000,
  /** Messages without acknowledgement: so long, and so many, and the browser is started anew. */
  ackMs: 60000,
  maxUnacknowledged: 3,
  /** For the browser to close, and for its child to end after that; then both are killed. */
  closeMs: 2000,
  endMs: 5000,
};

/** Nothing is known to have left: it may be tried again. */
function neverLeft(text) {
  return Object.assign(new Error(text), { neverLeft: true });
}

export class Link {
  #context;
  #account;
  #handlers;
  #logger;
  #child = null;
  #leaveGate = null;
  #questions = new Map();
  #counter = 0;
  #ended = false;
  #open = false;
  #codes = 0;
  #codesUntil = null;
  #identity = null;
  #unacknowledged = new Map();
  #timers = {};
  #memoryAt = 0;

  /**
   * @param {object} options
   * @param {object} options.context of the engine: chromium, gate, waUrl, webVersion, webVersionDir, times, skipHooks
   * @param {import('./engine.js').WebjsAccount} options.account
   * @param {import('../index.js').LinkHandlers} options.handlers
   * @param {import('pino').Logger} options.logger
   */
  constructor({ context, account, handlers, logger }) {
    this.#context = context;
    this.#account = account;
    this.#handlers = handlers;
    this.#logger = logger;
    this.#start().catch((error) => {
      this.#logger.warn({ err: error }, 'the browser could not be started');
      this.#finish('network', maskText(error.message));
    });
  }

  /** Two browsers at a time may start, and never two on one profile. */
  async #start() {
    await this.#account.browserGone;
    const { gate, waUrl, times } = this.#context;
    this.#leaveGate = await gate.enter();
    if (this.#ended) {
      this.#leaveGate();
      return;
    }
    const target = waUrl ? await sandboxTarget(waUrl) : null;
    // Left by a bridge and a child that were both killed.
    await killBrowsersOf(this.#account.profile);
    if (this.#ended) {
      return;
    }
    this.#deadline('start', times.startMs, 'start_timeout');
    const child = fork(CHILD, [], {
      detached: true,
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      // Nothing of the bridge's environment: it names files with secrets.
      env: { PATH: process.env.PATH, HOME: this.#account.dir, LANG: 'C.UTF-8', TMPDIR: process.env.TMPDIR ?? '/tmp' },
    });
    this.#child = child;
    this.#account.browserGone = new Promise((resolve) => {
      child.once('exit', () => {
        resolve(killBrowsersOf(this.#account.profile));
        this.#finish('network', 'child_gone');
      });
    });
    child.on('error', (error) => this.#finish('network', error.code));
    child.on('message', (message) => this.#onMessage(message));
    this.#post({ type: 'start', options: this.#options(target) });
    this.#heard();
  }

  #options(target) {
    const { chromium, webVersion, webVersionDir, times, skipHooks } = this.#context;
    const { path: executablePath, headless, userAgent } = chromium;
    const pairingPhone = this.#account.linked ? null : (this.#handlers.pairingPhone?.slice(1) ?? null);
    return { pairingPhone, dir: this.#account.dir, executablePath, headless, userAgent, args: chromiumFlags(target), webVersion, webVersionDir, skipHooks, ...times };
  }

  /** Something must happen in this time. */
  #deadline(name, ms, code, kind = 'network') {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(() => this.#finish(kind, code), ms);
  }

  #inTime(name) {
    clearTimeout(this.#timers[name]);
  }

  #heard() {
    this.#deadline('silent', this.#context.times.silentMs, 'child_silent');
  }

  #post(message) {
    if (this.#child?.connected) {
      this.#child.send(message, () => {});
      return true;
    }
    return false;
  }

  #onMessage(message) {
    if (this.#ended) {
      return;
    }
    this.#heard();
    switch (message.type) {
      case 'qr':
        this.#onQr(message.code);
        break;
      case 'pairing_code':
        this.#onPairingCode(message.code);
        break;
      case 'new_codes':
        this.#codes = 0;
        break;
      case 'authenticated':
        this.#inTime('start');
        this.#inTime('codes');
        break;
      case 'open':
        this.#onOpen(message);
        break;
      case 'state':
        this.#onState(message);
        break;
      case 'message':
        this.#onInbound(message.message);
        break;
      case 'change':
        this.#handlers.onActivity();
        this.#account.onChange(message.change);
        break;
      case 'mapped':
        this.#account.map(message.waId, message.id);
        break;
      case 'ack':
        this.#onAck(message);
        break;
      case 'answer':
        this.#onAnswer(message);
        break;
      case 'close':
        this.#finish(message.kind, maskText(message.code));
        break;
      case 'alive':
        this.#checkUnacknowledged();
        this.#checkMemory();
        break;
      default:
        this.#logger.debug({ cause: maskText(message.text) }, 'webjs');
    }
  }

  #onQr(code) {
    this.#inTime('start');
    this.#leaveGate?.();
    if (this.#account.linked) {
      // The page knows of no link any more: it was ended while the browser was away.
      this.#finish('logged_out', 'stale_session');
      return;
    }
    const { codesMs } = this.#context.times;
    if (this.#codesUntil === null) {
      this.#codesUntil = Date.now() + codesMs;
      this.#deadline('codes', codesMs, 'codes_timeout', 'qr_timeout');
    }
    const life = this.#codes === 0 ? FIRST_CODE_MS : NEXT_CODE_MS;
    this.#codes += 1;
    const expires = Math.min(Date.now() + life, this.#codesUntil);
    this.#handlers.onQr({ code, expiresAt: new Date(expires).toISOString() });
  }

  #onPairingCode(code) {
    this.#inTime('start');
    this.#leaveGate?.();
    const { pairingMs } = this.#context.times;
    this.#deadline('codes', pairingMs, 'codes_timeout', 'qr_timeout');
    this.#handlers.onPairingCode({ code, expiresAt: new Date(Date.now() + pairingMs).toISOString() });
  }

  #onOpen({ phone, pushName, version, alias }) {
    for (const name of ['start', 'codes', 'passing']) {
      this.#inTime(name);
    }
    this.#leaveGate?.();
    this.#logger.info({ web_version: version, key_property: alias }, 'WhatsApp Web is ready');
    this.#identity = { phone, pushName };
    this.#account.remember(this.#identity);
    this.#open = true;
    this.#handlers.onOpen(this.#identity);
    this.#ask('missed', { since: this.#account.since })
      .then((messages) => messages.forEach((message) => this.#onInbound(message)))
      .catch((error) => this.#ended || this.#logger.warn({ err: error }, 'what came while the browser was away could not be read'));
  }

  /** The page connects again by itself, but not for ever. */
  #onState({ connected, state }) {
    if (connected === this.#open) {
      return;
    }
    this.#open = connected;
    if (connected) {
      this.#inTime('passing');
      this.#handlers.onOpen(this.#identity);
    } else {
      this.#logger.info({ state }, 'WhatsApp Web lost its connection');
      this.#deadline('passing', this.#context.times.passingMs, 'no_connection');
      this.#handlers.onInterrupted();
    }
  }

  #onInbound(message) {
    this.#handlers.onActivity();
    this.#account.onMessage(message);
  }

  #onAck({ waId, chat, ack, at }) {
    this.#handlers.onActivity();
    const id = this.#account.idOf(waId);
    const time = new Date(at).toISOString();
    if (ack !== 0) {
      this.#unacknowledged.delete(id);
    }
    if (ack === 1 || ack < 0) {
      this.#handlers.onAck({ id, error: ack < 0 ? String(ack) : undefined, at: time });
    } else if (statusOf(ack)) {
      this.#handlers.onReceipt({ id, chat, status: statusOf(ack), at: time });
    }
  }

  /** Says it is connected, takes messages, and none of them gets anywhere: a known fault of the page. */
  #checkUnacknowledged() {
    const { ackMs, maxUnacknowledged } = this.#context.times;
    const late = [...this.#unacknowledged.values()].filter((since) => Date.now() - since > ackMs);
    if (this.#open && late.length >= maxUnacknowledged) {
      this.#finish('network', 'no_acknowledgements');
    }
  }

  /** A browser that has grown too large is started anew before the machine runs out of memory. */
  #checkMemory() {
    const { maxMemory, times } = this.#context;
    if (!maxMemory || Date.now() - this.#memoryAt < times.memoryMs) {
      return;
    }
    this.#memoryAt = Date.now();
    const mib = Math.round(descendantsPss(this.#child.pid) / MIB);
    if (mib > maxMemory) {
      this.#logger.warn({ mib, max: maxMemory }, 'the browser uses too much memory');
      this.#finish('memory', `${mib} MiB`);
    }
  }

  #ask(type, fields) {
    const n = (this.#counter += 1);
    return new Promise((resolve, reject) => {
      this.#questions.set(n, { resolve, reject });
      if (!this.#post({ type, n, ...fields })) {
        this.#questions.delete(n);
        reject(neverLeft('the browser is gone'));
      }
    });
  }

  #onAnswer({ n, value, error }) {
    const question = this.#questions.get(n);
    this.#questions.delete(n);
    if (error === undefined) {
      question?.resolve(value);
    } else {
      question?.reject(new Error(maskText(error)));
    }
  }

  /** Hands a message to the page; resolves when the page has it. */
  async send({ id, to, message }) {
    if (!this.#open) {
      throw neverLeft('WhatsApp Web is not connected');
    }
    const content = JSON.parse(message);
    if (!content.media) {
      return this.#send(id, to, content);
    }
    try {
      return await this.#account.media.with(content.media, (path) => this.#send(id, to, content, path));
    } catch (error) {
      // A file that could not be had was never given to the page.
      throw error instanceof Problem ? Object.assign(error, { neverLeft: true }) : error;
    }
  }

  async #send(id, to, { type, text, media }, path) {
    this.#unacknowledged.set(id, Date.now());
    let answer;
    try {
      answer = await this.#ask('send', { id, to, kind: type, text, ...(media ? { file: { path, mimeType: media.mime_type, name: media.file_name } } : {}) });
    } catch (error) {
      this.#unacknowledged.delete(id);
      throw error.neverLeft ? error : new Error('what became of the message is not known');
    }
    if (answer.left && !answer.reason) {
      return;
    }
    this.#logger.warn({ cause: maskText(answer.reason), left: answer.left }, 'the page did not take a message');
    this.#unacknowledged.delete(id);
    if (answer.left) {
      throw new Error('what became of the message is not known');
    }
    if (answer.missing) {
      throw Object.assign(new Problem('not_on_whatsapp'), { neverLeft: true });
    }
    throw media ? Object.assign(mediaUnavailable('WhatsApp Web did not take the file'), { neverLeft: true }) : neverLeft('the page did not take the message');
  }

  /**
   * @param {string} phone digits
   * @returns {Promise<string|null>}
   */
  async lookup(phone) {
    if (!this.#open) {
      throw new Error('WhatsApp Web is not connected');
    }
    return this.#ask('lookup', { phone });
  }

  /** Has the page fetch a file to this path. @returns {Promise<boolean>} false: it is not there any more */
  download({ key, path }) {
    return this.#ask('download', { key, path });
  }

  /**
   * What the page knows of messages whose outcome is not known.
   * @param {string[]} ids
   */
  async outcomes(ids) {
    const acks = await this.#ask('acks', { ids: ids.map((id) => this.#account.waIdOf(id)) });
    for (const { id, ack } of acks) {
      if (ack !== 0) {
        this.#onAck({ waId: id, ack, at: Date.now() });
      }
    }
  }

  /** Unlinks at WhatsApp and waits, but not for long. */
  async unlink(timeoutMs) {
    const late = new Promise((resolve) => {
      setTimeout(resolve, timeoutMs + 500).unref();
    });
    await Promise.race([this.#ask('unlink', { timeoutMs }).catch(() => {}), late]);
  }

  end() {
    if (!this.#ended) {
      this.#ended = true;
      this.#stop();
    }
  }

  #finish(kind, code) {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    this.#stop();
    this.#handlers.onClose({ kind, code });
  }

  #stop() {
    Object.values(this.#timers).forEach(clearTimeout);
    this.#leaveGate?.();
    this.#open = false;
    for (const { reject } of this.#questions.values()) {
      reject(new Error('the browser was closed'));
    }
    this.#questions.clear();
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    this.#post({ type: 'end' });
    // A browser that is frozen, or a child that is, does not go by itself.
    const timer = setTimeout(() => {
      void killBrowsersOf(this.#account.profile);
      killGroup(child.pid);
    }, this.#context.times.endMs);
    child.once('exit', () => clearTimeout(timer));
  }
}
