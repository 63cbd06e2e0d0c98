/* SPDX-License-Identifier: Apache-2.0 */
/* Making a key, and showing it the one time. */
import { serverNow } from '../../assets/api.js';
import { copyButton, dayAndTime, el } from '../../assets/dom.js';
import { field, form } from '../form.js';
import { notice } from '../parts.js';

const DAY = 24 * 3600 * 1000;
const LIVES = [['', 'never'], [30, 'in 30 days'], [90, 'in 90 days'], [365, 'in a year']];

function requestOf(values) {
  const request = { name: values.name.trim() };
  if (values.expires_at) {
    request.expires_at = new Date(serverNow() + values.expires_at * DAY).toISOString();
  }
  return request;
}

function keyForm(user, api, onMade) {
  const name = field({
    name: 'name', label: 'Name', hint: 'What will use it, so that you recognise it later',
    control: el('input', { required: true, maxlength: 100, placeholder: 'Shop server' })
  });
  const expiry = field({
    name: 'expires_at', label: 'Expires',
    control: el('select', {}, LIVES.map(([value, text]) => el('option', { value }, text)))
  });
  return form({
    fields: [name, expiry],
    layout: [el('div', { class: 'pair' }, name.node, expiry.node)],
    submit: { label: 'Make a key', busy: 'Making it…', icon: 'key' },
    send: async (values) => onMade(await api.createKey(user.id, requestOf(values)))
  });
}

function shownOnce(made) {
  const key = el('code', { class: 'key', tabindex: '0' }, made.key);
  return el('div', { class: 'stack' },
    notice('warning',
      el('strong', {}, 'Copy the key now: it is shown this once'),
      el('p', {}, 'The server keeps only a fingerprint of it. Whoever has the key can send messages as this user, so store it like a password.')),
    el('div', { class: 'key-line' }, key, copyButton('Copy key', () => made.key, 'button')),
    el('p', { class: 'soft small' },
      el('strong', {}, made.name), ', ',
      made.expires_at ? ['expires ', dayAndTime(made.expires_at)] : 'does not expire'));
}

/** @param onKey called with the key in clear when it was made */
export default function keyPanel({ user, api, onKey, announce }) {
  const heading = el('h2', { tabindex: '-1' }, 'Make an API key');
  const panel = el('section', { class: 'card stack step', 'data-step': '1' },
    heading,
    el('p', { class: 'soft' }, `A program shows it with every request and then acts as ${user.username}. Here it also lets you link a phone and send a first message.`));
  panel.append(keyForm(user, api, (made) => {
    heading.textContent = 'The API key';
    panel.classList.add('done');
    panel.replaceChildren(heading, shownOnce(made));
    announce('The key is made. Copy it now: it is shown only once.');
    onKey(made.key);
    heading.focus();
  }));
  return panel;
}
