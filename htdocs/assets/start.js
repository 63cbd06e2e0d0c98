/* SPDX-License-Identifier: Apache-2.0 */
/* The start page: the server's health, kept fresh, and its own address. */
import { hasSandboxLink, health } from './api.js';
import { clock, copyButton, el, say } from './dom.js';
import { poll } from './poll.js';

const PAUSE = 10_000;
const OVERALL = {
  ok: ['good', 'Everything works'],
  degraded: ['warn', 'Works, with a part missing'],
  unavailable: ['bad', 'Not available']
};
const PARTS = {
  postgresql: 'Database', redis: 'Redis', bridge: 'WhatsApp bridge', whatsappd: 'Background jobs'
};
const byId = (id) => document.getElementById(id);

function checkRow([name, check]) {
  const good = check.status === 'ok';
  const latency = check.latency_ms === undefined ? 'works' : `${check.latency_ms < 10 ? check.latency_ms.toFixed(1) : Math.round(check.latency_ms)} ms`;
  return el('li', {},
    el('span', { class: `dot ${good ? 'good' : 'bad'}` }),
    el('span', {}, PARTS[name] ?? name),
    el('span', { class: `state ${good ? '' : 'bad'}` }, good ? latency : (check.reason ?? 'not available')));
}

function showOverall(kind, text) {
  byId('overall-dot').className = `dot ${kind}`;
  say(byId('overall'), text);
}

function show(state) {
  showOverall(...(OVERALL[state.status] ?? ['', state.status]));
  byId('checks').replaceChildren(...Object.entries(state.checks).map(checkRow));
  say(byId('mode'), state.mode);
  byId('mode').className = state.mode === 'live' ? 'badge good' : 'badge warn';
  byId('mode').title = state.mode === 'sandbox' ? 'A WhatsApp of its own on this machine; nothing reaches real phones' : '';
  byId('mode').hidden = false;
}

async function look(signal) {
  try {
    show(await health(signal));
  } catch (problem) {
    if (signal.aborted) return 0;
    showOverall('bad', problem.title ?? 'Something went wrong');
    byId('checks').replaceChildren();
  }
  byId('asked').replaceChildren('Asked at ', clock(new Date().toISOString()));
  return PAUSE;
}

let watching = new AbortController();
function watch() {
  watching.abort();
  watching = new AbortController();
  poll(watching.signal, () => look(watching.signal));
}

async function offerSandbox() {
  const { mode } = await health();
  byId('sandbox-link').hidden = mode !== 'sandbox' || !(await hasSandboxLink());
}

say(byId('origin'), location.origin);
byId('curl').closest('.code').append(copyButton('Copy', () => byId('curl').textContent));
byId('refresh').addEventListener('click', watch);
watch();
offerSandbox().catch(() => {}); // no news, no link
