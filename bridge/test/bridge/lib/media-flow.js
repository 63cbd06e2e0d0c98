/**
 * Files, replies, reactions, edits and deletions against the sandbox, both ways. The same for every engine.
 */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { linkedPair } from './pair.js';
import { messageId } from './processes.js';
import { eventually } from './wait.js';

const MIB = 1024 * 1024;
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** One pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** The head of an Ogg page that ends after so many seconds. */
export function oggOf(seconds) {
  const head = Buffer.alloc(27);
  head.write('OggS');
  head.writeBigInt64LE(BigInt(seconds * 48000), 6);
  return Buffer.concat([head, randomBytes(400)]);
}

/**
 * @param {import('node:test').TestContext} t
 * @param {{engine: string, refused?: [number, string], damaged?: [number, string], largest?: number}} expected how it says that
 *   a host refused a file, and that a file is damaged; what it carries at most
 */
export async function mediaBothWays(t, { engine, refused: refusal = [422, 'media_refused'], damaged = [410, 'media_gone'], largest = 2048 * MIB }) {
  const { sandbox, module, bridge, own, friend, id } = await linkedPair(t, engine);
  const send = (media, fields) => bridge.send(id, { id: messageId(), to: friend.jid, media, text: undefined, timeout_ms: 60000, ...fields });
  const told = (whatsappId) => module.event('message.inbound', (data) => data.whatsapp_id === whatsappId);

  await t.test('files of every type reach the phone as they were', async () => {
    const cases = [
      ['image', PNG, 'image/png', { text: 'a dot ✓' }],
      ['document', randomBytes(20 * MIB), 'application/pdf', { text: 'to read' }, { file_name: 'größe 1.pdf' }],
      ['video', randomBytes(70000), 'video/mp4', {}],
      ['audio', randomBytes(1), 'audio/mpeg', {}],
      ['voice', oggOf(7), 'audio/ogg; codecs=opus', {}],
    ];
    for (const [type, bytes, mimeType, fields, more] of cases) {
      const answer = await send(module.file(bytes, mimeType, more), { type, ...fields });
    assert.equal(answer.status, 200, `${type}: ${JSON.stringify(answer.body)}`);
      const shown = await eventually(async () => (await friend.received()).find((m) => m.id === answer.body.whatsapp_id), type);
      assert.equal(shown.type, type);
      assert.equal(shown.text, fields.text ?? '');
      assert.equal(shown.media.size, bytes.length);
      assert.equal(shown.media.sha256, sha256(bytes));
      assert.equal(shown.media.mime_type, mimeType);
      assert.equal(shown.media.file_name, more?.file_name);
      assert.equal(sha256(await friend.file(shown.id)), sha256(bytes), type);
      assert.equal(sha256(await own.file(shown.id)), sha256(bytes), `${type}, the own phone's copy`);
    }
  });

  await t.test('a repeat sends nothing again', async () => {
    const message = { id: messageId(), type: 'image', text: 'once' };
    const media = module.file(PNG, 'image/png');
    const first = await send(media, message);
    module.files.delete(media.id);
    const again = await send(media, message);
    assert.deepEqual(again.body, first.body);
    assert.equal((await friend.received()).filter((m) => m.id === message.id).length, 1);
  });

  await t.test('what the module does not give is not sent', async () => {
    const media = module.file(PNG, 'image/png');
    const none = await send({ ...media, id: 'gone' }, { type: 'image' });
    assert.deepEqual([none.status, none.body.code], [422, 'media_not_found']);
    const other = await send({ ...media, sha256: sha256('x') }, { type: 'image' });
    assert.deepEqual([other.status, other.body.code], [503, 'media_unavailable']);
    const short = await send({ ...media, size: media.size + 1 }, { type: 'image' });
    assert.deepEqual([short.status, short.body.code], [503, 'media_unavailable']);
    module.fileAnswer = 500;
    const down = await send(media, { type: 'image' });
    assert.deepEqual([down.status, down.body.code], [503, 'media_unavailable']);
    assert.ok(Number(down.headers.get('retry-after')) > 0);
    module.fileAnswer = null;
    const { engines } = (await bridge.call('GET', '/v1/engines')).body;
    assert.equal(engines.find(({ name }) => name === engine).media_max_bytes, largest);
    const huge = await send({ ...media, size: largest + 1 }, { type: 'document' });
    assert.deepEqual([huge.status, huge.body.code], [422, 'media_too_large']);
  });

  await t.test('the media host is down: 503, and the repeat gets through', async () => {
    const message = { id: messageId(), type: 'document' };
    const bytes = randomBytes(5000);
    const media = module.file(bytes, 'text/plain', { file_name: 'a.txt' });
    await sandbox.faults({ media: { down: true } });
    const down = await send(media, message);
    assert.deepEqual([down.status, down.body.code], [503, 'media_unavailable']);
    assert.ok(!(await sandbox.log()).some((entry) => entry.id === message.id));
    await sandbox.faults({ media: { refuse: 415 } });
    const refused = await send(media, { ...message, id: messageId() });
    assert.deepEqual([refused.status, refused.body.code], refusal);
    await sandbox.faults({ media: null });
    assert.equal((await send(media, message)).status, 200);
    assert.equal(sha256(await friend.file(message.id)), sha256(bytes));
  });

  await t.test('a file from outside is told, and can be fetched', async () => {
    const bytes = randomBytes(3 * MIB + 5);
    const sent = await friend.sendFile('+4915111111111', bytes, 'application/zip', { type: 'document', file_name: '../a b.zip', caption: 'for you' });
    const { data } = await told(sent.id);
    assert.equal(data.type, 'document');
    assert.equal(data.text, 'for you');
    assert.deepEqual(data.media, { mime_type: 'application/zip', size: bytes.length, sha256: sha256(bytes), file_name: 'a b.zip' });
    const file = await bridge.fetchFile(id, sent.id, data.chat);
    assert.equal(file.status, 200, file.bytes.toString('latin1', 0, 300));
    assert.equal(file.headers.get('content-type'), 'application/zip');
    assert.equal(file.headers.get('content-length'), String(bytes.length));
    assert.equal(sha256(file.bytes), sha256(bytes));
    const voice = await friend.sendFile('+4915111111111', oggOf(3), 'audio/ogg; codecs=opus', { type: 'voice', seconds: '3' });
    const { data: spoken } = await told(voice.id);
    assert.equal(spoken.type, 'voice');
    assert.equal(spoken.media.seconds, 3);
    assert.equal(spoken.media.mime_type, 'audio/ogg; codecs=opus');
    assert.equal((await bridge.fetchFile(id, voice.id)).bytes.length, 427);
    for (const [message, chat] of [['NONE0000', undefined], [sent.id, '123@s.whatsapp.net']]) {
      const none = await bridge.fetchFile(id, message, chat);
      assert.equal(none.status, 404);
      assert.equal(JSON.parse(none.bytes).code, 'media_not_found');
    }
  });

  await t.test('a damaged or missing file is not passed on', async () => {
    const sent = await friend.sendFile('+4915111111111', randomBytes(MIB), 'image/jpeg', { type: 'image' });
    await told(sent.id);
    const ask = async (fault) => {
      await sandbox.faults({ media: fault });
      const { status, bytes } = await bridge.fetchFile(id, sent.id);
      return [status, status === 200 ? null : JSON.parse(bytes).code];
    };
    assert.deepEqual(await ask({ corrupt: true }), damaged);
    assert.deepEqual(await ask({ gone: true }), [410, 'media_gone']);
    assert.deepEqual(await ask({ down: true }), [503, 'media_unavailable']);
    assert.deepEqual(await ask(null), [200, null]);
  });

  await t.test('replies, reactions, edits and deletions are told', async () => {
    const mine = (await bridge.send(id, { id: messageId(), to: friend.jid, text: 'question' })).body.whatsapp_id;
    await eventually(async () => (await friend.received()).some((m) => m.id === mine), 'the question');
    const reply = await friend.send('+4915111111111', 'answer', mine);
    const { data } = await told(reply.id);
    assert.deepEqual([data.type, data.text, data.quoted_id], ['text', 'answer', mine]);
    const changed = (type, target) => module.event('message.inbound', (inbound) => inbound.type === type && inbound.target_id === target);
    await friend.react(mine, '👍');
    const reaction = (await changed('reaction', mine)).data;
    assert.equal(reaction.text, '👍');
    assert.equal(reaction.from_phone, '+4915122222222');
    await friend.react(mine, '');
    await module.event('message.inbound', ({ type, target_id: target, text }) => type === 'reaction' && target === mine && text === '');
    await friend.edit(reply.id, 'a better answer');
    assert.equal((await changed('edit', reply.id)).data.text, 'a better answer');
    await friend.remove(reply.id);
    const deletion = (await changed('deletion', reply.id)).data;
    assert.notEqual(deletion.whatsapp_id, reply.id);
    assert.equal(deletion.text, undefined);
  });

  await t.test('neither log holds a file name, a caption or an emoji', async () => {
    await bridge.kill('SIGTERM');
    for (const secret of ['größe', 'a dot', 'to read', 'for you', '👍', 'a better answer']) {
      assert.ok(!bridge.output.includes(secret), secret);
    }
    assert.deepEqual((await sandbox.stats()).unhandled, {});
  });
}
