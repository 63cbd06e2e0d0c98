/** Linked devices: what is linked, and linking one by the code it shows. */
import { attempt } from './api.js';
import { dayOf, clock, h, icons, toast } from './dom.js';
import { readQrFromImage } from './qr.js';
import { current } from './state.js';

const root = document.getElementById('devices');

async function unlink(phone, device) {
  if (confirm(`Log out "${device.name}"?`)) await attempt('POST', `/phones/${phone.id}/unlink`, { device_id: device.device_id });
}

function deviceRow(phone, d) {
  return h('li.device', {}, h('span.device-icon', {}, icons.computer()),
    h('span.row-main', {}, h('span.row-name', {}, d.name || 'Device'), h('span.row-last', {}, `No. ${d.device_id} · ${dayOf(d.linked_at)}, ${clock(d.linked_at)}`)),
    h('button.quiet', { onclick: () => unlink(phone, d) }, 'Log out'));
}

const text = h('textarea', { rows: '3', placeholder: 'https://wa.me/settings/linked_devices#2@…', 'aria-label': 'Text of the code', spellcheck: 'false' });
const file = h('input', { type: 'file', accept: 'image/*,.svg', hidden: true });
const preview = h('img.preview', { alt: '', hidden: true });
const drop = h('button.drop', { type: 'button', onclick: () => file.click() }, h('strong', {}, 'Drop, paste or choose an image'), h('span', {}, 'A screenshot of the code will do: PNG, JPEG, SVG'), preview);
const typed = h('input', { placeholder: 'ABCD-1234', maxlength: '9', autocapitalize: 'characters', spellcheck: 'false', autocomplete: 'off' });
const form = h('form.card.link', {}, h('h3', {}, 'Link a device'), drop, file,
  h('label', {}, 'or the text of the code', text),
  h('label', {}, 'or the eight characters it shows', typed),
  h('button.primary', {}, 'Link'));
const title = h('h2', {}, 'Linked devices');
const list = h('ul.linked');

async function link(code) {
  const phone = current();
  const eight = typed.value.trim();
  if (!phone || (!code.trim() && !eight)) return;
  const button = form.querySelector('button.primary');
  button.disabled = true;
  const device = code.trim()
    ? await attempt('POST', `/phones/${phone.id}/scan`, { qr: code.trim() })
    : await attempt('POST', `/phones/${phone.id}/link-code`, { code: eight });
  button.disabled = false;
  if (device) {
    text.value = '';
    typed.value = '';
    toast(`${device.name || 'The device'} is linked to ${phone.name}.`);
  }
}

async function useImage(blob) {
  if (!blob) return;
  const url = URL.createObjectURL(blob);
  preview.src = url;
  preview.hidden = false;
  try {
    const code = await readQrFromImage(url);
    if (!code) {
      toast('No code found in this image.');
      return;
    }
    text.value = code;
    await link(code);
  } catch {
    toast('This image can not be read.');
  } finally {
    preview.hidden = true;
    preview.removeAttribute('src');
    URL.revokeObjectURL(url);
  }
}

form.addEventListener('submit', (e) => { e.preventDefault(); link(text.value); });
file.addEventListener('change', () => { useImage(file.files[0]); file.value = ''; });
for (const type of ['dragenter', 'dragover']) {
  drop.addEventListener(type, (e) => { e.preventDefault(); drop.classList.add('over'); });
}
drop.addEventListener('dragleave', () => drop.classList.remove('over'));
drop.addEventListener('drop', (e) => {
  e.preventDefault();
  drop.classList.remove('over');
  const dropped = e.dataTransfer.files[0];
  if (dropped) useImage(dropped);
  else link(e.dataTransfer.getData('text'));
});
document.addEventListener('paste', (e) => {
  const item = [...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith('image/'));
  if (item && current()) {
    e.preventDefault();
    useImage(item);
  }
});

/** Draws the devices of the current phone; the form stays as it is. */
export function drawDevices() {
  const phone = current();
  root.hidden = !phone;
  if (!phone) return;
  list.replaceChildren(...(phone.linked_devices.length
    ? phone.linked_devices.map((d) => deviceRow(phone, d))
    : [h('li.empty', {}, 'None yet.')]));
  if (form.parentNode !== root) root.replaceChildren(title, list, form);
}
