import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked, sandbox } from './harness.js';

test('a device is linked by its code, sends, gets its ticks, receives', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);

  const id = await device.send(ben.number, 'hello Ben');
  const onBen = await s.message(ben, (m) => m.id === id);
  assert.deepEqual({ ...onBen, at: 0 }, {
    id, from: anna.number, to: ben.number, type: 'text', text: 'hello Ben', at: 0, direction: 'in', status: 'delivered',
    ...('chat' in onBen ? { chat: anna.number } : {}),
  });
  await device.status(id, 3);
  const onAnna = await s.message(anna, (m) => m.id === id && m.status === 'delivered');
  assert.equal(onAnna.direction, 'out');
  assert.equal(onAnna.text, 'hello Ben');

  await s.ok('POST', `/phones/${ben.id}/read`, { message_id: id });
  await device.status(id, 4);
  await s.message(anna, (m) => m.id === id && m.status === 'read');

  const reply = await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'hello Anna' });
  const got = await device.text('hello Anna');
  assert.equal(got.key.id, reply.id);
  assert.equal(got.pushName, 'Ben');
  await s.message(anna, (m) => m.id === reply.id && m.direction === 'in');
  await s.message(ben, (m) => m.id === reply.id && m.status === 'delivered');
});

test('any text arrives as it was sent, up to 65,536 characters', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const texts = ['x', 'zürich 東京 👩‍👩‍👧‍👦 مرحبا', '\u0000\u001f\u202e line\r\nbreak\t', ' '.repeat(3), '😀'.repeat(32768), 'a'.repeat(65536)];
  for (const text of texts) {
    const id = await device.send(ben.number, text);
    assert.equal((await s.message(ben, (m) => m.id === id)).text, text);
    const { id: back } = await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text });
    assert.equal((await device.text(text)).key.id, back);
  }
});

test('a repeated message id is shown once, and every repeat is acknowledged and delivered', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const messageId = '3EB0AAAABBBBCCCCDDDD';
  for (let i = 0; i < 3; i++) {
    device.acks.clear();
    device.statuses.clear();
    await device.send(ben.number, 'only once', { messageId });
    await device.status(messageId, 3);
    assert.equal(device.acks.get(messageId).error, undefined);
  }
  const marker = await device.send(ben.number, 'marker');
  await s.message(ben, (m) => m.id === marker);
  await s.message(anna, (m) => m.id === marker);
  for (const phone of [ben, anna]) {
    assert.equal((await s.messages(phone)).filter((m) => m.id === messageId).length, 1);
  }
});

test('a number nobody has is not on WhatsApp; a message to it goes nowhere', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  assert.deepEqual(await device.sock.onWhatsApp('+491709999999', ben.number), [{ jid: '491700000002@s.whatsapp.net', exists: true }]);
  const id = await device.send('+491709999999', 'anybody there?');
  const own = await s.message(anna, (m) => m.id === id);
  assert.equal(own.to, '+491709999999');
  assert.equal(own.status, 'sent');
  assert.equal((await s.messages(ben)).length, 0);
  const answer = await s.call('POST', `/phones/${anna.id}/send`, { to: '+491709999999', text: 'x' });
  assert.equal(answer.status, 422);
  assert.equal(answer.body.code, 'not_on_whatsapp');
});

test('two linked devices of one number and one of another: everybody gets every message', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const a1 = await linked(t, s, anna);
  const first = await a1.send(ben.number, 'before the others were linked');
  await s.message(ben, (m) => m.id === first);

  const a2 = await linked(t, s, anna);
  const b1 = await linked(t, s, ben);
  assert.equal((await s.ok('GET', `/phones/${anna.id}`)).linked_devices.length, 2);

  const id = await a1.send(ben.number, 'to all of Ben');
  const onB1 = await b1.text('to all of Ben');
  assert.equal(onB1.key.fromMe, false);
  const onA2 = await a2.text('to all of Ben');
  assert.equal(onA2.key.fromMe, true);
  assert.equal(onA2.key.remoteJid, '491700000002@s.whatsapp.net');
  await s.message(ben, (m) => m.id === id);
  await s.message(anna, (m) => m.id === id && m.direction === 'out');

  const reply = await b1.send(anna.number, 'from a linked device of Ben');
  await a1.text('from a linked device of Ben');
  await a2.text('from a linked device of Ben');
  await s.message(anna, (m) => m.id === reply && m.direction === 'in');
  await s.message(ben, (m) => m.id === reply && m.direction === 'out');

  const { id: fromPhone } = await s.ok('POST', `/phones/${anna.id}/send`, { to: ben.number, text: 'from the phone of Anna' });
  assert.equal((await a1.text('from the phone of Anna')).key.fromMe, true);
  assert.equal((await b1.text('from the phone of Anna')).key.id, fromPhone);
  await s.message(ben, (m) => m.id === fromPhone);

  // Read on the linked device: the phone knows, and so does the sender.
  await b1.sock.readMessages([onB1.key]);
  await s.message(ben, (m) => m.id === id && m.status === 'read');
  await a1.status(id, 4);
});

