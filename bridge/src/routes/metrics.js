/**
 * Metrics, for Prometheus.
 */
import { NO_QUERY } from './schemas.js';

/** @param {import('fastify').FastifyInstance} app */
export async function metricsRoutes(app, { metrics }) {
  app.get('/v1/metrics', { schema: { querystring: NO_QUERY } }, async (request, reply) =>
    reply.type(metrics.contentType).send(await metrics.text()),
  );
}
