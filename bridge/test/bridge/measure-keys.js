/**
 * What the copy of the keys costs a message: `node test/bridge/measure-keys.js [ROUNDS] [MESSAGES]`. Two bridges on one
 * sandbox, one with its keys on its own disk only (BRIDGE_KEYS=local), one that copies them to the module too; one
 * session each, one message after the other and 16 at a time, in turn. Prints the medians, their ratio, and how many
 * keys a message changes. A stand-in takes the copy; what PostgreSQL does with it costs the bridge nothing.
 */
import { readFileSync } from 'node:fs';
import { Ends } from './lib/ends.js';
import { messageId, startBridge, startModule, startSandbox } from './lib/processes.js';

const [rounds = 5, messages = 300] = process.argv.slice(2).map(Number);
const TICKS_PER_S = 100;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/** Processor time of a process so far, in seconds. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

async function side(ends, sandbox, keys, number) {
  const module = await startModule(ends);
  const bridge = await startBridge(ends, { sandbox, module, env: { BRIDGE_KEYS: keys, LOG_LEVEL: 'info' } });
  const session = await bridge.link(await sandbox.phone(number));
  return { keys, module, bridge, session, rates: { 1: [], 16: [] }, cpu: { 1: [], 16: [] } };
}

async function measure(one, to, parallel) {
  const { bridge, session } = one;
  const { pid } = bridge.child.process;
  const [started, used] = [performance.now(), cpu(pid)];
  let left = messages;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const { status } = await bridge.send(session, { id: messageId(), to, text: 'a message of ordinary length, as they are' });
      if (status !== 200) {
        throw new Error(`a send was answered ${status}`);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  one.rates[parallel].push(messages / ((performance.now() - started) / 1000));
  one.cpu[parallel].push(((cpu(pid) - used) / messages) * 1000);
}

const ends = new Ends();
const sandbox = await startSandbox(ends);
const friend = await sandbox.phone('+491700000009', 'Recipient');
const sides = [await side(ends, sandbox, 'local', '+491700000001'), await side(ends, sandbox, 'module', '+491700000002')];
for (const one of sides) {
  await measure(one, friend.jid, 1); // warms up
  one.rates[1] = [];
  one.cpu[1] = [];
}
const table = sides[1].module.credentials;
const before = table.written;
for (let round = 0; round < rounds; round += 1) {
  for (const parallel of [1, 16]) {
    for (const one of round % 2 ? sides.toReversed() : sides) {
      await measure(one, friend.jid, parallel);
    }
  }
}
for (const parallel of [1, 16]) {
  const [local, module] = sides.map(({ rates, cpu: used }) => ({ rate: median(rates[parallel]), cpu: median(used[parallel]) }));
  process.stdout.write(`${JSON.stringify({
    at_a_time: parallel,
    local_per_s: Math.round(local.rate),
    module_per_s: Math.round(module.rate),
    ratio: Number((module.rate / local.rate).toFixed(2)),
    local_cpu_ms: Number(local.cpu.toFixed(2)),
    module_cpu_ms: Number(module.cpu.toFixed(2)),
  })}\n`);
}
const sent = rounds * 2 * messages;
process.stdout.write(`${JSON.stringify({ keys_per_message: Number(((table.written - before) / sent).toFixed(1)) })}\n`);
await ends.run();
process.exit(0);
