/* SPDX-License-Identifier: Apache-2.0 */
/* Elements from plain calls. Text is always text: nothing here, nor anywhere in
 * these pages, reads HTML from a string. */

/** el('a', {href: '/', class: 'x', onclick: fn}, 'text', node, null, [more]) */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((c) => c !== undefined && c !== null && c !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** An icon of icons.svg in the colour of the text; for looks only. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const use = document.createElementNS(SVG, 'use');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  use.setAttribute('href', `/assets/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

/** Replace the text only where it differs, so that live regions stay quiet. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let ids = 0;
/** An id that no other element has. */
export const freshId = (prefix) => `${prefix}-${++ids}`;

export const number = (n) => Number(n).toLocaleString('en');

const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });

function time(text, format) {
  return el('time', { datetime: text, title: text }, format.format(new Date(text)));
}
export const day = (text) => time(text, DAY);
export const dayAndTime = (text) => time(text, DAY_AND_TIME);
export const clock = (text) => time(text, CLOCK);

function copyBySelection(text) {
  const area = el('textarea', { class: 'visually-hidden', readonly: true });
  area.value = text;
  const focused = document.activeElement;
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  focused?.focus();
  return done;
}

/** Browsers give the clipboard to https and localhost only; the old way works
 * elsewhere. @return whether it was copied */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** A button that copies what text() gives, and says so. */
export function copyButton(label, text, className = 'button small') {
  const words = el('span', { 'aria-live': 'polite' }, label);
  const button = el('button', { type: 'button', class: className }, icon('copy'), words);
  let timer;
  button.addEventListener('click', async () => {
    say(words, (await copy(text())) ? 'Copied' : 'Copying failed');
    clearTimeout(timer);
    timer = setTimeout(() => say(words, label), 2500);
  });
  return button;
}
