/** The phone itself: frame, status bar, list of chats. */
import { attempt } from './api.js';
import { summary } from './bubble.js';
import { chatView } from './chat-view.js';
import { avatar, clock, h, icons, toast } from './dom.js';
import { changed, chatsOf, current, go, nameOf, state } from './state.js';
import { ticks } from './ticks.js';

const stage = document.getElementById('stage');
const statusTime = h('span', {}, clock());
const signal = h('span.signal');
const screen = h('div.screen');
const frame = h('div.phone', {}, h('div.statusbar', {}, statusTime, h('span.notch'), signal), screen);
setInterval(() => { statusTime.textContent = clock(); }, 10_000);

async function toggleOnline(phone, input) {
  if (!await attempt('POST', `/phones/${phone.id}/online`, { online: input.checked })) input.checked = phone.online;
}

async function remove(phone) {
  if (confirm(`Remove the phone of ${phone.name}? Its number leaves WhatsApp and its chats are deleted.`)) {
    await attempt('DELETE', `/phones/${phone.id}`);
  }
}

function newChat(phone) {
  const input = h('input', { name: 'to', type: 'tel', placeholder: '+491701234567', required: true, 'aria-label': 'Number', pattern: '\\+[1-9][0-9]{6,14}', title: 'International, with a plus' });
  const others = [...state.phones.values()].filter((p) => p.id !== phone.id);
  const list = h('datalist', { id: 'known' }, others.map((p) => h('option', { value: p.number }, p.name)));
  input.setAttribute('list', 'known');
  const open = (number) => {
    const drafts = state.drafts.get(phone.id) ?? state.drafts.set(phone.id, new Set()).get(phone.id);
    drafts.add(number);
    go(phone.id, number);
  };
  return h('form.newchat', { onsubmit: (e) => { e.preventDefault(); open(input.value.trim()); } }, input, list, h('button', { title: 'New chat', 'aria-label': 'New chat' }, icons.plus()));
}

function chatRow(phone, chat) {
  const name = nameOf(chat.number);
  const { last } = chat;
  return h('li', {}, h('button.row', { onclick: () => go(phone.id, chat.number) },
    avatar(name, chat.number),
    h('span.row-main', {},
      h('span.row-name', { dir: 'auto' }, name === chat.number ? name : `${name}`),
      h('span.row-last', {}, last?.direction === 'out' && ticks(last.status), h('span', { dir: 'auto' }, last ? summary(last) : 'Write the first message'))),
    h('span.row-side', {},
      h('time', {}, last ? clock(last.at) : ''),
      chat.unread > 0 && h('span.badge', { 'aria-label': `${chat.unread} unread` }, String(chat.unread)))));
}

function home(phone) {
  const chats = chatsOf(phone.id);
  const online = h('input', { type: 'checkbox', role: 'switch', checked: phone.online, onchange: (e) => toggleOnline(phone, e.target) });
  return h('div.home', {},
    h('div.bar', {},
      avatar(phone.name, phone.number),
      h('div.bar-text', {}, h('strong', { dir: 'auto' }, phone.name), h('span', {}, phone.number)),
      h('label.switch', { title: 'On or off the network' }, online, h('span', {}, phone.online ? 'online' : 'offline'))),
    chats.length
      ? h('ul.chats', {}, chats.map((c) => chatRow(phone, c)))
      : h('p.empty', {}, 'No chats yet. Messages sent to this number appear here.'),
    newChat(phone),
    h('button.quiet.remove', { onclick: () => remove(phone) }, 'Remove this phone'));
}

function welcome() {
  return h('div.welcome', {}, h('h2', {}, 'Take a phone'), h('p', {}, 'Create a phone on the left, then link a device to it by the code the device shows, and write to any other phone here.'));
}

let shown = null;

/** Draws the stage; an open chat keeps its input while its messages change. */
export function drawPhone() {
  const phone = current();
  if (!phone) {
    shown = null;
    stage.replaceChildren(welcome());
    return;
  }
  if (frame.parentNode !== stage) stage.replaceChildren(frame);
  frame.classList.toggle('is-offline', !phone.online);
  signal.textContent = phone.online ? '5G ▮▮▮▮' : '✕ no network';
  if (!state.chat) {
    const focused = document.activeElement?.name === 'to' ? document.activeElement.value : null;
    shown = null;
    screen.replaceChildren(home(phone));
    if (focused !== null) {
      const input = screen.querySelector('input[name=to]');
      input.value = focused;
      input.focus();
    }
    return;
  }
  const key = `${phone.id} ${state.chat}`;
  if (shown?.key !== key) {
    shown = { key, view: chatView(phone.id, state.chat) };
    screen.replaceChildren(shown.view.element);
    shown.view.opened();
  }
  shown.view.update();
}

const list = document.getElementById('phones');

/** Draws the list of phones at the side. */
export function drawList() {
  list.replaceChildren(...[...state.phones.values()].map((p) => {
    const unread = chatsOf(p.id).reduce((n, c) => n + c.unread, 0);
    return h('li', {}, h('button.phone-row', { 'aria-current': p.id === state.phoneId ? 'true' : 'false', onclick: () => go(p.id) },
      avatar(p.name, p.number),
      h('span.row-main', {}, h('span.row-name', { dir: 'auto' }, p.name), h('span.row-last', {}, p.number)),
      unread > 0 && h('span.badge', { 'aria-label': `${unread} unread` }, String(unread)),
      h(`span.dot${p.online ? '.on' : ''}`, { title: p.online ? 'online' : 'offline' })));
  }));
}

const create = document.getElementById('create');
create.addEventListener('submit', async (e) => {
  e.preventDefault();
  const data = Object.fromEntries(new FormData(create));
  const phone = await attempt('POST', '/phones', { number: data.number.trim(), name: data.name.trim() });
  if (!phone) return;
  state.phones.set(phone.id, phone);
  create.reset();
  toast(`${phone.name} is on WhatsApp now.`);
  go(phone.id);
  changed();
});
