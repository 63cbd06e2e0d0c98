/**
 * Health.
 */
import { NO_QUERY } from './schemas.js';

/** @param {import('fastify').FastifyInstance} app */
export async function healthRoutes(app, { settings, registry, journal, version, bridgeId, startedAt }) {
  app.get('/v1/health/live', { config: { open: true } }, async () => ({ status: 'ok' }));

  app.get('/v1/health', { schema: { querystring: NO_QUERY } }, async () => ({
    status: 'ok',
    mode: settings.mode,
    version,
    bridge_id: bridgeId,
    started_at: startedAt,
    sessions: registry.counts(),
    events_pending: journal.pending,
    events_full: journal.full,
  }));
}
