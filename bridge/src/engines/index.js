/**
 * The engines, and the small interface between them and the rest of the bridge.
 *
 * An engine opens accounts; an account is what a session keeps (credentials, keys); a link is one connection
 * of an account. Sessions own the life: when to connect, to wait, to give up. Engines never reconnect.
 *
 * @typedef {object} Engine
 * @property {string} name
 * @property {string} version
 * @property {string[]} capabilities what it can do; the API answers 501 for the rest
 * @property {number} mediaMaxBytes of one file, either way
 * @property {string|null} [unavailable] why it can't be used here
 * @property {(options: AccountOptions) => Promise<Account>} openAccount
 *
 * @typedef {object} AccountOptions
 * @property {string} id of the session
 * @property {string} dir of the session
 * @property {Buffer} master master key
 * @property {import('../storage/commit-log.js').CommitLog} [commits] for its durable files
 * @property {() => Promise<void>} eventsDurable resolves when all events so far are on disk
 * @property {import('../credentials/replicator.js').Replicator} [replicator] copies keys to the module
 * @property {boolean} take the session is wanted here, whichever bridge has it
 * @property {() => void} onMoved another bridge has the session now
 * @property {import('pino').Logger} logger
 *
 * @typedef {object} Account
 * @property {boolean} linked there are credentials of a phone
 * @property {() => {phone: string|null, pushName: string|null}} identity
 * @property {(onInbound: (message: {key: string, data: object, ref?: object}) => Promise<void>) => void} receive
 *           `ref` is what openMedia() needs; the promise resolves when the event is durable; called at once for what a crash cut off
 * @property {(content: {type: string, text?: string, media?: object}, link: Link) => Promise<Buffer>} encode a message as it is
 *           kept; of engines that can send a message again, its file is at WhatsApp then
 * @property {(ref: object, link: () => Link) => Promise<object>} [openMedia] the file of a received message: `stream`, `size`,
 *           `mimeType`, and `remove`, called when it was read; of engines with the capability inbound_media
 * @property {boolean} [held] this bridge holds the session
 * @property {() => Promise<void>} [hold] resolves when this bridge may connect; MovedError: another one has the session
 * @property {(handlers: LinkHandlers) => Link} connect
 * @property {boolean} settled nothing is on its way to the disk
 * @property {(options?: {hurry?: boolean}) => Promise<void>} flush
 * @property {() => Promise<void>} erase forgets the credentials
 * @property {() => Promise<void>} close
 *
 * @typedef {object} Link
 * @property {(message: {id: string, to: string, message: Buffer}) => Promise<void>} send resolves when it has left
 * @property {(phone: string) => Promise<string|null>} lookup
 * @property {(timeoutMs: number) => Promise<void>} unlink
 * @property {(ids: string[]) => Promise<void>} [outcomes] tells (onAck, onReceipt) what it knows of these messages;
 *           of engines without the capability caller_message_id
 * @property {() => void} end closes it; no handler is called any more
 *
 * @typedef {object} LinkHandlers
 * @property {string|null} pairingPhone link this number by a code that is typed on it; engines with the capability
 *           pairing_code
 * @property {(pairing: {code: string, expiresAt: string}) => void} onPairingCode
 * @property {(qr: {code: string, expiresAt: string}) => void} onQr
 * @property {(identity: object) => void} onPaired the phone has scanned; the connection will be restarted
 * @property {(identity: object) => void} onOpen
 * @property {(identity: object) => void} onProfile
 * @property {(limit: {restricted: boolean, until: string|null}) => void} onRestricted WhatsApp has limited the account
 * @property {() => void} onInterrupted it is trying to connect again by itself; onOpen or onClose follows
 * @property {(reason: {kind: 'network'|'restart'|'memory'|'logged_out'|'banned'|'replaced'|'incompatible'|'qr_timeout'|'pairing_refused', code?: any}) => void} onClose
 * @property {(ack: {id: string, error?: string, at: string}) => void} onAck
 * @property {(echo: {id: string, at: string}) => void} onEcho another device of the account got a copy of an own message
 * @property {(receipt: {id: string, chat: string, status: string, at: string}) => void} onReceipt
 * @property {() => void} onActivity
 * @property {(id: string) => Promise<Buffer|null>} loadMessage content of a message sent earlier
 * @property {(options?: {hurry?: boolean}) => Promise<void>|null} durable what must be on disk before anything is said to WhatsApp;
 *           null when it is
 */
import { Problem } from '../problems.js';
import { createBaileysEngine } from './baileys/engine.js';
import { createWebjsEngine } from './webjs/engine.js';

/** The engines there are, by name. */
export class Engines {
  #engines;

  /** @param {Engine[]} engines @param {string} defaultName */
  constructor(engines, defaultName) {
    this.#engines = new Map(engines.map((engine) => [engine.name, engine]));
    if (!this.#engines.has(defaultName)) {
      throw new Error(`BRIDGE_DEFAULT_ENGINE: there is no engine ${defaultName}`);
    }
    this.defaultName = defaultName;
  }

  /** @returns {Engine} */
  get(name = this.defaultName) {
    const engine = this.#engines.get(name);
    if (!engine) {
      throw new Problem('unknown_engine', `There is no engine "${name}"`);
    }
    if (engine.unavailable) {
      throw new Problem('not_supported', `The engine ${name} is not available: ${engine.unavailable}`);
    }
    return engine;
  }

  list() {
    const all = [...new Set([...this.#engines.values()].flatMap(({ capabilities }) => capabilities))];
    return [...this.#engines.values()].map(({ name, version, capabilities, mediaMaxBytes, unavailable = null }) => ({
      name,
      version,
      capabilities,
      media_max_bytes: mediaMaxBytes,
      lacks: all.filter((capability) => !capabilities.includes(capability)),
      available: unavailable === null,
      reason: unavailable,
    }));
  }
}

/** Loads every engine that is installed. */
export async function loadEngines({ waUrl, defaultEngine, webjs, mediaSource, logger }) {
  const engines = await Promise.all([createBaileysEngine({ waUrl, mediaSource, logger }), createWebjsEngine({ waUrl, webjs, mediaSource, logger })]);
  return new Engines(engines, defaultEngine);
}
