/**
 * The life of sessions.
 */
import { NO_BODY, NO_QUERY, SESSION_ID, SESSION_PARAMS } from './schemas.js';

const START_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    engine: { type: 'string', minLength: 1, maxLength: 32 },
    phone_number: { type: 'string', pattern: '^\\+[1-9][0-9]{6,14}$' },
  },
};

const IDLE_BODY = {
  type: 'object',
  additionalProperties: false,
  required: ['seconds'],
  properties: { seconds: { type: 'integer', minimum: 1, maximum: 31536000 } },
};

const CONTACT_PARAMS = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'phone'],
  properties: { id: SESSION_ID, phone: { type: 'string', maxLength: 20 } },
};

/** @param {import('fastify').FastifyInstance} app */
export async function sessionRoutes(app, { registry }) {
  const schema = { params: SESSION_PARAMS, querystring: NO_QUERY };

  app.put('/v1/sessions/:id', { schema: { ...schema, body: START_BODY } }, async (request, reply) => {
    const session = await registry.obtain(request.params.id, request.body?.engine);
    const state = await session.start({ phone: request.body?.phone_number ?? null });
    return reply.code(state.status === 'connecting' ? 202 : 200).send(state);
  });

  app.get('/v1/sessions/:id', { schema }, async (request) => registry.get(request.params.id).state());

  app.delete('/v1/sessions/:id', { schema }, async (request, reply) => {
    await registry.remove(request.params.id);
    return reply.code(204).send();
  });

  app.post('/v1/sessions/:id/disconnect', { schema: { ...schema, body: NO_BODY } }, async (request) =>
    registry.get(request.params.id).disconnect(),
  );

  app.post('/v1/sessions/:id/idle', { schema: { ...schema, body: IDLE_BODY } }, async (request) =>
    registry.get(request.params.id).endIdle(request.body.seconds),
  );

  app.post('/v1/sessions/:id/logout', { schema: { ...schema, body: NO_BODY } }, async (request) =>
    registry.get(request.params.id).logout(),
  );

  app.get('/v1/sessions/:id/contacts/:phone', { schema: { params: CONTACT_PARAMS, querystring: NO_QUERY } }, async (request) =>
    registry.get(request.params.id).contact(request.params.phone),
  );
}
