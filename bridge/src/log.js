/**
 * Logging: JSON lines without message bodies, secrets, QR codes or full numbers.
 */
import { pino } from 'pino';

const LONG_NUMBER = /\d{7,}/g;
const LONG_SECRET = /[A-Za-z0-9+/_-]{40,}={0,2}/g;
const MAX_TEXT = 300;

/** +491701234567 → +491*******67 : enough to recognise, not enough to call. */
export function maskNumber(text) {
  return String(text).replace(LONG_NUMBER, (digits) => `${digits.slice(0, 3)}${'*'.repeat(digits.length - 5)}${digits.slice(-2)}`);
}

/** Makes text from elsewhere (an engine's, an error's) fit to be logged. */
export function maskText(text) {
  return maskNumber(String(text).slice(0, MAX_TEXT).replace(LONG_SECRET, '[masked]'));
}

/** What of an error may be logged: its kind and a masked message, never its data. */
export function errorFields(error) {
  return {
    type: error?.name ?? typeof error,
    code: error?.code ?? error?.output?.statusCode,
    message: maskText(error?.message ?? error),
  };
}

/** The same with the stack, for faults that are ours. */
export function faultFields(error) {
  const frames = String(error?.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { ...errorFields(error), stack: frames.join('\n') };
}

/**
 * @param {string} level
 * @param {import('pino').DestinationStream} [destination]
 * @returns {import('pino').Logger}
 */
export function createLogger(level, destination) {
  const options = {
    level,
    base: { app: 'bridge' },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: errorFields },
  };
  return destination ? pino(options, destination) : pino(options);
}
