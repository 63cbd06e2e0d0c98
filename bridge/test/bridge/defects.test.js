/**
 * The hooks on Baileys and libsignal: each scenario is sound with all of them and fails without the one it is about.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { containRejections } from '../../src/engines/baileys/hooks.js';
import { startDriver } from './lib/driver-process.js';
import { messageId, startSandbox, temporaryDirectory } from './lib/processes.js';
import { eventually, Record } from './lib/wait.js';

/** Runs a scenario with all hooks, then without one; the latter must go wrong, for which it gets some tries. */
function demonstrates(name, without, scenario, tries = 4) {
  test(name, { timeout: 300000 }, async (t) => {
    await t.test('sound with the hook', async (sub) => {
      assert.equal(await scenario(sub, []), 0);
    });
    await t.test(`goes wrong without ${without}`, async (sub) => {
      for (let i = 0; i < tries; i += 1) {
        let wrong = false;
        await sub.test(`try ${i + 1}`, async (attempt) => {
          wrong = (await scenario(attempt, [without]).catch((error) => attempt.diagnostic(error.message) ?? 1)) > 0;
        });
        if (wrong) {
          return;
        }
      }
      assert.fail('nothing went wrong: is the hook still needed?');
    });
  });
}

async function setUp(t, options) {
  const sandbox = await startSandbox(t);
  const base = { socketUrl: sandbox.socketUrl, dir: temporaryDirectory(t), key: randomBytes(32).toString('hex') };
  return { sandbox, base, driver: await startDriver(t, { ...base, ...options }) };
}

/** How often somebody could not decrypt. */
async function undecryptable(sandbox) {
  return (await sandbox.stats()).retries;
}

const told = (whatsappId) => (events) => events.find(({ type, data }) => type === 'message.inbound' && data.whatsapp_id === whatsappId);

const ids = (count) => Array.from({ length: count }, messageId);

demonstrates('a session sends to and receives from one contact at the same time', 'lockName', async (t, without) => {
  const { sandbox, driver } = await setUp(t, { without, keysMs: 2 });
  const own = await sandbox.phone('+4915111111111');
  const friend = await sandbox.phone('+4915122222222');
  const id = await driver.link(own);
  await driver.do('send', { id, to: friend.jid, messages: ids(1) });
  await friend.send(own.number, 'first');
  await driver.events.until((events) => events.find(({ type }) => type === 'message.inbound'), 'the first message');
  await Promise.all([
    driver.do('send', { id, to: friend.jid, messages: ids(60) }),
    ...Array.from({ length: 60 }, (_, i) => friend.send(own.number, `reply ${i}`)),
  ]);
  await driver.events.until((events) => events.filter(({ type }) => type === 'message.inbound').length >= 61, 'all replies', 30000);
  await friend.gets(61, 30000);
  return undecryptable(sandbox);
});

demonstrates('several sessions write to the same contact', 'keepAsyncContext', async (t, without) => {
  const { sandbox, driver } = await setUp(t, { without, keysMs: 2 });
  const friend = await sandbox.phone('+4915122222222');
  const sessions = [];
  for (let i = 0; i < 6; i += 1) {
    const own = await sandbox.phone(`+491511111111${i}`);
    sessions.push({ own, id: await driver.link(own) });
  }
  await Promise.all(
    sessions.flatMap(({ own, id }) => [
      driver.do('send', { id, to: friend.jid, messages: ids(50) }),
      ...Array.from({ length: 10 }, (_, i) => friend.send(own.number, `to ${own.number} ${i}`)),
    ]),
  );
  await friend.gets(300, 60000);
  await driver.events.until((events) => events.filter(({ type }) => type === 'message.inbound').length >= 60, 'all replies', 30000);
  return undecryptable(sandbox);
});

// Newer ones keep all contexts in one frame by themselves.
if (Number(process.versions.node.split('.')[0]) < 24) {
  demonstrates('a promise costs the same with many sessions', 'shareContexts', async (t, without) => {
    const { sandbox, driver } = await setUp(t, { without });
    const friend = await sandbox.phone('+4915122222222');
    for (let i = 0; i < 4; i += 1) {
      const id = await driver.link(await sandbox.phone(`+491511111111${i}`));
      await driver.do('send', { id, to: friend.jid, messages: ids(1) });
    }
    return (await driver.do('contexts')) > 1 ? 1 : 0;
  });
}

