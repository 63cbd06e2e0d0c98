/** The questions a client may ask: one table, by type, namespace and first child. Others get 501. */
import { PN, LID, parseJid } from '../lib/jid.js';
import { bigEndian, bytes, child, childBytes, childNumber, children, el, seconds } from '../lib/nodes.js';
import { pairByCode } from './code-pairing.js';
import { jidOf } from './directory.js';
import { IqError } from './iq-error.js';

const b64 = (b) => Buffer.from(b ?? []).toString('base64');
const raw = (s) => Buffer.from(s, 'base64');
const PREKEYS_LOW = 5;

/* ---- keys -------------------------------------------------------------------------------------- */

const ownDevice = (client) => client.account.devices.get(client.device);

function count({ client }) {
  return [el('count', { value: String(ownDevice(client).preKeys.size) })];
}

function readSignedKey(node) {
  return { id: childNumber(node, 'id'), value: b64(childBytes(node, 'value')), signature: b64(childBytes(node, 'signature')) };
}

async function upload({ server, client, node }) {
  const device = ownDevice(client);
  if (b64(childBytes(node, 'identity')) !== device.identity) throw new IqError(406, 'not the identity of this device');
  const keys = children(child(node, 'list'), 'key').map((k) => ({ id: childNumber(k, 'id'), value: b64(childBytes(k, 'value')) }));
  device.registrationId = childNumber(node, 'registration');
  toldLow.delete(device);
  device.skey = readSignedKey(child(node, 'skey'));
  server.directory.saveDevice(client.account, device);
  server.directory.addPreKeys(client.account, device, keys);
  await server.store.commit();
}

function rotate({ server, client, node }) {
  const device = ownDevice(client);
  device.skey = readSignedKey(child(child(node, 'rotate'), 'skey'));
  server.directory.saveDevice(client.account, device);
}

const signedKeyNode = ({ id, value, signature }) => el('skey', {}, [
  el('id', {}, bigEndian(id, 3)), el('value', {}, raw(value)), el('signature', {}, raw(signature)),
]);

const preKeyNode = ({ id, value }) => el('key', {}, [el('id', {}, bigEndian(id, 3)), el('value', {}, raw(value))]);

function digest({ client }) {
  const d = ownDevice(client);
  return [el('digest', {}, [
    el('registration', {}, bigEndian(d.registrationId, 4)),
    el('type', {}, Buffer.from([5])),
    el('identity', {}, raw(d.identity)),
    signedKeyNode(d.skey),
    el('list', {}, [...d.preKeys.keys()].map((id) => el('id', {}, bigEndian(id, 3)))),
  ])];
}

/** One bundle per device asked for; each takes a one-time key, and a device that runs low is told. */
async function keys({ server, client, node }) {
  const users = children(child(node, 'key'), 'user').map(({ attrs }) => {
    const found = server.directory.resolve(attrs.jid);
    const device = found?.account.devices.get(found.device);
    if (!device) return el('user', { jid: attrs.jid }, [el('error', { code: '404', text: 'item-not-found' })]);
    if (found.account !== client.account) server.directory.watch(found.account, client.account);
    const preKey = server.directory.takePreKey(found.account, device);
    if (device.preKeys.size < PREKEYS_LOW) tellLow(server, found.account, device);
    return el('user', { jid: attrs.jid }, [
      el('registration', {}, bigEndian(device.registrationId, 4)),
      el('type', {}, Buffer.from([5])),
      el('identity', {}, raw(device.identity)),
      signedKeyNode(device.skey),
      ...(preKey ? [preKeyNode(preKey)] : []),
    ]);
  });
  // A one-time key must not be handed out a second time after a crash.
  await server.store.commit();
  return [el('list', {}, users)];
}

/** Devices that were told and have not uploaded since. */
const toldLow = new WeakSet();

function tellLow(server, account, device) {
  if (toldLow.has(device) || !server.clientOf(account, device.id)) return;
  toldLow.add(device);
  const id = `low-${Date.now()}-${device.id}`;
  server.clientOf(account, device.id).send(el('notification', { from: `@${PN}`, id, type: 'encrypt' }, [
    el('count', { value: String(device.preKeys.size) }),
  ]));
}

/* ---- who is there ------------------------------------------------------------------------------ */

function usyncUser(server, client, user, wanted) {
  const phone = bytes(child(user, 'contact'))?.toString();
  const jid = user.attrs.jid ?? (phone ? `${phone.replace(/\D/g, '')}@${PN}` : undefined);
  const parsed = parseJid(jid);
  const found = parsed && server.directory.resolve(jid);
  if (!found) return phone ? el('user', { jid }, [el('contact', { type: 'out' }, Buffer.from(phone))]) : null;
  const { account } = found;
  const out = [];
  if (wanted.has('contact')) out.push(el('contact', { type: 'in' }, phone ? Buffer.from(phone) : undefined));
  if (wanted.has('devices')) {
    if (account !== client.account) server.directory.watch(account, client.account);
    out.push(el('devices', {}, [el('device-list', {}, [...account.devices.values()].map((d) =>
      el('device', d.id ? { id: String(d.id), 'key-index': String(d.keyIndex) } : { id: '0' })))]));
  }
  if (wanted.has('lid') && parsed.server === PN) out.push(el('lid', { val: jidOf(account, 0, LID) }));
  if (wanted.has('status')) out.push(el('status', { t: '0' }));
  return el('user', { jid: jidOf(account, 0, parsed.server) }, out);
}

/** Numbers with a behaviour of their own come into being when they are asked for. */
async function summon(server, user) {
  const phone = bytes(child(user, 'contact'))?.toString().replace(/\D/g, '');
  const jid = parseJid(user.attrs.jid);
  const pn = phone ?? (jid?.server === PN ? jid.user : undefined);
  if (pn && !server.directory.byNumber(pn)) await server.summon(pn);
}

