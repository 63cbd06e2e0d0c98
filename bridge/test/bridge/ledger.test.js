/**
 * Many messages through many sessions of a bridge that is killed at random, counted at the sandbox: each is in
 * its log at least once, under one id only, and its phone shows it once.
 *
 * `LEDGER_MESSAGES=10000 LEDGER_SESSIONS=20 node --test test/bridge/ledger.test.js` is the great one; it prints
 * what it counted.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { messageId, startBridge, startModule, startSandbox } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const MESSAGES = Number(process.env.LEDGER_MESSAGES ?? 200);
const SESSIONS = Number(process.env.LEDGER_SESSIONS ?? 4);
/** A kill for so many messages that were answered, on average. */
const KILL_EVERY = Number(process.env.LEDGER_KILL_EVERY ?? 50);
const AT_ONCE = 5;
const FINAL_MS = 600000;
const LAST_EVENTS_MS = 60000;

const number = (n) => `+49151${String(40000000 + n)}`;

/** Repeats a send as the module does, until it is acknowledged; counts the calls. */
async function sendUntilFinal(bridge, session, message, calls) {
  await eventually(async () => {
    calls.made += 1;
    try {
      const { status, body } = await bridge.send(session, { ...message, timeout_ms: 5000 });
      assert.ok(![404, 409, 422].includes(status), `${status} ${JSON.stringify(body)}`);
      return status === 200;
    } catch (error) {
      if (error.code === 'ERR_ASSERTION') throw error;
      return false; // the bridge is down
    }
  }, `${message.id} is acknowledged`, FINAL_MS);
  calls.answered += 1;
}

/** Kills the bridge again and again, after a random number of answers, until all are there. */
async function killer(bridge, calls) {
  let kills = 0;
  while (calls.answered < MESSAGES) {
    const next = calls.answered + 1 + Math.floor(Math.random() * 2 * KILL_EVERY);
    await eventually(() => calls.answered >= Math.min(next, MESSAGES), `${next} answers`, FINAL_MS);
    if (calls.answered < MESSAGES) {
      await bridge.kill();
      kills += 1;
      await bridge.start();
    }
  }
  return kills;
}

test(`${MESSAGES} messages of ${SESSIONS} sessions, the bridge killed at random`, { timeout: 3600000 }, async (t) => {
  const sandbox = await startSandbox(t);
  const module = await startModule(t);
  const bridge = await startBridge(t, { sandbox, module, env: { LOG_LEVEL: 'info' } });
  const lines = [];
  for (let i = 0; i < SESSIONS; i += 1) {
    const id = await bridge.link(await sandbox.phone(number(i)));
    lines.push({ id, friend: await sandbox.phone(number(1000 + i)), ledger: [] });
  }
  for (let i = 0; i < MESSAGES; i += 1) {
    const { friend, ledger } = lines[i % SESSIONS];
    ledger.push({ id: messageId(), to: friend.jid, text: `entry ${i}` });
  }
  const calls = { made: 0, answered: 0 };
  const began = performance.now();
  const senders = lines.flatMap(({ id, ledger }) => {
    const queue = [...ledger];
    return Array.from({ length: AT_ONCE }, async () => {
      for (let message = queue.shift(); message; message = queue.shift()) {
        await sendUntilFinal(bridge, id, message, calls);
      }
    });
  });
  const [kills] = await Promise.all([killer(bridge, calls), ...senders]);
  const seconds = (performance.now() - began) / 1000;

  const wire = new Map();
  for (const { id } of await sandbox.call('GET', '/log?kind=message&limit=0')) {
    wire.set(id, (wire.get(id) ?? 0) + 1);
  }
  let repeats = 0;
  for (const { friend, ledger } of lines) {
    const received = await friend.gets(ledger.length, FINAL_MS);
    const shown = new Map();
    for (const { id, text } of received) {
      shown.set(text, [...(shown.get(text) ?? []), id]);
    }
    for (const { id, text } of ledger) {
      assert.ok(wire.get(id) >= 1, `${id} reached the log`);
      repeats += wire.get(id) - 1;
      assert.deepEqual(shown.get(text), [id], `${text} is shown once, under its id`);
    }
    assert.equal(received.length, ledger.length, 'and nothing else');
  }
  // A kill may cut off that it was sent; that it was delivered is told for each, after a kill perhaps again.
  const ids = new Set(lines.flatMap(({ ledger }) => ledger.map(({ id }) => id)));
  const delivered = ({ type, data }) => type === 'message.status' && data.status === 'delivered' && ids.has(data.whatsapp_id);
  const told = await module.events.until((events) => {
    const found = events.filter(delivered).map(({ data }) => data.whatsapp_id);
    return new Set(found).size === MESSAGES && found;
  }, 'delivered of each message', LAST_EVENTS_MS);
  assert.equal(module.events.items.filter(({ type }) => type === 'session.qr').length, SESSIONS, 'no new code');
  const { retries } = await sandbox.stats();
  t.diagnostic(JSON.stringify({
    messages: MESSAGES, sessions: SESSIONS, kills, calls: calls.made, on_the_wire: MESSAGES + repeats, repeats, retries, told_again: told.length - MESSAGES, seconds: Math.round(seconds),
  }));
  assert.ok(kills >= 1);
});
