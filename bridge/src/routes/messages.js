/**
 * Sending.
 */
import { NO_QUERY, SESSION_PARAMS } from './schemas.js';

const DEFAULT_TIMEOUT_MS = 10000;

const SEND_BODY = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'to', 'type', 'text'],
  properties: {
    id: { type: 'string', pattern: '^[0-9A-Za-z._-]{8,64}$' },
    to: { type: 'string', minLength: 1, maxLength: 128 },
    type: { type: 'string', minLength: 1, maxLength: 32 },
    text: { type: 'string', minLength: 1, maxLength: 65536 },
    timeout_ms: { type: 'integer', minimum: 1, maximum: 60000 },
  },
};

/** @param {import('fastify').FastifyInstance} app */
export async function messageRoutes(app, { registry }) {
  const schema = { params: SESSION_PARAMS, querystring: NO_QUERY, body: SEND_BODY };
  app.post('/v1/sessions/:id/messages', { schema }, async (request) => {
    const { id, to, type, text, timeout_ms: timeoutMs = DEFAULT_TIMEOUT_MS } = request.body;
    return registry.get(request.params.id).send({ id, to, type, text, timeoutMs });
  });
}
