/**
 * The API, built but not listening.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto';
import Fastify, { LogController } from 'fastify';
import { faultFields } from './log.js';
import { Metrics } from './metrics.js';
import { Problem, problemBody, toProblem } from './problems.js';
import { engineRoutes } from './routes/engines.js';
import { healthRoutes } from './routes/health.js';
import { mediaRoutes } from './routes/media.js';
import { messageRoutes } from './routes/messages.js';
import { metricsRoutes } from './routes/metrics.js';
import { sessionRoutes } from './routes/sessions.js';

const BODY_BYTES = 1024 * 1024;
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;
// As the module makes it; its first part is the trace's id.
const TRACEPARENT = /^00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Compares in constant time; that the length tells something does not matter for a secret that is random. */
function checkSecret(secret) {
  const expected = Buffer.from(`Bearer ${secret}`);
  return (header) => {
    const given = Buffer.from(typeof header === 'string' ? header : '');
    return given.length === expected.length && timingSafeEqual(given, expected);
  };
}

/**
 * @param {object} context settings, registry, engines, journal, version, bridgeId, startedAt, logger
 * @returns {import('fastify').FastifyInstance}
 */
export function buildApp(context) {
  const { settings, registry, journal, version, logger } = context;
  const metrics = new Metrics({ registry, journal, mode: settings.mode, version });
  const app = Fastify({
    loggerInstance: logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    bodyLimit: BODY_BYTES,
    requestIdHeader: false,
    genReqId: ({ headers }) => (REQUEST_ID.test(headers['x-request-id'] ?? '') ? headers['x-request-id'] : randomUUID()),
    childLoggerFactory: (parent, bindings, options, raw) => {
      const trace = TRACEPARENT.exec(raw.headers.traceparent ?? '')?.[1];
      return parent.child(trace ? { ...bindings, trace_id: trace } : bindings, options);
    },
    // Connections are kept by the module's pool; it, not the bridge, decides when one is too old.
    keepAliveTimeout: 72000,
    forceCloseConnections: 'idle',
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allowUnionTypes: true } },
  });
  app.removeContentTypeParser('text/plain');
  const secretMatches = checkSecret(settings.secret);

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    if (!request.routeOptions.config?.open && !secretMatches(request.headers.authorization)) {
      throw new Problem('unauthorized');
    }
  });

  app.addHook('onResponse', async (request, reply) => {
    const level = request.routeOptions.url === '/v1/health/live' ? 'debug' : 'info';
    request.log[level](
      {
        method: request.method,
        // The pattern, not the path: a path may hold a number.
        route: request.routeOptions.url ?? null,
        session: request.params?.id,
        status: reply.statusCode,
        code: reply.problemCode,
        ms: Math.round(reply.elapsedTime * 10) / 10,
      },
      'request',
    );
  });

  const answer = (request, reply, problem) => {
    reply.problemCode = problem.code;
    if (problem.retryAfter) {
      reply.header('retry-after', String(problem.retryAfter));
    }
    if (problem.status === 401) {
      reply.header('www-authenticate', 'Bearer');
    }
    return reply.code(problem.status).type('application/problem+json').send(problemBody(problem, request.id));
  };

  app.decorateReply('problemCode', null);
  app.setNotFoundHandler((request, reply) => answer(request, reply, new Problem('not_found')));
  app.setErrorHandler((error, request, reply) => {
    const problem = toProblem(error);
    if (problem.code === 'internal' && !(error instanceof Problem)) {
      request.log.error({ fault: faultFields(error) }, 'a call failed');
    }
    return answer(request, reply, problem);
  });

  for (const routes of [healthRoutes, engineRoutes, sessionRoutes, messageRoutes, metricsRoutes, mediaRoutes]) {
    app.register(routes, { ...context, metrics });
  }
  return app;
}