async function usync({ server, client, node }) {
  const question = child(node, 'usync');
  for (const user of children(child(question, 'list'), 'user')) await summon(server, user);
  const wanted = new Set(children(child(question, 'query')).map((n) => n.tag));
  const users = children(child(question, 'list'), 'user').map((u) => usyncUser(server, client, u, wanted)).filter(Boolean);
  return [el('usync', question.attrs, [el('result', {}, [...wanted].map((w) => el(w))), el('list', {}, users)])];
}

/* ---- linking ----------------------------------------------------------------------------------- */

const phoneOnly = (client) => {
  if (client.device !== 0) throw new IqError(403, 'for the phone only');
};

async function pairDevice({ server, client, node }) {
  phoneOnly(client);
  const scan = child(node, 'pair-device');
  const { device, identity } = await server.pairing.link(client.account, {
    ref: childBytes(scan, 'ref').toString(),
    noise: childBytes(scan, 'noise'),
    identity: childBytes(scan, 'identity'),
    statement: childBytes(scan, 'device-identity'),
  });
  return [el('device', { id: String(device.id), label: device.label, t: device.linkedAt }), el('device-identity', {}, identity)];
}

/** A phone may remove any of its devices, a device only itself. It is told after it has the answer. */
function removeDevice({ server, client, node }) {
  const { jid, all } = child(node, 'remove-companion-device').attrs;
  const { account } = client;
  if (all === 'true') {
    phoneOnly(client);
    for (const id of [...account.devices.keys()]) if (id !== 0) server.removeDevice(account, id);
    return;
  }
  const target = server.directory.resolve(jid);
  if (!target || target.account !== account || target.device === 0) throw new IqError(404, 'no such device');
  if (client.device !== 0 && client.device !== target.device) throw new IqError(403, 'not your device');
  setImmediate(() => server.removeDevice(account, target.device));
}

/* ---- the rest ---------------------------------------------------------------------------------- */

function appState({ node }) {
  return [el('sync', {}, children(child(node, 'sync'), 'collection').map(({ attrs }) =>
    el('collection', { name: attrs.name, version: attrs.version ?? '0', type: 'result' })))];
}

const privacy = () => [el('privacy', {}, ['readreceipts', 'last', 'online', 'profile', 'status', 'groupadd', 'calladd']
  .map((name) => el('category', { name, value: 'all' })))];

/** Where files go: one host, on loopback. */
function mediaConnection({ server }) {
  const { auth, host, maxBytes } = server.media.describe();
  return [el('media_conn', { auth, ttl: '300', auth_ttl: '21600', max_buckets: '12' }, [
    el('host', { hostname: host, maxContentLengthBytes: String(maxBytes) }),
  ])];
}

/** A phone has put a file at the host again, or not: the device that asked is told. */
function mediaRetry({ server, client, node }) {
  phoneOnly(client);
  const { attrs: { id, to }, content } = child(node, 'mediaretry');
  server.clientOf(client.account, parseJid(to)?.device)?.send(el('notification', {
    from: jidOf(client.account), id, t: seconds(), type: 'mediaretry',
  }, content));
}

const nothing = () => undefined;

function activate({ server, client }) {
  // The answer goes out first, then what waited.
  setImmediate(() => {
    if (server.clientOf(client.account, client.device) === client) server.activate(client);
  });
}

const TABLE = {
  'get encrypt count': count,
  'set encrypt registration': upload,
  'set encrypt rotate': rotate,
  'get encrypt digest': digest,
  'get encrypt key': keys,
  'get usync usync': usync,
  'set passive active': activate,
  'set passive passive': nothing,
  'get w:p ping': nothing,
  'set md pair-device': pairDevice,
  'set md remove-companion-device': removeDevice,
  'set md link_code_companion_reg': pairByCode,
  'set w:sync:app:state sync': appState,
  'get abt props': () => [el('props', { protocol: '1', hash: 'sandbox', refresh: '86400' }, [])],
  'get blocklist ': () => [el('list', { dhash: 'sandbox' }, [])],
  'get privacy privacy': privacy,
  'set privacy tokens': () => [el('tokens', {}, [])],
  'get disappearing_mode ': () => [el('disappearing_mode', { duration: '0' })],
  'set urn:xmpp:whatsapp:dirty clean': nothing,
  'get w:g2 participating': () => [el('groups', {}, [])],
  'set w:stats add': nothing,
  'set w:m media_conn': mediaConnection,
  'set w:m mediaretry': mediaRetry,
};

const FOR_STRANGERS = new Set(['get w:p ping', 'set md link_code_companion_reg']);

/** Answers one question. */
export async function answerIq(server, client, node) {
  const { id, type, xmlns } = node.attrs;
  const key = `${type ?? 'get'} ${xmlns} ${child(node)?.tag ?? ''}`;
  const answer = (attrs, content) => client.send(el('iq', { from: PN, id, ...attrs }, content));
  try {
    const handler = Object.hasOwn(TABLE, key) ? TABLE[key] : null;
    if (!handler) {
      server.countUnhandled(`iq ${key}`);
      throw new IqError(501, 'feature-not-implemented');
    }
    if (!client.account && !FOR_STRANGERS.has(key)) throw new IqError(401, 'not logged in');
    answer({ type: 'result' }, await handler({ server, client, node }));
  } catch (err) {
    if (!(err instanceof IqError)) {
      server.counts.errors += 1;
      server.logger.warn({ err, key }, 'a question could not be answered');
    }
    answer({ type: 'error' }, [el('error', { code: String(err.code ?? 400), text: err instanceof IqError ? err.message : 'bad-request' })]);
  }
}
