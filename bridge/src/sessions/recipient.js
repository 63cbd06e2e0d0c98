/**
 * WhatsApp ids as callers give them.
 */
import { Problem } from '../problems.js';

const PHONE = /^[1-9]\d{4,14}$/;
const LID = /^[1-9]\d{4,19}$/;
const GROUP = /^\d{5,25}(-\d{5,15})?$/;

/**
 * @param {string} to
 * @returns {{jid: string, kind: 'phone'|'lid'|'group', user: string}}
 * @throws {Problem} invalid_recipient
 */
export function parseRecipient(to) {
  const at = to.lastIndexOf('@');
  const user = to.slice(0, at);
  const server = to.slice(at + 1);
  if (server === 's.whatsapp.net' && PHONE.test(user)) {
    return { jid: to, kind: 'phone', user };
  }
  if (server === 'lid' && LID.test(user)) {
    return { jid: to, kind: 'lid', user };
  }
  if (server === 'g.us' && GROUP.test(user)) {
    return { jid: to, kind: 'group', user };
  }
  throw new Problem('invalid_recipient', 'to must be <number>@s.whatsapp.net, <id>@lid or <id>@g.us');
}

/** A number with or without +, as digits. */
export function parsePhone(phone) {
  const digits = phone.replace(/^\+/, '');
  if (!PHONE.test(digits)) {
    throw new Problem('invalid_recipient', 'The number must be E.164');
  }
  return digits;
}
