/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user is logged in, and ending it. */
import { dayAndTime, el } from '../../assets/dom.js';
import { badge, problemNotice } from '../parts.js';

function row(login, onEnd) {
  const where = login.user_agent ?? 'unknown program';
  return el('tr', {},
    el('th', { scope: 'row' },
      login.address,
      el('span', { class: 'soft small block' }, where)),
    el('td', { class: 'wide' }, dayAndTime(login.created_at)),
    el('td', { class: 'wide' }, dayAndTime(login.last_used_at)),
    el('td', {},
      login.current
        ? badge('good', 'this page')
        : el('button', { type: 'button', class: 'button small', 'aria-label': `End the login from ${login.address}`, onclick: onEnd }, 'End')));
}

function table(body) {
  return el('div', { class: 'flush' },
    el('table', {},
      el('caption', { class: 'visually-hidden' }, 'Logins that still count, the newest first'),
      el('thead', {}, el('tr', {},
        el('th', { scope: 'col' }, 'From'),
        el('th', { scope: 'col', class: 'wide' }, 'Since'),
        el('th', { scope: 'col', class: 'wide' }, 'Last used'),
        el('th', { scope: 'col' }, el('span', { class: 'visually-hidden' }, 'End it')))),
      body));
}

export default async function loginsPanel({ user, api, signal, announce }) {
  const heading = el('h2', { tabindex: '-1' }, 'Logins');
  const body = el('tbody');
  const list = el('div', {});
  const said = el('div');

  function show() {
    list.replaceChildren(body.rows.length > 0 ? table(body) : el('p', { class: 'soft' }, `${user.username} is logged in nowhere.`));
  }

  async function end(login, line) {
    said.replaceChildren();
    try {
      await api.endLogin(user.id, login.id);
    } catch (problem) {
      // Not found: it has ended by itself.
      if (problem.status !== 404) {
        if (!signal.aborted) said.replaceChildren(problemNotice(problem));
        return;
      }
    }
    line.remove();
    show();
    announce('The login has ended.');
    heading.focus();
  }

  const page = await api.logins(user.id, signal);
  body.append(...page.data.map((login) => {
    const line = row(login, () => end(login, line));
    return line;
  }));
  show();
  return el('section', { class: 'card stack', 'data-panel': 'logins' }, heading, list, said);
}
