/**
 * The server half: carries stanzas between devices, keeps the directory of public keys and what waits for
 * whom. It sees ciphertext only. Phones and linked devices are the same to it: clients that send nodes.
 */
import { randomBytes } from 'node:crypto';
import { el, seconds } from '../lib/nodes.js';
import { loadServerKeys } from './certificates.js';
import { Directory, jidOf } from './directory.js';
import { Faults } from './faults.js';
import { answerIq } from './iq.js';
import { WireLog } from './log.js';
import { Pairing } from './pairing.js';
import { Queues } from './queue.js';
import { routeAck, routeMessage, routeReceipt } from './router.js';

export const newId = () => randomBytes(8).toString('hex').toUpperCase();

export class WaServer {
  /** @param {{store: import('../lib/store.js').Store, logger: import('pino').Logger}} options */
  constructor({ store, logger }) {
    this.store = store;
    this.logger = logger;
    this.keys = loadServerKeys(store);
    this.directory = new Directory(store);
    this.queues = new Queues(store);
    this.log = new WireLog();
    this.faults = new Faults();
    this.pairing = new Pairing(this);
    this.clients = new Map();
    this.counts = {
      connections: 0, logins: 0, messages: 0, deliveries: 0, undeliverable: 0, acks: 0, rejected: 0,
      receipts: 0, retries: 0, handshake_failures: 0, errors: 0,
    };
    this.unhandled = {};
    /** Makes the phone of a number that makes itself; see Phones. */
    this.summon = async () => {};
  }

  /** @returns {import('./client.js').Client | undefined} the device's connection, if it has one */
  clientOf(account, device) {
    return this.clients.get(`${account.pn}/${device}`);
  }

  /** A device is connected and known. Another connection of the same device is replaced. */
  login(client, account, device) {
    const old = this.clientOf(account, device.id);
    old?.end(el('stream:error', {}, [el('conflict', { type: 'replaced' })]));
    client.account = account;
    client.device = device.id;
    this.clients.set(`${account.pn}/${device.id}`, client);
    this.counts.logins += 1;
    client.send(el('success', {
      t: seconds(), lid: jidOf(account, device.id, 'lid'), display_name: account.name, props: '1', location: 'loopback',
    }));
  }

  /** A connection is gone. */
  gone(client) {
    this.pairing.forget(client);
    if (!client.account) return;
    const name = `${client.account.pn}/${client.device}`;
    if (this.clients.get(name) === client) this.clients.delete(name);
  }

  /** Everything that comes from a client goes through here; nothing it says may do harm. */
  async handle(client, node) {
    if (!client.open) return;
    try {
      await this.#dispatch(client, node);
    } catch (err) {
      this.counts.errors += 1;
      this.logger.warn({ err, tag: node.tag, id: node.attrs?.id }, 'a stanza could not be handled');
    }
  }

