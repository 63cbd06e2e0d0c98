/**
 * WhatsApp's media hosts: files that devices have encrypted are put here under the hash of the ciphertext and
 * fetched by it. The server half never has their keys. HTTPS, as the clients know no other way.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:https';
import path from 'node:path';
import { Transform } from 'node:stream';
import { listenAsBefore } from '../http/guard.js';
import { Blobs } from '../lib/blobs.js';

const MIB = 1024 * 1024;
/** WhatsApp takes documents up to 2 GB; what tests need is less. */
const BOUNDS = { fileBytes: 256 * MIB, totalBytes: 1024 * MIB, keepMs: 30 * 24 * 60 * 60 * 1000 };

const UPLOAD = /^\/mms\/(image|video|document|audio)\/([0-9A-Za-z_-]{43})=?$/;
const DOWNLOAD = /^\/v\/([0-9A-Za-z_-]{43})\.enc$/;
const RANGE = /^bytes=(\d{1,15})-(\d{0,15})$/;

const LOOPBACK = { subject: 'localhost', dns: ['localhost'], ip: [[127, 0, 0, 1], [...Array(15).fill(0), 1]] };

/** Flips one bit in the middle: what a disk or a middle box may do to a file. */
function damage(size) {
  let at = 0;
  const victim = Math.floor(size / 2);
  return new Transform({
    transform(chunk, _, done) {
      if (at <= victim && victim < at + chunk.length) chunk[victim - at] ^= 1;
      at += chunk.length;
      done(null, chunk);
    },
  });
}

export class MediaServer {
  #blobs;
  #store;
  #auth;
  #logger;
  #https = null;

  /**
   * @param {{store: import('../lib/store.js').Store, dir: string, authority: import('../lib/tls.js').Authority,
   *   faults: import('./faults.js').Faults, logger: object}} options
   */
  constructor({ store, dir, authority, faults, logger }) {
    this.#store = store;
    this.#logger = logger;
    this.authority = authority;
    this.faults = faults;
    this.counts = { uploads: 0, downloads: 0, refused: 0 };
    this.#blobs = new Blobs(path.join(dir, 'media'), BOUNDS);
    this.#auth = store.get('media-auth');
    if (!this.#auth) {
      this.#auth = randomBytes(24).toString('base64url');
      store.put('media-auth', this.#auth);
    }
  }

  /** @param {string} listen `host:port`, loopback only */
  async start(listen) {
    const { key, cert } = this.authority.issue('media', LOOPBACK);
    this.#https = createServer({ key, cert }, (request, response) => {
      this.#onRequest(request, response).catch((err) => {
        this.#logger.info({ reason: err.message }, 'a file was not carried');
        response.destroy();
      });
    });
    this.address = await listenAsBefore(this.#https, listen, this.#store, 'media-port');
  }

  /** What a device is told: where to put files, and with which word. */
  describe() {
    return { auth: this.#auth, host: this.address, maxBytes: this.#blobs.fileBytes };
  }

  /** Loses every file it has. @returns {number} how many */
  forget() {
    const { size } = this.#blobs;
    this.#blobs.removeAll('');
    return size;
  }

  async #onRequest(request, response) {
    const { pathname, searchParams } = new URL(request.url, 'https://localhost');
    const answer = (status, body, headers = {}) => {
      if (status >= 400) this.counts.refused += 1;
      // A body nobody reads ends its connection.
      if (!request.complete) response.setHeader('connection', 'close');
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    };
    const fault = this.faults.get().media;
    if (fault?.down) {
      request.socket.destroy();
      return undefined;
    }
    const up = UPLOAD.exec(decodeURIComponent(pathname));
    if (up && request.method === 'POST') return this.#upload({ request, answer, name: up[2], auth: searchParams.get('auth'), fault });
    const down = DOWNLOAD.exec(pathname);
    if (down && request.method === 'GET') return this.#download({ request, response, answer, name: down[1], fault });
    return answer(404, { error: 'not found' });
  }

  async #upload({ request, answer, name, auth, fault }) {
    if (fault?.refuse) return answer(fault.refuse, { error: 'refused' });
    if (!this.#isAuth(auth)) return answer(401, { error: 'unauthorized' });
    if (Number(request.headers['content-length'] ?? 0) > this.#blobs.fileBytes) return answer(413, { error: 'too large' });
    const hash = createHash('sha256');
    const body = request.pipe(new Transform({
      transform(chunk, _, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    }));
    request.on('error', (err) => body.destroy(err));
    try {
      if (!(await this.#blobs.put(name, body, () => hash.digest('base64url') === name))) return answer(400, { error: 'not this hash' });
    } catch (err) {
      if (err.code === 'too_large') return answer(413, { error: 'too large' });
      throw err;
    }
    this.counts.uploads += 1;
    const direct = `/v/${name}.enc?mms3=true`;
    return answer(200, { url: `https://${this.address}${direct}`, direct_path: direct });
  }

  #isAuth(given) {
    const hash = (text) => createHash('sha256').update(text ?? '').digest();
    return timingSafeEqual(hash(given), hash(this.#auth));
  }

  #download({ request, response, answer, name, fault }) {
    const blob = this.#blobs.find(name);
    if (!blob || fault?.gone) return answer(blob ? 410 : 404, { error: 'gone' });
    const range = RANGE.exec(request.headers.range ?? '');
    const start = range ? Number(range[1]) : 0;
    const end = range?.[2] ? Math.min(Number(range[2]), blob.size - 1) : blob.size - 1;
    if (start > end) return answer(416, { error: 'no such range' }, { 'content-range': `bytes */${blob.size}` });
    this.counts.downloads += 1;
    response.writeHead(range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start + 1,
      'accept-ranges': 'bytes',
      ...(range ? { 'content-range': `bytes ${start}-${end}/${blob.size}` } : {}),
    });
    const file = createReadStream(blob.path, { start, end });
    file.on('error', () => response.destroy());
    response.on('close', () => file.destroy());
    (fault?.corrupt ? file.pipe(damage(end - start + 1)) : file).pipe(response);
    return undefined;
  }

  async close() {
    this.#blobs.close();
    this.#https?.closeAllConnections();
    await new Promise((resolve) => { this.#https ? this.#https.close(resolve) : resolve(); });
  }
}
