/** Puts the sandbox together: two stores, the server half, the phones, HTTP. */
import path from 'node:path';
import { buildApp } from './http/app.js';
import { isHostLoopback, parseListen } from './http/guard.js';
import { Store } from './lib/store.js';
import { Phones } from './phone/phones.js';
import { WaServer } from './wa/server.js';
import { SOCKET_PATH, serveSockets } from './wa/socket.js';

/**
 * Starts a sandbox.
 * @param {{listen: string, dataDir: string, logger: import('pino').Logger}} options `listen`: `host:port`, loopback only
 * @returns {Promise<{url: string, socketUrl: string, server: WaServer, phones: Phones, close: () => Promise<void>}>}
 */
export async function startSandbox({ listen, dataDir, logger }) {
  const { host, port } = parseListen(listen);
  // Apart on disk as well: the server half's directory holds no phone's keys and no text.
  const serverStore = await new Store(path.join(dataDir, 'server')).open();
  const phoneStore = await new Store(path.join(dataDir, 'phones')).open();
  const server = new WaServer({ store: serverStore, logger: logger.child({ part: 'server' }) });
  const phones = new Phones({ store: phoneStore, server, logger: logger.child({ part: 'phones' }) });
  await phones.start();
  await serverStore.commit();
  const app = buildApp({ phones, server, logger: logger.child({ part: 'http' }) });
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
    async close() {
      sockets.close();
      phones.stop();
      await app.close();
      await Promise.all([serverStore.close(), phoneStore.close()]);
    },
  };
}
