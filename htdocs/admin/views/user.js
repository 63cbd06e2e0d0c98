/* SPDX-License-Identifier: Apache-2.0 */
import { userApi } from '../../assets/api.js';
import { day, el, number } from '../../assets/dom.js';
import keyPanel from '../panels/key.js';
import loginsPanel from '../panels/logins.js';
import messagePanel from '../panels/message.js';
import phonePanel from '../panels/phone.js';
import { backLink, badge } from '../parts.js';

function fact(name, value) {
  return el('div', {}, el('dt', {}, name), el('dd', {}, value));
}

function facts(who) {
  return el('dl', { class: 'facts card' },
    fact('Messages per minute', number(who.max_messages_per_minute)),
    fact('Messages per day', number(who.max_messages_per_day)),
    fact('Requests per minute', number(who.max_requests_per_minute)),
    fact('Linked phones', `up to ${number(who.max_sessions)}`),
    fact('Created', day(who.created_at)));
}

/* Two more steps appear with a key: they are done as the user's program would. */
function tryIt(key, context) {
  const api = userApi(key);
  const message = messagePanel({ ...context, api });
  const phone = phonePanel({ ...context, api, onSession: message.onSession });
  return [phone, message.node];
}

export default async function user(context) {
  const who = await context.api.user(context.params.id, context.signal);
  const logins = await loginsPanel({ ...context, user: who });
  const steps = el('div', { class: 'stack steps' });
  const forKey = (key) => steps.append(...tryIt(key, context));
  steps.append(keyPanel({ ...context, user: who, onKey: forKey }));
  return el('div', { class: 'page view' },
    backLink('#/users', 'Users'),
    el('header', {},
      el('div', { class: 'row' },
        el('h1', {}, who.username),
        badge(who.role === 'admin' ? 'good' : '', who.role),
        !who.is_active && badge('bad', 'inactive')),
      el('p', { class: 'soft' }, who.email)),
    facts(who),
    steps,
    logins);
}
