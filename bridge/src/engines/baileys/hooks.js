/**
 * Every run-time hook on Baileys and its libraries. No file under node_modules is edited.
 * Each cures a measured defect of 7.0.0-rc14 and has the test that fails without it (test/bridge/defects.test.js).
 */
import { AsyncResource } from 'node:async_hooks';
import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { SharedContext } from '../../one-context.js';

const CONSOLE_METHODS = ['debug', 'dir', 'error', 'info', 'log', 'trace', 'warn'];

/** An empty message, padded as WhatsApp pads: what a stanza decrypts to whose content was already taken. */
const NOTHING = Buffer.from([1]);

/**
 * libsignal prints whole sessions, private keys included, with console.info and console.warn. The bridge
 * itself logs through pino only, so the process's console is closed; what is called is counted by method.
 * @param {(method: string) => void} onCall
 */
export function silenceConsole(onCall) {
  for (const method of CONSOLE_METHODS) {
    console[method] = () => onCall(method);
  }
}

/**
 * Each socket of Baileys has an AsyncLocalStorage for its key transactions, and each of them, also of sockets that
 * are long gone, costs every promise of the process a step. What is imported from here on gets parts of a single
 * one. Must run before Baileys is imported.
 */
export function shareContexts() {
  createRequire(import.meta.url)('node:async_hooks').AsyncLocalStorage = SharedContext;
  syncBuiltinESMExports();
}

/** Baileys' own libsignal, wherever npm has put it. */
function requireLibsignal() {
  return createRequire(createRequire(import.meta.url).resolve('baileys'));
}

/**
 * libsignal queues jobs per remote address for the whole process and runs each in the async context of
 * whoever started the queue. Baileys keeps its key transaction in that context, so with two sessions and one
 * contact a session's ratchet was written into the other's finished transaction and lost.
 * Must run before libsignal is imported.
 */
export function keepAsyncContext() {
  const require = requireLibsignal();
  const path = require.resolve('libsignal/src/queue_job.js');
  const queueJob = require(path);
  require.cache[path].exports = (bucket, job) => queueJob(bucket, AsyncResource.bind(job));
}

/**
 * libsignal tries a message with one session after the other, and an attempt that fails has already stepped
 * that session's ratchet. When a later session fits, the record is stored with the earlier one broken: two
 * sides that start a session at the same time could no longer read each other. What failed is put back.
 * Must run before libsignal is imported.
 */
export function restoreFailedAttempts() {
  const require = requireLibsignal();
  const SessionCipher = require('libsignal/src/session_cipher.js');
  const { SessionError } = require('libsignal/src/errors.js');
  SessionCipher.prototype.decryptWithSessions = async function decryptWithSessions(data, sessions) {
    for (const session of sessions) {
      // With a single session a failed attempt is never stored.
      const before = sessions.length > 1 ? session.serialize() : null;
      try {
        const plaintext = await this.doDecryptWhisperMessage(data, session);
        session.indexInfo.used = Date.now();
        return { session, plaintext };
      } catch {
        if (before) {
          Object.assign(session, session.constructor.deserialize(before));
        }
      }
    }
    throw new SessionError('No matching sessions found for message');
  };
}

/**
 * Baileys locks a send on the own id and a decryption on the peer's, so both read, change and write one
 * Signal session at the same time. One lock per key store ends that.
 * @returns {string} the name of the lock to take
 */
export function lockName(creds, wanted) {
  return creds.me?.id ?? wanted;
}

/**
 * Holds each frame back until everything the session has decided so far is on disk: Baileys writes keys
 * after it has sent what was made with them, and its store may answer before the disk has. With the hook a
 * crash can lose what was decided but never what was said. Sockets are made with the option `durable`, which
 * returns null when nothing is on its way to the disk. Frames that are let go together leave together.
 */
export function gateFrames(WebSocketClient) {
  const send = WebSocketClient.prototype.send;
  WebSocketClient.prototype.send = function gatedSend(bytes, done) {
    const wait = this.config.durable?.({ hurry: !patience.getStore() }) ?? null;
    const release = () => {
      if (this.isOpen) {
        const stream = this.socket._socket;
        stream?.cork();
        send.call(this, bytes, done);
        process.nextTick(() => stream?.uncork());
      } else {
        done?.(new Error('Connection Closed'));
      }
    };
    if (!wait && !this.gateTail) {
      release();
      return true;
    }
    const tail = Promise.all([this.gateTail, wait]).then(release, (error) => done?.(error));
    this.gateTail = tail;
    void tail.then(() => {
      if (this.gateTail === tail) {
        this.gateTail = null;
      }
    });
    return true;
  };
}

const patience = new SharedContext();

/**
 * Each message is followed by receipts, each of which is acknowledged, and what it said has to be on the disk before:
 * an fsync and a frame more for each message. Nobody waits for them, so they go along with what comes next, or after a
 * moment. Those that were kept while the session was away are worked off one after the other, and do hurry.
 * @param {EventEmitter} ws Baileys' socket; its listeners go on in the context in which they are called
 */
