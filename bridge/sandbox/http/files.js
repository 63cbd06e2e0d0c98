/** Files from and to phones: the body is the file itself. */
import { createReadStream } from 'node:fs';
import { isE164 } from '../lib/jid.js';
import { view } from '../phone/chats.js';
import { PhoneError } from '../phone/error.js';
import { sendFile } from '../phone/sending.js';
import * as schemas from './schemas.js';

const FILE_BYTES = 256 * 1024 * 1024;
/** What a browser may show; anything else is offered for saving. */
const SHOWN = /^(image\/(png|jpeg|gif|webp)|audio\/[\w.+-]+|video\/[\w.+-]+)(;.*)?$/;

/** @param {import('fastify').FastifyInstance} app */
export async function fileRoutes(app, { phones }) {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async (_, body) => body);

  app.post('/phones/:id/files', { schema: schemas.sendFile, bodyLimit: FILE_BYTES }, async (request, reply) => {
    const { to, type, quote, seconds, ...named } = request.query;
    const p = phones.get(request.params.id);
    if (!isE164(to)) throw new PhoneError('number_invalid');
    if (!request.body?.length) throw new PhoneError('file_empty');
    reply.code(201);
    return view(await sendFile(p, to, {
      ...named, type, bytes: request.body, mime_type: request.headers['content-type'], seconds: seconds === undefined ? undefined : Number(seconds),
    }, quote));
  });

  app.get('/phones/:id/messages/:message/file', async (request, reply) => {
    const p = phones.get(request.params.id);
    const message = p.chats.find(request.params.message);
    const file = message && p.fileOf(message);
    if (!file) throw new PhoneError('file_not_found');
    const { mime_type: mimeType, file_name: name } = message.media;
    const shown = SHOWN.test(mimeType);
    return reply
      .type(shown ? mimeType : 'application/octet-stream')
      .header('content-length', file.size)
      .header('content-disposition', `${shown ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeURIComponent(name ?? message.id)}`)
      .header('content-security-policy', "default-src 'none'; sandbox")
      .header('cache-control', 'private, max-age=3600')
      .send(createReadStream(file.path));
  });
}