test('phones write to each other and to themselves', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const { id, status } = await s.ok('POST', `/phones/${anna.id}/send`, { to: ben.number, text: 'hi' });
  assert.ok(['sent', 'delivered'].includes(status));
  await s.message(ben, (m) => m.id === id && m.text === 'hi');
  await s.message(anna, (m) => m.id === id && m.status === 'delivered');
  await s.ok('POST', `/phones/${ben.id}/read`, { chat: anna.number });
  await s.message(anna, (m) => m.id === id && m.status === 'read');

  const device = await linked(t, s, anna);
  const note = await s.ok('POST', `/phones/${anna.id}/send`, { to: anna.number, text: 'a note to myself' });
  assert.equal((await device.text('a note to myself')).key.id, note.id);
  const back = await device.send(anna.number, 'and one from the device');
  await s.message(anna, (m) => m.id === back);
});

test('a number moves to a new phone: what it can not decrypt it asks for again', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const first = await device.send(ben.number, 'to the old phone');
  await s.message(ben, (m) => m.id === first);
  const { id: reply } = await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'back' });
  await device.text('back');
  assert.ok(reply);
  await s.ok('DELETE', `/phones/${ben.id}`);
  const newBen = await s.phone('+491700000002', 'Ben');
  const id = await device.send(newBen.number, 'to the new phone');
  assert.equal((await s.message(newBen, (m) => m.id === id)).text, 'to the new phone');
  await device.status(id, 3);
  assert.ok((await s.ok('GET', '/stats')).retries > 0);
});

test('a device that lost its sessions asks again and gets the message', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const id = await device.send(ben.number, 'one');
  await s.message(ben, (m) => m.id === id);
  await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'two' });
  await device.text('two');
  const lost = [...device.keysOf('session')];
  await device.auth.keys.set({ session: Object.fromEntries(lost.map((k) => [k, null])) });
  await s.ok('POST', `/phones/${ben.id}/send`, { to: anna.number, text: 'three' });
  await device.text('three');
});

test('a chat by LID works as one by number', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const first = await device.send(ben.number, 'by number');
  await s.message(ben, (m) => m.id === first);
  const lid = await device.sock.signalRepository.lidMapping.getLIDForPN('491700000002@s.whatsapp.net');
  const ack = device.wait('ack');
  const { key } = await device.sock.sendMessage(lid, { text: 'by LID' });
  await ack;
  const got = await s.message(ben, (m) => m.id === key.id);
  assert.equal(got.from, anna.number);
  assert.equal((await s.message(anna, (m) => m.id === key.id)).to, ben.number);
  await device.status(key.id, 3);
});

test('one-time keys do not run out: phones and devices upload more when told', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const ben = await s.phone('+491700000002', 'Ben');
  const device = await linked(t, s, anna);
  const seen = new Set();
  for (let i = 0; i < 130; i++) {
    const answer = await device.sock.query({ tag: 'iq', attrs: { to: 's.whatsapp.net', type: 'get', xmlns: 'encrypt' },
      content: [{ tag: 'key', attrs: {}, content: [{ tag: 'user', attrs: { jid: '491700000002@s.whatsapp.net' } }] }] });
    const key = answer.content[0].content[0].content.find((n) => n.tag === 'key');
    assert.ok(key, `a key the ${i}th time`);
    seen.add(Buffer.from(key.content[1].content).toString('hex'));
  }
  assert.equal(seen.size, 130, 'none twice');
  const id = await device.send(ben.number, 'still works');
  await s.message(ben, (m) => m.id === id);
});

test('an unknown question gets 501 and is counted', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Anna');
  const device = await linked(t, s, anna);
  await assert.rejects(device.sock.query({ tag: 'iq', attrs: { to: 's.whatsapp.net', type: 'get', xmlns: 'w:unheard' }, content: [{ tag: 'of', attrs: {} }] }),
    (err) => err.data === 501);
  assert.deepEqual((await s.ok('GET', '/stats')).unhandled, { 'iq get w:unheard of': 1 });
});
