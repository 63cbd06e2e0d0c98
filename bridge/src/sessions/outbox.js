/**
 * Sends of one session: one attempt per id at a time, chat by chat in call order, "sent" only when WhatsApp's
 * server has said so.
 */
import { Problem } from '../problems.js';
import { within } from '../within.js';
import { LookupCache } from './lookup-cache.js';
import { parsePhone, parseRecipient } from './recipient.js';

/** A repeat of an id that left this long ago without an answer sends it again instead of waiting on. */
const RESEND_AFTER_MS = 5000;

const RETRY_AFTER_S = 2;

export class Outbox {
  #sent;
  #encode;
  #link;
  #tell;
  #attempts = new Map();
  #chats = new Map();
  #lookups = new LookupCache();
  #repeatable;

  /**
   * @param {object} options
   * @param {import('./sent-log.js').SentLog} options.sent
   * @param {(content: object, link: object) => Promise<Buffer>} options.encode a message as it is kept; puts its file at WhatsApp
   * @param {() => import('../engines/index.js').Link} options.link the open link; throws a Problem when there is none
   * @param {(data: object) => void} options.tell appends a message.status event
   * @param {boolean} [options.repeatable] a message sent again under its id is shown once
   */
  constructor({ sent, encode, link, tell, repeatable = true }) {
    this.#sent = sent;
    this.#encode = encode;
    this.#link = link;
    this.#tell = tell;
    this.#repeatable = repeatable;
  }

  /**
   * @param {{id: string, to: string, type: string, text?: string, media?: object, timeoutMs: number}} request
   * @returns {Promise<{whatsapp_id: string, status: 'sent', sent_at: string, chat: string}>}
   */
  async send(request) {
    const known = this.#sent.get(request.id);
    if (known?.sentAt) {
      return answer(request.id, known);
    }
    if (known?.status === 'failed') {
      throw rejected(known.code);
    }
    const recipient = parseRecipient(request.to);
    let attempt = this.#attempts.get(request.id);
    if (!attempt && known?.left && !this.#repeatable) {
      throw this.#late('An earlier attempt may have sent it');
    }
    if (!attempt || (this.#repeatable && attempt.leftAt && Date.now() - attempt.leftAt > RESEND_AFTER_MS)) {
      this.#link();
      attempt = this.#begin(request, recipient, attempt);
    }
    return within(request.timeoutMs, attempt.result, () => this.#late());
  }

  /** What is said when WhatsApp has not answered: whether a repeat is safe depends on the engine. */
  #late(detail) {
    return this.#repeatable ? new Problem('ack_timeout', detail, { retryAfter: RETRY_AFTER_S }) : new Problem('outcome_unknown', detail);
  }

  #begin({ id, type, text, media }, recipient, earlier) {
    const attempt = earlier ?? newAttempt();
    this.#attempts.set(id, attempt);
    attempt.leftAt = null;
    const before = this.#chats.get(recipient.jid) ?? Promise.resolve();
    const run = before.then(() => this.#transmit(attempt, id, { type, text, media }, recipient));
    const settled = run.catch((error) => this.#fail(id, attempt, error));
    this.#chats.set(recipient.jid, settled);
    void settled.then(() => {
      if (this.#chats.get(recipient.jid) === settled) {
        this.#chats.delete(recipient.jid);
      }
    });
    return attempt;
  }

  async #transmit(attempt, id, content, recipient) {
    const link = this.#link();
    // A repeat goes to the same chat with the same content, whatever it says now.
    let sent = this.#sent.get(id);
    let message;
    if (sent) {
      message = await this.#sent.message(id);
    } else {
      const chat = await this.#resolve(link, recipient);
      message = await this.#encode(content, link);
      this.#sent.begin(id, chat, message);
      sent = this.#sent.get(id);
    }
    if (!this.#repeatable) {
      this.#sent.leaving(id, true);
      await this.#sent.flush();
    }
    attempt.leaving = true;
    try {
      await link.send({ id, to: sent.chat, message });
    } catch (error) {
      if (!this.#repeatable && neverLeft(error)) {
        this.#sent.leaving(id, false);
      }
      throw error;
    }
    attempt.leftAt = Date.now();
  }

  async #resolve(link, { jid, kind, user }) {
    if (kind !== 'phone') {
      return jid;
    }
    const found = await this.#ask(link, user);
    if (!found) {
      throw new Problem('not_on_whatsapp');
    }
    return found;
  }

