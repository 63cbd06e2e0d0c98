/**
 * whatsappd's own way: the claim of what is due, a bridge that answers at once, what was sent written down; beside
 * pgbench with the same claims and ends of one message each. And how long an idle whatsappd takes from the acceptance
 * of a message to the bridge.
 */
import { randomBytes } from 'node:crypto';

import { ctl, nullBridge } from './lib/bridge.js';
import { cpuNow, cpuSpent } from './lib/cpu.js';
import { pgbench, statement } from './lib/pgbench.js';
import { alternate, goal, median, over, table } from './lib/report.js';
import { api, link, makePhone, makeUser, sql, until } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const USERS = 8;
const WAITING = 24_000;
const IDLE_SENDS = 60;
const SECONDS = 3;

const users = [];
for (let i = 0; i < USERS; i += 1) {
  const user = await makeUser(`deliver-${randomBytes(4).toString('hex')}`);
  await link(user, await makePhone('Bench'));
  users.push(user);
}
ctl('stop', 'whatsappd');

/** Messages of all users, each to a chat of its own, accepted and due. */
function fill() {
  sql('TRUNCATE outbox');
  const ids = users.map((u) => `'${u.id}'`).join(', ');
  sql(`WITH s AS (SELECT id, user_id, row_number() OVER (ORDER BY id) AS k FROM sessions WHERE user_id IN (${ids})),
    m AS (INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id, attempts)
      SELECT gen_random_uuid(), s.user_id, s.id, 'out', 'text', 'pending', '+49151' || n, '49151' || n || '@s.whatsapp.net',
        'A text of a usual length, to be sent to somebody; number ' || n, '3EB0' || md5(random()::text || n), 0
      FROM generate_series(1, ${WAITING}) n JOIN s ON s.k = n % ${USERS} + 1 RETURNING id, session_id, chat)
    INSERT INTO outbox (message_id, session_id, chat, expires_at) SELECT id, session_id, chat, now() + interval '1 day' FROM m`);
  sql('ANALYZE outbox; ANALYZE messages');
}

const claim = statement('OUTBOX_CLAIM', ["'pgbench'", "'1'", "'60'"]);
const pgScript = [
  `${claim}\n\\gset`,
  `${statement('OUTBOX_SENT', [':message_id', 'now()', 'NULL', 'NULL'])};`,
  statement('SESSION_ACTIVE', [':session_id', 'now()']),
].join('\n');

const left = () => Number(sql('SELECT count(*) FROM outbox')[0]);
const sentBy = () => {
  const [n, at] = sql("SELECT count(*) || ' ' || extract(epoch FROM clock_timestamp()) FROM outbox")[0].split(' ').map(Number);
  return { n, at };
};
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function daemon() {
  fill();
  ctl('start', 'whatsappd');
  await until(() => left() < WAITING - 200, 'whatsappd sends');
  const cpu = cpuNow();
  const from = sentBy();
  await pause(SECONDS * 1000);
  const to = sentBy();
  const spent = cpuSpent(cpu, cpuNow());
  ctl('stop', 'whatsappd');
  if (to.n === 0) {
    throw new Error('the outbox was empty before the slice ended');
  }
  const sent = from.n - to.n;
  return { rps: sent / (to.at - from.at), cpu: Object.fromEntries(Object.entries(spent).map(([name, us]) => [name, us / sent])) };
}

async function reference() {
  fill();
  return pgbench('deliver', pgScript, { clients: 16, seconds: SECONDS });
}

let end = await nullBridge(0);
const targets = { 'pgbench, the same statements': reference, whatsappd: daemon };
await alternate(targets, 1);
const slices = await alternate(targets, ROUNDS);

// From the beginning of the transaction that accepts to the request's arrival at the bridge, by one clock.
await end();
sql('TRUNCATE outbox');
const arrivals = new Map();
end = await nullBridge(0, (id, ms) => arrivals.set(id, ms));
ctl('start', 'whatsappd');
await pause(2000);
const took = [];
for (let i = 0; i < IDLE_SENDS; i += 1) {
  const m = await api('POST', '/messages/send-text', {
    key: users[i % USERS].key,
    body: { recipient: `+4915200000${100 + i}`, text: `idle ${i}` },
    headers: { prefer: 'respond-async' },
  });
  await until(() => arrivals.has(m.whatsapp_id), 'the message at the bridge');
  const [at] = sql(`SELECT extract(epoch FROM created_at) * 1000 FROM messages WHERE id = '${m.id}'`);
  took.push(arrivals.get(m.whatsapp_id) - Number(at));
  await pause(50);
}
await end();

table([
  ['', 'messages/s', '× pgbench', 'µs whatsappd', 'postgres'],
  ...Object.entries(slices).map(([name, list]) => [
    name,
    over(list, (s) => s.rps).toFixed(0),
    over(list, (s) => s.rps, slices['pgbench, the same statements']).toFixed(2),
    ...['whatsappd', 'postgresql'].map((server) => (list[0].cpu ? over(list, (s) => s.cpu[server]).toFixed(0) : '')),
  ]),
]);
took.sort((a, b) => a - b);
table([
  ['', 'p50 ms', 'p90 ms', 'most'],
  ['idle: acceptance to bridge', median(took).toFixed(1), took[Math.floor(took.length * 0.9)].toFixed(1), took.at(-1).toFixed(1)],
]);
goal('whatsappd, claim to end: × pgbench', over(slices.whatsappd, (s) => s.rps, slices['pgbench, the same statements']), { least: 0.5 });
goal('idle, acceptance to bridge, p50', median(took), { most: 10, unit: ' ms' });
