/**
 * The process of one session: the library and its browser. It is told what to do and tells what happens over
 * IPC (link.js). A fault of the library, or 64 MiB of it, ends here; when the bridge ends, this ends, and the
 * browser with it.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { killGroup } from './browser.js';
import {
  acksOf, hookedLibrary, messagesSince, missingModules, Nudge, pageScript, probe, takeIdBack, UNPAIRED, wantId,
} from './hooks.js';
import { toChatId, toJid } from './messages.js';
import { within } from '../../within.js';

const UNLINK_STEP_MS = 50;
/** Until it is ready, the page is looked at more often. */
const PROBE_START_MS = 500;
const PAGE_ORIGIN = 'https://web.whatsapp.com';

/** How a state of the page, or the library's word for it, ends a link. */
const ENDS = {
  LOGOUT: 'logged_out',
  UNPAIRED: 'logged_out',
  CONFLICT: 'replaced',
  TOS_BLOCK: 'banned',
  SMB_TOS_BLOCK: 'banned',
  PROXYBLOCK: 'banned',
  DEPRECATED_VERSION: 'incompatible',
};

/** Passing states, in which the page tries to connect by itself. */
const PASSING = new Set(['OPENING', 'PAIRING', 'TIMEOUT', 'UNLAUNCHED']);

const CHANGED_PAGE = /unknown module|Cannot read propert|is not a function|is not a constructor|Couldn't load version/i;

const serialized = (id) => id?._serialized ?? id;

const words = (error) => String(error?.message ?? error);

class Driver {
  #options;
  #client = null;
  #browserPid = null;
  #initialised = false;
  #opened = false;
  #readyTimer = null;
  #probeTimer = null;
  #failures = 0;
  #nudge = null;
  #sending = null;
  #sends = Promise.resolve();
  #unlinking = false;
  #loggedOut = false;
  #ending = false;

  /** @param {object} options see Link.#options() */
  constructor(options) {
    this.#options = options;
  }

  tell(message) {
    if (process.connected) {
      process.send(message);
    }
  }

