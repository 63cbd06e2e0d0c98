/* SPDX-License-Identifier: Apache-2.0 */
/* Sending a text with a key, and following it until it is read. */
import { clock, el, icon, say } from '../../assets/dom.js';
import { poll } from '../../assets/poll.js';
import { field, form } from '../form.js';
import { notice } from '../parts.js';

const WATCH = 15 * 60_000; // unread for so long: no longer asked for
const LAST = ['read', 'played', 'failed', 'cancelled'];

/* status: [words, symbol, look] */
const STATES = {
  scheduled: ['Scheduled', 'clock', ''],
  pending: ['Waiting to be sent', 'clock', ''],
  sent: ['Sent', 'check', ''],
  delivered: ['Delivered', 'checks', ''],
  read: ['Read', 'checks', 'read'],
  played: ['Played', 'checks', 'read'],
  failed: ['Failed', 'warning', 'bad'],
  cancelled: ['Cancelled', 'warning', ''],
  unknown: ['Not known whether it was sent', 'warning', 'warn']
};
const STEPS = [['sent_at', 'Sent'], ['delivered_at', 'Delivered'], ['read_at', 'Read']];

function pause(since) {
  const age = Date.now() - since;
  if (age > WATCH) return 0;
  return age < 20_000 ? 700 : age < 120_000 ? 2000 : 5000;
}

function stepsOf(message) {
  return STEPS.map(([at, name]) => el('li', { class: message[at] ? 'reached' : '' },
    el('span', {}, name), message[at] ? clock(message[at]) : el('span', { class: 'soft' }, '–')));
}

function bubble(first) {
  const state = el('span', { class: 'ticks' });
  const steps = el('ol', { class: 'track' });
  const fault = el('div', { hidden: true });
  let shown = '';
  const node = el('li', { class: 'message', 'data-id': first.id },
    el('div', { class: 'bubble' },
      el('p', {}, first.content),
      el('p', { class: 'meta' }, el('span', {}, `to ${first.recipient}`), state)),
    steps, fault);
  return {
    node,
    /** @return whether the status is another than before */
    show(message) {
      if (message.status === shown) return false;
      shown = message.status;
      const [words, symbol, look] = STATES[message.status] ?? [message.status, 'clock', ''];
      node.dataset.status = message.status;
      state.className = `ticks ${look}`;
      state.replaceChildren(icon(symbol), words);
      steps.replaceChildren(...stepsOf(message));
      fault.hidden = !message.error_message;
      fault.replaceChildren(notice('bad', el('p', {}, message.error_message ?? '')));
      return true;
    }
  };
}

function sendForm(api, server, onSent) {
  const recipient = field({
    name: 'recipient', label: 'To',
    hint: server.mode === 'sandbox' ? 'The number of another virtual phone, as +491701234567' : 'A phone number with its country, as +491701234567',
    control: el('input', { type: 'tel', inputmode: 'tel', required: true, maxlength: 64, placeholder: '+49…' })
  });
  const text = field({
    name: 'text', label: 'Text',
    control: el('textarea', { rows: 3, required: true })
  });
  text.control.value = 'Hello from mod_whatsapp!';
  return form({
    fields: [recipient, text],
    submit: { label: 'Send', busy: 'Sending…', icon: 'send' },
    async send(values) {
      onSent(await api.sendText(values.recipient.trim(), values.text));
      text.control.value = ''; // a second click sends nothing twice
    }
  });
}

/** @return {node, onSession} */
export default function messagePanel({ api, server, signal, announce }) {
  const list = el('ul', { class: 'messages', 'aria-label': 'Messages sent' });
  const notYet = el('p', { class: 'soft' }, 'This opens when a phone is linked.');
  const node = el('section', { class: 'card stack step', 'data-step': '3' }, el('h2', {}, 'Send a first message'), notYet);

  async function follow(message, view, since) {
    await poll(signal, async () => {
      let now;
      try {
        now = await api.message(message.id, signal);
      } catch (problem) {
        return signal.aborted || problem.status === 401 ? 0 : (problem.retryAfter || 3) * 1000;
      }
      if (view.show(now)) announce(`Message to ${now.recipient}: ${STATES[now.status]?.[0] ?? now.status}`);
      return LAST.includes(now.status) ? 0 : pause(since);
    });
  }

  function sent(message) {
    const view = bubble(message);
    view.show(message);
    announce(`Message to ${message.recipient}: ${STATES[message.status]?.[0] ?? message.status}`);
    list.prepend(view.node);
    node.classList.add('done');
    follow(message, view, Date.now());
  }

  let opened = false;
  return {
    node,
    onSession(session) {
      const linked = session.status === 'connected';
      if (linked && !opened) {
        opened = true;
        node.append(sendForm(api, server, sent), list);
      }
      notYet.hidden = linked;
      say(notYet, opened ? 'The phone is not connected at the moment.' : 'This opens when a phone is linked.');
    }
  };
}
