/* SPDX-License-Identifier: Apache-2.0 */
import { el } from '../../assets/dom.js';
import { field, form } from '../form.js';
import { backLink } from '../parts.js';

/* What the server gives where nothing is entered, shown as placeholder. */
const LIMITS = [
  ['max_messages_per_minute', 'Messages per minute', 600],
  ['max_messages_per_day', 'Messages per day', 10000],
  ['max_requests_per_minute', 'API requests per minute', 600],
  ['max_sessions', 'Linked phones', 1]
];

function limitField([name, label, usual]) {
  return field({
    name, label, optional: true,
    control: el('input', { inputmode: 'numeric', placeholder: usual, maxlength: 7 })
  });
}

/* Digits become a number; anything else goes as it is, for the server to say
 * what is wrong with it. */
const entered = (text) => (/^\s*\d+\s*$/.test(text) ? Number(text) : text);

function requestOf(values) {
  const request = {};
  for (const [name, value] of Object.entries(values)) {
    const text = name === 'password' ? value : value.trim();
    const isNumber = LIMITS.some(([limit]) => limit === name);
    if (text !== '' || name === 'username' || name === 'email') {
      request[name] = isNumber ? entered(text) : text;
    }
  }
  return request;
}

export default function newUser({ api, announce }) {
  const username = field({
    name: 'username', label: 'User name', hint: '3 to 64 letters, digits, dots, hyphens and underscores',
    control: el('input', { autocapitalize: 'none', spellcheck: 'false', required: true, maxlength: 64, 'data-focus': true })
  });
  const email = field({
    name: 'email', label: 'E-mail address',
    control: el('input', { type: 'email', autocapitalize: 'none', spellcheck: 'false', required: true, maxlength: 254 })
  });
  const role = field({
    name: 'role', label: 'Role', hint: 'An admin may sign in here; a user calls the API with keys',
    control: el('select', {}, el('option', { value: 'user' }, 'user'), el('option', { value: 'admin' }, 'admin'))
  });
  const password = field({
    name: 'password', label: 'Password', optional: true, hint: 'At least 15 characters, best some words that have nothing to do with each other; without one nobody can sign in as this user',
    control: el('input', { type: 'password', autocomplete: 'new-password', maxlength: 256 })
  });
  const limits = LIMITS.map(limitField);
  const node = form({
    fields: [username, email, role, password, ...limits],
    layout: [
      el('div', { class: 'pair' }, username.node, email.node, role.node, password.node),
      el('fieldset', {},
        el('legend', {}, 'Limits'),
        el('p', { class: 'hint' }, 'Left empty, the value shown applies.'),
        el('div', { class: 'pair' }, limits.map((f) => f.node)))
    ],
    submit: { label: 'Create user', busy: 'Creating…' },
    extra: el('a', { class: 'button plain', href: '#/users' }, 'Cancel'),
    async send(values) {
      const user = await api.createUser(requestOf(values));
      announce(`The user ${user.username} is created.`);
      location.hash = `#/users/${user.id}`;
    }
  });
  return el('div', { class: 'page view narrow' },
    backLink('#/users', 'Users'),
    el('h1', {}, 'New user'),
    el('div', { class: 'card' }, node));
}