  get #page() {
    return this.#client.pupPage;
  }

  async start() {
    const { dir, executablePath, headless, args, userAgent, skipHooks, webVersion, webVersionDir, authMs, pairingPhone, pairingMs } = this.#options;
    const { Client, Auth } = hookedLibrary(createRequire(import.meta.url)('whatsapp-web.js'), skipHooks);
    this.#client = new Client({
      authStrategy: new Auth({ dataPath: dir, clientId: 'profile' }),
      authTimeoutMs: authMs,
      userAgent,
      evalOnNewDoc: pageScript(skipHooks),
      // One code; the library's timer for the next one comes too late for it.
      ...(pairingPhone ? { pairWithPhoneNumber: { phoneNumber: pairingPhone, intervalMs: 2 * pairingMs } } : {}),
      // A version is pinned by the operator or not at all; nothing is fetched from elsewhere or written.
      ...(webVersion ? { webVersion } : {}),
      webVersionCache: webVersion ? { type: 'local', path: webVersionDir, strict: true } : { type: 'none' },
      puppeteer: {
        executablePath,
        headless,
        args,
        // Over a pipe the browser ends with this process, whatever ends that.
        pipe: true,
        handleSIGINT: false,
        handleSIGTERM: false,
        handleSIGHUP: false,
      },
    });
    this.#listen();
    try {
      await this.#client.initialize();
      this.#initialised = true;
    } catch (error) {
      this.#fail(error);
    }
  }

  #listen() {
    const client = this.#client;
    client.on('browser', () => this.#onBrowser());
    client.on('qr', (code) => this.tell({ type: 'qr', code }));
    client.on('code', (code) => this.tell({ type: 'pairing_code', code }));
    client.on('code_refused', (error) => void this.#onCodeRefused(error));
    client.on('authenticated', () => this.#onAuthenticated());
    client.on('ready', () => this.#onReady().catch((error) => this.#fail(error)));
    client.on('change_state', (state) => this.#onState(state));
    client.on('disconnected', (reason) => this.#onDisconnected(reason));
    client.on('inject_failed', (error) => this.#fail(error));
    client.on('message_create', (message) => this.#onCreated(message));
    client.on('message', (message) => this.tell({ type: 'message', message: message.rawData }));
    client.on('message_edit', ({ rawData }, text) => this.#onChanged('edit', rawData, text));
    client.on('message_revoke_everyone', ({ rawData }) => this.#onChanged('deletion', rawData));
    client.on('message_reaction', (reaction) => this.#onReaction(reaction));
    client.on('message_ack', (message, ack) => this.#onAck(message.id, ack));
  }

  #onBrowser() {
    const { pupBrowser, pupPage } = this.#client;
    this.#browserPid = pupBrowser.process()?.pid ?? null;
    // The library does not notice any of these.
    pupBrowser.on('disconnected', () => this.close('network', 'browser_gone'));
    pupPage.on('error', () => this.close('network', 'page_crashed'));
    pupPage.on('close', () => this.close('network', 'page_closed'));
    this.#nudge = new Nudge(this.#client, this.#options.skipHooks);
    this.#probe();
  }

  /** There is no code to type: WhatsApp gave none, unless something else is wrong. */
  async #onCodeRefused(error) {
    const { state } = await within(this.#options.probeDeadlineMs, this.#page.evaluate(probe), 'an answer of the page').catch(() => ({}));
    if (UNPAIRED.has(state) && !CHANGED_PAGE.test(words(error))) {
      this.close('pairing_refused', words(error));
    } else {
      this.#fail(error);
    }
  }

  #onAuthenticated() {
    this.tell({ type: 'authenticated' });
    clearTimeout(this.#readyTimer);
    this.#readyTimer = setTimeout(() => void this.#diagnose(), this.#options.readyMs);
  }

  /** Authenticated, but never ready: has the page changed, or is it only stuck? */
  async #diagnose() {
    const { probeDeadlineMs } = this.#options;
    const missing = await within(probeDeadlineMs, missingModules(this.#page), 'a look at the page').catch(() => []);
    if (missing.length) {
      this.close('incompatible', `WhatsApp Web ${await this.#version()} lacks ${missing.join(', ')}`);
    } else {
      this.close('network', 'never_ready');
    }
  }

  async #version() {
    const { probeDeadlineMs } = this.#options;
    return within(probeDeadlineMs, this.#page.evaluate(() => window.Debug?.VERSION), 'the version').catch(() => 'of unknown version');
  }

  async #onReady() {
    clearTimeout(this.#readyTimer);
    const { wid, pushname } = this.#client.info;
    const page = await this.#page.evaluate(() => ({ version: window.Debug?.VERSION, alias: window.__bridge?.alias }));
    this.#opened = true;
    this.tell({ type: 'open', phone: wid?.server === 'c.us' ? `+${wid.user}` : null, pushName: pushname ?? null, ...page });
  }

  #onState(state) {
    if (ENDS[state]) {
      this.close(ENDS[state], state);
    } else if (this.#opened) {
      this.tell({ type: 'state', connected: !PASSING.has(state), state });
    }
  }

  #onDisconnected(reason) {
    this.#loggedOut = ENDS[reason] === 'logged_out';
    this.close(ENDS[reason] ?? 'network', String(reason));
  }

  /** The page made an own message; if it is the one being sent and has another id, they belong together. */
  #onCreated({ id, to, ack, rawData }) {
    const sending = this.#sending;
    const text = (sending?.file ? rawData.caption : rawData.body) ?? '';
    if (id.fromMe && sending && id.id !== sending.id && text === (sending.text ?? '') && toJid(to) === sending.to) {
      this.tell({ type: 'mapped', id: sending.id, waId: id.id });
    }
    // Made elsewhere, or before this process was there: the server has it.
    if (id.fromMe && ack > 0) {
      this.#onAck(id, ack);
    }
  }

  /** Someone changed a message: of one that was deleted the page may keep the id of what deleted it. */
  #onChanged(kind, { id, protocolMessageKey, author, from, notifyName }, text) {
    if (!id.fromMe) {
      const target = { ...(protocolMessageKey ?? id), remote: id.remote };
      const change = { kind, target, from: author ?? id.participant ?? from, text, pushName: notifyName, seconds: Math.floor(Date.now() / 1000) };
      this.tell({ type: 'change', change });
    }
  }

  #onReaction({ id, msgId, reaction, senderId, timestamp }) {
    if (!id.fromMe) {
      const target = { id: msgId.id, remote: serialized(msgId.remote) };
      this.tell({ type: 'change', change: { kind: 'reaction', target, from: senderId, text: reaction ?? '', seconds: timestamp } });
    }
  }

  #onAck({ fromMe, id, remote }, ack) {
    if (fromMe) {
      this.tell({ type: 'ack', waId: id, chat: toJid(remote), ack, at: Date.now() });
    }
  }

  /** Asks the page how it is, again and again. A page that does not answer is as good as dead. */
  #probe() {
    const { probeMs, probeDeadlineMs, probeFailures } = this.#options;
    const pauseMs = this.#opened ? probeMs : Math.min(probeMs, PROBE_START_MS);
    this.#probeTimer = setTimeout(async () => {
      try {
        const answer = await within(probeDeadlineMs, this.#page.evaluate(probe), 'an answer of the page');
        this.#failures = 0;
        this.tell({ type: 'alive', state: answer.state });
        // The library listens only when the page is ready, which a page that was turned away never is.
        if (ENDS[answer.state] && answer.state !== 'UNPAIRED') {
          this.close(ENDS[answer.state], answer.state);
        } else if (this.#initialised && answer.origin !== PAGE_ORIGIN) {
          this.close('network', 'navigated_away');
        } else if (await within(probeDeadlineMs, this.#nudge.after(answer), 'a nudge')) {
          this.tell({ type: 'new_codes' });
        }
      } catch (error) {
        this.#failures += 1;
        this.log(`the page did not answer (${this.#failures}): ${words(error)}`);
        if (this.#failures >= probeFailures) {
          this.close('network', 'unresponsive');
        }
      }
      if (!this.#ending) {
        this.#probe();
      }
    }, pauseMs);
  }

  /** One send at a time: an id is for the next message that the page makes. */
  send(request) {
    const run = this.#sends.then(() => this.#send(request));
    this.#sends = run.catch(() => {});
    return run;
  }

  async #send({ id, to, kind, text, file }) {
    let asked = false;
    let used = null;
    this.#sending = { id, to, text, file };
    try {
      const { content, options } = await this.#contentOf(kind, text, file);
      const willUse = await wantId(this.#page, id);
      asked = true;
      const message = await this.#client.sendMessage(toChatId(to), content, options);
      used = message?.id?.id ?? null;
      if (willUse) {
        // Whoever else the page may make a message for must not get it.
        await takeIdBack(this.#page, id).catch(() => {});
      }
      if (used && used !== id) {
        this.tell({ type: 'mapped', id, waId: used });
      }
      return { left: true };
    } catch (error) {
      const unused = asked ? await takeIdBack(this.#page, id).catch(() => false) : true;
      return { left: !unused, missing: /No LID for user/i.test(words(error)), reason: words(error) };
    } finally {
      this.#sending = null;
    }
  }

  /** What the library takes: a text, or a file as a whole. */
  async #contentOf(kind, text, file) {
    const options = { sendSeen: false, linkPreview: false };
    if (!file) {
      return { content: text, options };
    }
    const { MessageMedia } = createRequire(import.meta.url)('whatsapp-web.js');
    const content = new MessageMedia(file.mimeType, await readFile(file.path, 'base64'), file.name ?? 'file');
    return { content, options: { ...options, caption: text, sendMediaAsDocument: kind === 'document', sendAudioAsVoice: kind === 'voice' } };
  }

  /** Fetches the file of a message. @returns {Promise<boolean>} false: it is not there any more */
  async download({ key, path }) {
    const message = await this.#client.getMessageById(key);
    const file = await message?.downloadMedia();
    if (!file) {
      return false;
    }
    await writeFile(path, file.data, { encoding: 'base64', flag: 'wx', mode: 0o600 });
    return true;
  }

  async lookup({ phone }) {
    return toJid(await this.#client.getNumberId(phone)) || null;
  }

  async acks({ ids }) {
    return acksOf(this.#page, ids);
  }

  async missed({ since }) {
    return this.#options.skipHooks.includes('missedMessages') ? [] : messagesSince(this.#page, since);
  }

  /** Unlinks at WhatsApp, and waits until the page has been told so. */
  async unlink({ timeoutMs }) {
    this.#unlinking = true;
    const until = Date.now() + timeoutMs;
    await within(timeoutMs, this.#page.evaluate(() => window.require('WAWebSocketModel').Socket.logout()), 'the logout').catch(() => {});
    while (!this.#loggedOut && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, UNLINK_STEP_MS));
    }
    return this.#loggedOut;
  }

  #fail(error) {
    const text = words(error);
    this.log(text);
    if (CHANGED_PAGE.test(text)) {
      void this.#version().then((version) => this.close('incompatible', `WhatsApp Web ${version}: ${text.split('\n')[0]}`));
    } else {
      this.close('network', text.split('\n')[0]);
    }
  }

  log(text) {
    this.tell({ type: 'log', text });
  }

  /** An error that nobody waits for: of the library's own listeners, mostly when the page has gone. */
  onStray(error) {
    this.log(`stray: ${words(error)}`);
    if (/auth timeout|ready timeout/.test(words(error))) {
      this.close('network', words(error));
    }
  }

  close(kind, code) {
    if (this.#ending || this.#unlinking) {
      return;
    }
    this.tell({ type: 'close', kind, code });
    void this.end();
  }

  /** Closes the browser, by force if it does not go by itself, and ends. */
  async end() {
    if (this.#ending) {
      return;
    }
    this.#ending = true;
    clearTimeout(this.#readyTimer);
    clearTimeout(this.#probeTimer);
    await within(this.#options.closeMs, Promise.resolve(this.#client?.pupBrowser?.close()), 'closing the browser').catch(() => {});
    this.die();
  }

  /** At once. */
  die() {
    if (this.#browserPid) {
      killGroup(this.#browserPid);
    }
    process.exit(0);
  }
}

let driver = null;

process.on('message', async (message) => {
  if (message.type === 'start') {
    driver = new Driver(message.options);
    await driver.start();
    return;
  }
  if (message.type === 'end') {
    await driver.end();
    return;
  }
  const { n, type } = message;
  try {
    driver.tell({ type: 'answer', n, value: await driver[type](message) });
  } catch (error) {
    driver.tell({ type: 'answer', n, error: words(error) });
  }
});

// The bridge is gone, or has let go.
process.on('disconnect', () => (driver ? driver.die() : process.exit(0)));
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('unhandledRejection', (error) => driver?.onStray(error));
process.on('uncaughtException', (error) => driver?.onStray(error));
