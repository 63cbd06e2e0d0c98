/**
 * GET /api/session/status beside Apache's static file and a handler that does nothing, all from the same Apache
 * and in turn: with a good key, with an unknown one again and again, and with ever new ones.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';

import { unknownKey } from './lib/key.js';
import { slice } from './lib/load.js';
import { alternate, goal, over, table } from './lib/report.js';
import { link, makePhone, makeUser, sql, until } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 7);
const STATUS = '/api/session/status';
const user = await makeUser(`status-${randomBytes(4).toString('hex')}`);
await link(user, await makePhone('Bench'));

const lines = `${process.env.WA_TEST_DIR}/bench/keys`;
const fresh = () => {
  writeFileSync(lines, Array.from({ length: 60_000 }, unknownKey).join('\n'));
  return slice({ path: STATUS, lines });
};
const same = unknownKey();
const targets = {
  'static file, 200 B': () => slice({ path: '/bench/static.json' }),
  'handler that does nothing': () => slice({ path: '/bench/noop' }),
  'status, good key': () => slice({ path: STATUS, key: user.key }),
  'status, one unknown key': () => slice({ path: STATUS, key: same }),
  'status, new unknown keys': fresh,
};
const logged = () => Number(sql(`SELECT count(*) FROM request_log WHERE user_id = '${user.id}'`)[0]);

await alternate(targets, 1); // what is done once is done now
let sent = 0;
let rows = logged();
await until(() => {
  const before = rows;
  rows = logged();
  return before === rows;
}, 'the log is written');
const slices = await alternate(
  {
    ...targets,
    'status, good key': async () => {
      const s = await targets['status, good key']();
      sent += s.requests;
      return s;
    },
  },
  ROUNDS,
);
await until(() => logged() - rows >= sent, `${sent} rows in the log`).catch((error) => console.log(`  ${error.message}`));

const reference = slices['static file, 200 B'];
const server = (s) => s.cpu.apache;
const whole = (s) => s.cpu.apache + s.cpu.redis + s.cpu.postgresql;
const us = (list, pick) => over(list, pick).toFixed(1);
table([
  ['', 'req/s', '× static', 'p50 ms', 'p99 ms', 'µs apache', 'redis', 'postgres', '× static', 'all', '× static'],
  ...Object.entries(slices).map(([name, list]) => [
    name,
    over(list, (s) => s.rps).toFixed(0),
    over(list, (s) => s.rps, reference).toFixed(2),
    over(list, (s) => s.p50).toFixed(2),
    over(list, (s) => s.p99).toFixed(1),
    us(list, server),
    us(list, (s) => s.cpu.redis),
    us(list, (s) => s.cpu.postgresql),
    over(list, server, reference).toFixed(2),
    us(list, whole),
    over(list, whole, reference).toFixed(2),
  ]),
]);
const good = slices['status, good key'];
const wrong = slices['status, one unknown key'];
const errors = Object.values(slices).flat();
goal('status: requests a second, × static', over(good, (s) => s.rps, reference), { least: 0.5 });
goal('  the same, what we would like', over(good, (s) => s.rps, reference), { least: 0.65 });
goal('status: p99, × static', over(good, (s) => s.p99, reference), { most: 3 });
goal('status: processor time of Apache for a request, × static', over(good, server, reference), { most: 1.8 });
goal('status: answers that are no 2xx', good.reduce((n, s) => n + s.notOk, 0), { most: 0 });
goal('status: rows in the log for each request', (logged() - rows) / sent, { least: 1 });
goal('one unknown key: requests a second, × static', over(wrong, (s) => s.rps, reference), { least: 0.7 });
goal('socket errors, all of the above', errors.reduce((n, s) => n + s.socketErrors, 0), { most: 0 });
