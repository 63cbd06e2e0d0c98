/**
 * WhatsApp ids: `USER[:DEVICE]@SERVER`. A person has a phone number (`s.whatsapp.net`) and a second,
 * opaque number (`lid`); a device is a person plus a small number, 0 being the phone.
 */

export const PN = 's.whatsapp.net';
export const LID = 'lid';

/**
 * @param {string | undefined} jid
 * @returns {{user: string, device: number, server: string} | null} null if it names no person
 */
export function parseJid(jid) {
  const m = /^(\d{1,20})(?::(\d{1,5}))?@(s\.whatsapp\.net|lid|c\.us)$/.exec(jid ?? '');
  if (!m) return null;
  return { user: m[1], device: Number(m[2] ?? 0), server: m[3] === 'c.us' ? PN : m[3] };
}

/** @returns {string} the id of a device; the phone itself (device 0) has no device part */
export function makeJid(user, server = PN, device = 0) {
  return device ? `${user}:${device}@${server}` : `${user}@${server}`;
}

/** E.164 as people write it, with a plus. */
export const isE164 = (s) => typeof s === 'string' && /^\+[1-9]\d{6,14}$/.test(s);
