/**
 * Files of received messages.
 */
import { SESSION_ID } from './schemas.js';

const PARAMS = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'message'],
  properties: { id: SESSION_ID, message: { type: 'string', minLength: 1, maxLength: 256 } },
};

const QUERY = {
  type: 'object',
  additionalProperties: false,
  properties: { chat: { type: 'string', minLength: 1, maxLength: 128 } },
};

/** @param {import('fastify').FastifyInstance} app */
export async function mediaRoutes(app, { registry }) {
  app.get('/v1/sessions/:id/media/:message', { schema: { params: PARAMS, querystring: QUERY } }, async (request, reply) => {
    const { id, message } = request.params;
    const { stream, size, mimeType } = await registry.get(id).media(message, request.query.chat);
    // Its length is known: an end that comes too soon is noticed.
    return reply.type(mimeType).header('content-length', size).send(stream);
  });
}
