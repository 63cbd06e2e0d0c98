/** How far a message has got. */
import { h, icons } from './dom.js';

const LOOK = { pending: ['clock', 'on its way'], sent: ['one', 'sent'], delivered: ['two', 'delivered'], read: ['two', 'read'] };

/** @param {string} status @returns {HTMLElement} */
export function ticks(status) {
  const [shape, label] = LOOK[status] ?? [];
  if (!shape) return h('span.ticks.failed', { role: 'img', 'aria-label': status, title: status }, '!');
  return h(`span.ticks.${status}`, { role: 'img', 'aria-label': label, title: label }, icons[shape]());
}
