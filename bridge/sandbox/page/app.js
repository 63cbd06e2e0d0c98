/** Starts the page: reads what is there, follows what changes. */
import { call, follow } from './api.js';
import { toast } from './dom.js';
import { drawFaults } from './fault-view.js';
import { drawDevices } from './link-view.js';
import { drawList, drawPhone } from './phone-view.js';
import { changed, go, putMessage, readAddress, state, watch } from './state.js';

const live = document.getElementById('live');

async function loadAll() {
  const phones = await call('GET', '/phones');
  state.phones = new Map(phones.map((p) => [p.id, p]));
  state.messages.clear();
  await Promise.all(phones.map(async (p) => {
    for (const m of await call('GET', `/phones/${p.id}/messages?limit=2000`)) putMessage(p.id, m);
  }));
  if (state.phoneId && !state.phones.has(state.phoneId)) go(null);
  if (!state.phoneId && phones.length) go(phones[0].id);
  changed();
}

function onEvent(event) {
  if (event.type === 'phone') state.phones.set(event.phone.id, event.phone);
  if (event.type === 'message') putMessage(event.phone_id, event.message);
  if (event.type === 'phone_removed') {
    state.phones.delete(event.phone_id);
    state.messages.delete(event.phone_id);
    if (state.phoneId === event.phone_id) go([...state.phones.keys()][0] ?? null);
  }
  changed();
}

for (const draw of [drawList, drawPhone, drawDevices, drawFaults]) watch(draw);
addEventListener('popstate', readAddress);
readAddress();
follow({
  onHello: () => {
    live.textContent = 'live';
    live.classList.add('on');
    loadAll().catch((err) => toast(err.message));
  },
  onLost: () => {
    live.textContent = 'no connection';
    live.classList.remove('on');
  },
  onEvent,
});