demonstrates('both sides start a session at the same time', 'restoreFailedAttempts', async (t, without) => {
  const { sandbox, driver } = await setUp(t, { without });
  const own = await sandbox.phone('+4915111111111');
  const id = await driver.link(own);
  for (let round = 0; round < 4; round += 1) {
    const friend = await sandbox.phone(`+491522222222${round}`);
    for (let i = 0; i < 3; i += 1) {
      await Promise.all([
        driver.do('send', { id, to: friend.jid, messages: ids(5) }),
        ...Array.from({ length: 10 }, (_, n) => friend.send(own.number, `reply ${i} ${n}`)),
      ]);
    }
    await friend.gets(15, 30000);
  }
  await driver.events.until((events) => events.filter(({ type }) => type === 'message.inbound').length >= 120, 'all replies', 30000);
  return undecryptable(sandbox);
});

demonstrates('killed as soon as WhatsApp has the receipt, the message is not lost', 'gateFrames', async (t, without) => {
  const { sandbox, base, driver } = await setUp(t, { without, slowDisk: true });
  const own = await sandbox.phone('+4915111111111');
  const friend = await sandbox.phone('+4915122222222');
  const id = await driver.link(own);
  await driver.do('settle');
  const sent = await friend.send(own.number, 'do not lose me');
  await eventually(
    async () => (await sandbox.log()).some((entry) => entry.kind === 'receipt' && entry.id === sent.id && !entry.from.startsWith(`${own.number.slice(1)}@`)),
    'the receipt of the linked device',
  );
  driver.do('die').catch(() => {});
  await driver.exited;
  const again = await startDriver(t, { ...base, without });
  await again.do('connected', { id });
  const next = await friend.send(own.number, 'and then');
  await again.events.until(told(next.id), 'the next message');
  return [driver, again].some(({ events }) => told(sent.id)(events.items)) ? 0 : 1;
});

demonstrates('killed before an inbound message was told, it is told after the restart', 'repositoryFactory', async (t, without) => {
  const { sandbox, base, driver } = await setUp(t, { without, dieOn: 'message.inbound' });
  const own = await sandbox.phone('+4915111111111');
  const friend = await sandbox.phone('+4915122222222');
  const id = await driver.link(own);
  const sent = await friend.send(own.number, 'do not lose me');
  await driver.exited;
  const again = await startDriver(t, { ...base, without });
  await again.do('connected', { id });
  // Behind it in the queue: when this one has been told, the other was, or never will be.
  const next = await friend.send(own.number, 'and then');
  await again.events.until(told(next.id), 'the next message');
  return told(sent.id)(again.events.items) ? 0 : 1;
});

demonstrates('no key is printed', 'silenceConsole', async (t, without) => {
  const { sandbox, driver } = await setUp(t, { without });
  const own = await sandbox.phone('+4915111111111');
  const friend = await sandbox.phone('+4915122222222');
  const id = await driver.link(own);
  // Sessions are opened and closed as both sides start one.
  await Promise.all([
    driver.do('send', { id, to: friend.jid, messages: ids(5) }),
    ...Array.from({ length: 5 }, (_, i) => friend.send(own.number, `reply ${i}`)),
  ]);
  await driver.events.until((events) => events.filter(({ type }) => type === 'message.inbound').length >= 5, 'all replies');
  const printed = await eventually(async () => [/privKey|rootKey|Closing (open )?session|SessionEntry/.test(driver.output)], 'output');
  return printed[0] ? 1 : 0;
});

demonstrates('a message to a known contact costs no query', 'keepLateWrites', async (t, without) => {
  const { sandbox, driver } = await setUp(t, { without });
  const own = await sandbox.phone('+4915111111111');
  const friend = await sandbox.phone('+4915122222222');
  const id = await driver.link(own);
  const send = async (count) => {
    for (const message of ids(count)) {
      await driver.do('send', { id, to: friend.jid, messages: [message] });
    }
  };
  await send(5);
  const before = await driver.do('answers');
  await send(20);
  return (await driver.do('answers')) - before > 10 ? 1 : 0;
});

test('a rejection in a listener becomes the emitter\'s error', async () => {
  const failure = new Error('from a listener');
  const emitter = containRejections(() => new EventEmitter());
  const errors = new Record();
  emitter.on('error', (error) => errors.push(error));
  emitter.on('stanza', async () => {
    throw failure;
  });
  emitter.emit('stanza');
  assert.equal((await errors.until((items) => items[0], 'the error')), failure);
  assert.equal(EventEmitter.captureRejections, false);
});
