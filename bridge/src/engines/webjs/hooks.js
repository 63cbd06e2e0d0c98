/**
 * Every run-time hook on whatsapp-web.js 1.34.7. No file under node_modules is edited.
 * Each cures a measured defect and has the test that fails without it (test/webjs/hooks.test.js).
 */

/** The hooks by name; a child can be told to leave single ones out, which only tests do. */
export const HOOKS = [
  'renamedKeys',
  'callerId',
  'singleInject',
  'singleAttach',
  'retryInject',
  'keepProfile',
  'lateReady',
  'idleCodes',
  'missedMessages',
  'refusedCode',
  'lostCode',
];

const INJECT_TRIES = 4;
const NAVIGATED = /Execution context was destroyed|Execution context is not available|Cannot find context|frame got detached/i;

/** States of a page that is connected and waits for a phone. */
export const UNPAIRED = new Set(['UNPAIRED', 'UNPAIRED_IDLE']);

/** How long the page may be synced without the library having noticed. */
const LATE_READY_MS = 1000;

/**
 * Runs in every new document, before the page's own scripts.
 * - renamedKeys: WhatsApp has renamed the property `_serialized` of message keys, without which the library
 *   finds no message (sends "fail" after they were sent). The new name is found by its value on a throw-away
 *   key, and keys get the old one as well.
 * - callerId: the library can't be given a message id. The page asks one function for a new id; for one send
 *   it answers the id that is wanted. Its outcome is checked: a message under another id is mapped.
 */
function pageHooks(skip) {
  if (window.top !== window) {
    return;
  }
  const bridge = { alias: null, ids: false, nextId: null, injected: false };
  Object.defineProperty(window, '__bridge', { value: bridge });

  const keepOldName = (MsgKey, createWid) => {
    const wid = createWid('10000000000@c.us');
    const text = 'true_10000000000@c.us_PROBE';
    const probe = new MsgKey({ from: wid, to: wid, id: 'PROBE', selfDir: 'out' });
    const alias = Object.getOwnPropertyNames(probe).find((name) => probe[name] === text);
    bridge.alias = alias ?? null;
    if (!alias || alias === '_serialized') {
      return;
    }
    const own = (value) => ({ value, writable: true, enumerable: true, configurable: true });
    Object.defineProperty(MsgKey.prototype, alias, {
      configurable: true,
      set(value) {
        Object.defineProperty(this, alias, own(value));
        Object.defineProperty(this, '_serialized', own(value));
      },
    });
    // For keys that were made before this ran.
    Object.defineProperty(MsgKey.prototype, '_serialized', {
      configurable: true,
      get() {
        return this[alias];
      },
    });
  };

  const giveIds = (MsgKey) => {
    const original = MsgKey.newId;
    const newId = function newId(...args) {
      const made = original.apply(this, args);
      const wanted = bridge.nextId;
      if (wanted === null) {
        return made;
      }
      bridge.nextId = null;
      return typeof made?.then === 'function' ? made.then(() => wanted) : wanted;
    };
    try {
      MsgKey.newId = newId;
    } catch {
      // Then the page's ids are used and mapped.
    }
    bridge.ids = MsgKey.newId === newId;
  };

  const patch = () => {
    let MsgKey;
    let createWid;
    try {
      MsgKey = window.require('WAWebMsgKey');
      ({ createWid } = window.require('WAWebWidFactory'));
    } catch {
      return false;
    }
    if (!skip.includes('renamedKeys')) {
      keepOldName(MsgKey, createWid);
    }
    if (!skip.includes('callerId')) {
      giveIds(MsgKey);
    }
    return true;
  };
  // The page loads its modules when it needs them.
  const timer = setInterval(() => patch() && clearInterval(timer), 5);
}

/** @returns {string} source for the library's option evalOnNewDoc */
export function pageScript(skip = []) {
  return `(${pageHooks})(${JSON.stringify(skip)})`;
}

/** True for the first who asks in a document. */
function takeDocument() {
  const first = !window.__bridge.injected;
  window.__bridge.injected = true;
  return first;
}

