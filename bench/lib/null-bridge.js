/**
 * A bridge that has no WhatsApp: it answers each send as sent, after WA_BENCH_DELAY_MS, and whatever else it is asked
 * with a connected session. In the place of the stack's own one, on its port. By IPC, where there is one, it tells when
 * each came. It shall cost next to nothing, so it reads from the socket what the module's client is known to write:
 * requests with Content-Length, one at a time on a connection.
 */
import { createServer } from 'node:net';

const delay = Number(process.env.WA_BENCH_DELAY_MS ?? 0);
const SEND = /^POST \/v1\/sessions\/[^/]+\/messages /;
const LENGTH = /\r\ncontent-length: *(\d+)/i;

function write(socket, body) {
  const text = JSON.stringify(body);
  socket.write(`HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
}

function answer(socket, head, body) {
  if (!SEND.test(head)) {
    write(socket, { id: head.split(' ', 2)[1].split('/')[3], engine: 'baileys', status: 'connected', reason: null });
    return;
  }
  const { id, to } = JSON.parse(body);
  process.send?.([id, performance.timeOrigin + performance.now()]);
  const sent = () => write(socket, { whatsapp_id: id, status: 'sent', sent_at: new Date().toISOString(), chat: to });
  if (delay) {
    setTimeout(sent, delay);
  } else {
    sent();
  }
}

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.setEncoding('latin1'); // a character is a byte; what is read of the bodies is ASCII
  socket.on('error', () => socket.destroy());
  socket.on('data', (data) => {
    text += data;
    for (;;) {
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) {
        return;
      }
      const head = text.slice(0, end);
      const next = end + 4 + Number(LENGTH.exec(head)?.[1] ?? 0);
      if (text.length < next) {
        return;
      }
      const body = text.slice(end + 4, next);
      text = text.slice(next);
      answer(socket, head, body);
    }
  });
});
server.listen(Number(new URL(process.env.WA_TEST_BRIDGE_URL).port), '127.0.0.1', () => console.log('ready'));
