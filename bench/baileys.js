/**
 * A send through everything - Apache, PostgreSQL, the bridge - until WhatsApp's server (the sandbox) has acknowledged
 * it, beside Baileys alone with keys as safe. One session and 20, each one message after the other; and one that writes
 * to eight chats at once.
 */
import { randomBytes } from 'node:crypto';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { alternate, goal, median, over, table } from './lib/report.js';
import { api, link, makePhone, makeUser, sandbox } from './lib/stack.js';

const ROUNDS = Number(process.env.WA_BENCH_ROUNDS ?? 5);
const MS = 4000;
const CASES = [
  { sessions: 1, chats: 1 },
  { sessions: 20, chats: 1 },
  { sessions: 1, chats: 8 },
];
const recipients = [];
for (let i = 0; i < 8; i += 1) {
  recipients.push((await makePhone('Recipient')).number);
}
const jid = (number) => `${number.slice(1)}@s.whatsapp.net`;

/** A process with so many devices of Baileys alone. */
async function bare(count, to) {
  const child = fork(fileURLToPath(new URL('lib/bare-baileys.js', import.meta.url)), {
    env: { ...process.env, WA_BENCH_SOCKET: `${process.env.WA_TEST_SANDBOX_URL.replace('http', 'ws')}/ws/chat` },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  process.once('exit', () => child.kill('SIGKILL'));
  for (let i = 1; i <= count; i += 1) {
    const phone = await makePhone('Bare');
    child.send({ link: i });
    const [{ qr }] = await once(child, 'message');
    await sandbox('POST', `/phones/${phone.id}/scan`, { qr });
    await once(child, 'message');
  }
  return {
    run: async () => {
      child.send({ run: MS, to: to.map(jid) });
      const [{ sent, p50 }] = await once(child, 'message');
      return { rps: sent / (MS / 1000), p50 };
    },
    end: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** So many users of the product, each with a session. */
async function product(count, to) {
  const users = [];
  for (let i = 0; i < count; i += 1) {
    const user = await makeUser(`bare-${randomBytes(4).toString('hex')}`);
    await link(user, await makePhone('Product'));
    users.push(user);
  }
  return {
    run: async () => {
      const times = [];
      const end = performance.now() + MS;
      const loops = users.flatMap(({ key }) => to.map((recipient) => ({ key, recipient })));
      await Promise.all(
        loops.map(async ({ key, recipient }) => {
          while (performance.now() < end) {
            const from = performance.now();
            const text = `A text of a usual length, to be sent to somebody; number ${times.length}`;
            const { status } = await api('POST', '/messages/send-text', { key, body: { recipient, text } });
            if (!['sent', 'delivered', 'read'].includes(status)) {
              throw new Error(`a message is ${status}`);
            }
            times.push(performance.now() - from);
          }
        }),
      );
      return { rps: times.length / (MS / 1000), p50: median(times) };
    },
  };
}

const rows = [['', 'sends/s', 'p50 ms']];
const goals = [];
for (const { sessions, chats } of CASES) {
  const to = recipients.slice(0, chats);
  const alone = await bare(sessions, to);
  const all = await product(sessions, to);
  const what = `${sessions}${chats > 1 ? `, ${chats} chats at once` : ''}`;
  const targets = { [`Baileys alone, ${what}`]: alone.run, [`POST send-text, ${what}`]: all.run };
  await alternate(targets, 1);
  const slices = await alternate(targets, ROUNDS);
  await alone.end();
  for (const [name, list] of Object.entries(slices)) {
    rows.push([name, over(list, (s) => s.rps).toFixed(1), over(list, (s) => s.p50).toFixed(1)]);
  }
  const [reference, own] = Object.values(slices);
  goals.push([`sends a second of ${what}, × Baileys alone`, over(own, (s) => s.rps, reference), { least: 0.8 }]);
}
table(rows);
for (const one of goals) {
  goal(...one);
}
