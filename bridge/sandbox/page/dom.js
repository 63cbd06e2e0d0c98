/** Building elements. Text always goes in as text. */

/**
 * @param {string} tag `div.class-a.class-b`
 * @param {object} [props] properties; `on*` listeners; `data`, `aria` and unknown ones become attributes
 * @param {...(Node | string | null | undefined | false)} kids
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...kids) {
  const [name, ...classes] = tag.split('.');
  const el = document.createElement(name);
  if (classes.length) el.className = classes.join(' ');
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
    else if (key in el && typeof value !== 'string') el[key] = value;
    else el.setAttribute(key, value === true ? '' : value);
  }
  el.append(...kids.flat().filter((k) => k !== null && k !== undefined && k !== false));
  return el;
}

const SVG = 'http://www.w3.org/2000/svg';

/** A drawn icon. @param {string} box viewBox @param {...string} paths */
export function icon(box, ...paths) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', box);
  svg.setAttribute('aria-hidden', 'true');
  for (const d of paths) {
    const p = document.createElementNS(SVG, 'path');
    p.setAttribute('d', d);
    svg.append(p);
  }
  return svg;
}

export const icons = {
  back: () => icon('0 0 24 24', 'M15 5l-7 7 7 7'),
  send: () => icon('0 0 24 24', 'M4 4l17 8-17 8 3-8z'),
  clip: () => icon('0 0 24 24', 'M20 11l-8.5 8.5a5 5 0 0 1-7-7L13 4a3.3 3.3 0 0 1 4.7 4.7L9.5 17a1.6 1.6 0 0 1-2.3-2.3L15 7'),
  file: () => icon('0 0 24 24', 'M6 3h8l5 5v13H6zM14 3v5h5'),
  plus: () => icon('0 0 24 24', 'M12 5v14M5 12h14'),
  computer: () => icon('0 0 24 24', 'M4 5h16v10H4zM2 19h20'),
  one: () => icon('0 0 18 12', 'M3 6.5l3.5 3.5L14 2'),
  two: () => icon('0 0 18 12', 'M1 6.5L4.5 10 12 2', 'M8 9l1 1L17 2'),
  clock: () => icon('0 0 18 12', 'M9 1a5 5 0 1 0 .01 0zM9 3.5V6l2 1.5'),
};

/** A colour that stays the same for the same name. */
export function avatar(name, number) {
  let n = 0;
  for (const c of number) n = (Math.imul(n, 33) ^ c.charCodeAt(0)) >>> 0;
  const letter = [...name.replace(/^\+/, '')][0] ?? '?';
  return h(`span.avatar.tone-${n % 8}`, { 'aria-hidden': 'true' }, letter.toUpperCase());
}

/** A short message at the edge of the screen. */
export function toast(text) {
  const el = h('p', {}, text);
  const toasts = document.getElementById('toasts');
  toasts.append(el);
  while (toasts.children.length > 3) toasts.firstChild.remove();
  setTimeout(() => el.remove(), 4500);
}

const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { weekday: 'short', day: 'numeric', month: 'short' });

export const clock = (iso) => time.format(iso ? new Date(iso) : new Date());

/** "Today", "Yesterday" or the date. */
export function dayOf(iso) {
  const d = new Date(iso);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(iso).setHours(0, 0, 0, 0)) / 86400000);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : day.format(d);
}
