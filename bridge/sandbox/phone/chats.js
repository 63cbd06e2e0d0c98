/** What a phone shows: its messages, in the order they came, and how far each one has got. */

/** A message as others may see it: without the keys of its file. */
export const view = ({ wire: _, file: __, ...rest }) => rest;

const RANK = { pending: 0, failed: 0, sent: 1, delivered: 2, read: 3 };

/**
 * @typedef {object} Message
 * @property {string} id WhatsApp's id
 * @property {string} chat number of the other side
 * @property {string} from
 * @property {string} to
 * @property {string} type
 * @property {string} text
 * @property {string} at
 * @property {'in' | 'out'} direction
 * @property {string} status
 * @property {object} [media] of messages with a file: mime_type, size, sha256, file_name, seconds, and `state`: loading,
 *   ready or failed
 * @property {string} [quoted_id] the message it replies to
 * @property {Array<{from: string, text: string}>} [reactions]
 * @property {string} [edited_at]
 * @property {string} [deleted_at]
 * @property {string} [wire] its content as it went over the line, base64
 * @property {string} [file] name of the file in the phone's store
 */

export class Chats {
  #store;
  #phone;
  #messages = [];
  #shown = new Map();
  #byId = new Map();

  constructor(store, phoneId) {
    this.#store = store;
    this.#phone = phoneId;
    const saved = [...store.entries(`message/${phoneId}/`)].map(([n, m]) => [Number(n), m]).sort((a, b) => a[0] - b[0]);
    const status = new Map([...store.entries(`status/${phoneId}/`)].map(([n, s]) => [Number(n), s]));
    for (const [n, m] of saved) {
      // What was on its way when the process died is not known to have arrived.
      const s = status.get(n) ?? m.status;
      this.#index(n, { ...m, status: s === 'pending' ? 'failed' : s });
    }
  }

  #index(n, message) {
    const entry = { n, message };
    this.#messages.push(entry);
    this.#shown.set(`${message.chat}|${message.from}|${message.id}`, entry);
    const same = this.#byId.get(message.id);
    if (same) same.push(entry);
    else this.#byId.set(message.id, [entry]);
    return entry;
  }

  /** Whether this very message (chat, sender, id) is shown already. */
  has({ chat, from, id }) {
    return this.#shown.has(`${chat}|${from}|${id}`);
  }

  /** Shows a message, unless it is shown already. @param {Message} message @returns {boolean} */
  add(message) {
    if (this.has(message)) return false;
    const n = (this.#messages.at(-1)?.n ?? 0) + 1;
    this.#index(n, message);
    this.#store.put(`message/${this.#phone}/${n}`, message);
    return true;
  }

  /**
   * Moves a message forward; it never goes back.
   * @returns {Message | null} the message if it changed
   */
  advance(id, direction, chat, status) {
    const entry = (this.#byId.get(id) ?? []).find(({ message: m }) => m.direction === direction && (!chat || m.chat === chat));
    if (!entry || RANK[status] < RANK[entry.message.status] || status === entry.message.status) return null;
    entry.message.status = status;
    this.#store.put(`status/${this.#phone}/${entry.n}`, status);
    return entry.message;
  }

  /** @returns {Message | undefined} a message of a chat, whoever sent it */
  inChat(chat, id) {
    return (this.#byId.get(id) ?? []).find(({ message: m }) => m.chat === chat)?.message;
  }

  /** Changes a message that is shown, and keeps it so. */
  change(message, changes) {
    const entry = this.#shown.get(`${message.chat}|${message.from}|${message.id}`);
    if (!entry) return;
    Object.assign(entry.message, changes);
    this.#store.put(`message/${this.#phone}/${entry.n}`, entry.message);
    // The status has an entry of its own, which would win after a restart.
    this.#store.put(`status/${this.#phone}/${entry.n}`, entry.message.status);
  }

  /** Messages whose file has not been fetched yet. */
  loading() {
    return this.#messages.map((e) => e.message).filter((m) => m.media?.state === 'loading');
  }

  /** @returns {Message | undefined} */
  find(id, direction) {
    return (this.#byId.get(id) ?? []).find(({ message: m }) => !direction || m.direction === direction)?.message;
  }

  /** @returns {Message[]} in-messages of a chat nobody has looked at */
  unread(chat) {
    return this.#messages.map((e) => e.message).filter((m) => m.direction === 'in' && m.chat === chat && m.status !== 'read');
  }

  /** @returns {Message[]} oldest first */
  list({ chat, limit } = {}) {
    const all = this.#messages.map((e) => e.message).filter((m) => !chat || m.chat === chat);
    return limit ? all.slice(-limit) : all;
  }
}
