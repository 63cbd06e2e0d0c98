/**
 * For the sandbox's tests: a sandbox in a process of its own, and the unmodified Baileys client against it.
 * Every wait has a deadline and waits for an event; nothing sleeps.
 */
import { AsyncResource } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

// libsignal prints whole sessions, private keys included; tests must not.
for (const method of ['log', 'info', 'warn', 'error']) console[method] = () => {};

// Several clients in one process share libsignal's queue, which runs a job in the async context of whoever
// started the queue; Baileys keeps its transactions there and would lose writes.
const require = createRequire(import.meta.url);
const queueJob = require.resolve('libsignal/src/queue_job.js');
const original = require(queueJob);
require.cache[queueJob].exports = (bucket, job) => original(bucket, AsyncResource.bind(job));

// Baileys leaves a 30 s timer running after it has uploaded keys; it must not hold up the end of the tests.
const { setTimeout: realSetTimeout } = globalThis;
globalThis.setTimeout = (what, ms, ...args) => {
  const timer = realSetTimeout(what, ms, ...args);
  if (ms >= 25_000) timer.unref();
  return timer;
};

const baileys = await import('baileys');
const { default: makeWASocket, initAuthCreds, DEFAULT_CONNECTION_CONFIG } = baileys;
export { baileys };

const SERVER = fileURLToPath(new URL('../../sandbox/server.js', import.meta.url));
export const DEADLINE = 20_000;

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Rejects when `promise` takes too long. */
export function within(promise, what, ms = DEADLINE) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`too late: ${what}`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const dirs = [];
process.once('exit', () => dirs.forEach((dir) => rmSync(dir, { recursive: true, force: true, maxRetries: 5 })));

/** A directory that is gone when the tests are: whoever writes to it has ended by then. */
export function tempDir() {
  const dir = mkdtempSync(path.join(tmpdir(), 'wa-sandbox-'));
  dirs.push(dir);
  return dir;
}

/** A running sandbox and its JSON calls. */
export class SandboxProcess extends EventEmitter {
  constructor(dataDir) {
    super();
    this.setMaxListeners(100);
    this.dataDir = dataDir;
    this.lines = [];
    this.port = 0;
  }

