/** GET /api/messages, 50 a page, of a user with a million messages: the first page, one far behind, and
 * pages by filters, of what there is much and little of. */
import { randomBytes } from 'node:crypto';

import { slice } from './lib/load.js';
import { alternate, goal, over, table } from './lib/report.js';
import { BASE, api, link, makePhone, makeUser, sql } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const MESSAGES = Number(process.env.WA_BENCH_MESSAGES ?? 1_000_000);
const PAGE = 50;
const user = await makeUser(`list-${randomBytes(4).toString('hex')}`);
const session = await link(user, await makePhone('Bench'));

console.log(`  ${MESSAGES} messages are stored`);
// Without the triggers, which write an event for each: no list reads those.
sql(`BEGIN; ALTER TABLE messages DISABLE TRIGGER USER;
  INSERT INTO messages (id, user_id, session_id, direction, type, status, sender, chat, content, whatsapp_id, created_at)
  SELECT gen_random_uuid(), '${user.id}', '${session.id}', 'in', 'text', 'received', '+49151' || n % 1000,
    '49151' || n % 1000 || '@s.whatsapp.net', 'A text of a usual length, number ' || n, '3EB0' || md5(n::text),
    now() - n * interval '1 s' FROM generate_series(1, ${MESSAGES}) n;
  INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id, created_at)
  SELECT gen_random_uuid(), '${user.id}', '${session.id}', 'out', 'image', 'failed', '+4915100000', '4915100000@s.whatsapp.net',
    'A text of a usual length, number ' || n, '3EB1' || md5(n::text), now() - interval '1 year' + n * interval '1 s'
    FROM generate_series(1, 100) n;
  ALTER TABLE messages ENABLE TRIGGER USER; COMMIT`);
sql('VACUUM (ANALYZE) messages');
// Connections that Apache has closed meanwhile are noticed now, before one is used again.
await new Promise((resolve) => setTimeout(resolve, 100));

/** The address of a page far behind, by the longest steps that the API takes. */
async function farPage() {
  let path = '/messages?limit=200';
  for (let seen = 0; seen < (MESSAGES / 2 / PAGE) * PAGE; seen += 200) {
    const answer = await fetch(`${BASE}/api${path}`, { headers: { authorization: `Bearer ${user.key}` } });
    await answer.arrayBuffer();
    const next = /<\/api([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '');
    if (!next) {
      throw new Error(`${path}: ${answer.status}, no next page`);
    }
    path = next[1];
  }
  return path.replace('limit=200', `limit=${PAGE}`);
}

const first = `/messages?limit=${PAGE}`;
const far = await farPage();
const page = await api('GET', far, { key: user.key });
console.log(`  the far page has ${page.messages?.length ?? page.data?.length ?? page.items?.length} messages`);
const filters = ['direction=in', 'status=failed', 'type=image&direction=out', 'recipient=%2B4915100000', 'from=2000-01-01T00:00:00Z'];
for (const filter of filters) {
  const { data } = await api('GET', `${first}&${filter}`, { key: user.key });
  if (data?.length !== PAGE) {
    throw new Error(`${filter}: ${data?.length} messages`);
  }
}
const slices = await alternate(
  {
    'static file, 200 B': () => slice({ path: '/bench/static.json' }),
    'first page': () => slice({ path: `/api${first}`, key: user.key }),
    [`page ${MESSAGES / 2 / PAGE}`]: () => slice({ path: `/api${far}`, key: user.key }),
    ...Object.fromEntries(filters.map((filter) => [filter, () => slice({ path: `/api${first}&${filter}`, key: user.key })])),
  },
  ROUNDS,
);
const [reference, near, behind, ...filtered] = Object.values(slices);
table([
  ['', 'req/s', '× static', 'p99 ms', 'µs apache', 'postgres', 'not 2xx'],
  ...Object.entries(slices).map(([name, list]) => [
    name,
    over(list, (s) => s.rps).toFixed(0),
    over(list, (s) => s.rps, reference).toFixed(2),
    over(list, (s) => s.p99).toFixed(1),
    over(list, (s) => s.cpu.apache).toFixed(0),
    over(list, (s) => s.cpu.postgresql).toFixed(0),
    list.reduce((n, s) => n + s.notOk, 0),
  ]),
]);
goal('first page: × static', over(near, (s) => s.rps, reference), { least: 0.25 });
const ratio = over(behind, (s) => s.rps, near);
goal('far page beside the first: the difference', Math.abs(1 - ratio), { most: 0.1 });
const slowest = Math.min(...filtered.map((list) => over(list, (s) => s.rps, near)));
goal('the slowest filter: × the first page', slowest, { least: 0.75 });
