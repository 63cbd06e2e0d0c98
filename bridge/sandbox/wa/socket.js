/** WhatsApp's socket over WebSocket: one connection of a linked device, or of one that wants to be linked. */
import { WebSocketServer } from 'ws';
import { el } from '../lib/nodes.js';
import { Client } from './client.js';
import { banned } from './faults.js';
import { NoiseServer } from './noise.js';

export const SOCKET_PATH = '/ws/chat';
const MAX_PAYLOAD = 8 * 1024 * 1024;
const HANDSHAKE_MS = 20_000;

/** Lets a device in whose key is the one it was linked with; others are told to forget their link. */
function admit(server, client, payload, clientStatic) {
  if (payload.devicePairingData) {
    server.pairing.begin(client, payload, clientStatic);
    return;
  }
  const account = server.directory.byNumber(String(payload.username));
  const device = account?.devices.get(payload.device ?? 0);
  if (!device || device.noise !== clientStatic.toString('base64')) {
    client.end(el('failure', { reason: '401', location: 'sandbox' }));
    return;
  }
  if (server.faults.isBanned(account.pn)) {
    client.end(banned());
    return;
  }
  server.login(client, account, device);
}

function serve(server, ws) {
  server.counts.connections += 1;
  const noise = new NoiseServer(server.keys.staticKey, server.keys.certificates, (data) => {
    if (ws.readyState === ws.OPEN) ws.send(data);
  });
  const client = new Client({ send: (node) => noise.send(node), close: () => ws.close(), raw: (bytes) => ws.send(bytes) });
  let greeted = false;
  const deadline = setTimeout(() => { if (!greeted) ws.terminate(); }, HANDSHAKE_MS);
  ws.on('message', (data) => {
    try {
      for (const { payload, clientStatic, node } of noise.feed(data)) {
        if (payload) {
          greeted = true;
          admit(server, client, payload, clientStatic);
        } else {
          server.handle(client, node);
        }
      }
    } catch (err) {
      server.counts.handshake_failures += greeted ? 0 : 1;
      server.logger.info({ reason: err.message }, 'a connection spoke nonsense and was closed');
      ws.terminate();
    }
  });
  ws.on('error', (err) => server.logger.debug({ reason: err.message }, 'socket error'));
  ws.on('close', () => {
    clearTimeout(deadline);
    client.closed();
    server.gone(client);
  });
}

/**
 * Serves WhatsApp's socket on an HTTP server.
 * @param {import('node:http').Server} http
 * @param {import('./server.js').WaServer} server
 * @param {(request: import('node:http').IncomingMessage) => boolean} allowed
 * @returns {{close: () => void}}
 */
export function serveSockets(http, server, allowed) {
  const wss = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD, perMessageDeflate: false });
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const path = new URL(request.url, 'http://localhost').pathname;
    if (path !== SOCKET_PATH || !allowed(request)) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    wss.handleUpgrade(request, socket, head, (ws) => serve(server, ws));
  });
  return {
    close() {
      for (const ws of wss.clients) ws.terminate();
      wss.close();
    },
  };
}
