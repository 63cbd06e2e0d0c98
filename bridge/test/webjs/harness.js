/**
 * For the tests of the engine webjs: a sandbox in this process, and either the library in this process with
 * single hooks left out, or the engine with its child processes. One browser at a time.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startSandbox } from '../../sandbox/sandbox.js';
import { chromiumFlags, findChromium, killBrowsersOf } from '../../src/engines/webjs/browser.js';
import { createWebjsEngine } from '../../src/engines/webjs/engine.js';
import { hookedLibrary, pageScript } from '../../src/engines/webjs/hooks.js';
import { createLogger } from '../../src/log.js';
import { makePrivateDirectory } from '../../src/storage/files.js';
import { Record } from '../bridge/lib/wait.js';

// The Signal library of the sandbox prints whole sessions; nothing but results may reach the output.
for (const method of ['log', 'info', 'warn', 'error', 'debug']) {
  console[method] = () => {};
}

const library = createRequire(import.meta.url)('whatsapp-web.js');
const DEADLINE_MS = 30000;

const logger = createLogger(process.env.TEST_LOG ?? 'silent');
const chromium = await findChromium(process.env.BRIDGE_CHROMIUM ?? null);

let numbers = 0;

/** A sandbox that lives as long as the test file. */
export async function startWorld(t) {
  const dir = mkdtempSync(join(tmpdir(), 'mw-webjs-'));
  const sandbox = await startSandbox({ listen: '127.0.0.1:0', dataDir: join(dir, 'sandbox'), logger });
  const world = {
    dir,
    sandbox,
    web: sandbox.standIn,
    phone: (name = 'Phone') => {
      numbers += 1;
      return sandbox.phones.create(`+49151${String(20000000 + numbers)}`, name);
    },
  };
  t.after(async () => {
    await sandbox.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 3 });
  });
  return world;
}

/** The page misbehaves in this way until the test is over. */
export function misbehave(t, world, faults) {
  world.web.faults.set(faults);
  t.after(() => world.web.faults.clear());
}

/** The library itself in this process, with the hooks but those in `skip`. */
export function libraryClient(t, world, { dir = join(world.dir, randomUUID()), skip = [] } = {}) {
  const { Client, Auth } = hookedLibrary(library, skip);
  const client = new Client({
    authStrategy: new Auth({ dataPath: dir, clientId: 'profile' }),
    evalOnNewDoc: pageScript(skip),
    userAgent: chromium.userAgent,
    webVersionCache: { type: 'none' },
    puppeteer: { pipe: true, executablePath: chromium.path, headless: chromium.headless, args: chromiumFlags(world.web.describe()) },
  });
  client.dir = dir;
  client.told = new Record();
  for (const name of ['qr', 'authenticated', 'ready', 'disconnected', 'message', 'message_create']) {
    client.on(name, (value) => client.told.push({ name, value }));
  }
  client.until = (name, from = 0) => client.told.until((items) => items.slice(from).find((item) => item.name === name), name, DEADLINE_MS);
  client.count = (name) => client.told.items.filter((item) => item.name === name).length;
  /** Closes it, and waits until its browser is gone. */
  client.quit = async () => {
    await client.pupBrowser?.close().catch(() => {});
    await killBrowsersOf(join(dir, 'session-profile'));
  };
  /** Starts, shows a code to a phone, waits until it is ready. */
  client.link = async (phone) => {
    await client.initialize();
    await phone.scan((await client.until('qr')).value);
    await client.until('ready');
  };
  t.after(() => client.quit());
  return client;
}

/** An account of the engine; `connect()` starts a browser and gives a link with what it told. */
export async function openAccount(t, world, { times = {}, skip = [], webjs = {}, dir = join(world.dir, randomUUID()) } = {}) {
  const engine = await createWebjsEngine({
    waUrl: world.sandbox.socketUrl,
    logger,
    webjs: { chromium: chromium.path, ...webjs },
    times: { probeMs: 300, ...times },
    skipHooks: skip,
  });
  await makePrivateDirectory(dir);
  const account = await engine.openAccount({ id: randomUUID(), dir, master: randomBytes(32), logger });
  const inbound = new Record();
  account.receive(async ({ data }) => inbound.push(data));
  const links = [];
  const opened = {
    account,
    gate: engine.starts,
    inbound,
    profile: account.profile,
    connect({ pairingPhone = null } = {}) {
      const told = new Record();
      const tell = (name) => (value) => told.push({ name, ...value });
      const link = account.connect({
        pairingPhone,
        onQr: tell('qr'),
        onPairingCode: tell('pairing_code'),
        onOpen: tell('open'),
        onInterrupted: tell('interrupted'),
        onClose: tell('close'),
        onAck: tell('ack'),
        onReceipt: tell('receipt'),
        onActivity: () => {},
        onProfile: () => {},
      });
      link.told = told;
      link.until = (name, matches = () => true) =>
        told.until((items) => items.find((item) => item.name === name && matches(item)), () => `${name}, got ${JSON.stringify(told.items)}`, DEADLINE_MS);
      links.push(link);
      return link;
    },
    /** A link that a phone has scanned. */
    async link(phone) {
      const link = opened.connect();
      await phone.scan((await link.until('qr')).code);
      await link.until('open');
      return link;
    },
    /** Waits until no process is left. */
    gone: () => account.browserGone,
  };
  t.after(async () => {
    links.forEach((link) => link.end());
    await account.close();
  });
  return opened;
}

/** The processes of a browser's pages: its own one, and what Chromium keeps in reserve for the next. */
export function renderersOf(browserPid) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // A process made by the zygote has its words in one.
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
        const group = Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')[2]);
        return words.includes('--type=renderer') && group === browserPid;
      } catch {
        return false;
      }
    });
}

/** The parent of a process. */
export function parentOf(pid) {
  return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ')[1]);
}