/**
 * The library's client and its authentication, with the hooks:
 * - singleInject: the library injects itself again for every frame that navigates, and then tells everything
 *   several times. One injection per document, one after the other.
 * - retryInject: a session that was logged out while the browser was away navigates in the middle of the
 *   injection, which fails the start. The new document gets its own.
 * - singleAttach: two "ready" at once attach all listeners twice, or fail.
 * - keepProfile: LocalAuth deletes the profile under the running browser at a logout; what is linked next in
 *   the same browser would be lost with it. The bridge deletes profiles when their browser is gone.
 * - refusedCode: the library asks for a code to type and does not wait; when WhatsApp gives none, nobody hears of it.
 */
export function hookedLibrary({ Client, LocalAuth }, skip = []) {
  const skips = new Set(skip);

  class BridgeAuth extends LocalAuth {
    async logout() {
      if (skips.has('keepProfile')) {
        await super.logout();
      }
    }

    async afterBrowserInitialized() {
      this.client.emit('browser');
    }
  }

  class BridgeClient extends Client {
    #injecting = Promise.resolve();
    #attaching = null;
    #started = false;

    async initialize() {
      await super.initialize();
      this.#started = true;
    }

    inject() {
      const run = skips.has('singleInject') ? this.#injectWithRetry() : this.#injecting.then(() => this.#injectWithRetry());
      this.#injecting = run.catch(() => {});
      if (!this.#started) {
        return run;
      }
      // The library's listener has nobody who would hear of a failure.
      return run.catch((error) => this.emit('inject_failed', error));
    }

    async #injectWithRetry() {
      for (let attempt = 1; ; attempt += 1) {
        try {
          if (skips.has('singleInject') || (await this.pupPage.evaluate(takeDocument))) {
            await super.inject();
          }
          return;
        } catch (error) {
          if (skips.has('retryInject') || attempt === INJECT_TRIES || !NAVIGATED.test(error?.message)) {
            throw error;
          }
        }
      }
    }

    async requestPairingCode(...asked) {
      try {
        await super.requestPairingCode(...asked);
        await this.pupPage.evaluate(watchCode);
      } catch (error) {
        if (skips.has('refusedCode')) {
          throw error;
        }
        // The new document asks again.
        if (!NAVIGATED.test(error?.message)) {
          this.emit('code_refused', error);
        }
      }
    }

    /** The code is dead: another one for the same number. */
    renewPairingCode() {
      const { phoneNumber, showNotification, intervalMs } = this.options.pairWithPhoneNumber;
      return this.requestPairingCode(phoneNumber, showNotification, intervalMs);
    }

    attachEventListeners() {
      if (skips.has('singleAttach')) {
        return super.attachEventListeners();
      }
      this.#attaching ??= super.attachEventListeners().finally(() => {
        this.#attaching = null;
      });
      return this.#attaching;
    }
  }

  return { Client: BridgeClient, Auth: BridgeAuth };
}

/** A code to type dies with the connection on which it was made; this remembers that it was lost. Runs in the page. */
function watchCode() {
  const watched = window.__bridge.codeLost !== undefined;
  window.__bridge.codeLost = false;
  if (!watched) {
    window.require('WAWebSocketModel').Socket.on('change:state', (socket, state) => {
      window.__bridge.codeLost ||= state === 'OPENING' || state === 'TIMEOUT';
    });
  }
}

/** What the page says about itself. Runs in the page. */
export function probe() {
  const answer = {
    origin: location.origin,
    version: window.Debug?.VERSION ?? null,
    ready: typeof window.WWebJS !== 'undefined',
    codeLost: window.__bridge?.codeLost ?? false,
  };
  try {
    const { state, hasSynced } = window.require('WAWebSocketModel').Socket;
    return { ...answer, state, hasSynced };
  } catch {
    return { ...answer, state: null, hasSynced: false };
  }
}

/**
 * Looks at what probe() said and does what the library forgets:
 * - lateReady: "synced" came before the library listened, and it never asks;
 * - idleCodes: codes have run out; the library would ask for new ones in Node instead of in the page. A code to type
 *   does not run out with those to scan, and new ones would end it;
 * - lostCode: the page has connected again, and the code to type is that of the connection before.
 */
