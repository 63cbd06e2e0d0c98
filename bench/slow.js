/**
 * A slow bridge must slow down nobody but those who wait for it: 64 senders at once over a bridge that takes 500 ms,
 * and the status of the session meanwhile beside the same without senders.
 */
import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import { nullBridge } from './lib/bridge.js';
import { slice } from './lib/load.js';
import { alternate, goal, over, table } from './lib/report.js';
import { link, makePhone, makeUser } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const DELAY_MS = 500;
const SENDERS = 64;
const SECONDS = 4;
const script = fileURLToPath(new URL('wrk/send.lua', import.meta.url));
const user = await makeUser(`slow-${randomBytes(4).toString('hex')}`);
await link(user, await makePhone('Bench'));
const end = await nullBridge(DELAY_MS);

const poll = () => slice({ path: '/api/session/status', key: user.key, connections: 8, seconds: SECONDS });
const send = () =>
  slice({
    path: '/api/messages/send-text',
    key: user.key,
    script,
    connections: SENDERS,
    seconds: SECONDS,
    env: { WA_BENCH_WAIT: '1', WA_BENCH_CHATS: '1000000' },
  });
const pairs = await alternate(
  {
    alone: poll,
    both: async () => {
      const [sending, polling] = await Promise.all([send(), poll()]);
      return { sending, polling };
    },
  },
  ROUNDS,
);
await end();
const sending = pairs.both.map((s) => s.sending);
const polling = pairs.both.map((s) => s.polling);
// Of the time of a slice the first answers take one delay to come.
const ideal = (SENDERS * 1000 * (SECONDS - DELAY_MS / 1000)) / DELAY_MS / SECONDS;
table([
  ['', 'req/s', 'p50 ms', 'p99 ms', 'not 2xx', 'socket errors'],
  ...Object.entries({ 'status, nobody sends': pairs.alone, 'status, meanwhile': polling, '64 senders': sending }).map(([name, list]) => [
    name,
    over(list, (s) => s.rps).toFixed(0),
    over(list, (s) => s.p50).toFixed(1),
    over(list, (s) => s.p99).toFixed(1),
    list.reduce((n, s) => n + s.notOk, 0),
    list.reduce((n, s) => n + s.socketErrors, 0),
  ]),
]);
goal(`sends a second, × the ideal ${ideal.toFixed(0)} of ${SENDERS} senders`, over(sending, (s) => s.rps) / ideal, { least: 0.95 });
goal('p99 of the status meanwhile, × that without senders', over(polling, (s) => s.p99, pairs.alone), { most: 2 });
