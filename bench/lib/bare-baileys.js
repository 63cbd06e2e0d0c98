/**
 * Baileys alone, in a process of its own: devices that each send one text after the other to each recipient,
 * until the server has acknowledged it. Its keys are as safe as the bridge's: what a message changed is on the disk before it leaves.
 *
 * IPC: {link: n} makes devices, each tells its {qr}; {run: ms, to: [jid, …]} sends for so long and tells {sent, p50}.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hooks } from '../../bridge/src/engines/baileys/hooks.js';
import { SignalStore } from '../../bridge/src/engines/baileys/store.js';
import { DurableMap } from '../../bridge/src/storage/durable-map.js';
import { median } from './report.js';

const DEADLINE_MS = 30_000;
// Its library prints keys, and its queue loses the context of all devices but one: without these two no figure.
hooks.silenceConsole(() => {});
hooks.keepAsyncContext();
const baileys = await import('../../bridge/node_modules/baileys/lib/index.js');

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const dir = mkdtempSync(join(tmpdir(), 'wa-bench-'));
const master = randomBytes(32);
const devices = [];

class Device {
  #waiting = new Map();

  async open(number) {
    this.map = await DurableMap.open(join(dir, `${number}.log`), { master, name: `bench ${number}` });
    this.store = new SignalStore(this.map, baileys);
    this.creds = this.store.readCreds();
    await new Promise((resolve) => this.#connect(resolve));
  }

  #connect(linked) {
    const view = this.store.attach();
    const keys = {
      get: view.get,
      set: async (data) => {
        await view.set(data);
        await this.map.flush();
      },
    };
    this.sock = baileys.makeWASocket({
      waWebSocketUrl: process.env.WA_BENCH_SOCKET,
      auth: { creds: this.creds, keys },
      logger: silent,
      emitOwnEvents: false,
      // Sending and receiving under one lock; by two it would lose a ratchet's step now and then.
      makeSignalRepository: (auth, logger, find) =>
        baileys.DEFAULT_CONNECTION_CONFIG.makeSignalRepository(
          {
            creds: auth.creds,
            keys: { ...auth.keys, transaction: (work, key) => auth.keys.transaction(work, auth.creds.me?.id ?? key) },
          },
          logger,
          find,
        ),
    });
    this.sock.ev.on('creds.update', (update) => {
      Object.assign(this.creds, update);
      view.writeCreds(this.creds);
    });
    this.sock.ev.on('connection.update', ({ qr, connection, lastDisconnect }) => {
      if (qr) {
        process.send({ qr });
      }
      if (connection === 'open') {
        linked();
      }
      if (connection === 'close' && lastDisconnect?.error?.output?.statusCode === baileys.DisconnectReason.restartRequired) {
        this.#connect(linked);
      }
    });
    this.sock.ws.on('CB:ack,class:message', ({ attrs }) => this.#waiting.get(attrs.id)?.());
  }

  async send(to, text) {
    const messageId = baileys.generateMessageIDV2();
    const acknowledged = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no acknowledgement')), DEADLINE_MS);
      this.#waiting.set(messageId, () => {
        clearTimeout(timer);
        resolve();
      });
    });
    await this.sock.sendMessage(to, { text }, { messageId });
    await acknowledged;
    this.#waiting.delete(messageId);
  }
}

async function run(ms, to) {
  const times = [];
  const end = performance.now() + ms;
  const loops = devices.flatMap((device) => to.map((jid) => ({ device, jid })));
  await Promise.all(
    loops.map(async ({ device, jid }) => {
      while (performance.now() < end) {
        const from = performance.now();
        await device.send(jid, `A text of a usual length, to be sent to somebody; number ${times.length}`);
        times.push(performance.now() - from);
      }
    }),
  );
  return { sent: times.length, p50: median(times) };
}

process.on('message', async ({ link, run: ms, to }) => {
  if (link) {
    const device = new Device();
    await device.open(link);
    devices.push(device);
    process.send({ linked: devices.length });
  } else {
    process.send(await run(ms, to));
  }
});
process.once('disconnect', () => process.exit());
process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
