/**
 * Deliveries to receivers that answer, alone and beside 150 that take a request and never answer: how many a second of
 * a backlog, and how long one takes from the writing of its event. Those that hang do so for the first time when a
 * slice begins, and it is long enough for all of them to time out in it.
 */
import { execFile, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { cpuNow, cpuSpent } from './lib/cpu.js';
import { alternate, goal, over, table } from './lib/report.js';
import { api, makeUser, sql, until } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 3);
const GOOD = 16;
const HOLES = 150;
const PER_USER = 15;
const BACKLOG = 3000;
const STEADY_S = 16; // a request that hangs is given up after 15
const EVERY_MS = 20;

const receiver = fork(fileURLToPath(new URL('lib/receiver.js', import.meta.url)));
process.once('exit', () => receiver.kill('SIGKILL'));
const came = new Map();
let holes = 0;
const port = await new Promise((resolve) => {
  receiver.on('message', (m) => {
    if (m.port) {
      resolve(m.port);
      return;
    }
    holes = m.holes;
    for (const [n, at] of m.came) {
      came.set(n, at);
    }
  });
});

/** Users with a webhook each, or many. @returns their ids */
async function users(count, kind) {
  const ids = [];
  for (let made = 0; made < count;) {
    const user = await makeUser(`${kind}-${randomBytes(4).toString('hex')}`);
    ids.push(user.id);
    for (let i = 0; i < (kind === 'hole' ? PER_USER : 1) && made < count; i += 1, made += 1) {
      await api('POST', '/webhooks', { key: user.key, body: { url: `http://127.0.0.1:${port}/${kind}/${made}` } });
    }
  }
  return ids;
}
const good = await users(GOOD, 'good');
await users(HOLES, 'hole');
const list = (ids) => `ARRAY[${ids.map((id) => `'${id}'`).join(', ')}]::uuid[]`;
const hole = "url LIKE '%/hole/%'";

let number = 0;
/** Events for the good ones in turn. @returns the first one's number */
function write(count) {
  const from = number;
  number += count;
  sql(`SELECT event_write((${list(good)})[n % ${GOOD} + 1], 'message.sent', now(), NULL, NULL, jsonb_build_object('n', n))
    FROM generate_series(${from}, ${number - 1}) n`);
  return from;
}

async function backlog() {
  // Seen by whatsappd only when all is there.
  sql(`UPDATE webhooks SET is_active = false WHERE NOT ${hole}`);
  const from = write(BACKLOG);
  came.clear();
  const cpu = cpuNow();
  const begin = performance.timeOrigin + performance.now();
  sql(`UPDATE webhooks SET is_active = true WHERE NOT ${hole}; SELECT pg_notify('wa_events', '')`);
  await until(() => came.size === BACKLOG, 'the backlog is posted');
  const end = Math.max(...came.values());
  const spent = cpuSpent(cpu, cpuNow());
  if (!came.has(from)) {
    throw new Error('others came');
  }
  return { rps: (BACKLOG * 1000) / (end - begin), cpu: spent.whatsappd / BACKLOG, db: spent.postgresql / BACKLOG };
}

async function steady() {
  const ids = list(good);
  const from = number;
  came.clear();
  // One session of the database that writes one event after the other.
  const n = Math.floor((STEADY_S * 1000) / EVERY_MS);
  number += n;
  const text = `DO $$ BEGIN FOR i IN 0..${n - 1} LOOP
    PERFORM event_write((${ids})[(${from} + i) % ${GOOD} + 1], 'message.sent', now(), NULL, NULL,
      jsonb_build_object('n', ${from} + i, 'at', extract(epoch FROM clock_timestamp()) * 1000));
    COMMIT; PERFORM pg_sleep(${EVERY_MS / 1000}); END LOOP; END $$`;
  await promisify(execFile)(`${process.env.WA_TEST_PG_BIN}/psql`, ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', process.env.WA_TEST_DB, '-c', text]);
  await until(() => came.size >= n, 'all is posted');
  const took = sql(`SELECT data->>'n' || ' ' || (data->>'at') FROM events WHERE user_id = ANY (${ids}) AND (data->>'n')::int >= ${from}`).map((row) => {
    const [k, at] = row.split(' ').map(Number);
    return came.get(k) - at;
  });
  took.sort((a, b) => a - b);
  const at = (share) => took[Math.min(took.length - 1, Math.floor(took.length * share))];
  return { p50: at(0.5), p99: at(0.99), most: took.at(-1) };
}

async function quiet() {
  sql(`UPDATE webhooks SET is_active = false WHERE ${hole}`);
  sql(`DELETE FROM webhook_deliveries d USING webhooks h WHERE h.id = d.webhook_id AND h.${hole}`);
  await until(() => holes === 0, 'nothing hangs');
}

/** All of them are posted something now, and again and again; none has ever failed. @returns what ends it */
async function hang() {
  await quiet();
  sql(`UPDATE webhooks SET is_active = true, failing_since = NULL WHERE ${hole}`);
  const more = () =>
    sql(`INSERT INTO webhook_deliveries (webhook_id, event_id, type, data)
      SELECT h.id, gen_random_uuid(), 'webhook.test', '{}' FROM webhooks h WHERE h.${hole}`);
  more();
  sql("SELECT pg_notify('wa_events', '')");
  await until(() => holes === HOLES, 'all of them hang');
  const timer = setInterval(more, 5000);
  return () => clearInterval(timer);
}

async function measured(withHoles) {
  const end = withHoles ? await hang() : await quiet();
  const slice = { backlog: await backlog(), steady: await steady() };
  end?.();
  return slice;
}

const slices = await alternate({ alone: () => measured(false), 'beside 150 that hang': () => measured(true) }, ROUNDS);
await quiet();
receiver.disconnect();

const pick = (name, what) => slices[name].map((s) => s[what]);
const names = Object.keys(slices);
table([
  ['', 'a second', 'p50 ms', 'p99 ms', 'most', 'µs whatsappd', 'postgres'],
  ...names.map((name) => [
    name,
    over(pick(name, 'backlog'), (s) => s.rps).toFixed(0),
    ...['p50', 'p99', 'most'].map((q) => over(pick(name, 'steady'), (s) => s[q]).toFixed(1)),
    ...['cpu', 'db'].map((q) => over(pick(name, 'backlog'), (s) => s[q]).toFixed(0)),
  ]),
]);
const [alone, beside] = names;
goal('deliveries a second beside those that hang, × alone', over(pick(beside, 'backlog'), (s) => s.rps, pick(alone, 'backlog')), { least: 0.8 });
goal('p99 beside those that hang, × alone', over(pick(beside, 'steady'), (s) => s.p99, pick(alone, 'steady')), { most: 2 });
