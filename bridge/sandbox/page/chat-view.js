/** One chat: bubbles with ticks, a box to write in. Having it open is reading it. */
import { attempt } from './api.js';
import { avatar, clock, dayOf, h, icons } from './dom.js';
import { go, messagesOf, nameOf, state } from './state.js';
import { ticks } from './ticks.js';

const PAGE = 150;

function bubble(m) {
  const body = m.type === 'text' ? m.text : `[${m.type}] ${m.text}`;
  return h(`div.bubble.${m.direction}`, { 'data-id': m.id },
    h('span.bubble-text', { dir: 'auto' }, body),
    h('span.bubble-meta', {}, h('time', { datetime: m.at }, clock(m.at)), m.direction === 'out' && ticks(m.status)));
}

/** @returns {{element: HTMLElement, update: () => void, opened: () => void}} */
export function chatView(phoneId, number) {
  let limit = PAGE;
  let reading = false;
  let drawn = '';
  const name = nameOf(number);
  const list = h('div.bubbles', { role: 'log', 'aria-label': `Messages with ${name}`, tabindex: '0' });
  const input = h('textarea', { rows: '1', placeholder: 'Message', 'aria-label': 'Message', maxlength: '65536', dir: 'auto' });
  const button = h('button.send', { title: 'Send', 'aria-label': 'Send' }, icons.send());

  const grow = () => {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, 120)}px`;
  };

  async function send(e) {
    e?.preventDefault();
    const text = input.value;
    if (!text.trim() || button.disabled) return;
    button.disabled = true;
    const sent = await attempt('POST', `/phones/${phoneId}/send`, { to: number, text });
    button.disabled = false;
    if (sent) {
      input.value = '';
      grow();
    }
    input.focus();
  }
  input.addEventListener('input', grow);
  input.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) send(e);
  });

  async function read(messages) {
    const unread = messages.some((m) => m.direction === 'in' && m.status !== 'read');
    if (!unread || reading || document.hidden || !state.phones.get(phoneId)?.online) return;
    reading = true;
    await attempt('POST', `/phones/${phoneId}/read`, { chat: number });
    reading = false;
  }

  function draw(messages) {
    const visible = messages.slice(-limit);
    // Drawing anew moves the reader only if something really changed.
    const print = visible.map((m) => m.id + m.status).join() + messages.length;
    if (print === drawn) return;
    drawn = print;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    const kids = [];
    if (messages.length > visible.length) {
      kids.push(h('button.quiet', { onclick: () => { limit += PAGE; drawn = ''; update(); } }, `Show earlier (${messages.length - visible.length})`));
    }
    let day = '';
    for (const m of visible) {
      const d = dayOf(m.at);
      if (d !== day) kids.push(h('span.day', {}, d));
      day = d;
      kids.push(bubble(m));
    }
    list.replaceChildren(...kids);
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  function update() {
    const messages = messagesOf(phoneId, number);
    draw(messages);
    read(messages);
  }
  document.addEventListener('visibilitychange', () => { if (element.isConnected) update(); });

  const element = h('div.chat', {},
    h('div.bar', {},
      h('button.back', { title: 'Back', 'aria-label': 'Back to the chats', onclick: () => go(phoneId) }, icons.back()),
      avatar(name, number),
      h('div.bar-text', {}, h('strong', { dir: 'auto' }, name), h('span', {}, name === number ? 'not one of the phones here' : number))),
    h('div.lock', {}, 'Signal-encrypted from device to device'),
    list,
    h('form.composer', { onsubmit: send }, input, button));

  return {
    element,
    update,
    opened() {
      drawn = '';
      update();
      list.scrollTop = list.scrollHeight;
      if (matchMedia('(hover: hover)').matches) input.focus();
    },
  };
}