  async start() {
    this.child = spawn(process.execPath, [SERVER], {
      env: { ...process.env, SANDBOX_LISTEN: this.listen ?? `127.0.0.1:${this.port}`, SANDBOX_DATA_DIR: this.dataDir, LOG_LEVEL: 'debug' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const up = new Promise((resolve, reject) => {
      createInterface({ input: this.child.stdout }).on('line', (line) => {
        this.lines.push(line);
        const { url } = JSON.parse(line);
        if (url) resolve(url);
      });
      this.child.once('exit', (code) => reject(new Error(`the sandbox ended with ${code}`)));
    });
    this.url = await within(up, 'the sandbox is up');
    this.port = Number(new URL(this.url).port);
    this.socketUrl = `${this.url.replace('http', 'ws')}/ws/chat`;
    this.events = this.#listen();
    return this;
  }

  /** Follows /events and emits them. */
  async #listen() {
    const response = await fetch(`${this.url}/events`);
    let buffer = '';
    (async () => {
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        buffer += chunk;
        const parts = buffer.split('\n\n');
        buffer = parts.pop();
        for (const part of parts) {
          const data = /^data: (.*)$/m.exec(part)?.[1];
          if (data && data !== '{}') this.emit('change', JSON.parse(data));
        }
      }
    })().catch(() => {});
    return true;
  }

  async call(method, url, body, headers = {}) {
    const response = await fetch(this.url + url, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, type: response.headers.get('content-type'), headers: response.headers, body: text ? JSON.parse(text) : undefined };
  }

  async ok(method, url, body) {
    const answer = await this.call(method, url, body);
    if (answer.status >= 300) throw new Error(`${method} ${url}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  phone(number, name = `Phone ${number.slice(-2)}`) {
    return this.ok('POST', '/phones', { number, name });
  }

  messages(phone) {
    return this.ok('GET', `/phones/${phone.id}/messages`);
  }

  /** Waits until a message of the phone satisfies `test`. */
  async message(phone, test, what = 'a message on the phone', ms = DEADLINE) {
    await this.events;
    return within(new Promise((resolve, reject) => {
      const check = (m) => {
        if (!test(m)) return;
        this.off('change', onChange);
        resolve(m);
      };
      const onChange = (e) => { if (e.type === 'message' && e.phone_id === phone.id) check(e.message); };
      this.on('change', onChange);
      this.messages(phone).then((list) => list.forEach(check), reject);
    }), what, ms);
  }

  /** As a power cut for the process. */
  async kill(signal = 'SIGKILL') {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill(signal);
    await gone;
  }
}

/** Starts a sandbox that ends with the test. */
export async function sandbox(t, dataDir = tempDir()) {
  const s = new SandboxProcess(dataDir);
  t.after(() => s.kill());
  return s.start();
}

/** Credentials and keys in memory. */
function memoryAuth() {
  const data = new Map();
  return {
    creds: initAuthCreds(),
    data,
    keys: {
      get: async (type, ids) => {
        const out = {};
        for (const id of ids) if (data.has(`${type}/${id}`)) out[id] = data.get(`${type}/${id}`);
        return out;
      },
      set: async (changes) => {
        for (const [type, entries] of Object.entries(changes)) {
          for (const [id, value] of Object.entries(entries)) {
            if (value === null || value === undefined) data.delete(`${type}/${id}`);
            else data.set(`${type}/${id}`, value);
          }
        }
      },
    },
  };
}

/**
 * Sends and receives on one Signal session under one lock. With the library's own two locks it loses
 * updates when both happen at once.
 */
const oneLock = (auth, logger, f) => DEFAULT_CONNECTION_CONFIG.makeSignalRepository({
  creds: auth.creds,
  keys: { ...auth.keys, transaction: (work, key) => auth.keys.transaction(work, auth.creds.me?.id ?? key) },
}, logger, f);

/** A linked device: Baileys as it is. */
export class Device extends EventEmitter {
  constructor(t, sandboxProcess, options = {}) {
    super();
    this.setMaxListeners(100);
    this.sandbox = sandboxProcess;
    this.options = options;
    this.auth = memoryAuth();
    this.received = [];
    this.statuses = new Map();
    this.acks = new Map();
    this.sent = new Map();
    t.after(() => this.end());
  }

  connect() {
    const sock = makeWASocket({
      waWebSocketUrl: this.sandbox.socketUrl, auth: this.auth, logger: silent, makeSignalRepository: oneLock,
      getMessage: async ({ id }) => this.sent.get(id), emitOwnEvents: false, ...this.options,
    });
    this.sock = sock;
    sock.ev.on('creds.update', (update) => {
      Object.assign(this.auth.creds, update);
      this.emit('creds');
      if (update.accountSyncCounter > 0) this.emit('synced');
    });
    sock.ev.on('connection.update', (update) => {
      if (sock !== this.sock) return;
      if (update.qr) this.emit('qr', update.qr);
      if (update.connection === 'close') {
        const code = update.lastDisconnect?.error?.output?.statusCode;
        if (code === 515) this.connect();
        else this.emit('closed', code);
      } else if (update.connection) {
        this.emit(update.connection);
      }
      if (update.receivedPendingNotifications) this.emit('ready');
    });
    sock.ev.on('messages.upsert', ({ messages, type }) => {
      for (const m of messages) {
        this.received.push({ ...m, upsert: type });
        this.emit('message', m, type);
      }
    });
    sock.ev.on('messages.update', (updates) => {
      for (const { key, update } of updates) {
        if (update.status === undefined) continue;
        this.statuses.set(key.id, Math.max(update.status, this.statuses.get(key.id) ?? 0));
        this.emit('status', key.id, update.status);
      }
    });
    sock.ws.on('CB:ack,class:message', ({ attrs }) => {
      this.acks.set(attrs.id, attrs);
      this.emit('ack', attrs.id, attrs);
    });
    return this;
  }

  /** The names of what it keeps of one kind. */
  keysOf(type) {
    return [...this.auth.data.keys()].filter((k) => k.startsWith(`${type}/`)).map((k) => k.slice(type.length + 1));
  }

  /** Waits for an event, with a deadline. */
  wait(event, test = () => true, ms = DEADLINE) {
    return within(new Promise((resolve) => {
      const on = (...args) => {
        if (!test(...args)) return;
        this.off(event, on);
        resolve(args);
      };
      this.on(event, on);
    }), event, ms);
  }

  /** Shows a code, has the phone scan it, and is set up. @returns the answer to the scan */
  async link(phone) {
    const qr = this.wait('qr');
    this.connect();
    const [code] = await qr;
    const open = this.wait('open');
    const synced = this.wait('synced');
    const answer = await this.sandbox.ok('POST', `/phones/${phone.id}/scan`, { qr: code });
    await open;
    await synced;
    return answer;
  }

  async reconnect() {
    const open = this.wait('open');
    const ready = this.wait('ready');
    this.connect();
    await open;
    await ready;
  }

  /** Sends a text and waits for the server's acknowledgement. @returns {Promise<string>} the id */
  async send(number, text, options = {}) {
    const id = options.messageId ?? `3EB0${Math.random().toString(16).slice(2).toUpperCase().padEnd(16, '0')}`;
    this.sent.set(id, { conversation: text });
    const ack = this.wait('ack', (i) => i === id);
    ack.catch(() => {});
    await this.sock.sendMessage(`${number.slice(1)}@s.whatsapp.net`, { text }, { ...options, messageId: id });
    await ack;
    return id;
  }

  /** Waits until the message has at least this status (3 delivered, 4 read). */
  async status(id, atLeast) {
    if ((this.statuses.get(id) ?? 0) >= atLeast) return;
    await this.wait('status', (i, s) => i === id && s >= atLeast);
  }

  /** Waits for a text. */
  async text(text) {
    const fits = (m) => (m.message?.conversation ?? m.message?.extendedTextMessage?.text) === text;
    const there = this.received.find(fits);
    if (there) return there;
    const [m] = await this.wait('message', fits);
    return m;
  }

  end() {
    const { sock } = this;
    this.sock = null;
    sock?.end(undefined);
  }
}

/** A linked device of that phone. */
export async function linked(t, sandboxProcess, phone, options) {
  const device = new Device(t, sandboxProcess, options);
  await device.link(phone);
  return device;
}
