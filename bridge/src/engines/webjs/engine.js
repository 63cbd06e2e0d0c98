/**
 * The engine "webjs": whatsapp-web.js in a Chromium of its own per session, each with a process of its own.
 */
import { createRequire } from 'node:module';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Problem } from '../../problems.js';
import { Gate } from '../../sessions/backoff.js';
import { DurableMap } from '../../storage/durable-map.js';
import { findChromium } from './browser.js';
import { Link, TIMES } from './link.js';
import { WebjsMedia } from './media.js';
import { describeChange, describeInbound } from './messages.js';

/** The hooks are made for this version. */
const VERSION = '1.34.7';

const CAPABILITIES = [
  'qr', 'pairing_code', 'text', 'image', 'document', 'video', 'audio', 'voice', 'receipts', 'inbound', 'inbound_media', 'contact_check',
];
/** A browser's connection breaks on what is not much larger. */
const MEDIA_MAX_BYTES = 50 * 1024 * 1024;

/** Browsers that may start at the same time: a start is what costs. */
const STARTS_AT_ONCE = 2;
/** Files under way at a time, in all sessions: each is in memory as a whole, several times. */
const FILES_AT_ONCE = 2;

const IDENTITY = 'identity';
const SINCE = 'since';
const TOLD = 'told\0';
const MAPPED = 'mapped\0';

/** Messages can come late and out of order by this much; so far back is looked, and remembered. */
const MARGIN_S = 600;
const KEEP_MAPPED_MS = 48 * 60 * 60 * 1000;
const PRUNE_EVERY = 500;

/** What a session keeps: the browser's profile, who it is, what was told. */
export class WebjsAccount {
  #map;
  #context;
  #options;
  #onInbound = null;
  #told = new Map();
  #idOf = new Map();
  #waIdOf = new Map();
  #since = null;
  #sincePrune = 0;

  constructor({ map, context, options }) {
    this.#map = map;
    this.#context = context;
    this.#options = options;
    this.dir = options.dir;
    this.media = options.media;
    this.profile = join(options.dir, 'session-profile');
    /** Resolves when the last browser on the profile is gone. */
    this.browserGone = Promise.resolve();
    this.#read();
  }

