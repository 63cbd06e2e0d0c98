/** For tests of what stands in front of the sandbox: what passed, how much, and misbehaviour on demand. */
import { strike } from '../wa/faults.js';
import * as schemas from './schemas.js';

/** @param {import('fastify').FastifyInstance} app */
export async function controlRoutes(app, { phones, server }) {
  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/stats', async () => server.stats());
  app.get('/log', { schema: schemas.log }, async (request) => {
    const { after, limit = 1000, kind } = request.query;
    return server.log.list({ after: after === undefined ? undefined : Number(after), limit: Number(limit), kind });
  });

  app.get('/faults', async () => server.faults.get());
  app.post('/faults', { schema: schemas.faults }, async (request) => {
    server.faults.set(request.body);
    return server.faults.get();
  });
  app.delete('/faults', async (request, reply) => {
    server.faults.clear();
    return reply.code(204).send();
  });

  // As WhatsApp's hosts do after a while; a phone that has a file can put it there again.
  app.post('/media/forget', async () => ({ forgotten: server.media.forget() }));

  // What a server does to an account, or a network to a connection.
  app.post('/phones/:id/fault', { schema: schemas.strike }, async (request) => {
    const { pn } = phones.get(request.params.id);
    return { devices: strike(server, server.directory.byNumber(pn), request.body.fault) };
  });

  // Cuts the connections of a phone's linked devices, as a bad network would.
  app.post('/phones/:id/drop', async (request) => {
    const { pn } = phones.get(request.params.id);
    const cut = [...server.clients.values()].filter((c) => c.account.pn === pn && c.device !== 0);
    for (const c of cut) c.close();
    return { dropped: cut.length };
  });
}
