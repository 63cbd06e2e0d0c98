/**
 * Sending.
 */
import { Problem } from '../problems.js';
import { NO_QUERY, SESSION_PARAMS } from './schemas.js';

const DEFAULT_TIMEOUT_MS = 10000;

const MEDIA = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'mime_type', 'size', 'sha256'],
  properties: {
    id: { type: 'string', pattern: '^[0-9A-Za-z._-]{1,64}$' },
    mime_type: { type: 'string', pattern: '^[\\x21-\\x7e][\\x20-\\x7e]{0,126}$' },
    size: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
    sha256: { type: 'string', pattern: '^[0-9a-f]{64}$' },
    file_name: { type: ['string', 'null'], maxLength: 255 },
  },
};

const SEND_BODY = {
  type: 'object',
  additionalProperties: false,
  required: ['id', 'to', 'type'],
  properties: {
    id: { type: 'string', pattern: '^[0-9A-Za-z._-]{8,64}$' },
    to: { type: 'string', minLength: 1, maxLength: 128 },
    type: { type: 'string', minLength: 1, maxLength: 32 },
    text: { type: ['string', 'null'], minLength: 1, maxLength: 65536 },
    media: { ...MEDIA, type: ['object', 'null'] },
    timeout_ms: { type: 'integer', minimum: 1, maximum: 60000 },
  },
};

/** Which of text and media a type takes: a text needs words and no file, all others a file. */
const CAPTIONED = new Set(['image', 'video', 'document']);
const MEDIA_TYPES = new Set([...CAPTIONED, 'audio', 'voice']);

function checkParts({ type, text, media }) {
  const file = MEDIA_TYPES.has(type);
  if (file ? !media : media) {
    throw new Problem('invalid_request', media ? `media does not go with ${type}` : `${type} needs media`);
  }
  if (type === 'text' && !text) {
    throw new Problem('invalid_request', 'text needs text');
  }
  if (file && text && !CAPTIONED.has(type)) {
    throw new Problem('invalid_request', `text does not go with ${type}`);
  }
}

/** @param {import('fastify').FastifyInstance} app */
export async function messageRoutes(app, { registry, metrics }) {
  const schema = { params: SESSION_PARAMS, querystring: NO_QUERY, body: SEND_BODY };
  app.post('/v1/sessions/:id/messages', { schema }, async (request) => {
    const { id, to, type, text, media, timeout_ms: timeoutMs = DEFAULT_TIMEOUT_MS } = request.body;
    checkParts(request.body);
    const session = registry.get(request.params.id);
    return metrics.send(session.engineName, () =>
      session.send({ id, to, type, text: text ?? undefined, media: media ?? undefined, timeoutMs }),
    );
  });
}
