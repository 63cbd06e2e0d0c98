/** Live changes for the page: Server-Sent Events. */

const HEARTBEAT_MS = 15_000;
const MAX_BACKLOG = 4 * 1024 * 1024;

/** @param {import('fastify').FastifyInstance} app */
export async function eventRoutes(app, { phones }) {
  const streams = new Set();
  app.addHook('preClose', async () => {
    for (const s of streams) s.end();
  });
  app.get('/events', (request, reply) => {
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff',
    });
    const write = (text) => {
      // A page that does not read is cut off rather than kept in memory; it reloads when it is back.
      if (raw.writableLength > MAX_BACKLOG) raw.destroy();
      else raw.write(text);
    };
    write('retry: 1000\n\nevent: hello\ndata: {}\n\n');
    const stop = phones.listen((event) => write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`));
    const beat = setInterval(() => write(': \n\n'), HEARTBEAT_MS);
    streams.add(raw);
    raw.on('close', () => {
      clearInterval(beat);
      stop();
      streams.delete(raw);
    });
  });
}
