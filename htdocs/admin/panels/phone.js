/* SPDX-License-Identifier: Apache-2.0 */
/* Linking a phone with a key: start, show the code, follow the state. */
import { serverNow } from '../../assets/api.js';
import { copyButton, el, icon, say } from '../../assets/dom.js';
import { poll } from '../../assets/poll.js';
import { notice, problemNotice } from '../parts.js';

const QUICK = 1000; // while something is about to happen
const CALM = 5000;
const HURRY = 20_000; // after a button, things are about to happen for so long

const REASONS = {
  never_linked: 'No phone is linked yet.',
  user: 'The connection was closed on request; the phone stays linked.',
  logged_out: 'The phone has ended the link. Link it again to go on.',
  banned: 'WhatsApp has banned this number.',
  replaced: 'Another program has taken the link over.',
  idle: 'The connection was closed after a long time without use.',
  qr_timeout: 'No phone has scanned the code in time.',
  pairing_refused: 'WhatsApp has given no code for this number. Is it one that uses WhatsApp?',
  network: 'WhatsApp can’t be reached at the moment.',
  restart: 'The connection is being started again.',
  memory: 'The connection is being started again: its browser had grown too large.',
  incompatible: 'WhatsApp asks for a newer version of this server’s engine.'
};
const TITLES = {
  disconnected: 'Not connected', failed: 'Not connected', connecting: 'Connecting to WhatsApp…',
  qr_pending: 'Waiting for the phone', passkey_required: 'The phone asks for a passkey', connected: 'Linked'
};
const DOTS = { connected: 'good', failed: 'bad', qr_pending: 'warn', passkey_required: 'warn' };

function liveHowTo() {
  return el('ol', { class: 'how-to' },
    el('li', {}, 'Open WhatsApp on the phone.'),
    el('li', {}, 'Go to ', el('strong', {}, 'Linked devices'), ' and tap ', el('strong', {}, 'Link a device'), '.'),
    el('li', {}, 'Point the camera at this code.'));
}

function sandboxHowTo(server, codeText) {
  const phones = server.sandboxLink
    ? el('a', { href: '/sandbox', target: '_blank' }, 'virtual phones')
    : 'page of the virtual phones';
  return el('div', { class: 'stack tight' },
    el('p', {}, 'This server is a sandbox: its phones are virtual, real ones can’t link.'),
    el('ol', { class: 'how-to' },
      el('li', {}, 'Copy the text of the code. ', copyButton('Copy code', codeText)),
      el('li', {}, 'Open the ', phones, ' and choose or make one.'),
      el('li', {}, 'Paste the text under ', el('strong', {}, 'Link a device'), ' and link it.')));
}

/* The code as an image that is renewed with the code itself. */
function codeView({ api, server, signal }) {
  const image = el('img', { class: 'qr', alt: 'QR code that links a phone', width: 264, height: 264, hidden: true });
  const place = el('div', { class: 'qr-plate' }, el('span', { class: 'spinner' }), image);
  const bar = el('span', { class: 'left', 'aria-hidden': 'true' }, el('span'));
  const left = el('p', { class: 'soft small' });
  let shown = '';
  let url = '';
  let life = 0;
  signal.addEventListener('abort', () => URL.revokeObjectURL(url), { once: true });

  async function draw(code) {
    const blob = await api.qr(signal);
    if (!blob) return; // it has just expired; the next look brings another
    URL.revokeObjectURL(url);
    url = URL.createObjectURL(blob);
    image.src = url;
    image.hidden = false;
    shown = code;
    life = 0;
  }

  function countDown(expiresAt) {
    const seconds = Math.max(0, Math.round((new Date(expiresAt) - serverNow()) / 1000));
    life = Math.max(life, seconds);
    bar.style.setProperty('--left', life ? seconds / life : 0);
    say(left, seconds ? `A new code in ${seconds} s` : 'A new code is on its way');
  }

  return {
    node: el('div', { class: 'link-phone' },
      el('div', { class: 'qr-box' }, place, bar, left),
      server.mode === 'sandbox' ? sandboxHowTo(server, () => shown) : liveHowTo()),
    async update(session) {
      if (session.qr_code && session.qr_code !== shown) await draw(session.qr_code);
      if (session.qr_expires_at) countDown(session.qr_expires_at);
    }
  };
}

