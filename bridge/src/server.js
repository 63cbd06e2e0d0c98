/**
 * Starts the bridge: reads the environment, takes the data directory, loads what is there, listens.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { buildApp } from './app.js';
import { CredentialsClient } from './credentials/client.js';
import { Replicator } from './credentials/replicator.js';
import { loadEngines } from './engines/index.js';
import { EnvError, readEnv } from './env.js';
import { EventJournal } from './events/journal.js';
import { Publisher } from './events/publisher.js';
import { createLogger, faultFields } from './log.js';
import { MediaSource } from './media/source.js';
import { memoryByEngine } from './memory.js';
import { Limits } from './sessions/limits.js';
import { Registry } from './sessions/registry.js';
import { makePrivateDirectory, permanentId } from './storage/files.js';
import { CommitLog } from './storage/commit-log.js';
import { lockDirectory } from './storage/lock.js';

const CONNECTIONS_GRACE_MS = 500;
const SEND_GRACE_MS = 5000;
const EVENTS_GRACE_MS = 3000;
const STOP_MS = 10000;
const ENGINE_FRAMES = /node_modules[\\/](baileys|libsignal|ws)[\\/]/;

const { version } = createRequire(import.meta.url)('../package.json');

function settingsOrExit() {
  try {
    return readEnv(process.env);
  } catch (error) {
    if (error instanceof EnvError) {
      process.stderr.write(`${error.message}\n`);
      process.exit(78);
    }
    throw error;
  }
}

const settings = settingsOrExit();
const logger = createLogger(settings.logLevel);

function exitOn(event) {
  process.on(event, (error) => {
    // A promise that an engine's library forgot is a fault of one socket, which its session will notice.
    if (event === 'unhandledRejection' && ENGINE_FRAMES.test(error?.stack ?? '')) {
      logger.error({ fault: faultFields(error) }, 'a library left a rejection unhandled');
      return;
    }
    logger.fatal({ fault: faultFields(error) }, event);
    process.exit(1);
  });
}
exitOn('unhandledRejection');
exitOn('uncaughtException');

async function start() {
  const { dataDir, masterKey: master } = settings;
  await makePrivateDirectory(dataDir);
  await lockDirectory(dataDir);
  const bridgeId = await permanentId(dataDir, randomUUID);
  const internal = { url: settings.internalUrl, secret: settings.internalSecret, bridgeId };
  const { waUrl, defaultEngine, webjs } = settings;
  const engines = await loadEngines({ waUrl, defaultEngine, webjs, mediaSource: new MediaSource(internal), logger });
  const commits = await CommitLog.open(dataDir, {
    master,
    onError: (error) => logger.error({ err: error }, 'the commit log could not be written, the files are written one by one'),
  });
  const journal = await EventJournal.open(join(dataDir, 'events'), {
    master,
    commits,
    onError: (error) => logger.error({ err: error }, 'the event journal could not be written, will be repeated'),
  });
  const replicator = settings.keys === 'module' ? new Replicator(new CredentialsClient(internal), logger) : null;
  const { maxSessions, maxMemory } = settings;
  const memory = () => Object.values(memoryByEngine()).reduce((sum, bytes) => sum + bytes, 0);
  const limits = new Limits({ maxSessions, maxMemory, memory });
  const registry = new Registry({ dir: join(dataDir, 'sessions'), master, commits, engines, journal, replicator, limits, logger });
  await registry.load();
  const publisher = new Publisher(journal, {
    ...internal,
    mode: settings.mode,
    sessions: () => registry.size,
    // An inbound message is known as told by its event until the session's store knows it too. That can wait.
    beforeForget: () => registry.flush({ hurry: false }),
    logger,
  });
  const startedAt = new Date().toISOString();
  const app = buildApp({ settings, registry, engines, journal, version, bridgeId, startedAt, logger });

  let stopping = false;
  const stop = async (signal) => {
    if (stopping) {
      return;
    }
    stopping = true;
    logger.info({ signal }, 'stopping');
    setTimeout(() => process.exit(1), STOP_MS).unref();
    const closed = app.close();
    await registry.stop(SEND_GRACE_MS);
    // A kept-alive connection that was busy when the server closed would hold it open until its client leaves.
    app.server.closeIdleConnections();
    setTimeout(() => app.server.closeAllConnections(), CONNECTIONS_GRACE_MS).unref();
    await closed;
    await publisher.stop(EVENTS_GRACE_MS);
    await journal.close();
    await commits.close();
    logger.info('stopped');
    process.exit(0);
  };
  process.on('SIGTERM', () => void stop('SIGTERM'));
  process.on('SIGINT', () => void stop('SIGINT'));

  await app.listen(settings.listen);
  const { address, port } = app.server.address();
  logger.info({ mode: settings.mode, version, address, port, sessions: registry.size }, 'listening');
  publisher.start();
  registry.resume();
}

await start().catch((error) => {
  logger.fatal({ fault: faultFields(error) }, 'the bridge could not start');
  process.exit(1);
});
