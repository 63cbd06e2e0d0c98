/** What most tests begin with: a sandbox, a bridge with a stand-in for the module, and two phones. */
import { startBridge, startModule, startSandbox } from './processes.js';

/**
 * All of it, no phone linked yet.
 * @param {import('node:test').TestContext} t whose end ends them
 * @param {string} engine that the bridge takes by default
 * @param {Record<string, string>} env more of the bridge's environment
 */
export async function startPair(t, engine, env = {}) {
  const sandbox = await startSandbox(t);
  const module = await startModule(t);
  const bridge = await startBridge(t, { sandbox, module, env: { BRIDGE_DEFAULT_ENGINE: engine, ...env } });
  const own = await sandbox.phone('+4915111111111', 'Ada');
  const friend = await sandbox.phone('+4915122222222', 'Berta');
  return { sandbox, module, bridge, own, friend };
}

/** The same with the first phone linked; `id` is its session. */
export async function linkedPair(t, engine, env = {}) {
  const pair = await startPair(t, engine, env);
  return { ...pair, id: await pair.bridge.link(pair.own) };
}
