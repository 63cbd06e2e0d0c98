/** One message: its file, its words, what it replies to, what was said to it, and what can be done with it. */
import { attempt } from './api.js';
import { clock, h, icons } from './dom.js';
import { nameOf } from './state.js';
import { ticks } from './ticks.js';

const EMOJIS = ['👍', '❤️', '😂', '😮', '😢', '🙏'];
const UNITS = ['bytes', 'KiB', 'MiB', 'GiB'];

/** 1.4 MiB */
export function sizeOf(bytes) {
  const step = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
  const n = bytes / 1024 ** step;
  return `${step && n < 10 ? n.toFixed(1) : Math.round(n)} ${UNITS[step]}`;
}

/** A message in one line. */
export function summary(m) {
  if (!m) return '';
  if (m.deleted_at) return 'This message was deleted';
  if (m.type === 'text') return m.text.slice(0, 120);
  const name = { image: 'Photo', video: 'Video', audio: 'Audio', voice: 'Voice message', document: 'Document', sticker: 'Sticker' }[m.type] ?? m.type;
  return `${name}${m.text || m.media?.file_name ? `: ${(m.text || m.media.file_name).slice(0, 100)}` : ''}`;
}

function fileView(phoneId, m) {
  const { media, type } = m;
  const url = `/phones/${phoneId}/messages/${encodeURIComponent(m.id)}/file`;
  const about = `${media.file_name ?? media.mime_type} · ${sizeOf(media.size)}`;
  if (media.state !== 'ready') {
    const failed = media.state === 'failed';
    return h(`div.file${failed ? '.failed' : ''}`, { title: media.reason ?? '' }, icons.file(),
      h('span.file-text', {}, h('span.file-name', { dir: 'auto' }, about), h('span.file-about', {}, failed ? 'could not be fetched' : 'is being fetched…')));
  }
  if (/^image\/(png|jpeg|gif|webp)/.test(media.mime_type) && (type === 'image' || type === 'sticker')) {
    return h('a.picture', { href: url, target: '_blank', rel: 'noopener' }, h('img', { src: url, alt: m.text || 'Photo', loading: 'lazy' }));
  }
  if (type === 'video') return h('video.player', { src: url, controls: true, preload: 'metadata', 'aria-label': about });
  if (type === 'audio' || type === 'voice') return h('audio.player', { src: url, controls: true, preload: 'metadata', 'aria-label': about });
  return h('a.file', { href: url, download: media.file_name ?? m.id }, icons.file(),
    h('span.file-text', {}, h('span.file-name', { dir: 'auto' }, media.file_name ?? 'File'), h('span.file-about', {}, `${media.mime_type} · ${sizeOf(media.size)}`)));
}

function quoteView(quoted) {
  return h('button.quote', { type: 'button', 'data-quotes': quoted.id },
    h('strong', { dir: 'auto' }, nameOf(quoted.from)), h('span', { dir: 'auto' }, summary(quoted)));
}

/** What can be done with it, behind one button. */
function actions(phoneId, m, { onReply, onEdit }) {
  const act = (what) => (e) => {
    e.currentTarget.closest('details').open = false;
    what();
  };
  const post = (path, body) => act(() => attempt('POST', `/phones/${phoneId}/${path}`, { message_id: m.id, ...body }));
  const mine = (m.reactions ?? []).find((r) => r.from === (m.direction === 'out' ? m.from : m.to))?.text;
  return h('details.actions', {}, h('summary', { title: 'React, reply …', 'aria-label': 'What to do with this message' }, '⋯'),
    h('div.menu', {},
      h('div.emojis', {}, EMOJIS.map((emoji) => h('button', {
        type: 'button', 'aria-pressed': mine === emoji ? 'true' : 'false', title: mine === emoji ? 'Take it back' : `React with ${emoji}`,
        onclick: post('react', { emoji: mine === emoji ? '' : emoji }),
      }, emoji))),
      h('button', { type: 'button', onclick: act(() => onReply(m)) }, 'Reply'),
      m.direction === 'out' && ['text', 'image', 'video', 'document'].includes(m.type) && h('button', { type: 'button', onclick: act(() => onEdit(m)) }, 'Edit'),
      m.direction === 'out' && h('button.danger', { type: 'button', onclick: post('delete') }, 'Delete for everyone')));
}

function reactionsView({ reactions = [] }) {
  const counts = new Map();
  for (const { text } of reactions) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts.size > 0 && h('span.reactions', { title: reactions.map((r) => `${nameOf(r.from)} ${r.text}`).join(', ') },
    [...counts].map(([emoji, n]) => `${emoji}${n > 1 ? n : ''}`).join(' '));
}

/**
 * @param {string} phoneId
 * @param {object} m
 * @param {{find: (id: string) => object | undefined, onReply: Function, onEdit: Function}} chat
 */
export function bubble(phoneId, m, { find, ...handlers }) {
  const meta = h('span.bubble-meta', {}, m.edited_at && !m.deleted_at && 'edited', h('time', { datetime: m.at }, clock(m.at)), m.direction === 'out' && ticks(m.status));
  if (m.deleted_at) return h(`div.bubble.${m.direction}.deleted`, { 'data-id': m.id }, h('span.bubble-text', {}, summary(m)), meta);
  const quoted = m.quoted_id && (find(m.quoted_id) ?? { id: m.quoted_id, from: '', type: 'text', text: 'a message that is not here' });
  const known = m.type === 'text' || m.media;
  return h(`div.bubble.${m.direction}${m.media ? '.with-file' : ''}`, { 'data-id': m.id },
    quoted && quoteView(quoted),
    m.media && fileView(phoneId, m),
    (m.text || !known) && h('span.bubble-text', { dir: 'auto' }, known ? m.text : `[${m.type}] ${m.text}`),
    meta, reactionsView(m), actions(phoneId, m, handlers));
}
