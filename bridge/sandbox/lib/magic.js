/**
 * Numbers with a behaviour of their own, `+1 555 BBB xxxx`: BBB says which, xxxx is free, so that there are as
 * many of each as a test wants. Their phones are made when somebody first asks for the number.
 */

/**
 * @typedef {object} Magic
 * @property {string} name of its phone
 * @property {boolean} [nobody] it is never on WhatsApp
 * @property {number} [delayMs] between a message's arrival and its delivery
 * @property {boolean} [away] the phone is never on the network
 * @property {boolean} [reads] opens each message at once
 * @property {string} [replies] with this text
 * @property {number} [refused] the server refuses messages to it with this code
 * @property {boolean} [silent] messages to it are delivered but never acknowledged
 * @property {boolean} [bans] the account that writes to it is banned
 */

/** @type {Record<string, Magic>} */
const FIXED = {
  100: { name: 'Reads at once', reads: true },
  110: { name: 'Never reads' },
  120: { name: 'Never delivered', away: true },
  200: { name: 'Replies pong', replies: 'pong' },
  404: { name: 'Nobody', nobody: true },
  504: { name: 'Never acknowledged', silent: true },
  900: { name: 'Bans the sender', bans: true },
};

/** @param {string} pn digits @returns {Magic | null} */
export function magic(pn) {
  const behaviour = /^1555(\d{3})\d{4}$/.exec(pn)?.[1];
  if (!behaviour) return null;
  if (FIXED[behaviour]) return FIXED[behaviour];
  const n = Number(behaviour);
  if (n < 100) return n ? { name: `Delivers after ${n} s`, delayMs: n * 1000 } : { name: 'Delivers at once' };
  if (n >= 400 && n < 500) return { name: `Refused with ${n}`, refused: n };
  return null;
}
