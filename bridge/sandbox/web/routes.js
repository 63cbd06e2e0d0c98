/** The stand-in's own calls: where it is, and how its pages are to misbehave. */

const MODULE = { type: 'string', pattern: '^WA[A-Za-z0-9]{1,80}$' };

const faults = {
  body: {
    type: 'object', additionalProperties: false, minProperties: 1,
    properties: {
      serialized: { type: 'string', pattern: '^[$_A-Za-z][$\\w]{0,30}$' },
      sync_delay_ms: { type: 'integer', minimum: 0, maximum: 600000 },
      dead_frame: { type: 'boolean' },
      early_sync: { type: 'boolean' },
      logout_delay_ms: { type: 'integer', minimum: 0, maximum: 600000 },
      iframes: { type: 'integer', minimum: 0, maximum: 20 },
      missing: { type: 'array', maxItems: 50, items: MODULE },
      ballast_mib: { type: 'integer', minimum: 0, maximum: 2048 },
      code_ms: { type: 'integer', minimum: 0, maximum: 600000 },
      fixed_ids: { type: 'boolean' },
      version: { type: ['string', 'null'], maxLength: 40 },
    },
  },
};

const state = {
  body: {
    type: 'object', additionalProperties: false, required: ['state'],
    properties: { state: { type: 'string', pattern: '^[A-Z_]{3,40}$' }, number: { type: 'string', maxLength: 32 } },
  },
};

/** @param {import('fastify').FastifyInstance} app @param {{standIn: import('./stand-in.js').StandIn}} options */
export async function webRoutes(app, { standIn }) {
  app.get('/web', async () => standIn.describe());
  app.get('/web/pages', async () => standIn.pages());
  app.get('/web/faults', async () => standIn.faults.get());
  app.post('/web/faults', { schema: faults }, async (request) => {
    standIn.faults.set(request.body);
    return standIn.faults.get();
  });
  app.delete('/web/faults', async (request, reply) => {
    standIn.faults.clear();
    return reply.code(204).send();
  });
  app.post('/web/state', { schema: state }, async (request) => ({ pages: standIn.push(request.body.state, request.body.number) }));
}
