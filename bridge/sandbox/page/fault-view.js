/** What may go wrong, on command: for the linked devices of the phone that is shown, or for the next messages. */
import { attempt } from './api.js';
import { h, toast } from './dom.js';
import { current } from './state.js';

/** Faults of a phone: what it is called here, and what a device makes of it. */
const OF_PHONE = {
  drop: ['Drop the connection', 'The socket breaks. A device connects again by itself.'],
  restart: ['Ask for a restart', 'WhatsApp wants a new connection (515).'],
  garbage: ['Send garbage', 'Bytes that nobody can decrypt.'],
  conflict: ['Replace the connection', 'Another device took its place (440).'],
  logout: ['Log the devices out', 'They are unlinked, and need a new code (401).'],
  ban: ['Ban the number', 'WhatsApp has closed the account (403).'],
  unban: ['Lift the ban', 'The account may connect again.'],
  restrict: ['Forbid new chats', 'For an hour, as WhatsApp does to who writes to many strangers.'],
  unrestrict: ['Allow new chats', 'The restriction ends early.'],
  outdated: ['Refuse the version', 'The device is too old for WhatsApp (405).'],
};
/** Faults of the next messages, whoever sends them. */
const OF_MESSAGES = {
  late: ['Acknowledge 5 s late', { ack_delay_ms: 5000 }, 'Until all is as usual again.'],
  dropped: ['Leave the next one unacknowledged', { drop_acks: 1 }, 'It is delivered all the same.'],
  broken: ['Break off instead of acknowledging', { close_before_ack: 1 }, 'The next one is delivered, then the connection is gone.'],
  twice: ['Acknowledge the next one twice', { duplicate_acks: 1 }, 'One message, two answers.'],
  files: ['Take the media host down', { media: { down: true } }, 'Files can be neither sent nor fetched, until all is as usual again.'],
};

const root = document.getElementById('faults');
const option = ([value, [name]]) => h('option', { value }, name);
const choice = h('select', { 'aria-label': 'Fault', onchange: explain },
  h('optgroup', { label: "This phone's linked devices" }, Object.entries(OF_PHONE).map(option)),
  h('optgroup', { label: 'The next messages, of any device' }, Object.entries(OF_MESSAGES).map(option)));
const about = h('p.about-fault', { 'aria-live': 'polite' });
const form = h('form.fault-form', { onsubmit: (e) => { e.preventDefault(); strike(); } },
  choice, about,
  h('div.fault-buttons', {}, h('button.primary', {}, 'Do it'), h('button.quiet', { type: 'button', onclick: asUsual }, 'All as usual again')));
root.append(h('summary', {}, 'Make something go wrong'), form);
explain();

function explain() {
  about.textContent = (OF_PHONE[choice.value] ?? OF_MESSAGES[choice.value]).at(-1);
}

async function strike() {
  const phone = current();
  const ofMessages = OF_MESSAGES[choice.value];
  if (ofMessages) {
    if (await attempt('POST', '/faults', ofMessages[1])) toast(`${ofMessages[0]}: set.`);
    return;
  }
  const done = await attempt('POST', `/phones/${phone.id}/fault`, { fault: choice.value });
  if (done) toast(`${OF_PHONE[choice.value][0]}: ${done.devices === 1 ? 'one device' : `${done.devices} devices`} of ${phone.name}.`);
}

async function asUsual() {
  if (await attempt('DELETE', '/faults')) toast('All is as usual again; bans are lifted.');
}

/** There is something to break only where a phone is. */
export function drawFaults() {
  root.hidden = !current();
}
