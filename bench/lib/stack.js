/** The stack as a client sees it: calls, a user with a key, a linked phone. */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';

const env = process.env;
export const BASE = env.WA_TEST_BASE_URL;
const DEADLINE_MS = 60_000;

const agent = new Agent({ keepAlive: true });

/** One request. Not by fetch, which would take a tenth of the time of a send that is measured. */
function exchange(url, method, headers, body) {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent, timeout: DEADLINE_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (data) => (text += data));
      answer.on('end', () => resolve({ status: answer.statusCode, text }));
      answer.on('error', reject);
    });
    asked.on('timeout', () => asked.destroy(new Error(`${method} ${url}: no answer`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

export async function call(base, method, path, { key, body, headers } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await exchange(
    base + path,
    method,
    {
      ...(key && { authorization: `Bearer ${key}` }),
      ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      ...headers,
    },
    text,
  );
  if (answer.status < 200 || answer.status > 299) {
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  }
  return answer.text ? JSON.parse(answer.text) : null;
}

export const api = (method, path, options) => call(BASE, method, `/api${path}`, options);
export const sandbox = (method, path, body) => call(env.WA_TEST_SANDBOX_URL, method, path, { body });

/** Waits for what `look` gives once it is truthy. */
export async function until(look, what) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const seen = await look();
    if (seen) {
      return seen;
    }
    if (Date.now() > end) {
      throw new Error(`waited in vain: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let token;

async function admin() {
  token ??= await api('POST', '/auth/login', {
    body: { username: env.WA_TEST_ADMIN_USER, password: readFileSync(env.WA_TEST_ADMIN_PASSWORD_FILE, 'utf8').trim() },
  });
  return token.access_token;
}

/** A user whose limits no load reaches. */
export async function makeUser(name) {
  const key = await admin();
  const user = await api('POST', '/users', {
    key,
    body: {
      username: name,
      email: `${name}@example.org`,
      max_requests_per_minute: 1_000_000,
      max_messages_per_minute: 100_000,
      max_messages_per_day: 1_000_000,
    },
  });
  const made = await api('POST', `/users/${user.id}/keys`, { key, body: { name: 'bench' } });
  return { id: user.id, key: made.key };
}

/** A new virtual phone. */
export function makePhone(name) {
  const number = `+4917${String(randomInt(1e9)).padStart(9, '0')}`;
  return sandbox('POST', '/phones', { number, name });
}

/** Links a phone to the user's session. */
export async function link(user, phone) {
  const status = () => api('GET', '/session/status', { key: user.key });
  await api('POST', '/session/init', { key: user.key, body: {} });
  const { qr_code: qr } = await until(async () => {
    const s = await status();
    return s.qr_code && s;
  }, 'a QR code');
  await sandbox('POST', `/phones/${phone.id}/scan`, { qr });
  return until(async () => {
    const s = await status();
    return s.status === 'connected' && s;
  }, 'the session is connected');
}

/** What a statement answers, one string a row. */
export function sql(text) {
  const out = execFileSync(`${env.WA_TEST_PG_BIN}/psql`, ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', env.WA_TEST_DB, '-c', text], {
    encoding: 'utf8',
  });
  return out.split('\n').filter(Boolean);
}
