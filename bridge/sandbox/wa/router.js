/** Carries messages, receipts and acknowledgements from one device to the others they are meant for. */
import { child, children, el, seconds } from '../lib/nodes.js';
import { LID, makeJid, parseJid } from '../lib/jid.js';
import { jidOf } from './directory.js';
import { strike } from './faults.js';
import { describeCipher } from './log.js';

/** The parts of a message and the device each is for: many with a list of participants, or a single one. */
function partsOf(node) {
  const list = child(node, 'participants');
  if (list) return children(list, 'to').map((to) => ({ jid: to.attrs.jid, enc: child(to, 'enc') })).filter((p) => p.enc);
  const enc = child(node, 'enc');
  return enc ? [{ jid: node.attrs.to, enc }] : [];
}

/** The stanza one device receives. */
function inbound(server, client, node, target, enc) {
  const { account } = client;
  const own = target.account === account;
  const to = parseJid(node.attrs.to);
  const hidden = Boolean(node.attrs['sandbox-hidden']) && !own;
  const mode = hidden ? LID : (to?.server ?? 's.whatsapp.net');
  const attrs = {
    from: jidOf(account, client.device, mode),
    id: node.attrs.id,
    t: seconds(),
    type: node.attrs.type ?? 'text',
    notify: account.name,
    category: node.attrs.category,
    edit: node.attrs.edit,
  };
  if (hidden) {
    attrs.addressing_mode = LID;
  } else if (!own) {
    if (mode === LID) attrs.sender_pn = jidOf(account, client.device);
    else attrs.sender_lid = jidOf(account, client.device, LID);
  } else if (node.attrs.category !== 'peer') {
    // A copy for another device of the sender: it must learn whose chat this belongs to, and must not
    // take the sender's own LID for the chat's.
    attrs.recipient = node.attrs.recipient ?? makeJid(to.user, to.server);
    const peer = server.directory.resolve(attrs.recipient);
    if (peer) attrs[mode === LID ? 'peer_recipient_pn' : 'peer_recipient_lid'] = jidOf(peer.account, 0, mode === LID ? undefined : LID);
  }
  const identity = enc.attrs.type === 'pkmsg' ? child(node, 'device-identity') : null;
  return el('message', attrs, identity ? [enc, identity] : [enc]);
}

/** Handles a message: store for every device named, then acknowledge, then hand on. */
export function routeMessage(server, client, node) {
  const { id, to } = node.attrs;
  const { account } = client;
  const peerMessage = node.attrs.category === 'peer';
  const parts = partsOf(node);
  const recipient = server.directory.resolve(to);
  // Faults are for what stands before the sandbox, so for linked devices only.
  const fault = client.device === 0 || peerMessage ? { delay: 0 } : server.faults.forMessage(recipient?.account.pn ?? parseJid(to)?.user);
  server.counts.messages += 1;
  server.log.add({
    kind: 'message', id, from: jidOf(account, client.device), to, type: node.attrs.type,
    parts: parts.map((p) => describeCipher(p.jid, p.enc)), ...(fault.reject ? { rejected: fault.reject } : {}),
  });
  const ack = (extra = {}) => {
    for (let n = fault.twice ? 2 : 1; n > 0; n--) {
      server.counts.acks += 1;
      client.send(el('ack', { class: 'message', id, from: to, t: seconds(), ...extra }));
    }
  };
  if (fault.bans) {
    strike(server, account, 'ban');
    return undefined;
  }
  if (fault.reject || !parseJid(to)) {
    server.counts.rejected += 1;
    return later(fault.delay, () => ack({ error: String(fault.reject ?? 479) }));
  }
  if (recipient && recipient.account !== account) {
    server.directory.watch(recipient.account, account);
    server.directory.watch(account, recipient.account);
  }
  const targets = [];
  for (const { jid, enc } of parts) {
    const target = server.directory.resolve(jid);
    if (!target?.account.devices.has(target.device)) {
      server.counts.undeliverable += 1;
      continue;
    }
    targets.push({
      account: target.account, device: target.device, from: account.pn, peer: peerMessage,
      node: inbound(server, client, node, target, enc),
    });
  }
  server.counts.deliveries += targets.length;
  const queued = server.enqueue(targets);
  return server.store.commit().then(() => {
    if (fault.close) {
      client.close();
      server.gone(client);
    } else if (!fault.drop) {
      later(fault.delay, () => server.faults.inOrder(client, ack));
    }
    server.release(queued);
  });
}