export function letReceiptsWait(ws) {
  const emit = ws.emit;
  ws.emit = function emitPatiently(name, node, ...more) {
    return name === 'CB:receipt' && !node.attrs.offline
      ? patience.run(true, () => emit.call(this, name, node, ...more))
      : emit.call(this, name, node, ...more);
  };
}

/**
 * Baileys listens with async functions whose failure nobody catches: one socket's trouble would end the
 * process and all sessions with it. Emitters made inside `make` turn such a failure into their 'error' event.
 * @template T
 * @param {() => T} make
 * @returns {T}
 */
export function containRejections(make) {
  const before = EventEmitter.captureRejections;
  EventEmitter.captureRejections = true;
  try {
    return make();
  } finally {
    EventEmitter.captureRejections = before;
  }
}

/**
 * After a send Baileys notes in the background that the contact got a privacy token, still in the async context
 * of the send's transaction, which is over by then: the note was lost, and each message cost one query more.
 * What is written or read after the end goes to the store itself.
 * @param {object} keys the socket's key store with transactions
 * @param {{get: Function, set: Function}} store
 */
export function keepLateWrites(keys, store) {
  const { get, set, transaction } = keys;
  const scope = new SharedContext();
  const over = () => scope.getStore()?.over;
  keys.get = (type, ids) => (over() ? store.get(type, ids) : get(type, ids));
  keys.set = (data) => (over() ? store.set(data) : set(data));
  keys.transaction = async (work, name) => {
    if (over()) {
      // Baileys would take the transaction that is over for one to join, and never write.
      return work();
    }
    if (scope.getStore()) {
      return transaction(work, name);
    }
    const state = { over: false };
    try {
      return await transaction(() => scope.run(state, work), name);
    } finally {
      state.over = true;
    }
  };
}

/** Names a ciphertext in the inbox. */
export function ciphertextId(ciphertext) {
  return createHash('sha256').update(ciphertext).digest('base64url').slice(0, 24);
}

/**
 * Builds the Signal repository with these differences to Baileys' own:
 * - one lock per key store (lockName);
 * - keys changed by an encryption go to the store at once instead of after the stanza was sent;
 * - a decryption writes the ratchet and the plaintext together. WhatsApp gets its receipt before Baileys
 *   hands the message out, and a ratchet can't decrypt a second time, so without this a crash in between
 *   lost the message. A ciphertext that comes again is answered from the inbox.
 *
 * @param {object} options
 * @param {Function} options.makeRepository Baileys' own factory
 * @param {typeof lockName} options.lockName
 * @param {import('./store.js').SignalStore} options.store
 * @param {(ciphertext: Uint8Array) => object|undefined} options.stanzaOf
 * @param {(id: string, entry: object) => void} options.onPlaintext called when ratchet and plaintext are written
 */
export function repositoryFactory({ makeRepository, lockName: nameLock, store, stanzaOf, onPlaintext }) {
  const decrypting = new SharedContext();
  return (auth, logger, pnToLid) => {
    const transaction = (work, name) => auth.keys.transaction(work, nameLock(auth.creds, name));
    const keys = {
      ...auth.keys,
      transaction,
      set: async (data) => {
        await auth.keys.set(data);
        if (!decrypting.getStore()) {
          await store.set(data);
        }
      },
    };
    const repository = makeRepository({ creds: auth.creds, keys }, logger, pnToLid);

    const once = async (lock, ciphertext, decrypt) => {
      const id = ciphertextId(ciphertext);
      const known = store.inboxEntry(id);
      if (known) {
        if (!known.plain) {
          return NOTHING;
        }
        onPlaintext(id, known);
        return Buffer.from(known.plain, 'base64');
      }
      let entry;
      const plain = await decrypting.run(true, () =>
        transaction(async () => {
          const result = await decrypt();
          entry = { plain: Buffer.from(result).toString('base64'), attrs: stanzaOf(ciphertext)?.attrs, at: Date.now() };
          await auth.keys.set({ inbox: { [id]: entry } });
          return result;
        }, lock),
      );
      onPlaintext(id, entry);
      return plain;
    };

    return {
      ...repository,
      decryptMessage: (request) => once(request.jid, request.ciphertext, () => repository.decryptMessage(request)),
      decryptGroupMessage: (request) => once(request.group, request.msg, () => repository.decryptGroupMessage(request)),
    };
  };
}

/** What the engine installs. Tests take single ones out to show what they are for. */
export const hooks = {
  silenceConsole,
  shareContexts,
  keepAsyncContext,
  restoreFailedAttempts,
  gateFrames,
  letReceiptsWait,
  containRejections,
  keepLateWrites,
  lockName,
  repositoryFactory,
};
