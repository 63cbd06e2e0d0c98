/**
 * Many logins at once, each of which costs an Argon2: what a client with a key feels of them. Slices with and
 * without the storm in turn, so that both have the same machine. Each client has an account of its own and, told to
 * come again, does so when it was told to.
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
const password = randomBytes(16).toString('hex');
const accounts = await makeAccounts();

/** An account for each client: of one account, only a few tries at a time are let in. */
async function makeAccounts() {
  const admin = await api('POST', '/auth/login', {
    body: { username: process.env.WA_TEST_ADMIN_USER, password: readFileSync(process.env.WA_TEST_ADMIN_PASSWORD_FILE, 'utf8').trim() },
  });
  const made = [];
  for (let i = 0; i < CLIENTS; i += 1) {
    const username = `${name}-${i}`;
    await api('POST', '/users', { key: admin.access_token, body: { username, password, email: `${username}@example.org` } });
    made.push(username);
  }
  return made;
}

/**
 * Logs in again and again from CLIENTS connections until told to stop; counts the answers. Who is told when to come
 * again comes then: what a flood of refused requests costs is no matter of passwords.
 */
function storm() {
  const count = {};
  let going = true;
  const one = async (username) => {
    while (going) {
      const answer = await fetch(`${BASE}/api/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username, password }),
      });
      await answer.arrayBuffer();
      count[answer.status] = (count[answer.status] ?? 0) + 1;
      const again = Number(answer.headers.get('retry-after') ?? 0) * 1000;
      const end = Date.now() + again;
      while (going && Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 50));
      }
    }
  };
  const all = Promise.all(accounts.map(one));
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
