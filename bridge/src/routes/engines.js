/**
 * What engines there are.
 */
import { NO_QUERY } from './schemas.js';

/** @param {import('fastify').FastifyInstance} app */
export async function engineRoutes(app, { engines }) {
  app.get('/v1/engines', { schema: { querystring: NO_QUERY } }, async () => ({
    default: engines.defaultName,
    engines: engines.list(),
  }));
}