  async #ask(link, digits) {
    try {
      return await this.#lookups.get(digits, (phone) => link.lookup(phone));
    } catch {
      throw new Problem('session_unavailable', 'WhatsApp did not answer the number check', { retryAfter: RETRY_AFTER_S });
    }
  }

  #fail(id, attempt, error) {
    if (this.#attempts.get(id) !== attempt) {
      return;
    }
    this.#attempts.delete(id);
    if (error instanceof Problem) {
      attempt.reject(error);
    } else if (attempt.leaving && !neverLeft(error)) {
      attempt.reject(this.#late('The connection failed while the message was being sent'));
    } else {
      attempt.reject(new Problem('session_unavailable', 'The message could not be sent now', { retryAfter: RETRY_AFTER_S }));
    }
  }

  /**
   * Is this number on WhatsApp?
   * @param {string} phone
   */
  async contact(phone) {
    const digits = parsePhone(phone);
    const jid = await this.#ask(this.#link(), digits);
    return jid ? { exists: true, jid, phone: `+${digits}` } : { exists: false, phone: `+${digits}` };
  }

  /** WhatsApp's server has answered for this id. */
  async onAck({ id, error, at }) {
    const sent = this.#sent.get(id);
    if (!sent) {
      return;
    }
    if (error) {
      if (this.#sent.advance(id, 'failed', { code: error })) {
        this.#tell({ whatsapp_id: id, chat: sent.chat, status: 'failed', at, code: error });
        await this.#sent.flush();
      }
      this.#settle(id, (attempt) => attempt.reject(rejected(error)));
      return;
    }
    await this.#acknowledged(id, sent, at);
  }

  async #acknowledged(id, sent, at) {
    if (this.#sent.advance(id, 'sent', { sentAt: at })) {
      this.#tell({ whatsapp_id: id, chat: sent.chat, status: 'sent', at });
    }
    // Answered only when a repeat after kill -9 would find it. Where the whole machine ends, and the caller's answer with
    // it, a repeat sends the message once more under its id: not worth waiting for the disk, where that is shown once.
    if (!this.#repeatable || !this.#sent.written()) {
      await this.#sent.flush();
    }
    this.#settle(id, (attempt) => attempt.resolve(answer(id, sent)));
  }

  /** Another device of the account has got a copy of an own message: then WhatsApp has it. */
  async onEcho({ id, at }) {
    const sent = this.#sent.get(id);
    if (sent && !sent.sentAt) {
      await this.#acknowledged(id, sent, at);
    }
  }

  /** A phone has said something about this id. */
  onReceipt({ id, chat, status, at }) {
    const sent = this.#sent.get(id);
    if (!sent) {
      // Older than the log, or sent from the phone itself: whoever knows the id can use it.
      this.#tell({ whatsapp_id: id, chat, status, at });
      return;
    }
    if (!sent.sentAt) {
      // A receipt proves what a lost acknowledgement would have told.
      void this.#acknowledged(id, sent, at).catch(() => {});
    }
    if (this.#sent.advance(id, status)) {
      this.#tell({ whatsapp_id: id, chat: sent.chat, status, at });
    }
  }

  /** The link is gone: nobody will answer for what was under way. */
  onLinkClosed() {
    for (const [id, attempt] of this.#attempts) {
      if (attempt.leaving) {
        this.#settle(id, () =>
          attempt.reject(this.#late('The connection was lost before WhatsApp acknowledged')),
        );
      }
    }
  }

  /** After a connection: asks what became of messages whose outcome is not known. */
  async reconcile() {
    const ids = this.#repeatable ? [] : this.#sent.unresolved();
    if (ids.length) {
      await this.#link().outcomes(ids);
    }
  }

  /** How many messages wait for WhatsApp's answer. */
  get busy() {
    return this.#attempts.size;
  }

  #settle(id, how) {
    const attempt = this.#attempts.get(id);
    if (attempt) {
      this.#attempts.delete(id);
      how(attempt);
    }
  }
}

function newAttempt() {
  const attempt = { leaving: false, leftAt: null };
  attempt.result = new Promise((resolve, reject) => {
    attempt.resolve = resolve;
    attempt.reject = reject;
  });
  // Its callers may have gone; that is no unhandled rejection.
  attempt.result.catch(() => {});
  return attempt;
}

function neverLeft(error) {
  return error?.neverLeft || /connection closed|all encryptions failed|not authenticated/i.test(error?.message ?? '');
}

function rejected(code) {
  return new Problem('rejected', `WhatsApp refused the message with code ${code}`);
}

function answer(id, sent) {
  return { whatsapp_id: id, status: 'sent', sent_at: sent.sentAt, chat: sent.chat };
}