  #read() {
    this.#since = Number(this.#map.get(SINCE) ?? 0) || null;
    for (const [key, value] of this.#map.entries()) {
      if (key.startsWith(TOLD)) {
        this.#told.set(key.slice(TOLD.length), Number(value));
      } else if (key.startsWith(MAPPED)) {
        this.#index(key.slice(MAPPED.length), JSON.parse(value).id);
      }
    }
  }

  get linked() {
    return this.#map.get(IDENTITY) !== undefined;
  }

  identity() {
    const text = this.#map.get(IDENTITY);
    return text ? JSON.parse(text) : { phone: null, pushName: null };
  }

  /** Who the page says it is; from its first word on, messages count. */
  remember(identity) {
    const changes = [[IDENTITY, JSON.stringify(identity)]];
    if (this.#since === null) {
      this.#since = Math.floor(Date.now() / 1000);
      changes.push([SINCE, String(this.#since)]);
    }
    this.#map.apply(changes);
  }

  /** Seconds since 1970 from which on messages may not have been told. */
  get since() {
    return this.#since;
  }

  receive(onInbound) {
    this.#onInbound = onInbound;
  }

  /** A message, told by the library or found in the page; the same may come twice. */
  onMessage(message) {
    this.#tell(describeInbound(message));
  }

  /** Someone changed a message. */
  onChange(change) {
    this.#tell(describeChange(change));
  }

  #tell(described) {
    if (!described || this.#told.has(described.key)) {
      return;
    }
    const { key, seconds, data, ref } = described;
    this.#told.set(key, seconds);
    this.#onInbound({ key, data, ref })
      .then(() => this.#settle(key, seconds))
      .catch((error) => this.#options.logger.error({ err: error }, 'inbox'));
  }

  #settle(key, seconds) {
    const changes = [[TOLD + key, String(seconds)]];
    if (seconds - MARGIN_S > this.#since) {
      this.#since = seconds - MARGIN_S;
      changes.push([SINCE, String(this.#since)]);
    }
    this.#sincePrune += 1;
    if (this.#sincePrune >= PRUNE_EVERY) {
      this.#sincePrune = 0;
      changes.push(...this.#old());
    }
    this.#map.apply(changes);
  }

  /** What can't be found in the page again. */
  *#old() {
    for (const [key, seconds] of this.#told) {
      if (seconds < this.#since - MARGIN_S) {
        this.#told.delete(key);
        yield [TOLD + key, null];
      }
    }
    for (const [waId, id] of this.#idOf) {
      if (Date.now() - JSON.parse(this.#map.get(MAPPED + waId)).at > KEEP_MAPPED_MS) {
        this.#idOf.delete(waId);
        this.#waIdOf.delete(id);
        yield [MAPPED + waId, null];
      }
    }
  }

  #index(waId, id) {
    this.#idOf.set(waId, id);
    this.#waIdOf.set(id, waId);
  }

  /** The page gave a message another id than the caller. */
  map(waId, id) {
    if (this.#idOf.get(waId) !== id) {
      this.#index(waId, id);
      this.#map.apply([[MAPPED + waId, JSON.stringify({ id, at: Date.now() })]]);
    }
  }

  /** @returns {string} the caller's id */
  idOf(waId) {
    return this.#idOf.get(waId) ?? waId;
  }

  /** @returns {string} the page's id */
  waIdOf(id) {
    return this.#waIdOf.get(id) ?? id;
  }

  async encode({ type, text, media }) {
    return Buffer.from(JSON.stringify({ type, text, media }));
  }

  /** The file of a received message; the page fetches it. */
  async openMedia(ref, link) {
    if (ref.size > MEDIA_MAX_BYTES) {
      throw new Problem('media_too_large', `The engine webjs carries files of at most ${MEDIA_MAX_BYTES} bytes`);
    }
    return this.media.open(ref, link());
  }

  /** @returns {Link} */
  connect(handlers) {
    return new Link({ context: this.#context, account: this, handlers, logger: this.#options.logger });
  }

  get settled() {
    return this.#map.settled;
  }

  flush(options) {
    return this.#map.flush(options);
  }

  async erase() {
    await this.browserGone;
    await rm(this.profile, { recursive: true, force: true, maxRetries: 3 });
    await this.#map.erase();
    this.#told.clear();
    this.#idOf.clear();
    this.#waIdOf.clear();
    this.#since = null;
  }

  async close() {
    await this.browserGone;
    await this.#map.close();
  }
}

/** @returns {string} the installed version @throws {Error} says what is wrong */
function installedVersion() {
  let version;
  try {
    ({ version } = createRequire(import.meta.url)('whatsapp-web.js/package.json'));
  } catch {
    throw new Error('the npm package whatsapp-web.js is not installed');
  }
  if (version !== VERSION) {
    throw new Error(`whatsapp-web.js ${VERSION} is needed, ${version} is installed`);
  }
  return version;
}

/**
 * @param {object} options
 * @param {string|null} options.waUrl the sandbox's socket; null for WhatsApp's own page
 * @param {import('pino').Logger} options.logger
 * @param {import('../../media/source.js').MediaSource} [options.mediaSource] where files to send come from
 * @param {{chromium?: string|null, webVersion?: string|null, webVersionDir?: string|null}} [options.webjs]
 * @param {Partial<typeof TIMES>} [options.times]
 * @param {string[]} [options.skipHooks] for tests
 * @returns {Promise<import('../index.js').Engine>}
 */
export async function createWebjsEngine({ waUrl, logger, mediaSource, webjs = {}, times = {}, skipHooks = [] }) {
  const { chromium = null, webVersion = null, webVersionDir = null, maxMemory = null } = webjs;
  const starts = new Gate(STARTS_AT_ONCE);
  const gate = new Gate(FILES_AT_ONCE);
  const engine = { name: 'webjs', version: VERSION, capabilities: CAPABILITIES, mediaMaxBytes: MEDIA_MAX_BYTES, unavailable: null, starts };
  const context = { waUrl, maxMemory, webVersion, webVersionDir, skipHooks, times: { ...TIMES, ...times }, gate: starts };
  try {
    installedVersion();
    context.chromium = await findChromium(chromium);
    logger.info({ chromium: context.chromium.path }, 'engine webjs');
  } catch (error) {
    engine.unavailable = error.message;
    logger.info({ reason: error.message }, 'engine webjs is not available');
  }
  engine.openAccount = async ({ id, dir, master, commits, logger: sessionLogger }) => {
    const onError = (error) => sessionLogger.error({ err: error }, 'the account could not be written, will be repeated');
    const map = await DurableMap.open(join(dir, 'webjs.log'), { master, commits, name: `session ${id} webjs`, onError });
    const media = new WebjsMedia({ dir, source: mediaSource, gate });
    return new WebjsAccount({ map, context, options: { dir, media, logger: sessionLogger } });
  };
  return engine;
}
