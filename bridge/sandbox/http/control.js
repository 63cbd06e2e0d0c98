/** For tests of what stands in front of the sandbox: what passed, how much, and misbehaviour on demand. */
import * as schemas from './schemas.js';

/** @param {import('fastify').FastifyInstance} app */
export async function controlRoutes(app, { phones, server }) {
  app.get('/health', async () => ({ status: 'ok' }));
  app.get('/stats', async () => server.stats());
  app.get('/log', { schema: schemas.log }, async (request) => {
    const { after = 0, limit = 1000 } = request.query;
    return server.log.list({ after: Number(after), limit: Number(limit) });
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

  // Cuts the connections of a phone's linked devices, as a bad network would.
  app.post('/phones/:id/drop', async (request) => {
    const { pn } = phones.get(request.params.id);
    const cut = [...server.clients.values()].filter((c) => c.account.pn === pn && c.device !== 0);
    for (const c of cut) c.close();
    return { dropped: cut.length };
  });
}
