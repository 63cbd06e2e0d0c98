/** The box to write in: texts, replies, edits, and files that are chosen, dropped or pasted. */
import { attempt, sendFile } from './api.js';
import { sizeOf, summary } from './bubble.js';
import { h, icons } from './dom.js';
import { nameOf } from './state.js';

/** How a file of this type is sent. */
function typeOf(mimeType) {
  if (/^image\/(png|jpeg|gif|webp)$/.test(mimeType)) return 'image';
  return /^(video|audio)\//.exec(mimeType)?.[1] ?? 'document';
}

/** @returns {{element: HTMLElement, reply: (m: object) => void, edit: (m: object) => void, take: (files: FileList) => void, focus: () => void}} */
export function composer(phoneId, number) {
  let quote = null;
  let editing = null;
  let file = null;
  const input = h('textarea', { rows: '1', placeholder: 'Message', 'aria-label': 'Message', maxlength: '65536', dir: 'auto' });
  const button = h('button.send', { title: 'Send', 'aria-label': 'Send' }, icons.send());
  const chooser = h('input', { type: 'file', hidden: true, 'data-role': 'attach' });
  const clip = h('button.clip', { type: 'button', title: 'Send a file', 'aria-label': 'Send a file', onclick: () => chooser.click() }, icons.clip());
  const about = h('div.about', { hidden: true });

  function grow() {
    input.style.height = 'auto';
    input.style.height = `${Math.min(input.scrollHeight, 120)}px`;
  }

  function line(title, text, preview) {
    return h('div.about-line', {}, preview, h('span.about-text', {}, h('strong', { dir: 'auto' }, title), h('span', { dir: 'auto' }, text)));
  }

  /** Shows what the next message belongs to. */
  function show() {
    const preview = about.querySelector('img');
    if (preview) URL.revokeObjectURL(preview.src);
    const lines = [];
    if (editing) lines.push(line('Edit', summary(editing)));
    if (quote) lines.push(line(`Reply to ${nameOf(quote.from)}`, summary(quote)));
    if (file) lines.push(line(file.name, sizeOf(file.size), typeOf(file.type) === 'image' && h('img', { src: URL.createObjectURL(file), alt: '' })));
    about.hidden = !lines.length;
    about.replaceChildren(...lines, h('button.quiet', { type: 'button', 'aria-label': 'Leave it', title: 'Leave it', onclick: reset }, '✕'));
    input.placeholder = file ? 'Caption' : 'Message';
  }

  function reset() {
    if (editing) input.value = '';
    quote = null;
    editing = null;
    file = null;
    show();
    grow();
    input.focus();
  }

  function post(text) {
    if (editing) return attempt('POST', `/phones/${phoneId}/edit`, { message_id: editing.id, text });
    if (file) {
      const type = typeOf(file.type);
      return sendFile(phoneId, file, { to: number, type, file_name: file.name, caption: text, quote: quote?.id });
    }
    return attempt('POST', `/phones/${phoneId}/send`, { to: number, text, quote: quote?.id });
  }

  async function send(e) {
    e?.preventDefault();
    const text = input.value;
    if ((!text.trim() && !file) || button.disabled) return;
    button.disabled = true;
    const sent = await post(text);
    button.disabled = false;
    if (sent) {
      input.value = '';
      reset();
    }
    input.focus();
  }

  const take = (files) => {
    if (!files?.length) return;
    [file] = files;
    editing = null;
    show();
    input.focus();
  };

  input.addEventListener('input', grow);
  input.addEventListener('keydown', (e) => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) send(e);
    if (e.key === 'Escape') reset();
  });
  input.addEventListener('paste', (e) => {
    if (!e.clipboardData?.files.length) return;
    e.preventDefault();
    // Elsewhere on the page a pasted picture is taken for a code to scan.
    e.stopPropagation();
    take(e.clipboardData.files);
  });
  chooser.addEventListener('change', () => {
    take(chooser.files);
    chooser.value = '';
  });

  return {
    element: h('form.composer', { onsubmit: send }, about, clip, chooser, input, button),
    take,
    reply(m) {
      quote = m;
      editing = null;
      show();
      input.focus();
    },
    edit(m) {
      reset();
      editing = m;
      input.value = m.text;
      show();
      grow();
      input.focus();
    },
    focus: () => input.focus(),
  };
}
