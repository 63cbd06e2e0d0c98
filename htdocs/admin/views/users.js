/* SPDX-License-Identifier: Apache-2.0 */
import { day, el, icon, number } from '../../assets/dom.js';
import { badge, problemNotice } from '../parts.js';

const PAGE = 50;

function row(user) {
  return el('tr', {},
    el('th', { scope: 'row' },
      el('a', { href: `#/users/${user.id}` }, user.username),
      el('span', { class: 'soft small block' }, user.email)),
    el('td', {},
      el('span', { class: 'row tight' },
        badge(user.role === 'admin' ? 'good' : '', user.role),
        !user.is_active && badge('bad', 'inactive'))),
    el('td', { class: 'wide number' }, number(user.max_messages_per_minute)),
    el('td', { class: 'wide number' }, number(user.max_messages_per_day)),
    el('td', { class: 'wide number' }, number(user.max_sessions)),
    el('td', { class: 'wider nowrap' }, day(user.created_at)));
}

function table(body) {
  return el('div', { class: 'card flush' },
    el('table', {},
      el('caption', { class: 'visually-hidden' }, 'Users, the newest first'),
      el('thead', {}, el('tr', {},
        el('th', { scope: 'col' }, 'User'),
        el('th', { scope: 'col' }, 'Role'),
        el('th', { scope: 'col', class: 'wide number' }, 'Messages / min'),
        el('th', { scope: 'col', class: 'wide number' }, 'Messages / day'),
        el('th', { scope: 'col', class: 'wide number' }, 'Sessions'),
        el('th', { scope: 'col', class: 'wider' }, 'Created'))),
      body));
}

export default async function users({ api, signal, announce }) {
  const body = el('tbody');
  const count = el('span', { class: 'soft small' });
  const said = el('div');
  const more = el('button', { type: 'button', class: 'button' }, 'Show more');
  let cursor;

  async function load() {
    const page = await api.users({ limit: PAGE, cursor }, signal);
    const rows = page.data.map(row);
    body.append(...rows);
    cursor = page.next_cursor;
    more.hidden = !cursor;
    count.textContent = `${number(body.rows.length)} ${body.rows.length === 1 ? 'user' : 'users'} shown${cursor ? ', there are more' : ''}`;
    return rows;
  }

  more.addEventListener('click', async () => {
    if (more.getAttribute('aria-disabled') === 'true') return;
    more.setAttribute('aria-disabled', 'true');
    said.replaceChildren();
    try {
      const rows = await load();
      announce(count.textContent);
      rows[0]?.querySelector('a').focus();
    } catch (problem) {
      if (!signal.aborted) said.replaceChildren(problemNotice(problem));
    }
    more.removeAttribute('aria-disabled');
  });

  await load();
  return el('div', { class: 'page view' },
    el('div', { class: 'row spread' },
      el('h1', {}, 'Users'),
      el('a', { class: 'button primary', href: '#/users/new' }, icon('plus'), 'New user')),
    table(body),
    said,
    el('div', { class: 'row spread' }, count, more));
}
