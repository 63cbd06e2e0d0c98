/* SPDX-License-Identifier: Apache-2.0 */
import { Problem, adminApi, login } from '../../assets/api.js';
import { el } from '../../assets/dom.js';
import { field, form } from '../form.js';
import { notice } from '../parts.js';

const NO_ADMIN = {
  title: 'This account is no admin',
  detail: 'Admin is for accounts with the role admin. Programs of other users call the API with a key.'
};

/* A token of a plain user is a good one, but opens nothing here. */
async function requireAdmin(token) {
  try {
    await adminApi(token, () => {}).users({ limit: 1 });
  } catch (problem) {
    throw problem.status === 403 ? new Problem(NO_ADMIN) : problem;
  }
}

export default function signIn({ note, start }) {
  const username = field({
    name: 'username', label: 'User name',
    control: el('input', { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true, autofocus: true, maxlength: 64 })
  });
  const password = field({
    name: 'password', label: 'Password',
    control: el('input', { type: 'password', autocomplete: 'current-password', required: true, maxlength: 256 })
  });
  const node = form({
    fields: [username, password],
    submit: { label: 'Sign in', busy: 'Signing in…' },
    async send(values) {
      const { access_token: token } = await login(values.username.trim(), values.password);
      await requireAdmin(token);
      start(values.username.trim(), token);
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
