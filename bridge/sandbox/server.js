#!/usr/bin/env node
/** The sandbox as a program. Environment: SANDBOX_LISTEN, SANDBOX_WEB_LISTEN, SANDBOX_MEDIA_LISTEN, SANDBOX_DATA_DIR, LOG_LEVEL. */
import pino from 'pino';
import { startSandbox } from './sandbox.js';

const {
  SANDBOX_LISTEN = '127.0.0.1:8083', SANDBOX_WEB_LISTEN = '127.0.0.1:0', SANDBOX_MEDIA_LISTEN = '127.0.0.1:0',
  SANDBOX_DATA_DIR = 'var/sandbox', LOG_LEVEL = 'info',
} = process.env;
const logger = pino({ level: LOG_LEVEL, name: 'sandbox' });

// The Signal library prints on its own; nothing but the log may reach the output.
for (const method of ['log', 'info', 'warn', 'error', 'debug']) console[method] = () => {};

let sandbox;
let stopping = false;
async function stop(signal) {
  if (stopping) return;
  stopping = true;
  logger.info({ signal }, 'stopping');
  await sandbox?.close();
  process.exit(0);
}
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

try {
  sandbox = await startSandbox({
    listen: SANDBOX_LISTEN, webListen: SANDBOX_WEB_LISTEN, mediaListen: SANDBOX_MEDIA_LISTEN, dataDir: SANDBOX_DATA_DIR, logger,
  });
  logger.info({ url: sandbox.url, socket: sandbox.socketUrl }, 'the sandbox is up');
} catch (err) {
  logger.fatal({ reason: err.message }, 'the sandbox did not start');
  process.exit(1);
}
