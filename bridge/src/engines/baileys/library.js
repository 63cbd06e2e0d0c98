/**
 * Loads Baileys behind its hooks. Nothing else in the bridge imports it: the hooks must stand first.
 */
import { createRequire } from 'node:module';

/**
 * @param {typeof import('./hooks.js').hooks} hooks
 * @param {import('pino').Logger} logger
 * @returns {Promise<object>} Baileys' exports, and `version`
 */
export async function loadBaileys(hooks, logger) {
  const seen = new Set();
  hooks.silenceConsole((method) => {
    if (!seen.has(method)) {
      seen.add(method);
      logger.debug({ method }, 'a library wrote to the console; it is not shown, it may contain keys');
    }
  });
  hooks.shareContexts();
  hooks.keepAsyncContext();
  hooks.restoreFailedAttempts();
  const { WebSocketClient } = await import('baileys/lib/Socket/Client/websocket.js');
  hooks.gateFrames(WebSocketClient);
  const baileys = await import('baileys');
  const { version } = createRequire(import.meta.url)('baileys/package.json');
  return { ...baileys, makeWASocket: baileys.makeWASocket ?? baileys.default, packageVersion: version };
}

/**
 * The logger Baileys gets: only its warnings, only their text. Its objects hold stanzas, keys and numbers.
 * @param {import('pino').Logger} logger
 * @param {(text: unknown) => string} mask
 */
export function quietLogger(logger, mask) {
  const line = (level) => (fields, text) => {
    const words = typeof fields === 'string' ? fields : text;
    const error = fields?.err ?? fields?.error;
    logger[level]({ cause: error?.message ? mask(error.message) : undefined }, `baileys: ${mask(words ?? '')}`);
  };
  const none = () => {};
  const quiet = { level: 'warn', trace: none, debug: none, info: none, warn: line('debug'), error: line('warn'), fatal: line('error') };
  quiet.child = () => quiet;
  return quiet;
}
