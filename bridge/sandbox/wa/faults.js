/** Misbehaviour on demand, for testing what stands in front of the sandbox. Kept in memory only. */
import { randomBytes } from 'node:crypto';
import { magic } from '../lib/magic.js';
import { el, seconds } from '../lib/nodes.js';
import { jidOf } from './directory.js';

const NONE = {
  ack_delay_ms: 0, drop_acks: 0, close_before_ack: 0, duplicate_acks: 0, reverse_acks: 0, qr_codes: null, reject: null, media: null,
};

const GARBAGE = 4096;

/** A frame, by its length, and nothing in it that can be decrypted. */
function garbage() {
  const bytes = randomBytes(GARBAGE);
  bytes.writeUIntBE(GARBAGE - 3, 0, 3);
  return bytes;
}

export class Faults {
  #current = { ...NONE };
  #held = new Map();
  #banned = new Set();

  /** Replaces what is given, leaves the rest. */
  set(changes) {
    Object.assign(this.#current, changes);
    if (changes.reverse_acks === 0) this.#letGo();
  }

  clear() {
    this.#current = { ...NONE };
    this.#banned.clear();
    this.#letGo();
  }

  get() {
    return { ...this.#current, banned: [...this.#banned].map((pn) => `+${pn}`) };
  }

  /** How many codes a device gets that wants to be linked. */
  codes(usual) {
    return this.#current.qr_codes ?? usual;
  }

  ban(pn) {
    this.#banned.add(pn);
  }

  unban(pn) {
    this.#banned.delete(pn);
  }

  isBanned(pn) {
    return this.#banned.has(pn);
  }

  /**
   * What is to happen with one message to `pn`. Counted faults are used up.
   * @param {string | undefined} pn digits
   * @returns {{reject?: number, drop?: boolean, close?: boolean, bans?: boolean, twice?: boolean, delay: number}}
   */
  forMessage(pn) {
    const f = this.#current;
    const special = magic(pn);
    if (special?.bans) return { bans: true, delay: 0 };
    if (special?.refused) return { reject: special.refused, delay: f.ack_delay_ms };
    if (special?.silent) return { drop: true, delay: 0 };
    if (f.reject && (f.reject.to === '*' || f.reject.to === `+${pn}`)) return { reject: f.reject.code, delay: f.ack_delay_ms };
    if (f.close_before_ack > 0) {
      f.close_before_ack -= 1;
      return { close: true, delay: 0 };
    }
    if (f.drop_acks > 0) {
      f.drop_acks -= 1;
      return { drop: true, delay: 0 };
    }
    if (f.duplicate_acks > 0) {
      f.duplicate_acks -= 1;
      return { twice: true, delay: f.ack_delay_ms };
    }
    return { delay: f.ack_delay_ms };
  }

  /**
   * Acknowledges now, or, when acknowledgements are to be reversed, holds it back until so many have
   * gathered on this connection; then the last one goes first.
   */
  inOrder(client, acknowledge) {
    const count = this.#current.reverse_acks;
    if (!count) {
      acknowledge();
      return;
    }
    const held = this.#held.get(client) ?? this.#held.set(client, []).get(client);
    held.push(acknowledge);
    if (held.length >= count) {
      this.#held.delete(client);
      held.reverse().forEach((late) => late());
    }
  }

  #letGo() {
    const all = [...this.#held.values()].flat();
    this.#held.clear();
    all.forEach((late) => late());
  }
}

const conflict = () => el('stream:error', { code: '440' }, [el('conflict', { type: 'replaced' })]);
const failure = (reason) => el('failure', { reason, location: 'sandbox' });
const restart = () => el('stream:error', { code: '515' });

/** WhatsApp's word that an account may not begin new chats for a while, or may again. */
function timelock(account, active) {
  const data = { data: { xwa2_notify_account_reachout_timelock: { is_active: active, enforcement_type: 'DEFAULT' } } };
  if (active) data.data.xwa2_notify_account_reachout_timelock.time_enforcement_ends = String(Math.floor(Date.now() / 1000) + 3600);
  return el('notification', { from: jidOf(account), id: randomBytes(8).toString('hex'), t: seconds(), type: 'mex' }, [
    el('update', { op_name: 'NotificationUserReachoutTimelockUpdate' }, Buffer.from(JSON.stringify(data))),
  ]);
}

/** What can be done to the connections of a phone's linked devices. */
const STRIKES = {
  drop: (client) => client.close(),
  conflict: (client) => client.end(conflict()),
  restart: (client) => client.end(restart()),
  outdated: (client) => client.end(failure('405')),
  ban: (client) => client.end(failure('403')),
  garbage: (client) => client.garbage(garbage()),
  restrict: (client) => client.send(timelock(client.account, true)),
  unrestrict: (client) => client.send(timelock(client.account, false)),
};

export const STRIKE_NAMES = [...Object.keys(STRIKES), 'logout', 'unban'];

/**
 * Does this to all linked devices of an account.
 * @param {import('./server.js').WaServer} server
 * @param {object} account
 * @param {string} fault one of STRIKE_NAMES
 * @returns {number} how many devices it hit
 */
export function strike(server, account, fault) {
  server.log.add({ kind: 'fault', fault, number: `+${account.pn}` });
  if (fault === 'unban') {
    server.faults.unban(account.pn);
    return 0;
  }
  if (fault === 'logout') {
    const ids = [...account.devices.keys()].filter((id) => id !== 0);
    ids.forEach((id) => server.removeDevice(account, id));
    return ids.length;
  }
  if (fault === 'ban') server.faults.ban(account.pn);
  const clients = [...server.clients.values()].filter((c) => c.account === account && c.device !== 0);
  clients.forEach((client) => STRIKES[fault](client));
  return clients.length;
}

/** What a banned account's device is told instead of being let in. */
export const banned = () => failure('403');
