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

/** @param {import('node:http').IncomingMessage} request @returns {boolean} */
export const isHostLoopback = (request) => LOOPBACK.test(request.headers.host ?? '');

/** @returns {boolean} whether a request that a browser sent comes from the sandbox's own page */
export function isSameSite({ headers }) {
  const site = headers['sec-fetch-site'];
  if (site && site !== 'same-origin' && site !== 'none') return false;
  if (!headers.origin) return true;
  return headers.origin === `http://${headers.host}`;
}
