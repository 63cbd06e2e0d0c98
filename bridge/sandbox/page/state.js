/** What the page knows, and who wants to hear when that changes. */

export const state = {
  phones: new Map(),
  /** messages by phone id, then by `direction from to id` */
  messages: new Map(),
  phoneId: null,
  chat: null,
  /** chats opened that have no message yet, by phone id */
  drafts: new Map(),
};

const watchers = [];
let scheduled = false;

/** Calls `view` after changes, at most once per frame. */
export function watch(view) {
  watchers.push(view);
}

export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const w of watchers) w();
  });
}

export const current = () => state.phones.get(state.phoneId) ?? null;

/** The name of a number, if one of the phones here has it. */
export function nameOf(number) {
  for (const p of state.phones.values()) if (p.number === number) return p.name;
  return number;
}

export function putMessage(phoneId, m) {
  const all = state.messages.get(phoneId) ?? state.messages.set(phoneId, new Map()).get(phoneId);
  all.set(`${m.direction} ${m.from} ${m.to} ${m.id}`, { ...m, chat: m.direction === 'in' ? m.from : m.to });
}

/** @returns {Array<{number: string, last: object | null, unread: number}>} newest first */
export function chatsOf(phoneId) {
  const chats = new Map();
  for (const number of state.drafts.get(phoneId) ?? []) chats.set(number, { number, last: null, unread: 0 });
  for (const m of state.messages.get(phoneId)?.values() ?? []) {
    const chat = chats.get(m.chat) ?? chats.set(m.chat, { number: m.chat, last: null, unread: 0 }).get(m.chat);
    chat.last = m;
    if (m.direction === 'in' && m.status !== 'read') chat.unread += 1;
  }
  return [...chats.values()].sort((a, b) => (b.last?.at ?? '9').localeCompare(a.last?.at ?? '9'));
}

export function messagesOf(phoneId, chat) {
  return [...(state.messages.get(phoneId)?.values() ?? [])].filter((m) => m.chat === chat);
}

/** The place is kept in the address, so that it can be linked and reloaded. */
export function go(phoneId, chat = null) {
  state.phoneId = phoneId;
  state.chat = chat;
  const hash = phoneId ? `#/${phoneId}${chat ? `/${encodeURIComponent(chat)}` : ''}` : '#/';
  if (location.hash !== hash) history.pushState(null, '', hash);
  changed();
}

export function readAddress() {
  const [, phoneId, chat] = location.hash.split('/');
  state.phoneId = phoneId || null;
  state.chat = chat ? decodeURIComponent(chat) : null;
  changed();
}
