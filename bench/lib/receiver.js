/**
 * A receiver of webhooks in a process of its own: POST /good/… is answered 204 at once, /hole/… never. It tells by IPC,
 * each 50 ms, what came to the good ones: [the event's number n, when].
 */
import { createServer } from 'node:http';

let came = [];
let holes = 0;
const server = createServer((request, response) => {
  let text = '';
  if (request.url.startsWith('/hole')) {
    holes += 1;
    request.resume();
    request.socket.once('close', () => (holes -= 1));
    return;
  }
  request.on('data', (data) => (text += data));
  request.on('end', () => {
    came.push([JSON.parse(text).data.n, performance.timeOrigin + performance.now()]);
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
setInterval(() => {
  process.send({ came, holes });
  came = [];
}, 50);
process.once('disconnect', () => process.exit());