export class Nudge {
  #client;
  #page;
  #skip;
  #syncedAt = null;

  constructor(client, skip = []) {
    this.#client = client;
    this.#page = client.pupPage;
    this.#skip = new Set(skip);
  }

  /** @returns {Promise<boolean>} whether new codes to scan were asked for */
  async after({ state, hasSynced, ready, codeLost }) {
    if (!hasSynced || ready) {
      this.#syncedAt = null;
    } else if (this.#syncedAt === null) {
      this.#syncedAt = Date.now();
    } else if (Date.now() - this.#syncedAt > LATE_READY_MS && !this.#skip.has('lateReady')) {
      this.#syncedAt = Date.now();
      await this.#page.evaluate(() => window.onAppStateHasSyncedEvent?.());
    }
    if (this.#client.options.pairWithPhoneNumber.phoneNumber) {
      if (codeLost && UNPAIRED.has(state) && !this.#skip.has('lostCode')) {
        await this.#client.renewPairingCode();
      }
      return false;
    }
    if (state === 'UNPAIRED_IDLE' && !this.#skip.has('idleCodes')) {
      await this.#page.evaluate(() => window.require('WAWebCmd').Cmd.refreshQR());
      return true;
    }
    return false;
  }
}

/** For the next message the page makes. @returns {Promise<boolean>} whether the page will use it */
export function wantId(page, id) {
  return page.evaluate((wanted) => {
    window.__bridge.nextId = window.__bridge.ids ? wanted : null;
    return window.__bridge.ids;
  }, id);
}

/** Takes the id back. @returns {Promise<boolean>} whether it was still unused: then no message was made */
export function takeIdBack(page, id) {
  return page.evaluate((wanted) => {
    const unused = window.__bridge.nextId === wanted;
    window.__bridge.nextId = null;
    return unused;
  }, id);
}

/**
 * missedMessages: what came while nobody listened (before "ready", and while the browser was away) is in the
 * page, but the library tells only what comes after. @returns {Promise<object[]>} the library's own models
 */
export function messagesSince(page, seconds) {
  return page.evaluate(
    (since) =>
      window
        .require('WAWebCollections')
        .Msg.getModelsArray()
        .filter((message) => !message.id.fromMe && message.t >= since && message.type !== 'ciphertext')
        .sort((a, b) => a.t - b.t)
        .map((message) => window.WWebJS.getMessageModel(message)),
    seconds,
  );
}

/** How far own messages have got, of those the page has. @returns {Promise<Array<{id: string, ack: number}>>} */
export function acksOf(page, ids) {
  return page.evaluate((wanted) => {
    const known = new Set(wanted);
    return window
      .require('WAWebCollections')
      .Msg.getModelsArray()
      .filter((message) => message.id.fromMe && known.has(message.id.id))
      .map((message) => ({ id: message.id.id, ack: message.ack }));
  }, ids);
}

/** The modules without which the library does not get ready or can't send. */
const MODULES = [
  'WAWebSocketModel', 'WAWebCmd', 'WAWebConnModel', 'WAWebOfflineHandler', 'WAWebAltDeviceLinkingApi', 'WABase64',
  'WAWebCompanionRegClientUtils', 'WAWebAdvSignatureApi', 'WAWebUserPrefsInfoStore', 'WAWebSignalStoreApi',
  'WAWebUserPrefsMultiDevice', 'WAWebCollections', 'WAWebUserPrefsMeUser', 'WAWebSyncGatingUtils', 'WAWebCallCollection',
  'WAWebWidFactory', 'WAWebFindChatAction', 'WAWebChatGetters', 'WALinkify', 'WAWebMsgKey',
  'WAWebGetEphemeralFieldsMsgActionsUtils', 'WAWebSendMsgChatAction', 'WAWebQueryExistsJob',
];

/** @returns {Promise<string[]>} modules that the page does not have */
export function missingModules(page) {
  return page.evaluate(
    (names) =>
      names.filter((name) => {
        try {
          return !window.require(name);
        } catch {
          return true;
        }
      }),
    MODULES,
  );
}
