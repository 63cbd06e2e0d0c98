/**
 * Memory of N sessions of the engine baileys: `node test/bridge/measure.js 1 20 100`. Prints for each N the
 * resident set of the bridge (a process of its own), with no session and with N connected ones, idle for 8 s.
 */
import { readFileSync } from 'node:fs';
import { Ends } from './lib/ends.js';
import { startBridge, startModule, startSandbox } from './lib/processes.js';

const SETTLE_MS = 8000;

const rss = (pid) => Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024);

for (const count of process.argv.slice(2).map(Number)) {
  const ends = new Ends();
  const sandbox = await startSandbox(ends);
  const module = await startModule(ends);
  const bridge = await startBridge(ends, { sandbox, module, env: { LOG_LEVEL: 'info' } });
  const { pid } = bridge.child.process;
  const empty = rss(pid);
  for (let i = 0; i < count; i += 1) {
    await bridge.link(await sandbox.phone(`+49151${String(50000000 + i)}`));
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const full = rss(pid);
  const line = { sessions: count, empty_rss_mib: empty, rss_mib: full, per_session_mib: Number(((full - empty) / count).toFixed(1)) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  await ends.run();
}
process.exit(0);
