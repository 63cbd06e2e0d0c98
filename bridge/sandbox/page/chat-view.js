/** One chat: bubbles and a box to write in. Having it open is reading it. */
import { attempt } from './api.js';
import { bubble } from './bubble.js';
import { composer } from './composer.js';
import { avatar, dayOf, h, icons } from './dom.js';
import { go, messagesOf, nameOf, state } from './state.js';

const PAGE = 150;

/** @returns {{element: HTMLElement, update: () => void, opened: () => void}} */
export function chatView(phoneId, number) {
  let limit = PAGE;
  let reading = false;
  let order = '';
  const drawn = new Map();
  const name = nameOf(number);
  const list = h('div.bubbles', { role: 'log', 'aria-label': `Messages with ${name}`, tabindex: '0' });
  const box = composer(phoneId, number);
  const find = (id) => messagesOf(phoneId, number).find((m) => m.id === id);

  async function read(messages) {
    const unread = messages.some((m) => m.direction === 'in' && m.status !== 'read');
    if (!unread || reading || document.hidden || !state.phones.get(phoneId)?.online) return;
    reading = true;
    await attempt('POST', `/phones/${phoneId}/read`, { chat: number });
    reading = false;
  }

  /** The bubble of a message, the same element as long as nothing about it changes: players go on playing. */
  function bubbleOf(m) {
    const quoted = m.quoted_id && find(m.quoted_id);
    const print = JSON.stringify([m, quoted]);
    const key = `${m.direction} ${m.id}`;
    const old = drawn.get(key);
    if (old?.print === print) return old.element;
    const element = bubble(phoneId, m, { find, onReply: box.reply, onEdit: box.edit });
    drawn.set(key, { print, element });
    if (old?.element.isConnected) old.element.replaceWith(element);
    return element;
  }

  function draw(messages) {
    const visible = messages.slice(-limit);
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    const bubbles = visible.map(bubbleOf);
    const now = `${visible.map((m) => m.direction + m.id).join()} ${messages.length}`;
    if (now !== order) {
      order = now;
      const kids = [];
      if (messages.length > visible.length) {
        kids.push(h('button.quiet', { onclick: () => { limit += PAGE; update(); } }, `Show earlier (${messages.length - visible.length})`));
      }
      let day = '';
      visible.forEach((m, i) => {
        const d = dayOf(m.at);
        if (d !== day) kids.push(h('span.day', {}, d));
        day = d;
        kids.push(bubbles[i]);
      });
      list.replaceChildren(...kids);
    }
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  function update() {
    const messages = messagesOf(phoneId, number);
    draw(messages);
    read(messages);
  }
  document.addEventListener('visibilitychange', () => { if (element.isConnected) update(); });
  // A picture has its height only when it is there.
  list.addEventListener('load', (e) => {
    const below = list.scrollHeight - list.scrollTop - list.clientHeight;
    if (below < e.target.clientHeight + 60) list.scrollTop = list.scrollHeight;
  }, true);
  list.addEventListener('click', (e) => {
    const id = e.target.closest('.quote')?.dataset.quotes;
    const target = id && [...list.querySelectorAll('.bubble')].find((b) => b.dataset.id === id);
    target?.scrollIntoView({ block: 'center', behavior: 'smooth' });
    target?.animate([{ opacity: 0.4 }, { opacity: 1 }], 700);
  });
  // One menu at a time.
  list.addEventListener('toggle', (e) => {
    if (e.target.open) for (const other of list.querySelectorAll('details[open]')) if (other !== e.target) other.open = false;
  }, true);

  const element = h('div.chat', {},
    h('div.bar', {},
      h('button.back', { title: 'Back', 'aria-label': 'Back to the chats', onclick: () => go(phoneId) }, icons.back()),
      avatar(name, number),
      h('div.bar-text', {}, h('strong', { dir: 'auto' }, name), h('span', {}, name === number ? 'not one of the phones here' : number))),
    h('div.lock', {}, 'Signal-encrypted from device to device'),
    list,
    box.element);
  for (const type of ['dragenter', 'dragover']) {
    element.addEventListener(type, (e) => {
      e.preventDefault();
      element.classList.add('over');
    });
  }
  element.addEventListener('dragleave', (e) => { if (!element.contains(e.relatedTarget)) element.classList.remove('over'); });
  element.addEventListener('drop', (e) => {
    e.preventDefault();
    element.classList.remove('over');
    box.take(e.dataTransfer.files);
  });

  return {
    element,
    update,
    opened() {
      update();
      list.scrollTop = list.scrollHeight;
      if (matchMedia('(hover: hover)').matches) box.focus();
    },
  };
}
