/**
 * The engine webjs in a whole bridge that is killed: nothing is sent twice, nothing is lost without a word,
 * no browser stays behind.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { processesOf } from '../../src/engines/webjs/browser.js';
import { startPair } from '../bridge/lib/pair.js';
import { messageId, startBridge, startModule } from '../bridge/lib/processes.js';
import { eventually } from '../bridge/lib/wait.js';

const MESSAGES = Number(process.env.WEBJS_MESSAGES ?? 60);
const KILLS = 3;

/** Everything that has this directory in its words: children, browsers, their helpers. */
function processesIn(dir) {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, 'latin1').includes(dir);
    } catch {
      return false;
    }
  });
}

test('a bridge with browsers', async (t) => {
  const { sandbox, module, bridge, own, friend } = await startPair(t, 'webjs');
  const id = randomUUID();
  const profile = join(bridge.dataDir, 'sessions', id, 'session-profile');

  /** Kills the bridge, sees that nothing of it is left, starts it again, waits until it is connected. */
  async function restart() {
    await bridge.kill('SIGKILL');
    await eventually(() => processesIn(bridge.dataDir).length === 0, 'every process is gone');
    const from = module.events.items.length;
    await bridge.start();
    await bridge.connected(id, from);
    assert.ok(!module.events.items.slice(from).some(({ type }) => type === 'session.qr'), 'no code was needed');
  }

  await t.test('the engines say what they can', async () => {
    const { engines } = (await bridge.call('GET', '/v1/engines')).body;
    const [baileys, webjs] = ['baileys', 'webjs'].map((name) => engines.find((engine) => engine.name === name));
    assert.equal(webjs.version, '1.34.7');
    assert.equal(webjs.available, true);
    assert.equal(webjs.reason, null);
    assert.ok(baileys.capabilities.includes('caller_message_id'));
    assert.ok(!webjs.capabilities.includes('caller_message_id'));
  });

  await t.test('kill -9 leaves no process, and the session comes back by itself', async () => {
    await bridge.link(own, id);
    assert.equal(processesOf(profile).length, 1);
    await restart();
    assert.equal((await bridge.send(id, { id: messageId(), to: friend.jid, text: 'after the kill' })).status, 200);
  });

  await t.test('an outcome that is not known is said to be so, not sent again, and told when it is known', async () => {
    await friend.online(false);
    await sandbox.faults({ drop_acks: 1 });
    const message = messageId();
    const send = () => bridge.send(id, { id: message, to: friend.jid, text: 'once', timeout_ms: 500 });
    for (let repeat = 0; repeat < 3; repeat += 1) {
      const { status, body } = await send();
      assert.deepEqual({ status, code: body.code }, { status: 504, code: 'outcome_unknown' });
    }
    const wire = (await sandbox.log()).filter((entry) => entry.kind === 'message' && entry.id === message);
    assert.equal(wire.length, 1, 'it left once');
    await restart();
    // The page itself repeats what nobody acknowledged.
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'sent');
    assert.equal((await send()).status, 200);
    await friend.online(true);
    await module.event('message.status', (data) => data.whatsapp_id === message && data.status === 'delivered');
    assert.equal((await friend.received()).filter((entry) => entry.id === message).length, 1);
  });

  await t.test(`${MESSAGES} messages and ${KILLS} kills: none twice, none missing but the unknown`, async () => {
    const ids = Array.from({ length: MESSAGES }, messageId);
    const outcomes = new Map();
    let next = 0;
    let ready = Promise.resolve();
    /** What whatsappd does: go on after a kill, repeat what may be repeated, leave alone what is not known. */
    const deliver = async (message) => {
      for (;;) {
        await ready;
        const answer = await bridge.send(id, { id: message, to: friend.jid, text: message }).catch(() => ({ status: 0 }));
        if (answer.status === 200 || answer.body?.code === 'outcome_unknown') {
          outcomes.set(message, answer.status);
          return;
        }
        assert.ok([0, 409, 503].includes(answer.status), JSON.stringify(answer.body));
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    };
    const worker = async () => {
      while (next < ids.length) {
        next += 1;
        await deliver(ids[next - 1]);
      }
    };
    const workers = Promise.all([worker(), worker(), worker(), worker()]);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await eventually(() => outcomes.size >= (kill * MESSAGES) / (KILLS + 1), `${kill} of ${KILLS + 1} parts are sent`);
      ready = restart();
      await ready;
    }
    await workers;
    const unknown = ids.filter((message) => outcomes.get(message) !== 200);
    await eventually(async () => {
      const shown = new Set((await friend.received()).map((entry) => entry.id));
      return ids.every((message) => shown.has(message) || unknown.includes(message));
    }, 'every message that was answered with 200 is shown');
    const received = (await friend.received()).filter((entry) => ids.includes(entry.id));
    assert.equal(new Set(received.map((entry) => entry.id)).size, received.length, 'none is shown twice');
    const late = received.filter((entry) => unknown.includes(entry.id)).length;
    t.diagnostic(`${MESSAGES} messages: ${MESSAGES - unknown.length} sent, ${unknown.length} unknown at first, ${late} of those arrived`);
  });

  await t.test('SIGTERM closes the browsers', async () => {
    assert.deepEqual(await bridge.kill('SIGTERM'), { code: 0, signal: null });
    assert.deepEqual(processesIn(bridge.dataDir), []);
  });
});

test('a bridge without Chromium', async (t) => {
  const module = await startModule(t);
  const bridge = await startBridge(t, { module, env: { BRIDGE_CHROMIUM: '/nonexistent/chromium' } });
  const webjs = (await bridge.call('GET', '/v1/engines')).body.engines.find(({ name }) => name === 'webjs');
  assert.equal(webjs.available, false);
  assert.match(webjs.reason, /BRIDGE_CHROMIUM: \/nonexistent\/chromium/);
  const answer = await bridge.call('PUT', `/v1/sessions/${randomUUID()}`, { engine: 'webjs' });
  assert.equal(answer.status, 501);
  assert.equal(answer.body.code, 'not_supported');
  assert.match(answer.body.detail, /nonexistent/);
});