function later(ms, what) {
  if (ms > 0) setTimeout(what, ms).unref();
  else what();
}

/** Receipts that only tell the server that a device has its copy. */
const SILENT = new Set(['peer_msg', 'hist_sync']);

/** Handles a receipt: the copy is delivered, and those who wait for a tick hear of it. */
export function routeReceipt(server, client, node) {
  const { account, device } = client;
  const { id, type, recipient } = node.attrs;
  const ids = [id, ...children(child(node, 'list'), 'item').map((i) => i.attrs.id)];
  const to = server.directory.resolve(node.attrs.to);
  server.counts.receipts += 1;
  if (type === 'retry') server.counts.retries += 1;
  server.log.add({ kind: 'receipt', id, type: type ?? 'delivered', from: jidOf(account, device), to: node.attrs.to, ids: ids.length });

  if (!['read', 'read-self', 'played', 'server-error'].includes(type)) {
    const queue = server.queues.of(account.pn, device);
    for (const i of ids) queue.answered('message', i, { from: to?.account.pn, retry: type === 'retry' });
  }
  const targets = to ? receiptTargets(client, node, to) : [];
  return server.deliver(targets).then(() => client.send(el('ack', { class: 'receipt', id, type, from: node.attrs.to ?? recipient })));
}

function receiptTargets({ account, device }, node, to) {
  const { type, id } = node.attrs;
  if (SILENT.has(type)) return [];
  // The media host has lost a file: the own phone is asked for it.
  if (type === 'server-error') {
    return to.account === account && device !== 0 ? [{ account, device: 0, from: account.pn, node: el('receipt', {
      from: jidOf(account, device), id, t: seconds(), type,
    }, node.content) }] : [];
  }
  const content = node.content;
  // A device that is not in front of anybody still has the message: a plain second tick for the sender.
  const shown = type === 'inactive' ? undefined : type;
  const make = (target, attrs) => ({
    account: to.account, device: target, from: account.pn,
    node: el('receipt', { from: jidOf(account, device, to.server), id, t: seconds(), type: shown, ...attrs }, content),
  });
  if (to.account === account) {
    if (to.device === device || !to.account.devices.has(to.device)) return [];
    return [make(to.device, { recipient: node.attrs.recipient })];
  }
  // A retry concerns exactly the device that sent the message; ticks concern all devices of the sender.
  if (type === 'retry') return to.account.devices.has(to.device) ? [make(to.device)] : [];
  const targets = type === 'read-self' ? [] : [...to.account.devices.keys()].map((d) => make(d));
  if (type === 'read' || type === 'read-self') {
    for (const other of account.devices.keys()) {
      if (other === device) continue;
      targets.push({ account, device: other, from: account.pn, node: el('receipt', {
        from: jidOf(account, device, to.server), recipient: jidOf(to.account, 0, to.server), id, t: seconds(), type: 'read-self',
      }, content) });
    }
  }
  return targets;
}

/** Handles an acknowledgement of something the server sent. */
export function routeAck(server, client, node) {
  const { class: tag, id, to } = node.attrs;
  server.queues.of(client.account.pn, client.device)
    .answered(tag, id, { from: tag === 'message' ? server.directory.resolve(to)?.account.pn : undefined, ack: true });
  if (node.attrs.error) {
    server.log.add({ kind: 'nack', id, class: tag, from: jidOf(client.account, client.device), error: node.attrs.error });
  }
}
