/* SPDX-License-Identifier: Apache-2.0 */
/* The table of views. A view is (context) => node, or a promise of one. */
import newUser from './views/new-user.js';
import user from './views/user.js';
import users from './views/users.js';

const routes = [
  { path: '/users', section: 'users', nav: 'Users', view: users },
  { path: '/users/new', section: 'users', view: newUser },
  { path: '/users/:id', section: 'users', view: user }
];

export const navRoutes = routes.filter((route) => route.nav);

function fit(pattern, path) {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params = {};
  if (wanted.length !== given.length) return null;
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':')) params[part.slice(1)] = given[i];
    else if (part !== given[i]) return null;
  }
  return params;
}

/** @return the route of a hash with its params, or null */
export function match(hash) {
  const path = hash.replace(/^#/, '');
  for (const route of routes) {
    const params = fit(route.path, path);
    if (params) return { ...route, params };
  }
  return null;
}
