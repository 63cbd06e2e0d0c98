/** Processor time by server, from /proc: utime and stime of a process and all below it, with its dead children's. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

const TICK_US = 1e6 / Number(execFileSync('getconf', ['CLK_TCK']));
const SERVERS = ['apache', 'redis', 'postgresql', 'whatsappd', 'bridge', 'sandbox'];

function processes() {
  const all = new Map();
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) {
      continue;
    }
    try {
      const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
      const field = text.slice(text.lastIndexOf(')') + 2).split(' ');
      const ticks = field.slice(11, 15).reduce((sum, n) => sum + Number(n), 0);
      all.set(Number(pid), { parent: Number(field[1]), us: ticks * TICK_US });
    } catch {
      // It ended while it was looked at.
    }
  }
  return all;
}

/** The pids of one server, its leader first. */
function tree(all, leader) {
  const pids = [leader];
  for (let i = 0; i < pids.length; i += 1) {
    for (const [pid, { parent }] of all) {
      if (parent === pids[i]) {
        pids.push(pid);
      }
    }
  }
  return pids;
}

/** The process that a component of the stack leads with; 0 when it is stopped. */
export function leaderOf(server) {
  try {
    return Number(readFileSync(`${process.env.WA_TEST_DIR}/run/pids/${server}`, 'utf8'));
  } catch {
    return 0; // it is stopped
  }
}

/** Microseconds that each server has used so far. */
export function cpuNow() {
  const all = processes();
  return Object.fromEntries(
    SERVERS.map((server) => {
      const leader = leaderOf(server);
      const pids = leader ? tree(all, leader) : [];
      return [server, pids.reduce((sum, pid) => sum + (all.get(pid)?.us ?? 0), 0)];
    }),
  );
}

/** What each has used between two looks. */
export function cpuSpent(before, after) {
  return Object.fromEntries(SERVERS.map((server) => [server, after[server] - before[server]]));
}
