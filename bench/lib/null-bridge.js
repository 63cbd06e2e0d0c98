/**
 * A bridge that has no WhatsApp: it answers each send as sent, after WA_BENCH_DELAY_MS, and whatever else it is asked
 * with a connected session. In the place of the stack's own one, on its port. By IPC, where there is one, it tells when
 * each came.
 */
import { createServer } from 'node:http';

const delay = Number(process.env.WA_BENCH_DELAY_MS ?? 0);
const SEND = /^\/v1\/sessions\/[^/]+\/messages$/;

function answer(response, body) {
  const text = JSON.stringify(body);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
}

const server = createServer((request, response) => {
  let text = '';
  request.on('data', (data) => (text += data));
  request.on('end', () => {
    if (!SEND.test(request.url)) {
      answer(response, { id: request.url.split('/')[3], engine: 'baileys', status: 'connected', reason: null });
      return;
    }
    const { id, to } = JSON.parse(text);
    process.send?.([id, performance.timeOrigin + performance.now()]);
    const sent = () => answer(response, { whatsapp_id: id, status: 'sent', sent_at: new Date().toISOString(), chat: to });
    if (delay) {
      setTimeout(sent, delay);
    } else {
      sent();
    }
  });
});
server.keepAliveTimeout = 60_000;
server.listen(Number(new URL(process.env.WA_TEST_BRIDGE_URL).port), '127.0.0.1', () => console.log('ready'));
