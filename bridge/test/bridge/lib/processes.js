/**
 * The sandbox, the bridge and a stand-in for the module, for tests. Everything on loopback, in its own directory.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CredentialsTable } from './credentials.js';
import { eventually, Record } from './wait.js';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

const endings = new WeakMap();

/** Runs at the end of the test, what came last first. */
export function atEnd(t, action) {
  if (!endings.has(t)) {
    const actions = [];
    endings.set(t, actions);
    t.after(async () => {
      while (actions.length) {
        await actions.pop()();
      }
    });
  }
  endings.get(t).push(action);
}

/** A temporary directory that goes with the test. */
export function temporaryDirectory(t) {
  const dir = mkdtempSync(join(tmpdir(), 'mw-bridge-'));
  atEnd(t, () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function call(url, method, path, body, headers = {}) {
  const response = await fetch(url + path, {
    method,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
}

/** A child process whose output is JSON lines. */
class Child {
  constructor(file, env) {
    this.lines = new Record();
    this.text = '';
    this.process = spawn(process.execPath, [join(ROOT, file)], { env: { PATH: process.env.PATH, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.exited = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve({ code, signal })));
    for (const stream of [this.process.stdout, this.process.stderr]) {
      let rest = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk) => {
        this.text += chunk;
        const parts = (rest + chunk).split('\n');
        rest = parts.pop();
        this.lines.push(...parts.map(parse));
      });
    }
  }

  kill(signal) {
    this.process.kill(signal);
    return this.exited;
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return { raw: line };
  }
}

/** Starts the sandbox; `phone()` makes a phone and gives back what a person can do with it. */
export async function startSandbox(t) {
  const dir = temporaryDirectory(t);
  const child = new Child('sandbox/server.js', { SANDBOX_LISTEN: '127.0.0.1:0', SANDBOX_DATA_DIR: dir, LOG_LEVEL: 'info' });
  atEnd(t, () => child.kill('SIGKILL'));
  const up = await child.lines.until((lines) => lines.find(({ socket }) => socket), `the sandbox is up: ${child.text}`);
  const sandbox = {
    url: up.url,
    socketUrl: up.socket,
    /** What a bridge must trust to carry files. */
    authority: join(dir, 'ca.pem'),
    call: async (method, path, body) => {
      const answer = await call(up.url, method, path, body);
      if (answer.status >= 400) {
        throw new Error(`sandbox ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      return answer.body;
    },
    stats: () => sandbox.call('GET', '/stats'),
    faults: (changes) => sandbox.call('POST', '/faults', changes),
    log: () => sandbox.call('GET', '/log'),
    phone: async (number, name = `Phone ${number}`) => {
      const { id } = await sandbox.call('POST', '/phones', { number, name });
      const phone = {
        id,
        number,
        jid: `${number.slice(1)}@s.whatsapp.net`,
        scan: (qr) => sandbox.call('POST', `/phones/${id}/scan`, { qr }),
        send: (to, text, quote) => sandbox.call('POST', `/phones/${id}/send`, { to, text, quote }),
        sendFile: async (to, bytes, mimeType, fields) => {
          const query = new URLSearchParams({ to, ...fields });
          const response = await fetch(`${up.url}/phones/${id}/files?${query}`, { method: 'POST', headers: { 'content-type': mimeType }, body: bytes });
          if (response.status !== 201) {
            throw new Error(`sandbox files: ${response.status} ${await response.text()}`);
          }
          return response.json();
        },
        /** The file of a message, when it has been fetched. */
        file: async (messageId) => {
          await eventually(async () => (await phone.messages()).some((m) => m.id === messageId && m.media?.state === 'ready'), 'the file is there');
          return Buffer.from(await (await fetch(`${up.url}/phones/${id}/messages/${messageId}/file`)).arrayBuffer());
        },
        react: (message, emoji) => sandbox.call('POST', `/phones/${id}/react`, { message_id: message, emoji }),
        edit: (message, text) => sandbox.call('POST', `/phones/${id}/edit`, { message_id: message, text }),
        remove: (message) => sandbox.call('POST', `/phones/${id}/delete`, { message_id: message }),
        messages: () => sandbox.call('GET', `/phones/${id}/messages`),
        read: (messageId) => sandbox.call('POST', `/phones/${id}/read`, { message_id: messageId }),
        online: (online) => sandbox.call('POST', `/phones/${id}/online`, { online }),
        unlink: () => sandbox.call('POST', `/phones/${id}/unlink`),
        drop: () => sandbox.call('POST', `/phones/${id}/drop`),
        received: async () => (await phone.messages()).filter(({ direction }) => direction === 'in'),
        /** Waits until so many messages have come in. */
        gets: (count, deadlineMs) =>
          eventually(async () => {
            const received = await phone.received();
            return received.length >= count && received;
          }, `${count} messages on ${number}`, deadlineMs),
      };
      return phone;
    },
  };
  return sandbox;
}

/** Stands in for the module: takes events, can be down. */
export async function startModule(t) {
  const module = { files: new Map(), fileAnswer: null, credentials: new CredentialsTable(), events: new Record(), batches: new Record(), seen: 0, down: false, secret: randomBytes(16).toString('hex') };
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      if (module.down) {
        response.writeHead(503).end();
        return;
      }
      if (request.headers.authorization !== `Bearer ${module.secret}`) {
        response.writeHead(401).end();
        return;
      }
      if (request.url.includes('/media/')) {
        const file = module.files.get(request.url.split('/').at(-1));
        if (module.fileAnswer || !file) {
          response.writeHead(module.fileAnswer ?? 404).end();
          return;
        }
        response.writeHead(200, { 'content-type': file.mime_type, 'content-length': file.bytes.length }).end(file.bytes);
        return;
      }
      if (request.url.includes('/credentials')) {
        const { status, answer } = module.credentials.answer(request.url, JSON.parse(body));
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
        return;
      }
      const batch = JSON.parse(body);
      module.batches.push(batch);
      const fresh = batch.events.filter(({ seq }) => seq > module.seen);
      module.seen = batch.events.at(-1)?.seq ?? module.seen;
      module.events.push(...fresh);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ acked: module.seen }));
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    server.closeAllConnections();
    server.close();
  });
  module.url = `http://127.0.0.1:${server.address().port}/internal/v1`;
  /** Has a file that can be sent; gives its description. */
  module.file = (bytes, mimeType, more = {}) => {
    const id = randomUUID();
    module.files.set(id, { bytes, mime_type: mimeType });
    return { id, mime_type: mimeType, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex'), ...more };
  };
  /** Waits for an event after the `from`th. */
  module.event = (type, matches = () => true, { from = 0, deadlineMs } = {}) =>
    module.events.until(
      (events) => events.slice(from).find((event) => event.type === type && matches(event.data, event)),
      `event ${type} ${matches}`,
      deadlineMs,
    );
  module.status = (status, options) => module.event('session.status', (data) => data.status === status, options);
  return module;
}

/** A bridge that can be killed and started again on the same directory. */
export async function startBridge(t, { sandbox, module, env = {} }) {
  const dir = temporaryDirectory(t);
  const secret = randomBytes(16).toString('hex');
  const file = (name, content) => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const environment = {
    BRIDGE_LISTEN: '127.0.0.1:0',
    BRIDGE_WA_URL: sandbox?.socketUrl ?? 'ws://127.0.0.1:1/ws/chat',
    BRIDGE_SECRET_FILE: file('secret', secret),
    BRIDGE_INTERNAL_URL: module.url,
    BRIDGE_INTERNAL_SECRET_FILE: file('events-secret', module.secret),
    BRIDGE_MASTER_KEY_FILE: file('master-key', randomBytes(32).toString('hex')),
    BRIDGE_DATA_DIR: join(dir, 'data'),
    BRIDGE_KEYS: 'local',
    LOG_LEVEL: 'debug',
    ...(sandbox ? { NODE_EXTRA_CA_CERTS: sandbox.authority } : {}),
    ...env,
  };
  const bridge = {
    dataDir: environment.BRIDGE_DATA_DIR,
    secret,
    masterKeyFile: environment.BRIDGE_MASTER_KEY_FILE,
    output: '',
    child: null,
    async start() {
      bridge.child = new Child('src/server.js', environment);
      const { child } = bridge;
      const up = await child.lines
        .until((lines) => lines.find(({ msg }) => msg === 'listening'), 'the bridge is up')
        .catch((error) => {
          throw new Error(`${error.message}: ${child.text}`);
        });
      bridge.url = `http://127.0.0.1:${up.port}`;
    },
    async kill(signal = 'SIGKILL') {
      const result = await bridge.child.kill(signal);
      bridge.output += bridge.child.text;
      return result;
    },
    call: (method, path, body, headers) => call(bridge.url, method, path, body, { authorization: `Bearer ${secret}`, ...headers }),
    state: async (id) => (await bridge.call('GET', `/v1/sessions/${id}`)).body,
    /** The file of a received message. */
    fetchFile: async (session, message, chat) => {
      const query = chat ? `?chat=${encodeURIComponent(chat)}` : '';
      const response = await fetch(`${bridge.url}/v1/sessions/${session}/media/${message}${query}`, { headers: { authorization: `Bearer ${secret}` } });
      return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) };
    },
    send: (session, message) => bridge.call('POST', `/v1/sessions/${session}/messages`, { type: 'text', timeout_ms: 10000, ...message }),
    /** Makes a session and links a phone to it. */
    async link(phone, id = randomUUID()) {
      const from = module.events.items.length;
      await bridge.call('PUT', `/v1/sessions/${id}`);
      const mine = (data, event) => event.session === id;
      const qr = await module.event('session.qr', mine, { from });
      await phone.scan(qr.data.qr_code);
      await module.event('session.status', (data, event) => mine(data, event) && data.status === 'connected', { from });
      return id;
    },
    connected: (id, from) => module.event('session.status', (data) => data.id === id && data.status === 'connected', { from }),
  };
  atEnd(t, () => bridge.child?.kill('SIGKILL'));
  await bridge.start();
  return bridge;
}

/** Ids as the module mints them. */
export function messageId() {
  return `3EB0${randomBytes(9).toString('hex').toUpperCase()}`;
}
