/** Kept-alive connections beyond the number of threads: none may be closed under its client. */
import { randomBytes } from 'node:crypto';

import { slice } from './lib/load.js';
import { alternate, goal, over, table } from './lib/report.js';
import { makeUser } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const user = await makeUser(`many-${randomBytes(4).toString('hex')}`);
const targets = {};
for (const connections of [32, 256, 1000]) {
  targets[`static file, ${connections}`] = () => slice({ path: '/bench/static.json', connections, seconds: 3 });
  targets[`status, ${connections}`] = () => slice({ path: '/api/session/status', key: user.key, connections, seconds: 3 });
}
const slices = await alternate(targets, ROUNDS);
const errors = (name) => slices[name].reduce((n, s) => n + s.socketErrors, 0);
const other = (name) => slices[name].reduce((n, s) => n + s.notOk, 0);
table([
  ['', 'req/s', '× at 32', 'p50 ms', 'p99 ms', 'socket errors', 'not 2xx'],
  ...Object.entries(slices).map(([name, list]) => [
    name,
    over(list, (s) => s.rps).toFixed(0),
    over(list, (s) => s.rps, slices[name.replace(/\d+$/, '32')]).toFixed(2),
    over(list, (s) => s.p50).toFixed(2),
    over(list, (s) => s.p99).toFixed(1),
    errors(name),
    other(name),
  ]),
]);
for (const [name, list] of Object.entries(slices)) {
  for (const s of list.filter(({ socketErrors }) => socketErrors)) {
    console.log(`  ${name}: ${s.errors}`);
  }
}
for (const connections of [256, 1000]) {
  goal(`socket errors at ${connections} connections`, errors(`static file, ${connections}`) + errors(`status, ${connections}`), { most: 0 });
}
