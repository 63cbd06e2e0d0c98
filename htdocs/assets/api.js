/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that talks to the server. */

const TIMEOUT = 30_000;

/** An answer that is no success, as RFC 9457 tells it, or no answer at all. */
export class Problem extends Error {
  constructor(body, { retryAfter } = {}) {
    super(body.title);
    this.name = 'Problem';
    this.status = body.status ?? 0; // 0: no answer
    this.code = body.code ?? '';
    this.title = body.title;
    this.detail = body.detail ?? '';
    this.errors = body.errors ?? []; // {pointer, code, detail}
    this.requestId = body.request_id ?? '';
    // Only pages of our own are worth a link.
    this.help = /^\/api\/docs\/problems#\w+$/.test(body.type ?? '') ? body.type : '';
    this.retryAfter = retryAfter ?? 0; // seconds
  }
}

const NO_ANSWER = { code: 'no_answer', title: 'The server gives no answer', detail: 'Check the connection and try again.' };
const TOO_LATE = { code: 'no_answer', title: 'The server did not answer in time', detail: 'Try again in a moment.' };
const UNREADABLE = { code: 'unreadable', title: "The answer can't be read", detail: 'Something between this page and the server answered in its place.' };

/* How far the clock of this machine is behind the server's. */
let behind = 0;
/** The time of the server, in milliseconds: what its times are compared with. */
export const serverNow = () => Date.now() + behind;

function readClock(response) {
  const theirs = Date.parse(response.headers.get('Date'));
  // The header knows whole seconds only: less is no difference.
  if (theirs) behind = Math.abs(theirs - Date.now()) > 2000 ? theirs - Date.now() : 0;
  return response;
}

async function readJson(response) {
  try {
    return await response.json();
  } catch {
    throw new Problem({ ...UNREADABLE, status: response.status });
  }
}

async function problemOf(response) {
  const retryAfter = Number(response.headers.get('Retry-After')) || 0;
  if (!response.headers.get('Content-Type')?.startsWith('application/problem+json')) {
    return new Problem({ ...UNREADABLE, status: response.status }, { retryAfter });
  }
  return new Problem(await readJson(response), { retryAfter });
}

/* Gives the response, whatever its status; throws a Problem when there is none,
 * and the signal's reason when the caller has given up. */
async function send(method, path, { credential, body, accept = 'application/json', signal, redirect } = {}) {
  const headers = { Accept: accept };
  if (credential) headers.Authorization = `Bearer ${credential}`;
  if (body) headers['Content-Type'] = 'application/json';
  const late = AbortSignal.timeout(TIMEOUT);
  try {
    return readClock(await fetch(path, {
      method, headers, redirect,
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late,
      credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer'
    }));
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(late.aborted ? TOO_LATE : NO_ANSWER);
  }
}

async function call(method, path, options) {
  const response = await send(method, path, options);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : readJson(response);
}

const query = (values) => {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given)}` : '';
};

/** {status: ok|degraded|unavailable, mode, checks}; also when it is bad news. */
export async function health(signal) {
  const response = await send('GET', '/api/health/ready', { signal });
  if (!response.ok && response.status !== 503) throw await problemOf(response);
  const body = await readJson(response);
  if (!body.checks) throw new Problem(body);
  return body;
}

/** Does this server lead to the sandbox's virtual phones (a redirect)? */
export async function hasSandboxLink(signal) {
  return (await send('GET', '/sandbox', { accept: '*/*', redirect: 'manual', signal })).type === 'opaqueredirect';
}

/* The tokens of a login, kept nowhere but here. An access token lives minutes; a
 * refresh token gets the next pair and works once, so there is one refresh at a
 * time. */
function tokenKeeper(first) {
  const EARLY = 20_000;
  let tokens;
  let staleAt;
  let renewing = null;

  function keep(answer) {
    tokens = answer;
    staleAt = Date.now() + answer.expires_in * 1000 - EARLY;
  }

  function renew() {
    renewing ??= call('POST', '/api/auth/refresh', { body: { refresh_token: tokens.refresh_token } })
      .then(keep)
      .finally(() => { renewing = null; });
    return renewing;
  }

  keep(first);
  return {
    async current() {
      if (renewing || (tokens.refresh_token && Date.now() > staleAt)) await renew();
      return tokens.access_token;
    }
  };
}

/** Sign in, for what an admin may do.
 * @param onEnd called when the server no longer takes the login
 * @return the calls; throws a Problem */
export async function signIn(username, password, onEnd) {
  const keeper = tokenKeeper(await call('POST', '/api/auth/login', { body: { username, password } }));
  const ask = async (method, path, options) => {
    try {
      return await call(method, path, { ...options, credential: await keeper.current() });
    } catch (error) {
      if (error instanceof Problem && error.status === 401) onEnd();
      throw error;
    }
  };
  return {
    signOut: () => ask('POST', '/api/auth/logout', { body: {} }),
    /** @return {data, next_cursor} */
    users: (page, signal) => ask('GET', `/api/users${query(page)}`, { signal }),
    user: (id, signal) => ask('GET', `/api/users/${encodeURIComponent(id)}`, { signal }),
    createUser: (user) => ask('POST', '/api/users', { body: user }),
    createKey: (userId, key) => ask('POST', `/api/users/${encodeURIComponent(userId)}/keys`, { body: key }),
    /** @return {data, next_cursor}, all on one page */
    logins: (userId, signal) => ask('GET', `/api/users/${encodeURIComponent(userId)}/logins`, { signal }),
    endLogin: (userId, id) => ask('DELETE', `/api/users/${encodeURIComponent(userId)}/logins/${encodeURIComponent(id)}`)
  };
}

/** What a program may do, with an API key. */
export function userApi(key) {
  const ask = (method, path, options) => call(method, path, { ...options, credential: key });
  return {
    session: (signal) => ask('GET', '/api/session/status', { signal }),
    initSession: () => ask('POST', '/api/session/init', { body: {} }),
    disconnect: () => ask('POST', '/api/session/disconnect', { body: {} }),
    logout: () => ask('POST', '/api/session/logout', { body: {} }),
    /** @return the code as an SVG, or null when there is none now */
    async qr(signal) {
      const response = await send('GET', '/api/session/qr', { credential: key, accept: 'image/svg+xml', signal });
      if (response.status === 404 || response.status === 409) return null;
      if (!response.ok) throw await problemOf(response);
      return response.blob();
    },
    sendText: (recipient, text) => ask('POST', '/api/messages/send-text', { body: { recipient, text } }),
    message: (id, signal) => ask('GET', `/api/messages/${encodeURIComponent(id)}`, { signal })
  };
}
