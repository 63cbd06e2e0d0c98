/* SPDX-License-Identifier: Apache-2.0 */
import { Problem, signIn } from '../../assets/api.js';
import { el } from '../../assets/dom.js';
import { field, form } from '../form.js';
import { notice } from '../parts.js';

const NO_ADMIN = {
  title: 'This account is no admin',
  detail: 'Admin is for accounts with the role admin. Programs of other users call the API with a key.'
};

/* A plain user signs in as well, but nothing opens here. */
async function requireAdmin(api) {
  try {
    await api.users({ limit: 1 });
  } catch (problem) {
    if (problem.status !== 403) throw problem;
    api.signOut().catch(() => {});
    throw new Problem(NO_ADMIN);
  }
}

/** @param onEnd called when the login has ended
 * @param start called with the user's name and what an admin may do */
export default function signInView({ note, onEnd, start }) {
  const username = field({
    name: 'username', label: 'User name',
    control: el('input', { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, 'data-focus': true, maxlength: 64 })
  });
  const password = field({
    name: 'password', label: 'Password',
    control: el('input', { type: 'password', autocomplete: 'current-password', required: true, maxlength: 256 })
  });
  const node = form({
    fields: [username, password],
    submit: { label: 'Sign in', busy: 'Signing in…' },
    async send(values) {
      const name = values.username.trim();
      const api = await signIn(name, values.password, onEnd);
      await requireAdmin(api);
      start(name, api);
    }
  });
  node.setAttribute('autocomplete', 'on');
  return el('div', { class: 'page sign-in' },
    el('div', { class: 'card stack' },
      el('h1', {}, 'Sign in to Admin'),
      note && notice('info', el('p', { role: 'status' }, note)),
      node),
    el('p', { class: 'soft small' }, 'For your safety the sign-in is kept in this page’s memory only. After a reload you are asked again.'));
}
