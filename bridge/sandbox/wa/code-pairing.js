/**
 * Linking by an eight-character code instead of a picture. The code never comes here: device and phone
 * agree on keys through it, the server only carries what they send each other.
 */
import { randomBytes } from 'node:crypto';
import { PN, parseJid } from '../lib/jid.js';
import { child, childBytes, el, seconds } from '../lib/nodes.js';
import { IqError } from './iq-error.js';

const TAG = 'link_code_companion_reg';
const LIFE_MS = 180_000;
const ANSWER_MS = 15_000;

const part = (name, bytes) => el(name, {}, bytes);

/** A device that wants to be linked says for which number, and sends its key wrapped with the code. */
function companionHello(server, client, reg) {
  const { registration } = client;
  const number = parseJid(reg.attrs.jid)?.user;
  if (!registration || !server.directory.byNumber(number)) throw new IqError(400, 'nobody has this number');
  const ref = randomBytes(24).toString('base64');
  registration.code = { ref, number, wrapped: childBytes(reg, 'link_code_pairing_wrapped_companion_ephemeral_pub'), finish: null };
  server.pairing.offer(client, ref, LIFE_MS);
  server.log.add({ kind: 'code_offer', number });
  return [el(TAG, { stage: 'companion_hello' }, [part('link_code_pairing_ref', Buffer.from(ref))])];
}

/** The device has the phone's key and sends the secrets, sealed for the phone. */
function companionFinish(server, client, reg) {
  const code = client.registration?.code;
  const ref = childBytes(reg, 'link_code_pairing_ref')?.toString();
  if (!code?.finish || code.ref !== ref) throw new IqError(400, 'nobody asked');
  code.finish({ bundle: childBytes(reg, 'link_code_pairing_wrapped_key_bundle'), identity: childBytes(reg, 'companion_identity_public') });
}

/** The devices that wait for this phone's code. */
function waiting(server, account) {
  return server.pairing.clients().filter((c) => c.registration.code?.number === account.pn && !c.registration.linking);
}

function primaryList(server, client) {
  return [el(TAG, {}, waiting(server, client.account).map(({ registration: r }) => el('device', {}, [
    part('ref', Buffer.from(r.code.ref)),
    part('noise', Buffer.from(r.noise, 'base64')),
    part('wrapped', r.code.wrapped),
  ])))];
}

/** The phone's key, wrapped with the code a person typed, goes to the device; its answer comes back. */
async function primaryHello(server, client, reg) {
  const ref = childBytes(reg, 'link_code_pairing_ref')?.toString();
  const device = waiting(server, client.account).find((c) => c.registration.code.ref === ref);
  if (!device) throw new IqError(410, 'the device is gone');
  const { code } = device.registration;
  const answer = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new IqError(406, 'the device did not answer')), ANSWER_MS);
    code.finish = (x) => {
      clearTimeout(timer);
      resolve(x);
    };
  });
  device.send(el('notification', { from: `@${PN}`, id: randomBytes(8).toString('hex'), t: seconds(), type: TAG }, [
    el(TAG, { stage: 'primary_hello' }, [
      part('link_code_pairing_wrapped_primary_ephemeral_pub', childBytes(reg, 'link_code_pairing_wrapped_primary_ephemeral_pub')),
      part('primary_identity_pub', childBytes(reg, 'primary_identity_pub')),
      part('link_code_pairing_ref', Buffer.from(ref)),
    ]),
  ]));
  const { bundle, identity } = await answer;
  return [el(TAG, {}, [part('bundle', bundle), part('identity', identity)])];
}

/** Answers the questions of both sides. */
export function pairByCode({ server, client, node }) {
  const reg = child(node, TAG);
  const { stage } = reg.attrs;
  if (stage === 'companion_hello' && !client.account) return companionHello(server, client, reg);
  if (stage === 'companion_finish' && !client.account) return companionFinish(server, client, reg);
  if (stage === 'primary_list' && client.device === 0) return primaryList(server, client);
  if (stage === 'primary_hello' && client.device === 0) return primaryHello(server, client, reg);
  throw new IqError(400, 'unknown stage');
}
