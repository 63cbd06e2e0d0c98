/**
 * Linking a device: the device asks and gets references to show as QR codes; the phone that scanned one
 * sends its signed statement; the device signs back; the server checks both signatures and lets it in.
 */
import { randomBytes } from 'node:crypto';
import { proto } from 'baileys/WAProto/index.js';
import { isDeviceIdentityValid } from '../lib/adv.js';
import { verify, withType } from '../lib/curve.js';
import { child, childBytes, el } from '../lib/nodes.js';
import { jidOf } from './directory.js';
import { IqError } from './iq-error.js';

const REFS = 6;
const FIRST_MS = 60_000;
const NEXT_MS = 20_000;
/** Device numbers travel as one byte; 99 means something else to clients. */
const MAX_DEVICE = 250;

const b64 = (bytes) => Buffer.from(bytes).toString('base64');

/** "Chrome on Mac OS", as the phone lists it. */
function labelOf({ platformType, os }) {
  const platform = (proto.DeviceProps.PlatformType[platformType ?? 0] ?? '').replaceAll('_', ' ').toLowerCase();
  return [platform.charAt(0).toUpperCase() + platform.slice(1), os].filter(Boolean).join(' on ');
}

export class Pairing {
  #server;
  #refs = new Map();

  constructor(server) {
    this.#server = server;
  }

  /** A device that belongs to nobody yet wants to be linked. */
  begin(client, payload, clientStatic) {
    const data = payload.devicePairingData;
    const props = proto.DeviceProps.decode(data.deviceProps);
    client.registration = {
      noise: b64(clientStatic),
      identity: Buffer.from(data.eIdent),
      registrationId: Buffer.from(data.eRegid).readUInt32BE(0),
      skey: { id: Buffer.from(data.eSkeyId).readUIntBE(0, 3), value: b64(data.eSkeyVal), signature: b64(data.eSkeySig) },
      label: labelOf(props),
      refs: [],
      linking: false,
    };
    for (let i = 0; i < this.#server.faults.codes(REFS); i++) this.offer(client, `2@${randomBytes(48).toString('base64')}`, FIRST_MS + i * NEXT_MS);
    const refs = client.registration.refs.map((ref) => el('ref', {}, Buffer.from(ref)));
    client.request({ type: 'set', xmlns: 'md' }, [el('pair-device', {}, refs)]).catch(() => {});
  }

  /** One more reference by which a phone can name this device. */
  offer(client, ref, lifeMs) {
    client.registration.refs.push(ref);
    this.#refs.set(ref, { client, expires: Date.now() + lifeMs });
  }

  /** The devices that want to be linked. */
  clients() {
    return [...new Set([...this.#refs.values()].map((r) => r.client))];
  }

  /** Its codes die with the connection. */
  forget(client) {
    for (const ref of client.registration?.refs ?? []) this.#refs.delete(ref);
  }

  /**
   * A phone has scanned a code.
   * @param {object} account the phone's
   * @param {{ref: string, noise: Buffer, identity: Buffer, statement: Buffer}} scan
   * @returns {Promise<{device: object, identity: Buffer}>} the new device and its signed identity
   */
  async link(account, { ref, noise, identity, statement }) {
    const known = this.#refs.get(ref);
    if (!known) {
      const linked = [...account.devices.values()].some((d) => d.noise === b64(noise) && d.identity === b64(identity));
      throw linked ? new IqError(409, 'already linked') : new IqError(410, 'unknown or expired reference');
    }
    const { client } = known;
    const { registration } = client;
    if (registration.linking) throw new IqError(409, 'already linked');
    if (known.expires < Date.now()) throw new IqError(410, 'expired reference');
    if (registration.noise !== b64(noise) || !registration.identity.equals(identity)) throw new IqError(406, 'keys differ from those of the device');
    if (!verify(identity, withType(Buffer.from(registration.skey.value, 'base64')), Buffer.from(registration.skey.signature, 'base64'))) {
      throw new IqError(406, 'the device signed its key wrongly');
    }
    registration.linking = true;
    const id = this.#nextDevice(account);
    try {
      const deviceIdentity = await this.#askDevice(client, account, id, statement);
      const phone = Buffer.from(account.devices.get(0).identity, 'base64');
      if (!isDeviceIdentityValid(deviceIdentity, identity, phone)) throw new IqError(406, 'the device signed back wrongly');
      return await this.#admit(client, account, id, deviceIdentity);
    } catch (err) {
      client.close();
      throw err instanceof IqError ? err : new IqError(406, 'the device refused');
    }
  }

  #nextDevice(account) {
    let id = account.nextDevice;
    while (account.devices.has(id) || id === 99 || id > MAX_DEVICE) id = id >= MAX_DEVICE ? 1 : id + 1;
    account.nextDevice = id + 1;
    this.#server.directory.saveAccount(account);
    return id;
  }

  async #askDevice(client, account, id, statement) {
    const reply = await client.request({ type: 'set', xmlns: 'md' }, [el('pair-success', {}, [
      el('device-identity', {}, statement),
      el('device', { jid: jidOf(account, id), lid: jidOf(account, id, 'lid') }),
      el('platform', { name: 'android' }),
    ])]);
    return childBytes(child(reply, 'pair-device-sign'), 'device-identity');
  }

  async #admit(client, account, id, deviceIdentity) {
    const server = this.#server;
    const { identity, registrationId, skey, noise, label } = client.registration;
    const device = server.directory.addDevice(account, {
      id, registrationId, identity: b64(identity), skey, noise, label,
    });
    await server.store.commit();
    server.log.add({ kind: 'link', device: jidOf(account, id), label });
    client.end(el('stream:error', { code: '515' }));
    server.devicesChanged(account, 'add', id);
    return { device, identity: deviceIdentity };
  }
}