  #dispatch(client, node) {
    switch (node.tag) {
      case 'iq':
        if (node.attrs.type === 'result' || node.attrs.type === 'error') return client.answered(node);
        return answerIq(this, client, node);
      case 'message':
        return client.account && routeMessage(this, client, node);
      case 'receipt':
        return client.account && routeReceipt(this, client, node);
      case 'ack':
        return client.account && routeAck(this, client, node);
      case 'presence': case 'chatstate': case 'ib':
        return undefined;
      default:
        return this.countUnhandled(node.tag);
    }
  }

  countUnhandled(what) {
    this.unhandled[what] = (this.unhandled[what] ?? 0) + 1;
  }

  /**
   * Puts stanzas into the queues of devices. They leave for the device only after `release`.
   * @param {Array<{account: object, device: number, node: object, from?: string, peer?: boolean}>} targets
   */
  enqueue(targets) {
    return targets.map((t) => ({
      ...t,
      entry: this.queues.of(t.account.pn, t.device).push(this.queues.nextSeq(), t.node, { from: t.from, peer: t.peer }),
    }));
  }

  /** The queued stanzas are on disk now: send them to whoever is connected. */
  release(queued) {
    for (const q of queued) q.entry.ready = true;
    for (const q of queued) this.pump(q.account, q.device);
  }

  /** Both in one: queue, wait for the disk, send. */
  async deliver(targets) {
    const queued = this.enqueue(targets);
    await this.store.commit();
    this.release(queued);
  }

  pump(account, device) {
    const client = this.clientOf(account, device);
    if (!client?.active) return;
    for (const entry of this.queues.of(account.pn, device).takeReady()) client.send(entry.node);
  }

  /**
   * The client asks for what waited while it was away. Its events stay buffered until it is told that
   * this is all; what its own phone sends to set it up is understood only after that.
   */
  activate(client) {
    const { account } = client;
    const device = account.devices.get(client.device);
    const waiting = this.queues.of(account.pn, client.device).takeAll();
    const normal = waiting.filter((e) => !e.peer);
    client.active = true;
    normal.forEach(({ node }, i) => client.send({ ...node, attrs: { ...node.attrs, offline: String(i) } }));
    client.send(el('ib', { from: 's.whatsapp.net' }, [el('offline', { count: String(normal.length) })]));
    for (const { node } of waiting) if (node.attrs.category === 'peer') client.send(node);
    if (device.id !== 0 && !device.announced) {
      device.announced = true;
      this.directory.saveDevice(account, device);
      this.#notify([{ account, device: 0 }], account, 'link_ready', [this.#deviceNode(account, device.id)]);
    }
  }

  #deviceNode(account, id) {
    return el('device', { jid: jidOf(account, id), lid: jidOf(account, id, 'lid'), 'key-index': String(id) });
  }

  #notify(targets, from, type, content) {
    const id = newId();
    const node = el('notification', { from: jidOf(from), id, t: seconds(), type }, content);
    this.deliver(targets.map((t) => ({ ...t, node })))
      .catch((err) => this.logger.error({ err, type }, 'a notification was not stored'));
  }

  /** Tells everybody who keeps this account's device list that it changed. */
  devicesChanged(account, change, deviceId) {
    const targets = [...account.devices.keys()].filter((d) => d !== deviceId).map((device) => ({ account, device }));
    for (const pn of account.watchers) {
      const watcher = this.directory.byNumber(pn);
      if (!watcher || watcher === account) continue;
      for (const device of watcher.devices.keys()) if (device !== 0) targets.push({ account: watcher, device });
    }
    const attrs = { 'key-index': String(deviceId) };
    this.#notify(targets, account, 'devices', [el(change, { device_hash: '2:sandbox' }, [
      el('device', { jid: jidOf(account, deviceId), ...attrs }),
      el('device', { jid: jidOf(account, deviceId, 'lid'), ...attrs }),
    ])]);
  }

  /** Unlinks a device: it is told so, and what waited for it is thrown away. */
  removeDevice(account, id) {
    const device = account.devices.get(id);
    if (!device) return false;
    this.directory.removeDevice(account, device);
    this.queues.drop(account.pn, id);
    this.clientOf(account, id)?.end(el('stream:error', { code: '401' }, [el('conflict', { type: 'device_removed' })]));
    this.log.add({ kind: 'unlink', device: jidOf(account, id) });
    if (id !== 0) this.devicesChanged(account, 'remove', id);
    return true;
  }

  /** A phone signs up. @returns {object} its account */
  register(pn, name, { registrationId, identity, skey }) {
    const account = this.directory.createAccount(pn, name);
    this.directory.addDevice(account, { id: 0, registrationId, identity, skey, label: 'phone' });
    this.log.add({ kind: 'register', number: pn });
    return account;
  }

  /** A number leaves WhatsApp, with all its devices. */
  deregister(pn) {
    const account = this.directory.byNumber(pn);
    if (!account) return;
    for (const id of [...account.devices.keys()].reverse()) this.removeDevice(account, id);
    this.directory.removeAccount(account);
  }

  stats() {
    const accounts = [...this.directory.accounts()];
    const connected = [...this.clients.values()];
    return {
      phones: accounts.length,
      linked_devices: accounts.reduce((n, a) => n + [...a.devices.keys()].filter((d) => d !== 0).length, 0),
      phones_online: connected.filter((c) => c.device === 0).length,
      linked_devices_online: connected.filter((c) => c.device !== 0).length,
      waiting: this.queues.size,
      ...this.counts,
      media: { ...this.media?.counts },
      unhandled: { ...this.unhandled },
    };
  }
}
