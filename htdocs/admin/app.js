/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of Admin: who is signed in, which view is shown. */
import { hasSandboxLink, health } from '../assets/api.js';
import { el, say } from '../assets/dom.js';
import { problemNotice } from './parts.js';
import { match, navRoutes } from './router.js';
import signInView from './views/sign-in.js';

const byId = (id) => document.getElementById(id);
const ENDED = 'Your sign-in has ended. Please sign in again; this page comes back afterwards.';

let session = null; // {username, api}; in memory only, by design
let showing = new AbortController(); // aborted when its view is left
const server = { mode: '', sandboxLink: false };

function start(username, api) {
  session = { username, api };
  say(byId('who-name'), username);
  show();
}

function end(note) {
  if (!session) return;
  session = null;
  show(note);
}

function navLinks(current) {
  return navRoutes.map((route) => el('a', { href: `#${route.path}`, 'aria-current': route.section === current && 'page' }, route.nav));
}

function frame(route) {
  byId('nav').hidden = byId('who').hidden = !session;
  byId('nav').replaceChildren(...navLinks(route?.section));
}

/* A new view: its title tells where one is, to eyes and to screen readers. */
function place(node, first) {
  byId('main').replaceChildren(node);
  const heading = node.querySelector('h1');
  document.title = `${heading?.textContent ?? 'Admin'} · mod_whatsapp`;
  window.scrollTo(0, 0);
  const target = node.querySelector('[data-focus]') ?? heading;
  if (target === heading) heading?.setAttribute('tabindex', '-1');
  if (!first) target?.focus();
}

function failed(problem) {
  return el('div', { class: 'page view' },
    el('h1', {}, problem.status === 404 ? 'Not found' : 'This page can’t be shown'),
    problemNotice(problem),
    el('p', { class: 'row' },
      el('button', { type: 'button', class: 'button', onclick: () => show() }, 'Try again'),
      el('a', { class: 'button plain', href: '#/users' }, 'To the users')));
}

async function build(route, signal) {
  try {
    return await route.view({ api: session.api, params: route.params, server, signal, announce });
  } catch (problem) {
    return failed(problem);
  }
}

function announce(text) {
  say(byId('news'), text);
}

async function show(note) {
  showing.abort();
  showing = new AbortController();
  const { signal } = showing;
  if (!session) {
    frame();
    place(signInView({ note, start, onEnd: () => end(ENDED) }));
    return;
  }
  const route = match(location.hash);
  if (!route) {
    location.replace('#/users');
    return;
  }
  frame(route);
  byId('main').setAttribute('aria-busy', 'true');
  const node = await build(route, signal);
  if (signal.aborted) return;
  byId('main').removeAttribute('aria-busy');
  place(node);
}

async function showMode() {
  const { mode } = await health();
  server.mode = mode;
  byId('mode').className = `badge ${mode === 'live' ? 'good' : 'warn'}`;
  byId('mode').hidden = false;
  say(byId('mode'), mode);
  server.sandboxLink = mode === 'sandbox' && (await hasSandboxLink());
}

byId('sign-out').addEventListener('click', () => {
  session.api.signOut().catch(() => {}); // the tokens are forgotten here anyway
  end('You are signed out.');
});
byId('skip').addEventListener('click', (event) => {
  event.preventDefault(); // the hash is the route
  byId('main').focus();
});
window.addEventListener('hashchange', () => show());
show();
showMode().catch(() => {}); // the badge stays away
