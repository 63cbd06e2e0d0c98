/** Another bridge in the place of the stack's own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('null-bridge.js', import.meta.url));

/** Stop, start or restart a component of the stack. */
export function ctl(verb, component) {
  execFileSync(process.env.WA_TEST_CTL, [verb, component], { stdio: 'ignore' });
}

/**
 * The stack's bridge stops, one without WhatsApp takes its port.
 * @param {(id: string, ms: number) => void} [arrived] told of each message and when it came
 * @returns what ends it and brings the own one back
 */
export async function nullBridge(delayMs, arrived) {
  ctl('stop', 'bridge');
  const child = spawn(process.execPath, [SCRIPT], {
    env: { ...process.env, WA_BENCH_DELAY_MS: String(delayMs) },
    stdio: ['ignore', 'pipe', 'inherit', ...(arrived ? ['ipc'] : [])],
  });
  if (arrived) {
    child.on('message', ([id, ms]) => arrived(id, ms));
  }
  process.once('exit', () => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return async () => {
    const end = once(child, 'exit');
    child.kill('SIGTERM');
    await end;
    ctl('start', 'bridge');
  };
}
