/**
 * The environment, read and checked once. A bridge with a doubtful setting doesn't start.
 */
import { readFileSync } from 'node:fs';

const LOOPBACK = /^(127(?:\.\d{1,3}){3}|localhost|\[::1\])$/;
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const MIN_SECRET = 16;
const WEB_VERSION = /^\d+(\.\d+){1,3}(-[a-z]+)?$/;

/** Names each setting that is wrong. */
export class EnvError extends Error {}

function listenAddress(value, errors) {
  const match = /^(\[[0-9a-fA-F:]+\]|[^:]+):(\d{1,5})$/.exec(value);
  if (!match || Number(match[2]) > 65535) {
    errors.push('BRIDGE_LISTEN must be host:port');
    return null;
  }
  return { host: match[1].replace(/^\[|\]$/g, ''), port: Number(match[2]) };
}

function secretFile(env, name, errors, check) {
  const path = env[name];
  if (!path) {
    errors.push(`${name} is not set`);
    return null;
  }
  try {
    const value = readFileSync(path, 'utf8').trim();
    const wrong = check(value);
    if (wrong) {
      errors.push(`${name}: ${wrong}`);
    }
    return value;
  } catch (error) {
    errors.push(`${name}: can't read ${path} (${error.code})`);
    return null;
  }
}

function httpUrl(env, name, protocols, errors) {
  try {
    const url = new URL(env[name] ?? '');
    if (protocols.includes(url.protocol)) {
      return url;
    }
  } catch {
    // told below
  }
  errors.push(`${name} must be a URL of ${protocols.join(' or ')}`);
  return null;
}

/** A whole number above 0, or null: no limit. */
function count(env, name, errors) {
  const value = env[name];
  if (!value) {
    return null;
  }
  if (!/^[1-9]\d{0,8}$/.test(value)) {
    errors.push(`${name} must be a whole number above 0`);
  }
  return Number(value);
}

/** The engine's socket address: WhatsApp's own in live mode, a loopback one in sandbox mode, nothing else. */
function whatsAppUrl(env, mode, errors) {
  if (mode === 'live') {
    if (env.BRIDGE_WA_URL) {
      errors.push('BRIDGE_WA_URL is refused in live mode');
    }
    return null;
  }
  const url = httpUrl({ BRIDGE_WA_URL: 'ws://127.0.0.1:8083/ws/chat', ...env }, 'BRIDGE_WA_URL', ['ws:', 'wss:'], errors);
  if (url && !LOOPBACK.test(url.hostname)) {
    errors.push('BRIDGE_WA_URL is refused: its host is not loopback');
  }
  return url?.href ?? null;
}

/**
 * @param {NodeJS.ProcessEnv} env
 * @returns {object} settings
 * @throws {EnvError} with all that is wrong, one per line
 */
export function readEnv(env) {
  const errors = [];
  const mode = env.BRIDGE_MODE || 'sandbox';
  if (mode !== 'sandbox' && mode !== 'live') {
    errors.push('BRIDGE_MODE must be sandbox or live');
  }
  if (mode === 'live' && env.NODE_EXTRA_CA_CERTS) {
    errors.push('NODE_EXTRA_CA_CERTS is refused in live mode: it is for the sandbox, and whoever has its key could be WhatsApp');
  }
  if (env.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    errors.push('NODE_TLS_REJECT_UNAUTHORIZED=0 is refused: TLS is the only proof of who is at the other end');
  }
  const enough = (value) => (value.length < MIN_SECRET ? `needs at least ${MIN_SECRET} characters` : null);
  const settings = {
    listen: listenAddress(env.BRIDGE_LISTEN || '127.0.0.1:8082', errors),
    mode,
    waUrl: whatsAppUrl(env, mode, errors),
    secret: secretFile(env, 'BRIDGE_SECRET_FILE', errors, enough),
    internalUrl: httpUrl(env, 'BRIDGE_INTERNAL_URL', ['http:', 'https:'], errors)?.href.replace(/\/+$/, ''),
    internalSecret: secretFile(env, 'BRIDGE_INTERNAL_SECRET_FILE', errors, enough),
    masterKey: secretFile(env, 'BRIDGE_MASTER_KEY_FILE', errors, (value) =>
      /^[0-9a-fA-F]{64}$/.test(value) ? null : 'must be 32 bytes as hex',
    ),
    dataDir: env.BRIDGE_DATA_DIR,
    keys: env.BRIDGE_KEYS || 'module',
    defaultEngine: env.BRIDGE_DEFAULT_ENGINE || 'baileys',
    webjs: {
      chromium: env.BRIDGE_CHROMIUM || null,
      webVersion: env.BRIDGE_WEB_VERSION || null,
      webVersionDir: env.BRIDGE_WEB_VERSION_DIR || null,
      maxMemory: count(env, 'BRIDGE_WEBJS_MAX_MEMORY', errors),
    },
    maxSessions: count(env, 'BRIDGE_MAX_SESSIONS', errors),
    maxMemory: count(env, 'BRIDGE_MAX_MEMORY', errors),
    logLevel: env.LOG_LEVEL || 'info',
  };
  if (Boolean(settings.webjs.webVersion) !== Boolean(settings.webjs.webVersionDir)) {
    errors.push('BRIDGE_WEB_VERSION and BRIDGE_WEB_VERSION_DIR go together');
  }
  if (settings.webjs.webVersion && !WEB_VERSION.test(settings.webjs.webVersion)) {
    errors.push('BRIDGE_WEB_VERSION must look like 2.3000.1031000000');
  }
  if (!['module', 'local'].includes(settings.keys)) {
    errors.push('BRIDGE_KEYS must be module or local');
  }
  if (!settings.dataDir) {
    errors.push('BRIDGE_DATA_DIR is not set');
  }
  if (!LEVELS.includes(settings.logLevel)) {
    errors.push(`LOG_LEVEL must be one of ${LEVELS.join(', ')}`);
  }
  if (errors.length) {
    throw new EnvError(errors.join('\n'));
  }
  settings.masterKey = Buffer.from(settings.masterKey, 'hex');
  return settings;
}
