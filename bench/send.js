/**
 * POST /api/messages/send-text: with Prefer: respond-async beside pgbench with the very statement that accepts a
 * message, and waiting for a bridge that answers at once; beside the static file.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { ctl, nullBridge } from './lib/bridge.js';
import { slice } from './lib/load.js';
import { pgbench, statement } from './lib/pgbench.js';
import { alternate, goal, over, table } from './lib/report.js';
import { link, makePhone, makeUser, sql } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const script = fileURLToPath(new URL('wrk/send.lua', import.meta.url));
const path = '/api/messages/send-text';

async function linked(name) {
  const user = await makeUser(`${name}-${randomBytes(4).toString('hex')}`);
  await link(user, await makePhone('Bench'));
  return user;
}

const user = await linked('send');
const other = await linked('pgbench');
const waiting = await linked('wait');

// The same text, as many chats; the ids are made by PostgreSQL, which a client does by itself.
const accept = statement('MESSAGE_ACCEPT', [
  '(:id)::uuid',
  `'${other.id}'::uuid`,
  "'default'",
  "'text'",
  "'+4915100000000'",
  "('49151' || :chat::text || '@s.whatsapp.net')",
  "'A text of a usual length, to be sent to somebody; number 1'",
  "('3EB0' || md5(:a::text || :b::text))",
  ':id',
  'NULL',
  "'60'",
  "'86400'",
  'NULL',
  'NULL',
  'NULL',
  ':id',
  "'0000000000000000000000000000000000000000000000000000000000000000'",
  "'60'",
  'NULL',
  'NULL',
  'NULL',
]);
const uuid = "(md5(:a::text || ':' || :b::text))";
const pgScript = `\\set a random(1, 9000000000000000)\n\\set b random(1, 9000000000000000)\n\\set chat random(1, 1000)\n${accept
  .replaceAll('(:id)::uuid', `${uuid}::uuid`)
  .replaceAll(':id', uuid)};\n${statement('OUTBOX_TELL', [])}`;

// Nobody sends meanwhile: what is measured is the acceptance.
ctl('stop', 'whatsappd');
const targets = {
  'static file, 200 B': () => slice({ path: '/bench/static.json' }),
  'pgbench, the same statements': () => pgbench('accept', pgScript),
  'send, respond-async': () => slice({ path, key: user.key, script }),
};
await alternate(targets, 1);
const count = () => Number(sql(`SELECT count(*) FROM messages WHERE user_id = '${user.id}'`)[0]);
const before = count();
const slices = await alternate(targets, ROUNDS);
const stored = count() - before;
const answered = slices['send, respond-async'].reduce((n, s) => n + s.requests, 0);
sql('TRUNCATE outbox');
const end = await nullBridge(0);
const wait = (connections) =>
  slice({ path, key: waiting.key, script, connections, env: { WA_BENCH_WAIT: '1', WA_BENCH_CHATS: '1000000' } });
const waiters = {
  'static file, 200 B': targets['static file, 200 B'],
  'send, waiting': () => wait(32),
  'send, waiting, 1 connection': () => wait(1),
  'send, waiting, 128 connections': () => wait(128),
};
await alternate(waiters, 1);
const more = await alternate(waiters, ROUNDS);
await end();
ctl('start', 'whatsappd');

const line = (name, list, reference) => [
  name,
  over(list, (s) => s.rps).toFixed(0),
  over(list, (s) => s.rps, reference).toFixed(2),
  list[0].p99 === undefined ? '' : over(list, (s) => s.p99).toFixed(1),
  ...['apache', 'redis', 'postgresql'].map((server) => (list[0].cpu ? over(list, (s) => s.cpu[server]).toFixed(0) : '')),
];
table([
  ['', 'req/s', '× static', 'p99 ms', 'µs apache', 'redis', 'postgres'],
  ...Object.entries(slices).map(([name, list]) => line(name, list, slices['static file, 200 B'])),
  ...Object.entries(more).map(([name, list]) => line(name, list, more['static file, 200 B'])),
]);
const all = [...slices['send, respond-async'], ...more['send, waiting'], ...more['send, waiting, 128 connections']];
goal('send, respond-async: × pgbench', over(slices['send, respond-async'], (s) => s.rps, slices['pgbench, the same statements']), { least: 0.45 });
goal('send, waiting, bridge at once: × static', over(more['send, waiting'], (s) => s.rps, more['static file, 200 B']), { least: 0.12 });
goal('answers that are no 2xx', all.reduce((n, s) => n + s.notOk, 0), { most: 0 });
goal('messages stored for each answer', stored / answered, { least: 1 });
