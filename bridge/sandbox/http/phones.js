/** What a person does with a phone, as HTTP calls. */
import { isE164 } from '../lib/jid.js';
import { view } from '../phone/chats.js';
import { magic } from '../lib/magic.js';
import { PhoneError } from '../phone/error.js';
import { edit, react, remove } from '../phone/sending.js';
import * as schemas from './schemas.js';

/** What the server half's answer to a scan means. */
const SCAN_ERRORS = { 406: 'qr_invalid', 409: 'already_linked', 410: 'qr_expired' };

/** Half a surrogate pair can't be carried by UTF-8. */
const isText = (s) => s.isWellFormed();

const show = (message) => ({ ...view(message), chat: undefined });

/** @param {import('fastify').FastifyInstance} app */
export async function phoneRoutes(app, { phones }) {
  const phone = (request) => phones.get(request.params.id);

  app.get('/phones', async () => phones.list());

  app.post('/phones', { schema: schemas.createPhone }, async (request, reply) => {
    const { number, name } = request.body;
    if (!isE164(number)) throw new PhoneError('number_invalid', { text: 'write it as +491701234567' });
    if (magic(number.slice(1))?.nobody) throw new PhoneError('number_invalid', { text: 'this number is never on WhatsApp' });
    if (!isText(name)) throw new PhoneError('text_invalid');
    reply.code(201);
    return phones.create(number, name);
  });

  app.get('/phones/:id', async (request) => phone(request));

  app.delete('/phones/:id', async (request, reply) => {
    await phones.remove(phone(request));
    return reply.code(204).send();
  });

  const linking = async (what) => {
    try {
      return await what;
    } catch (err) {
      if (err.code === 'server' && SCAN_ERRORS[err.serverCode]) throw new PhoneError(SCAN_ERRORS[err.serverCode], { text: err.message });
      throw err;
    }
  };

  app.post('/phones/:id/scan', { schema: schemas.scan }, async (request) => linking(phone(request).scan(request.body.qr)));

  app.post('/phones/:id/link-code', { schema: schemas.linkCode }, async (request) =>
    linking(phone(request).linkByCode(request.body.code.replace('-', '').toUpperCase())));

  app.get('/phones/:id/messages', { schema: schemas.messages }, async (request) => {
    const { chat, limit } = request.query;
    return phone(request).chats.list({ chat, limit: Number(limit ?? 0) }).map(show);
  });

  app.post('/phones/:id/read', { schema: schemas.read }, async (request) => {
    const p = phone(request);
    const { message_id: id, chat } = request.body;
    if (chat) return { read: await p.read(p.chats.unread(chat)) };
    const message = p.chats.find(id, 'in');
    if (!message) throw new PhoneError('message_not_found');
    return { read: await p.read([message]) };
  });

  app.post('/phones/:id/send', { schema: schemas.send }, async (request, reply) => {
    const { to, text, quote, hidden } = request.body;
    const p = phone(request);
    if (!isE164(to)) throw new PhoneError('number_invalid');
    if (!isText(text)) throw new PhoneError('text_invalid', { text: 'not well-formed Unicode' });
    reply.code(201);
    return show(await p.send(to, text, quote, hidden));
  });

  const changing = (p, id) => {
    const message = p.chats.find(id);
    if (!message || message.deleted_at) throw new PhoneError('message_not_found');
    return message;
  };

  app.post('/phones/:id/react', { schema: schemas.react }, async (request) => {
    const p = phone(request);
    const { message_id: id, emoji } = request.body;
    if (!isText(emoji)) throw new PhoneError('text_invalid');
    return show(await react(p, changing(p, id), emoji));
  });

  app.post('/phones/:id/edit', { schema: schemas.edit }, async (request) => {
    const p = phone(request);
    const { message_id: id, text } = request.body;
    if (!isText(text)) throw new PhoneError('text_invalid');
    return show(await edit(p, changing(p, id), text));
  });

  app.post('/phones/:id/delete', { schema: schemas.remove }, async (request) => {
    const p = phone(request);
    return show(await remove(p, changing(p, request.body.message_id)));
  });

  app.post('/phones/:id/online', { schema: schemas.online }, async (request) => {
    const p = phone(request);
    await p.setOnline(request.body.online);
    return p;
  });

  app.post('/phones/:id/unlink', { schema: schemas.unlink }, async (request) => ({
    unlinked: await phone(request).unlink(request.body?.device_id),
  }));
}
