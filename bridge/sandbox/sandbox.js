/** Puts the sandbox together: its stores, the server half, the phones, the stand-in page, HTTP. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { buildApp } from './http/app.js';
import { isHostLoopback, parseListen } from './http/guard.js';
import { Blobs } from './lib/blobs.js';
import { lockDirectory } from './lib/lock.js';
import { Store } from './lib/store.js';
import { Authority } from './lib/tls.js';
import { Phones } from './phone/phones.js';
import { MediaServer } from './wa/media.js';
import { WaServer } from './wa/server.js';
import { SOCKET_PATH, serveSockets } from './wa/socket.js';
import { webRoutes } from './web/routes.js';
import { StandIn } from './web/stand-in.js';

const MIB = 1024 * 1024;
/** What phones keep of the files in their chats. */
const FILES = { fileBytes: 256 * MIB, totalBytes: 1024 * MIB, keepMs: 30 * 24 * 60 * 60 * 1000 };

/**
 * Starts a sandbox.
 * @param {{listen: string, webListen?: string, mediaListen?: string, dataDir: string, logger: import('pino').Logger}} options
 *   `listen`, `webListen`, `mediaListen`: `host:port`, loopback only; the second is the stand-in page's, the third the media host's
 * @returns {Promise<{url: string, socketUrl: string, server: WaServer, phones: Phones, standIn: StandIn, close: () => Promise<void>}>}
 */
export async function startSandbox({ listen, webListen = '127.0.0.1:0', mediaListen = '127.0.0.1:0', dataDir, logger }) {
  const { host, port } = parseListen(listen);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const lock = await lockDirectory(dataDir);
  // Apart on disk as well: the server half's directory holds no phone's keys and no text.
  const serverStore = await new Store(path.join(dataDir, 'server')).open();
  const phoneStore = await new Store(path.join(dataDir, 'phones')).open();
  const tls = new Authority(serverStore, dataDir);
  const server = new WaServer({ store: serverStore, logger: logger.child({ part: 'server' }) });
  server.media = new MediaServer({
    store: serverStore, dir: path.join(dataDir, 'server'), authority: tls, faults: server.faults, logger: logger.child({ part: 'media' }),
  });
  await server.media.start(mediaListen);
  const files = new Blobs(path.join(dataDir, 'files'), FILES);
  const phones = new Phones({ store: phoneStore, server, files, logger: logger.child({ part: 'phones' }) });
  await phones.start();
  await serverStore.commit();
  const webStore = await new Store(path.join(dataDir, 'web')).open();
  const standIn = new StandIn({ store: webStore, server, authority: tls, files, logger: logger.child({ part: 'web' }) });
  await standIn.start(webListen);
  const app = buildApp({ phones, server, logger: logger.child({ part: 'http' }) });
  app.register(webRoutes, { standIn });
  await app.ready();
  const sockets = serveSockets(app.server, server, isHostLoopback);
  await app.listen({ host, port });
  const at = app.server.address();
  const authority = `${at.family === 'IPv6' ? `[${at.address}]` : at.address}:${at.port}`;
  return {
    url: `http://${authority}`,
    socketUrl: `ws://${authority}${SOCKET_PATH}`,
    server,
    phones,
    standIn,
    async close() {
      sockets.close();
      await standIn.close();
      phones.stop();
      await server.media.close();
      files.close();
      await app.close();
      await Promise.all([serverStore.close(), phoneStore.close(), webStore.close()]);
      lock.release();
    },
  };
}
