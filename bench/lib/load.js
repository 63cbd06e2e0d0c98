/** One slice of load by wrk, with the processor time each server used for it. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { cpuNow, cpuSpent } from './cpu.js';
import { BASE } from './stack.js';

const REPORT = fileURLToPath(new URL('../wrk/report.lua', import.meta.url));

function run(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (out += data));
    child.once('error', reject);
    child.once('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${command} ended with ${code}: ${out}`))));
  });
}

/**
 * @param {{path: string, key?: string, lines?: string, connections?: number, seconds?: number, expect?: number}} target
 *   `lines`: a file with a key for each request; `expect`: the status, when it is no 2xx
 * @returns requests a second, p50 and p99 in ms, errors, and µs of each server for a request
 */
export async function slice({ path, key, lines, connections = 32, seconds = 2, headers = {}, script = REPORT, env = {} }) {
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script];
  const all = { ...(key && { 'X-API-Key': key }), ...headers };
  for (const [name, value] of Object.entries(all)) {
    args.push('-H', `${name}: ${value}`);
  }
  const before = cpuNow();
  const out = await run('wrk', [...args, BASE + path], { ...env, ...(lines && { WA_BENCH_LINES: lines }) });
  const spent = cpuSpent(before, cpuNow());
  const line = out.split('\n').find((text) => text.startsWith('{"requests"'));
  if (!line) {
    throw new Error(`wrk said nothing of use: ${out}`);
  }
  const r = JSON.parse(line);
  return {
    rps: r.requests / (r.us / 1e6),
    p50: r.p50 / 1e3,
    p99: r.p99 / 1e3,
    requests: r.requests,
    socketErrors: r.connect + r.read + r.write + r.timeout,
    errors: `connect ${r.connect}, read ${r.read}, write ${r.write}, timeout ${r.timeout}`,
    notOk: r.status,
    cpu: Object.fromEntries(Object.entries(spent).map(([server, us]) => [server, us / r.requests])),
  };
}

export { run };
