/**
 * Many logins at once, each of which costs an Argon2: what a client with a key feels of them. Slices with and
 * without the storm in turn, so that both have the same machine.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { slice } from './lib/load.js';
import { goal, over, table } from './lib/report.js';
import { api, BASE, makeUser } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 7);
const CLIENTS = 32;
const CONNECTIONS = 8;
const target = { path: '/api/auth/me', connections: CONNECTIONS, seconds: 3 };
const name = `storm-${randomBytes(4).toString('hex')}`;
const user = await makeUser(name);
const login = { username: `${name}-login`, password: randomBytes(16).toString('hex') };
await makeLogin();

async function makeLogin() {
  const admin = await api('POST', '/auth/login', {
    body: { username: process.env.WA_TEST_ADMIN_USER, password: readFileSync(process.env.WA_TEST_ADMIN_PASSWORD_FILE, 'utf8').trim() },
  });
  await api('POST', '/users', { key: admin.access_token, body: { ...login, email: `${login.username}@example.org` } });
}

/** Logs in again and again from CLIENTS connections until told to stop; counts the answers. */
function storm() {
  const count = {};
  let going = true;
  const one = async () => {
    while (going) {
      const answer = await fetch(`${BASE}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(login),
      });
      await answer.arrayBuffer();
      count[answer.status] = (count[answer.status] ?? 0) + 1;
    }
  };
  const all = Promise.all(Array.from({ length: CLIENTS }, one));
  return async () => {
    going = false;
    await all;
    return count;
  };
}

await slice({ ...target, key: user.key });
const quiet = [];
const stormy = [];
const answers = {};
for (let round = 0; round < ROUNDS; round += 1) {
  quiet.push(await slice({ ...target, key: user.key }));
  const stop = storm();
  stormy.push(await slice({ ...target, key: user.key }));
  for (const [status, n] of Object.entries(await stop())) {
    answers[status] = (answers[status] ?? 0) + n;
  }
}
const row = (name, list) => [
  name,
  over(list, (s) => s.rps).toFixed(0),
  over(list, (s) => s.p50).toFixed(2),
  over(list, (s) => s.p99).toFixed(1),
];
table([['', 'req/s', 'p50 ms', 'p99 ms'], row('no logins', quiet), row(`${CLIENTS} clients log in`, stormy)]);
const seconds = ROUNDS * target.seconds;
console.log(`  logins a second: ${Object.entries(answers).map(([status, n]) => `${status}: ${(n / seconds).toFixed(1)}`).join(', ')}`);
goal('login storm: p99 of other calls, × without', over(stormy, (s) => s.p99, quiet), { most: 2 });
goal('login storm: answers to other calls that are no 2xx', stormy.reduce((n, s) => n + s.notOk, 0), { most: 0 });
goal('login storm: passwords checked a second', (answers[200] ?? 0) / seconds, { least: 1 });
