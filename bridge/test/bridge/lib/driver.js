/**
 * The engine and its sessions without HTTP, in a process of their own, with single hooks taken out. Forked by
 * defects.test.js; what it does is in the message it gets, what came of it in the message it sends.
 */
import { AsyncResource } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { createBaileysEngine } from '../../../src/engines/baileys/engine.js';
import { hooks as allHooks, lockName } from '../../../src/engines/baileys/hooks.js';
import { SignalStore } from '../../../src/engines/baileys/store.js';
import { Engines } from '../../../src/engines/index.js';
import { EventJournal } from '../../../src/events/journal.js';
import { createLogger } from '../../../src/log.js';
import { Registry } from '../../../src/sessions/registry.js';
import { DurableMap } from '../../../src/storage/durable-map.js';
import { eventually } from './wait.js';

/** What stands in a hook's place when it is taken out: what Baileys does by itself. */
const WITHOUT = {
  silenceConsole: () => {},
  shareContexts: () => {},
  keepAsyncContext: () => {},
  restoreFailedAttempts: () => {},
  gateFrames: () => {},
  keepLateWrites: () => {},
  lockName: (creds, wanted) => wanted,
  repositoryFactory: ({ makeRepository }) => (auth, logger, pnToLid) =>
    makeRepository(
      { creds: auth.creds, keys: { ...auth.keys, transaction: (work, name) => auth.keys.transaction(work, lockName(auth.creds, name)) } },
      logger,
      pnToLid,
    ),
};

const DISK_MS = 500;

/** A store whose disk is slow: what is applied is written a while later. */
async function slowStore(path, options) {
  const map = await DurableMap.open(path, options);
  let behind = Promise.resolve();
  let waiting = 0;
  const values = new Map(map.entries());
  return {
    get: (key) => values.get(key),
    entries: () => values.entries(),
    apply(changes) {
      for (const [key, value] of changes) {
        if (value === null) {
          values.delete(key);
        } else {
          values.set(key, value);
        }
      }
      waiting += 1;
      const due = Date.now() + DISK_MS;
      behind = behind
        .then(() => new Promise((resolve) => setTimeout(resolve, due - Date.now())))
        .then(() => {
          map.apply(changes);
          waiting -= 1;
        });
    },
    get settled() {
      return !waiting && map.settled;
    },
    async flush() {
      await behind;
      await map.flush();
    },
    erase: () => map.erase(),
    close: () => map.close(),
  };
}

/** The one file there is, for those who send one. */
const FILE = Buffer.from('the content of a file');
const MEDIA = { id: 'file', mime_type: 'text/plain', size: FILE.length, sha256: createHash('sha256').update(FILE).digest('hex') };
const mediaSource = {
  async *read() {
    yield FILE;
  },
};

/** Keys that take a moment to read and write, as with a store that is not in RAM. */
function slowKeys(ms) {
  const attach = SignalStore.prototype.attach;
  SignalStore.prototype.attach = function attachSlowly() {
    const view = attach.call(this);
    const { get, set } = view;
    const later = (action) => async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return action(...args);
    };
    return Object.assign(view, { get: later(get), set: later(set) });
  };
}

async function start({ socketUrl, dir, key, without = [], slowDisk = false, keysMs = 0, dieOn = null, silentMs }) {
  if (keysMs) {
    slowKeys(keysMs);
  }
  const hooks = { ...allHooks, ...Object.fromEntries(without.map((name) => [name, WITHOUT[name]])) };
  const contain = hooks.containRejections;
  hooks.containRejections = (make) => {
    socket = contain(make);
    socket.ws.on('CB:iq,type:result', () => {
      answers += 1;
    });
    return socket;
  };
  const master = Buffer.from(key, 'hex');
  const logger = createLogger('warn');
  const engine = await createBaileysEngine({ waUrl: socketUrl, logger, mediaSource, hooks, openStore: slowDisk ? slowStore : DurableMap.open, silentMs });
  const journal = await EventJournal.open(join(dir, 'events'), { master });
  const append = journal.append.bind(journal);
  journal.append = (event) => {
    if (event.type === dieOn) {
      process.kill(process.pid, 'SIGKILL');
    }
    process.send({ event: { type: event.type, data: event.data } });
    return append(event);
  };
  const registry = new Registry({ dir: join(dir, 'sessions'), master, engines: new Engines([engine], 'baileys'), journal, logger });
  await registry.load();
  registry.resume();
  return registry;
}

let registry;

/** The newest socket of the engine. */
let socket;

/** How many queries WhatsApp has answered. */
let answers = 0;

const commands = {
  start: async (options) => {
    registry = await start(options);
  },
  /** Starts a session; answers with its code. */
  qr: async ({ id }) => {
    const session = await registry.obtain(id);
    await session.start();
    return eventually(() => session.state().qr_code, 'a code');
  },
  connected: async ({ id }) => {
    await eventually(() => registry.get(id).status === 'connected', 'connected');
  },
  send: async ({ id, to, messages }) => {
    const session = registry.get(id);
    await Promise.all(messages.map((message) => session.send({ id: message, to, type: 'text', text: `text ${message}`, timeoutMs: 30000 })));
  },
  sendFile: ({ id, to, message }) => registry.get(id).send({ id: message, to, type: 'document', media: MEDIA, timeoutMs: 30000 }),
  /** As if a phone had said that it could not decrypt. */
  retry: ({ id, from }) => {
    const t = String(Math.floor(Date.now() / 1000));
    socket.ws.emit('CB:receipt', {
      tag: 'receipt',
      attrs: { id, from, type: 'retry', t },
      content: [{ tag: 'retry', attrs: { count: '1', id, t, v: '1' } }],
    });
  },
  answers: () => answers,
  /** How many stores a new promise gets a copy of; always 0 where Node keeps them in one frame. */
  contexts: () => Object.getOwnPropertySymbols(new AsyncResource('probe')).filter(({ description }) => description === 'kResourceStore').length,
  settle: () => registry.flush(),
  die: () => process.kill(process.pid, 'SIGKILL'),
};

process.on('message', async ({ call, command, options }) => {
  try {
    process.send({ call, result: (await commands[command](options)) ?? null });
  } catch (error) {
    process.send({ call, error: error.stack });
  }
});