function linkedView(session) {
  return el('div', { class: 'linked' },
    el('span', { class: 'round' }, icon('phone')),
    el('div', {},
      el('strong', { class: 'block' }, session.phone_number ?? 'A phone'),
      el('span', { class: 'soft' }, session.push_name ?? '')),
    session.restricted && notice('warning', el('p', {}, 'WhatsApp restricts what this number may send at the moment.')));
}

/** @param onSession called with each state of the session */
export default function phonePanel({ api, server, signal, announce, onSession }) {
  const dot = el('span', { class: 'dot' });
  const title = el('span');
  const reason = el('p', { class: 'soft' });
  const body = el('div', { class: 'stack' });
  const trouble = el('div');
  const buttons = el('div', { class: 'row' });
  const panel = el('section', { class: 'card stack step', 'data-step': '2' },
    el('div', { class: 'row spread' },
      el('h2', {}, 'Link a phone'),
      el('p', { class: 'state-line', role: 'status' }, dot, title)),
    reason, body, trouble, buttons);
  let seen = ''; // what the panel shows
  let code = null; // the view of the code while one is shown
  let hurryUntil = 0;
  let watching = new AbortController();

  function action(label, style, call) {
    const button = el('button', { type: 'button', class: `button ${style}` }, label);
    button.addEventListener('click', async () => {
      if (button.getAttribute('aria-disabled') === 'true') return;
      button.setAttribute('aria-disabled', 'true');
      trouble.replaceChildren();
      hurryUntil = Date.now() + HURRY;
      try {
        await show(await call());
        watch();
      } catch (problem) {
        if (!signal.aborted) trouble.replaceChildren(problemNotice(problem));
      }
      button.removeAttribute('aria-disabled');
    });
    return button;
  }

  function actionsFor(session) {
    switch (session.status) {
      case 'connected':
        return [action('Disconnect', 'small', api.disconnect), action('Log out', 'small plain', api.logout)];
      case 'disconnected':
      case 'failed':
        return [action(session.reason === 'user' || session.reason === 'idle' ? 'Connect again' : 'Link a phone', 'primary', api.initSession)];
      default:
        return [action('Stop', 'small plain', api.disconnect)];
    }
  }

  function rebuild(session) {
    dot.className = `dot ${DOTS[session.status] ?? ''}`;
    say(title, TITLES[session.status] ?? session.status);
    const why = REASONS[session.reason];
    reason.hidden = !why || session.status === 'connected';
    say(reason, why ?? '');
    code = session.status === 'qr_pending' ? codeView({ api, server, signal }) : null;
    body.hidden = !code && session.status !== 'connected';
    body.replaceChildren(...(code ? [code.node] : session.status === 'connected' ? [linkedView(session)] : []));
    buttons.replaceChildren(...actionsFor(session));
    panel.classList.toggle('done', session.status === 'connected');
    if (session.status === 'connected') announce('The phone is linked.');
  }

  async function show(session) {
    const now = JSON.stringify([session.status, session.reason, session.phone_number, session.push_name, session.restricted]);
    const held = buttons.contains(document.activeElement);
    if (now !== seen) {
      seen = now;
      rebuild(session);
      if (held) buttons.querySelector('button')?.focus();
    }
    onSession(session);
    await code?.update(session);
  }

  async function look() {
    let session;
    try {
      session = await api.session(signal);
      await show(session);
      trouble.replaceChildren();
    } catch (problem) {
      if (signal.aborted) return 0;
      trouble.replaceChildren(problemNotice(problem));
      return problem.status === 401 || problem.status === 403 ? 0 : (problem.retryAfter || 5) * 1000;
    }
    const moving = ['connecting', 'qr_pending', 'passkey_required'].includes(session.status);
    return moving || Date.now() < hurryUntil ? QUICK : CALM;
  }

  function watch() {
    watching.abort();
    watching = new AbortController();
    poll(AbortSignal.any([signal, watching.signal]), look);
  }

  watch();
  return panel;
}
