/**
 * Memory of N sessions: `node test/webjs/measure.js 1 3`, with BRIDGE_CHROMIUM to name the browser. Prints for
 * each N the proportional set size (PSS) of the browsers and of the child processes, 8 s after all are ready.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Ends } from '../bridge/lib/ends.js';
import { openAccount, startWorld } from './harness.js';

const SETTLE_MS = 8000;

const read = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'latin1');
const parent = (pid) => Number(read(pid, 'stat').split(') ')[1].split(' ')[1]);

/** @returns {Array<{browser: boolean, kb: number}>} all descendants of this process */
function descendants() {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map();
  for (const pid of pids) {
    try {
      parents.set(pid, parent(pid));
    } catch {
      // gone
    }
  }
  const ours = (pid) => pid > 1 && (parents.get(pid) === process.pid || ours(parents.get(pid) ?? 0));
  return pids.filter(ours).map((pid) => ({
    browser: !read(pid, 'cmdline').includes('webjs/child.js'),
    kb: Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))[1]),
  }));
}

const mib = (list) => Math.round(list.reduce((sum, { kb }) => sum + kb, 0) / 1024);

for (const count of process.argv.slice(2).map(Number)) {
  const ends = new Ends();
  const world = await startWorld(ends);
  for (let i = 0; i < count; i += 1) {
    await (await openAccount(ends, world, { times: { probeMs: 5000 } })).link(await world.phone());
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const all = descendants();
  const [browsers, children] = [true, false].map((browser) => all.filter((entry) => entry.browser === browser));
  const line = { sessions: count, browser_pss_mib: mib(browsers), child_pss_mib: mib(children), per_session_mib: Math.round(mib(all) / count), processes: all.length };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await ends.run();
}
process.exit(0);
