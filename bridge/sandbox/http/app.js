/** The sandbox's HTTP side: JSON calls, the page, one error shape. */
import Fastify from 'fastify';
import { controlRoutes } from './control.js';
import { eventRoutes } from './events.js';
import { fileRoutes } from './files.js';
import { isHostLoopback, isSameSite } from './guard.js';
import { pageRoutes } from './page.js';
import { phoneRoutes } from './phones.js';
import { sendProblem, toProblem } from './problem.js';

const BODY_LIMIT = 1024 * 1024;

/** @returns {import('fastify').FastifyInstance} not listening yet */
export function buildApp({ phones, server, logger }) {
  const app = Fastify({
    loggerInstance: logger, disableRequestLogging: true, bodyLimit: BODY_LIMIT, forceCloseConnections: true,
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, allErrors: false } },
  });
  // Only JSON: a page elsewhere can send other types without asking first.
  app.removeContentTypeParser('text/plain');
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff').header('referrer-policy', 'no-referrer')
      .header('cross-origin-resource-policy', 'same-origin');
    if (!isHostLoopback(request.raw)) return sendProblem(reply, 'forbidden', 'the host is not loopback');
    if (!isSameSite(request.raw)) return sendProblem(reply, 'forbidden', 'another site sent this');
    return undefined;
  });
  // Tells 405 from 404 without listing the routes a second time.
  const methods = new Map();
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = url.replace(/:[^/]+/g, '[^/]+');
    methods.set(pattern, [...(methods.get(pattern) ?? []), ...[method].flat()]);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0];
    const allowed = [...methods].filter(([pattern]) => new RegExp(`^${pattern}$`).test(path)).flatMap(([, m]) => m);
    if (!allowed.length) return sendProblem(reply, 'not_found');
    return sendProblem(reply.header('allow', [...new Set(allowed)].join(', ')), 'method_not_allowed');
  });
  app.setErrorHandler((err, request, reply) => {
    const [code, detail] = toProblem(err);
    if (code === 'internal') request.log.error({ err }, 'a call failed');
    return sendProblem(reply, code, detail);
  });
  app.register(phoneRoutes, { phones });
  app.register(fileRoutes, { phones });
  app.register(controlRoutes, { phones, server });
  app.register(eventRoutes, { phones });
  app.register(pageRoutes);
  return app;
}
