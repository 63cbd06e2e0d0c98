/**
 * Stands in for https://web.whatsapp.com: serves the page over TLS on loopback and carries its JSON.
 * A page is either linking a device or is the face of a linked one (companion.js).
 */
import { readFileSync, readdirSync } from 'node:fs';
import { createServer } from 'node:https';
import { WebSocketServer } from 'ws';
import { listenAsBefore } from '../http/guard.js';
import { PageFaults } from './faults.js';
import { PageSession } from './session.js';

const PAGE_HOST = 'web.whatsapp.com';
const NAMES = { subject: PAGE_HOST, dns: [PAGE_HOST, '*.whatsapp.com', '*.whatsapp.net'] };
const PAGE_DIR = new URL('./page/', import.meta.url);
const MAX_FILE = 64 * 1024 * 1024;
const MAX_PAYLOAD = 8 * 1024 * 1024;
const TYPES = { html: 'text/html; charset=utf-8', js: 'text/javascript; charset=utf-8' };

/** What the page is told when a file was not carried. */
const fileStatus = (err) => (/answered (404|410)$/.test(err.message) ? 404 : 502);

function readPage() {
  const files = new Map();
  for (const name of readdirSync(PAGE_DIR)) {
    const type = TYPES[name.split('.').pop()];
    if (type) files.set(name, { type, body: readFileSync(new URL(name, PAGE_DIR), 'utf8') });
  }
  return files;
}

export class StandIn {
  #store;
  #server;
  #logger;
  #files = readPage();
  #sessions = new Set();
  #companions = new Map();
  #authority;
  #blobs;
  #certificate;
  #https;
  #wss;

  /** @param {{store: import('../lib/store.js').Store, server: import('../wa/server.js').WaServer, authority: object, logger: object}} options */
  constructor({ store, server, authority, files, logger }) {
    this.#blobs = files;
    this.#authority = authority;
    this.#store = store;
    this.#server = server;
    this.#logger = logger;
    this.faults = new PageFaults();
  }

  /** @param {string} listen `host:port`, loopback only */
  async start(listen) {
    // Nobody but a browser that was given the hash of its key trusts it.
    this.#certificate = this.#authority.issue('page', NAMES);
    const { key, cert } = this.#certificate;
    this.#https = createServer({ key, cert }, (request, response) => this.#onRequest(request, response));
    this.#wss = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD, perMessageDeflate: false });
    this.#https.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
    this.address = await listenAsBefore(this.#https, listen, this.#store, 'port');
  }

  /** What a browser must be told to come here, and to trust this key and no other. */
  describe() {
    return { host: PAGE_HOST, address: this.address, spki: this.#certificate.spki };
  }

  /** Pages that are open: what they show. */
  pages() {
    return [...this.#sessions].map((session) => session.describe());
  }

  /** Makes the open pages of a number (or all) go into a state of the real page. @returns {number} how many */
  push(state, number) {
    const hit = [...this.#sessions].filter((session) => !number || session.number === number);
    for (const session of hit) session.send({ t: 'state', state });
    return hit.length;
  }

  #onRequest(request, response) {
    const { pathname, searchParams } = new URL(request.url, `https://${PAGE_HOST}`);
    if (pathname === '/media' && request.headers.host === PAGE_HOST) {
      this.#onFile(request, response, searchParams).catch((err) => {
        this.#logger.info({ reason: err.message }, 'a page got no file');
        if (response.headersSent) response.destroy();
        else response.writeHead(fileStatus(err), { connection: 'close' }).end();
      });
      return;
    }
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const file = request.headers.host === PAGE_HOST ? this.#files.get(name) : undefined;
    if (!file) {
      response.writeHead(404).end();
      return;
    }
    // The page's faults travel inside it, so that they stand before its first line runs.
    const body = name === 'index.html' ? file.body.replace('"{{faults}}"', JSON.stringify(this.faults.get())) : file.body;
    response.writeHead(200, { 'content-type': file.type, 'cache-control': 'no-store' }).end(body);
  }

  /** The page's files: encrypted, and carried to and from the media hosts, by its device (companion.js). */
  async #onFile(request, response, fields) {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const companion = [...this.#companions.values()].find((c) => c.connected && c.record.token === token);
    if (!companion) {
      response.writeHead(401, { connection: 'close' }).end();
      return;
    }
    if (request.method === 'GET') {
      const bytes = await companion.getFile(fields.get('sha256'));
      response.writeHead(bytes ? 200 : 404, { 'content-type': 'application/octet-stream' }).end(bytes ?? undefined);
      return;
    }
    const chunks = [];
    let size = 0;
    for await (const chunk of request) {
      size += chunk.length;
      if (size > MAX_FILE) throw new Error('the file is too large');
      chunks.push(chunk);
    }
    const wire = await companion.putFile({
      type: fields.get('type'), bytes: Buffer.concat(chunks), mime_type: request.headers['content-type'], file_name: fields.get('name') ?? undefined,
    });
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ wire }));
  }

  #onUpgrade(request, socket, head) {
    socket.on('error', () => socket.destroy());
    if (request.headers.host !== PAGE_HOST || request.headers.origin !== `https://${PAGE_HOST}` || request.url !== '/ws/chat') {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#wss.handleUpgrade(request, socket, head, (ws) => {
      const session = new PageSession(ws, {
        store: this.#store, server: this.#server, files: this.#blobs, logger: this.#logger, companions: this.#companions,
      });
      this.#sessions.add(session);
      ws.on('close', () => this.#sessions.delete(session));
    });
  }

  async close() {
    for (const ws of this.#wss?.clients ?? []) ws.terminate();
    this.#wss?.close();
    this.#https?.closeAllConnections();
    await new Promise((resolve) => { this.#https ? this.#https.close(resolve) : resolve(); });
  }
}
