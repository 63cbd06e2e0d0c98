/* SPDX-License-Identifier: Apache-2.0 */
/* What several views show. */
import { el, icon } from '../assets/dom.js';

/** A box with a symbol: kind is info, warning or bad. */
export function notice(kind, ...content) {
  const symbol = kind === 'info' ? 'info' : 'warning';
  const look = kind === 'warning' ? 'warn' : kind;
  return el('div', { class: `notice ${look}` }, icon(symbol), el('div', {}, ...content));
}

function wait(seconds) {
  if (seconds < 90) return `Try again in ${seconds} s.`;
  if (seconds < 5400) return `Try again in ${Math.round(seconds / 60)} minutes.`;
  return `Try again in ${Math.round(seconds / 3600)} hours.`;
}

/** A problem as the server told it. @param errors those no field shows */
export function problemNotice(problem, errors = problem.errors ?? []) {
  const small = [
    problem.help && el('a', { href: problem.help, target: '_blank' }, 'What does this mean?'),
    problem.requestId && problem.status >= 500 && el('span', { class: 'soft' }, 'Request ', el('code', {}, problem.requestId))
  ].filter(Boolean);
  const box = notice('bad',
    el('strong', {}, problem.title ?? 'Something went wrong on this page'),
    problem.detail && el('p', {}, problem.detail),
    problem.retryAfter > 0 && el('p', {}, wait(problem.retryAfter)),
    errors.length > 0 && el('ul', {}, errors.map((e) => el('li', {}, el('code', {}, e.pointer), ` ${e.detail}`))),
    small.length > 0 && el('p', { class: 'row small' }, small));
  box.setAttribute('role', 'alert');
  return box;
}

export function badge(kind, text) {
  return el('span', { class: `badge ${kind}` }, text);
}

/** Where a view lies: a link back above its heading. */
export function backLink(href, text) {
  return el('a', { class: 'back', href }, icon('arrow-left'), text);
}
