import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Device, linked, sandbox } from './harness.js';

async function showCode(t, s) {
  const device = new Device(t, s);
  const qr = device.wait('qr');
  device.connect();
  return { device, qr: (await qr)[0] };
}

test('a linked device comes back with its saved credentials and no code', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  device.on('qr', () => assert.fail('no code wanted'));
  for (let i = 0; i < 3; i++) {
    device.end();
    await device.reconnect();
    const id = await device.send(ben.number, `after ${i}`);
    await s.message(ben, (m) => m.id === id);
  }
});

test('the device learns the name of its account', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001', 'Änna 😀');
  const device = await linked(t, s, anna);
  while (device.auth.creds.me.name !== 'Änna 😀') await device.wait('creds');
  assert.match(device.auth.creds.me.lid, /^\d+:1@lid$/);
});

test('no question of the client stays unanswered', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  await device.send(anna.number, 'x');
  const { unhandled, errors } = await s.ok('GET', '/stats');
  assert.deepEqual(unhandled, {});
  assert.equal(errors, 0);
});

test('a dropped connection ends with 428 and comes back', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  const closed = device.wait('closed');
  assert.deepEqual(await s.ok('POST', `/phones/${anna.id}/drop`), { dropped: 1 });
  assert.deepEqual(await closed, [428]);
  await device.reconnect();
});

test('"log out" on the phone unlinks: 401, and the credentials are dead', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  const closed = device.wait('closed');
  const [{ device_id: id }] = (await s.ok('GET', `/phones/${anna.id}`)).linked_devices;
  assert.deepEqual(await s.ok('POST', `/phones/${anna.id}/unlink`, { device_id: id }), { unlinked: [id] });
  assert.deepEqual(await closed, [401]);
  assert.deepEqual((await s.ok('GET', `/phones/${anna.id}`)).linked_devices, []);
  const again = device.wait('closed');
  device.connect();
  assert.deepEqual(await again, [401]);
});

test('a device logs itself out; the phone knows, and another can be linked', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  await s.events;
  const gone = new Promise((resolve) => {
    s.on('change', (e) => { if (e.type === 'phone' && e.phone.linked_devices.length === 0) resolve(); });
  });
  const closed = device.wait('closed');
  await device.sock.logout();
  assert.deepEqual(await closed, [401]);
  await gone;
  await linked(t, s, anna);
});

test('the same credentials twice: the first connection is replaced with 440', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  const closed = device.wait('closed');
  const twin = new Device(t, s);
  twin.auth = device.auth;
  await twin.reconnect();
  assert.deepEqual(await closed, [440]);
});

test('a removed phone takes its devices along', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const device = await linked(t, s, anna);
  const closed = device.wait('closed');
  assert.equal((await s.call('DELETE', `/phones/${anna.id}`)).status, 204);
  assert.deepEqual(await closed, [401]);
  assert.equal((await s.call('GET', `/phones/${anna.id}`)).status, 404);
});

test('codes that lead nowhere: invalid, expired, used', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const scan = async (qr) => {
    const { status, body } = await s.call('POST', `/phones/${anna.id}/scan`, { qr });
    return [status, body.code];
  };
  for (const qr of ['x', 'a,b,c,d', 'https://example.org/', `2@x,${'A'.repeat(43)}=,${'A'.repeat(43)}=`]) {
    assert.deepEqual(await scan(qr), [422, 'qr_invalid']);
  }
  const { device, qr } = await showCode(t, s);
  const [ref, noise, identity, secret] = qr.split('#')[1].split(',');
  assert.deepEqual(await scan([`${ref}x`, noise, identity, secret].join(',')), [410, 'qr_expired']);
  assert.deepEqual(await scan([ref, identity, noise, secret].join(',')), [422, 'qr_invalid']);

  const open = device.wait('open');
  assert.deepEqual((await scan(qr))[0], 200);
  await open;
  assert.deepEqual(await scan(qr), [409, 'already_linked']);

  const other = await showCode(t, s);
  other.device.end();
  const stats = async () => (await s.ok('GET', '/stats')).connections;
  await stats();
  // The server learns of the hang-up when the socket closes; until then the device just does not answer.
  const [status] = await scan(other.qr);
  assert.ok(status === 410 || status === 422);
});

test('a code whose secret was tampered with is refused by the device', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const { qr } = await showCode(t, s);
  const parts = qr.split(',');
  parts[3] = Buffer.alloc(32, 7).toString('base64');
  const { status, body } = await s.call('POST', `/phones/${anna.id}/scan`, { qr: parts.join(',') });
  assert.equal(status, 422);
  assert.equal(body.code, 'qr_invalid');
  assert.deepEqual((await s.ok('GET', `/phones/${anna.id}`)).linked_devices, []);
});

test('codes run out: the client gets 408', async (t) => {
  const s = await sandbox(t);
  const device = new Device(t, s, { qrTimeout: 50 });
  const codes = [];
  device.on('qr', (qr) => codes.push(qr));
  const closed = device.wait('closed');
  device.connect();
  assert.deepEqual(await closed, [408]);
  assert.equal(new Set(codes).size, 6);
});

test('a device is linked by the code it shows; a wrong code is refused', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const { device } = await showCode(t, s);
  const code = await device.sock.requestPairingCode(anna.number.slice(1));
  const type = async (phone, text) => {
    const { status, body } = await s.call('POST', `/phones/${phone.id}/link-code`, { code: text });
    return [status, body.code ?? body.device_id];
  };
  const wrong = code.startsWith('AAAA') ? 'BBBBBBBB' : `AAAA${code.slice(4)}`;
  assert.deepEqual(await type(anna, wrong), [422, 'code_invalid']);
  assert.deepEqual(await type(ben, code), [422, 'code_invalid']);
  const open = device.wait('open');
  const synced = device.wait('synced');
  assert.deepEqual(await type(anna, `${code.slice(0, 4)}-${code.slice(4).toLowerCase()}`), [200, 1]);
  await open;
  await synced;
  const id = await device.send(ben.number, 'linked by code');
  await s.message(ben, (m) => m.id === id);
});
