/**
 * A phone's connection to the server half, inside one process: the same nodes as over the socket, so what
 * passes here is what would pass the wire.
 */
import { Client } from './client.js';

/**
 * @param {import('./server.js').WaServer} server
 * @param {string} pn
 * @param {{onNode: (node: object) => void, onClose: () => void}} phone
 * @returns {{send: (node: object) => void, close: () => void}}
 */
export function openLine(server, pn, { onNode, onClose }) {
  const account = server.directory.byNumber(pn);
  let open = true;
  const close = () => {
    if (!open) return;
    open = false;
    client.closed();
    server.gone(client);
    setImmediate(onClose);
  };
  // Never from within the sender's call: as with a wire, the other side hears of it later.
  const client = new Client({ send: (node) => setImmediate(() => { if (open) onNode(node); }), close });
  server.login(client, account, account.devices.get(0));
  return {
    send(node) {
      // What is sent into a cut wire is lost; whoever waits for an answer is told by `onClose`.
      if (open) server.handle(client, node);
    },
    close,
  };
}
