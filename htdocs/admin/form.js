/* SPDX-License-Identifier: Apache-2.0 */
/* Forms: fields with their labels, hints and faults, and sending them once. */
import { el, freshId, icon } from '../assets/dom.js';
import { problemNotice } from './parts.js';

/** A labelled control.
 * @param name the member of the request, so that "/name" points here
 * @param control an input, select or textarea */
export function field({ name, label, hint, optional, control }) {
  const id = freshId(name);
  const fault = el('p', { class: 'fault', id: `${id}-fault`, hidden: true });
  control.id = id;
  control.name = name;
  control.setAttribute('aria-describedby', hint ? `${id}-hint ${id}-fault` : `${id}-fault`);
  const node = el('div', { class: 'field' },
    el('label', { for: id }, label, optional && el('span', { class: 'soft' }, ' (optional)')),
    control,
    hint && el('p', { class: 'hint', id: `${id}-hint` }, hint),
    fault);
  return {
    name, node, control,
    get value() { return control.value; },
    /** Show what is wrong with it; '' when nothing is. */
    mark(text) {
      fault.hidden = !text;
      fault.replaceChildren(...(text ? [icon('warning'), text] : []));
      if (text) control.setAttribute('aria-invalid', 'true');
      else control.removeAttribute('aria-invalid');
    }
  };
}

/** Several problems name one field without a list of errors. */
const FIELD_OF_CODE = {
  username_taken: 'username', email_taken: 'email',
  invalid_recipient: 'recipient', not_on_whatsapp: 'recipient'
};

function faultsOf(problem) {
  const name = FIELD_OF_CODE[problem.code];
  if (name && !problem.errors?.length) {
    return [{ pointer: `/${name}`, detail: problem.detail || problem.title }];
  }
  return problem.errors ?? [];
}

/* Marks the fields that are at fault. @return [fields marked, faults left over] */
function markAll(fields, problem) {
  const left = [];
  const marked = [];
  for (const fault of faultsOf(problem)) {
    const at = fields.find((f) => `/${f.name}` === fault.pointer);
    if (!at || marked.includes(at)) {
      left.push(fault);
      continue;
    }
    at.mark(fault.detail.charAt(0).toUpperCase() + fault.detail.slice(1));
    marked.push(at);
  }
  return [marked, left];
}

/** A form of fields and a button. While it is being sent a second click does
 * nothing; what the server finds wrong is shown at its field.
 * @param layout the nodes of the form, from nodes of the fields
 * @param send (values) => promise; what it throws is shown */
export function form({ fields, layout, submit, send, extra }) {
  const words = el('span', {}, submit.label);
  const button = el('button', { class: 'button primary' }, submit.icon && icon(submit.icon), words);
  const said = el('div', { class: 'said' });
  const node = el('form', { class: 'form', novalidate: true, autocomplete: 'off' },
    said, layout ?? fields.map((f) => f.node), el('div', { class: 'row' }, button, extra));
  let busy = false;

  function setBusy(now) {
    busy = now;
    button.setAttribute('aria-disabled', String(now));
    words.textContent = now ? submit.busy : submit.label;
  }

  function show(problem) {
    const [marked, left] = markAll(fields, problem);
    said.replaceChildren(problemNotice(problem, left));
    marked[0]?.control.focus();
  }

  node.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (busy) return;
    said.replaceChildren();
    fields.forEach((f) => f.mark(''));
    setBusy(true);
    try {
      await send(Object.fromEntries(fields.map((f) => [f.name, f.value])));
    } catch (problem) {
      show(problem);
    } finally {
      setBusy(false);
    }
  });
  return node;
}
