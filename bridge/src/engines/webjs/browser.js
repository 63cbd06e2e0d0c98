/**
 * Chromium: where it is, how it is started, and how to be sure that it is gone.
 */
import { execFile } from 'node:child_process';
import { accessSync, constants, readFileSync, readdirSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const CANDIDATES = [
  '/usr/lib/chromium/chromium-headless-shell',
  '/usr/bin/chromium-headless-shell',
  '/usr/lib/chromium/chromium',
  '/usr/bin/chromium',
];

const VERSION_MS = 20000;
const GONE_STEP_MS = 20;
const GONE_STEPS = 250;

/** Nothing but the page: no updates, no sync, no second renderer, no crash reports. */
const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
  '--disable-dev-shm-usage',
  '--disable-breakpad',
  '--mute-audio',
  '--renderer-process-limit=1',
  '--disable-features=Translate,OptimizationHints,MediaRouter,SpareRendererForSitePerProcess,BackForwardCache',
];

const LOOPBACK_ADDRESS = /^(127(?:\.\d{1,3}){3}|\[::1\]):\d{1,5}$/;
const SPKI_HASH = /^[A-Za-z0-9+/]{43}=$/;

function runnable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {string|null} wanted path from the configuration
 * @returns {Promise<{path: string, headless: true|'shell', userAgent: string}>}
 * @throws {Error} says what is missing
 */
export async function findChromium(wanted) {
  const path = wanted ? [wanted].find(runnable) : CANDIDATES.find(runnable);
  if (!path) {
    throw new Error(wanted ? `BRIDGE_CHROMIUM: ${wanted} can't be run` : 'Chromium is not installed');
  }
  const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: VERSION_MS });
  const major = /(\d+)\.\d+\.\d+/.exec(stdout)?.[1];
  if (!major) {
    throw new Error(`${path} did not say which version of Chromium it is`);
  }
  return {
    path,
    headless: basename(path).includes('headless-shell') ? 'shell' : true,
    // The library's own says Chrome 101 on a Mac, the browser's says "Headless"; this one is true otherwise.
    userAgent: `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`,
  };
}

/**
 * Sends the page's hosts to the sandbox and every other host nowhere, and trusts the sandbox's key alone.
 * @param {{address: string, spki: string}} target
 */
function sandboxFlags({ address, spki }) {
  if (!LOOPBACK_ADDRESS.test(address) || !SPKI_HASH.test(spki)) {
    throw new Error('the sandbox named an address that is not loopback, or no key');
  }
  const rules = ['web.whatsapp.com', '*.whatsapp.net'].map((host) => `MAP ${host} ${address}`);
  return [
    `--host-resolver-rules=${[...rules, 'MAP * ~NOTFOUND', `EXCLUDE ${address.replace(/:\d+$/, '')}`].join(',')}`,
    `--ignore-certificate-errors-spki-list=${spki}`,
  ];
}

/**
 * @param {{address: string, spki: string}|null} target the sandbox; null for WhatsApp's own page
 * @returns {string[]}
 */
export function chromiumFlags(target) {
  // Chromium's own sandbox can't be had as root, nor in many containers. It is done without only as root, or where
  // the browser can reach nothing but the stand-in page.
  const bare = process.getuid?.() === 0 || target;
  return [...FLAGS, ...(bare ? ['--no-sandbox'] : []), ...(target ? sandboxFlags(target) : [])];
}

/** Asks the sandbox where its page is. `waUrl` exists in sandbox mode only, and is loopback. */
export async function sandboxTarget(waUrl) {
  const { host } = new URL(waUrl);
  const response = await fetch(`http://${host}/web`, { signal: AbortSignal.timeout(3000) });
  if (!response.ok) {
    throw new Error(`the sandbox answered ${response.status}`);
  }
  const { address, spki } = await response.json();
  return { address: String(address), spki: String(spki) };
}

/** Browsers that run on this profile, whoever started them. */
export function processesOf(profile) {
  const mark = `--user-data-dir=${profile}`;
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0');
        return words.includes(mark) && !words.some((word) => word.startsWith('--type='));
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** Kills a process and its group, if it leads one. */
export function killGroup(pid) {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // gone already
    }
  }
}

/**
 * Ends whatever browser runs on a profile: it would keep the next one from starting, or write into its files.
 * @returns {Promise<void>} when they are gone
 */
export async function killBrowsersOf(profile) {
  for (let step = 0; step < GONE_STEPS; step += 1) {
    const pids = processesOf(profile);
    if (!pids.length) {
      return;
    }
    pids.forEach(killGroup);
    await new Promise((resolve) => setTimeout(resolve, GONE_STEP_MS));
  }
}
