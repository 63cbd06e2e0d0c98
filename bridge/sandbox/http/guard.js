/**
 * Who may talk to the sandbox: programs on this machine, and pages it served itself. A web site open in
 * a browser on this machine may not, neither directly nor by pointing its own name at 127.0.0.1.
 */

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?$/i;

/** @returns {{host: string, port: number}} @throws if it is no loopback address */
export function parseListen(listen) {
  const m = /^(?:(\[[0-9a-f:.]+\]|[^:]+):)(\d{1,5})$/i.exec(listen ?? '');
  if (!m || Number(m[2]) > 65535) throw new Error(`SANDBOX_LISTEN must be host:port, not "${listen}"`);
  if (!LOOPBACK.test(m[1])) throw new Error(`the sandbox listens on loopback only, not on "${m[1]}"`);
  return { host: m[1].replace(/^\[|\]$/g, ''), port: Number(m[2]) };
}

/**
 * Listens where it listened before, if no port is given and that one is still free: whoever runs on while the
 * sandbox restarts looks for it there.
 * @param {import('node:net').Server} server
 * @param {string} listen
 * @param {import('../lib/store.js').Store} store
 * @param {string} key under which the port is kept
 * @returns {Promise<string>} the address
 */
export async function listenAsBefore(server, listen, store, key) {
  const { host, port } = parseListen(listen);
  const before = store.get(key);
  const at = (wanted) => new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port: wanted }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await at(port || before || 0).catch((err) => {
    if (port || !before || err.code !== 'EADDRINUSE') throw err;
    return at(0);
  });
  const { address, family, port: taken } = server.address();
  store.put(key, taken);
  await store.commit();
  return `${family === 'IPv6' ? `[${address}]` : address}:${taken}`;
}

/** @param {import('node:http').IncomingMessage} request @returns {boolean} */
export const isHostLoopback = (request) => LOOPBACK.test(request.headers.host ?? '');

/** @returns {boolean} whether a request that a browser sent comes from the sandbox's own page */
export function isSameSite({ headers }) {
  const site = headers['sec-fetch-site'];
  if (site && site !== 'same-origin' && site !== 'none') return false;
  if (!headers.origin) return true;
  return headers.origin === `http://${headers.host}`;
}
