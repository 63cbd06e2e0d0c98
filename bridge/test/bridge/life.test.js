/**
 * How sessions begin and end beside the main road: other engines, codes that are typed, idleness, no room.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engines } from '../../src/engines/index.js';
import { EventJournal } from '../../src/events/journal.js';
import { createLogger } from '../../src/log.js';
import { descendantsPss, memoryByEngine } from '../../src/memory.js';
import { Limits } from '../../src/sessions/limits.js';
import { Registry } from '../../src/sessions/registry.js';
import { linkedByCode } from './lib/code-flow.js';
import { startDriver } from './lib/driver-process.js';
import { fakeEngine } from './lib/fake-engine.js';
import { atEnd, startBridge, startModule, startSandbox, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

/** A registry over two engines that do what the test says. */
async function setUp(t, { limits } = {}) {
  const dir = temporaryDirectory(t);
  const master = randomBytes(32);
  const logger = createLogger('silent');
  const [one, two] = ['one', 'two'].map((name) => Object.assign(fakeEngine(), { name }));
  const journal = await EventJournal.open(join(dir, 'events'), { master });
  const registry = new Registry({ dir: join(dir, 'sessions'), master, engines: new Engines([one, two], 'one'), journal, limits, logger });
  await registry.load();
  atEnd(t, async () => {
    await registry.stop(0);
    await journal.close();
  });
  return { one, two, registry, id: randomUUID() };
}

const refused = (promise, code, detail) =>
  assert.rejects(promise, (error) => {
    assert.equal(error.code, code);
    assert.match(error.message, detail);
    return true;
  });

test('without a phone the engine can change, with one it stays', async (t) => {
  const { one, two, registry, id } = await setUp(t);
  const first = await registry.obtain(id);
  await first.start();
  await eventually(() => one.links.length, 'a link');
  const second = await registry.obtain(id, 'two');
  assert.equal(second.state().engine, 'two');
  assert.ok(one.links[0].ended);
  assert.equal(registry.size, 1);
  await second.start();
  await eventually(() => two.links.length, 'a link of the other');
  two.open();
  await refused(registry.obtain(id, 'one'), 'conflict', /by the engine two/);
  assert.equal(await registry.obtain(id), second);
  assert.equal(await registry.obtain(id, 'two'), second);
  await second.logout();
  assert.equal((await registry.obtain(id, 'one')).state().engine, 'one');
});

test('an engine that cannot pair by number says so', async (t) => {
  const { registry, id } = await setUp(t);
  const session = await registry.obtain(id);
  await refused((async () => session.start({ phone: '+4915111111111' }))(), 'not_supported', /engine one/);
});

test('no more sessions than allowed, and those that are there go on', async (t) => {
  const limits = new Limits({ maxSessions: 2, maxMemory: null, memory: () => 0 });
  const { registry, id } = await setUp(t, { limits });
  await registry.obtain(id);
  const other = randomUUID();
  const both = await Promise.allSettled([registry.obtain(other), registry.obtain(randomUUID())]);
  assert.deepEqual(both.map(({ status }) => status), ['fulfilled', 'rejected']);
  assert.equal(both[1].reason.code, 'bridge_full');
  assert.ok(both[1].reason.retryAfter > 0);
  await registry.obtain(id);
  await registry.remove(other);
  await registry.obtain(randomUUID());
});

test('no further session above the memory allowed', async (t) => {
  let used = 99;
  const limits = new Limits({ maxSessions: null, maxMemory: 100, memory: () => used * 1024 * 1024 });
  const { registry, id } = await setUp(t, { limits });
  await registry.obtain(id);
  used = 100;
  await refused(registry.obtain(randomUUID()), 'bridge_full', /uses 100 MiB/);
  await registry.obtain(id);
});

test('memory is counted with all descendants', async (t) => {
  const sandbox = await startSandbox(t);
  assert.ok(sandbox.url);
  assert.ok(descendantsPss(process.pid) > 10 * 1024 * 1024, 'the sandbox is a child of this process');
  const { baileys, webjs } = memoryByEngine();
  assert.ok(baileys > 10 * 1024 * 1024 && webjs > 10 * 1024 * 1024);
});

test('linked by a code that is typed on the phone, baileys', { timeout: 120000 }, (t) => linkedByCode(t, 'baileys'));

test('idle', { timeout: 120000 }, async (t) => {
  const sandbox = await startSandbox(t);
  const module = await startModule(t);
  const bridge = await startBridge(t, { sandbox, module });
  const own = await sandbox.phone('+4915111111111', 'Ada');
  const id = await bridge.link(own);

  await t.test('a session in which nothing happens is ended when asked', async () => {
    const idle = (seconds) => bridge.call('POST', `/v1/sessions/${id}/idle`, { seconds });
    assert.equal((await idle(3600)).body.status, 'connected');
    const ended = await eventually(async () => {
      const { body } = await idle(1);
      return body.status === 'disconnected' && body;
    }, 'idle');
    assert.equal(ended.reason, 'idle');
    await module.event('session.status', (data) => data.reason === 'idle');
    assert.equal((await idle(0)).status, 400);
  });
  await t.test('and comes back without a code', async () => {
    const from = module.events.items.length;
    await bridge.call('PUT', `/v1/sessions/${id}`, {});
    await bridge.connected(id, from);
  });
});

test('a WhatsApp that takes connections and says nothing is not waited for', async (t) => {
  const sockets = new Set();
  const silent = createServer((socket) => sockets.add(socket));
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  atEnd(t, () => {
    sockets.forEach((socket) => socket.destroy());
    silent.close();
  });
  const socketUrl = `ws://127.0.0.1:${silent.address().port}/ws/chat`;
  const driver = await startDriver(t, { socketUrl, dir: temporaryDirectory(t), key: randomBytes(32).toString('hex'), silentMs: 100 });
  driver.do('qr', { id: randomUUID() }).catch(() => {});
  await driver.events.until((events) => events.find(({ type, data }) => type === 'session.status' && data.reason === 'network'), 'the link is given up');
  await eventually(() => sockets.size > 1, 'another try');
});
