/** Ids of people, chats and messages. */

const faults = window.standInFaults;
const WID = /^(\d{1,20}(?:-\d+)?)@(c\.us|s\.whatsapp\.net|lid|g\.us)$/;

export class Wid {
  constructor(user, server) {
    this.user = user;
    this.server = server;
    this._serialized = `${user}@${server}`;
  }

  isLid() { return this.server === 'lid'; }
  isGroup() { return this.server === 'g.us'; }
  isUser() { return this.server === 'c.us' || this.server === 'lid'; }
  isStatus() { return false; }
  isNewsletter() { return false; }
  isBroadcast() { return false; }
  toString() { return this._serialized; }
  toJid() { return this._serialized.replace('@c.us', '@s.whatsapp.net'); }
}

/** @returns {Wid} */
export function createWid(text) {
  if (text instanceof Wid) return text;
  const m = WID.exec(String(text?._serialized ?? text));
  if (!m) throw new Error('wid error: invalid wid');
  return new Wid(m[1], m[2] === 's.whatsapp.net' ? 'c.us' : m[2]);
}

export function asUserWidOrThrow(wid) {
  if (!wid?.isUser()) throw new Error('wid error: not a user');
  return wid;
}

export class MsgKey {
  constructor({ from, to, remote, id, participant, selfDir, fromMe }) {
    this.fromMe = fromMe ?? selfDir === 'out';
    this.remote = remote ?? (this.fromMe ? to : from);
    this.id = id;
    if (participant) this.participant = participant;
    // The real page has renamed this property before; a fault does it here.
    this[faults.serialized] = `${this.fromMe}_${this.remote}_${id}`;
  }

  toString() {
    return `${this.fromMe}_${this.remote}_${this.id}`;
  }

  static async newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(9));
    return `3EB0${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('').toUpperCase()}`;
  }
}

if (faults.fixed_ids) Object.defineProperty(MsgKey, 'newId', { value: MsgKey.newId, writable: false, configurable: false });
