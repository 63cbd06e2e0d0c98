/**
 * A session moves to another bridge: its keys are copied to the module, and one bridge at a time holds it.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { Replicator } from '../../src/credentials/replicator.js';
import { MovedError } from '../../src/credentials/client.js';
import { ReplicatedMap } from '../../src/storage/replicated-map.js';
import { CredentialsTable } from './lib/credentials.js';
import { messageId, startBridge, startModule, startSandbox, temporaryDirectory } from './lib/processes.js';
import { eventually } from './lib/wait.js';

const quiet = { info() {}, warn() {}, debug() {}, error() {} };

/** A bridge's side of the table, without a network; `away` makes every call fail. */
function replicatorOf(table, bridgeId, options) {
  const client = {
    away: false,
    call(what) {
      if (client.away) {
        throw new Error('away');
      }
      return what();
    },
    claim: async (id, take) =>
      client.call(() => {
        const answer = table.claim(id, { bridge_id: bridgeId, take });
        if (!answer) {
          throw new MovedError();
        }
        return answer;
      }),
    async *read(id, epoch) {
      yield client.call(() => table.read(id, { bridge_id: bridgeId, epoch })).keys;
    },
    store: async (sessions) =>
      client.call(() => new Map(table.store({ bridge_id: bridgeId, sessions }).sessions.map((s) => [s.id, s.held]))),
  };
  return { client, replicator: new Replicator(client, quiet, options) };
}

/** Opens a map of one session for several bridges. */
function stage(t) {
  const table = new CredentialsTable();
  const session = randomUUID();
  const master = randomBytes(32);
  const open = async (bridge, { take = true, onLost = () => {} } = {}) => {
    bridge.dir ??= temporaryDirectory(t);
    return ReplicatedMap.open(join(bridge.dir, 'keys.log'), { master, name: 'keys', session, replicator: bridge.replicator, take, onLost });
  };
  return { table, session, open, bridge: (options) => replicatorOf(table, randomUUID(), options) };
}

const content = (map) => Object.fromEntries([...map.entries()].sort());

test('closed in order, a map is whole on the next bridge', async (t) => {
  const { open, bridge } = stage(t);
  const a = await open(bridge());
  a.apply([['one', '1'], ['two', '2']]);
  a.apply([['one', 'i'], ['three', '3']]);
  a.apply([['two', null]]);
  await a.close();
  const b = await open(bridge());
  assert.deepEqual(content(b), { one: 'i', three: '3' });
  assert.deepEqual(b.restored, { clean: true });
  await b.close();
});

test('what is closed is copied at once, however long changes are gathered', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const a = await open(bridge({ gatherMs: 600000 }));
  a.apply([['one', '1']]);
  await new Promise((resolve) => setImmediate(resolve));
  await a.close();
  assert.ok(table.clean(session));
  assert.equal(table.keys(session).size, 1);
});

test('what says who is linked is copied at once, with all that came before', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const a = await open(bridge({ gatherMs: 600000 }));
  a.apply([['one', '1']]);
  await new Promise((resolve) => setImmediate(resolve));
  a.apply([['creds', 'linked']], { copyNow: true });
  await eventually(() => table.keys(session).size === 2, 'copied');
  await a.close();
});

test('what is stored has neither names nor values in it', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const a = await open(bridge());
  a.apply([['session 491701234567', 'a private key']]);
  await a.close();
  const [[name, { value }]] = [...table.keys(session)];
  assert.match(name, /^[0-9a-f]{64}$/);
  assert.doesNotMatch(Buffer.from(value, 'base64').toString('latin1'), /private|4917/);
});

test('a bridge that died leaves a copy that is not clean', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const a = await open(bridge());
  a.apply([['one', '1']]);
  await eventually(() => table.keys(session).size === 1, 'copied');
  const b = await open(bridge());
  assert.deepEqual(b.restored, { clean: false });
  assert.deepEqual(content(b), { one: '1' });
  await b.close();
  await a.close();
});

test('the bridge that had it may not write any more, and is told', async (t) => {
  const { open, bridge } = stage(t);
  let lost = 0;
  const a = await open(bridge(), { onLost: () => { lost += 1; } });
  a.apply([['one', '1']]);
  const b = await open(bridge());
  a.apply([['one', 'late']]);
  await eventually(() => lost === 1, 'told');
  b.apply([['two', '2']]);
  await b.close();
  const c = await open(bridge());
  assert.equal(c.get('one') === 'late', false);
  assert.equal(c.get('two'), '2');
  await c.close();
  await a.close();
});

test('a bridge that comes back asks before it goes on, and is refused when another has the session', async (t) => {
  const { open, bridge } = stage(t);
  const one = bridge();
  const a = await open(one);
  a.apply([['one', '1']]);
  await a.close();
  const again = await open(one, { take: false });
  assert.equal(again.held, false);
  await again.hold();
  assert.equal(again.held, true);
  await again.close();
  const b = await open(bridge());
  const late = await open(one, { take: false });
  await assert.rejects(late.hold(), MovedError);
  await late.close();
  await b.close();
});

test('while the module is away everything goes on, and is copied when it is back', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const one = bridge();
  const a = await open(one);
  one.client.away = true;
  a.apply([['one', '1']]);
  await a.flush();
  assert.equal(table.keys(session).size, 0);
  one.client.away = false;
  await eventually(() => table.keys(session).size === 1, 'copied');
  await a.close();
});

test('after a crash the whole map is copied again, and what it no longer has is gone', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const one = bridge();
  const a = await open(one);
  a.apply([['one', '1'], ['two', '2']]);
  await eventually(() => table.keys(session).size === 2, 'copied');
  one.client.away = true;
  a.apply([['one', null], ['three', '3']]);
  await a.flush();
  await a.close(); // waits in vain
  one.client.away = false;
  const again = await open(one, { take: false });
  await again.hold();
  await again.close();
  const b = await open(bridge());
  assert.deepEqual(content(b), { two: '2', three: '3' });
  await b.close();
});

test('what was erased is erased there too', async (t) => {
  const { open, bridge, table, session } = stage(t);
  const a = await open(bridge());
  a.apply([['one', '1']]);
  await eventually(() => table.keys(session).size === 1, 'copied');
  await a.erase();
  await eventually(() => table.keys(session).size === 0, 'erased');
  await a.close();
});

/** Two bridges with the same master key, one module, one phone to write to. */
async function twoBridges(t) {
  const sandbox = await startSandbox(t);
  const module = await startModule(t);
  const env = { BRIDGE_KEYS: 'module' };
  const first = await startBridge(t, { sandbox, module, env });
  const other = () => startBridge(t, { sandbox, module, env: { ...env, BRIDGE_MASTER_KEY_FILE: first.masterKeyFile } });
  const anna = await sandbox.phone('+491700000001', 'Anna');
  const ben = await sandbox.phone('+491700000002', 'Ben');
  return { sandbox, module, first, other, anna, ben };
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`a linked session goes on at another bridge after ${signal}, without a new code`, { timeout: 120000 }, async (t) => {
    const { module, first, other, anna, ben, sandbox } = await twoBridges(t);
    const id = await first.link(anna);
    const send = (bridge, text) => bridge.send(id, { id: messageId(), to: ben.jid, text });
    for (let i = 0; i < 5; i++) {
      assert.equal((await send(first, `first ${i}`)).status, 200);
    }
    await ben.gets(5);
    await ben.send(anna.number, 'to the first');
    await module.event('message.inbound', (data) => data.text === 'to the first');
    await first.kill(signal);
    assert.equal(module.credentials.clean(id), signal === 'SIGTERM');

    // What the second bridge counts is its own; the module keeps one number for each.
    module.seen = 0;
    const from = module.events.items.length;
    const second = await other();
    assert.ok([200, 202].includes((await second.call('PUT', `/v1/sessions/${id}`)).status));
    await second.connected(id, from);
    assert.equal(module.events.items.slice(from).some(({ type }) => type === 'session.qr'), false);
    for (let i = 0; i < 5; i++) {
      assert.equal((await send(second, `second ${i}`)).status, 200);
    }
    const got = await ben.gets(10);
    assert.deepEqual(got.map(({ text }) => text).sort(), [0, 1, 2, 3, 4].flatMap((i) => [`first ${i}`, `second ${i}`]).sort());
    await ben.send(anna.number, 'to the second');
    await module.event('message.inbound', (data) => data.text === 'to the second', { from });

    // The first comes back with its old files: it must leave WhatsApp alone.
    const before = (await sandbox.stats()).linked_devices_online;
    await first.start();
    await eventually(async () => (await first.call('GET', `/v1/sessions/${id}`)).status === 404, 'the first has let it go');
    assert.equal((await sandbox.stats()).linked_devices_online, before);
    assert.equal((await send(second, 'still here')).status, 200);
    assert.equal((await first.call('POST', `/v1/sessions/${id}/messages`, { id: messageId(), to: ben.jid, type: 'text', text: 'x' })).status, 404);
  });
}

test('a session is not started while the module can not be asked for its keys', async (t) => {
  const { module, first } = await twoBridges(t);
  module.down = true;
  const answer = await first.call('PUT', `/v1/sessions/${randomUUID()}`);
  assert.deepEqual([answer.status, answer.body.code], [503, 'session_unavailable']);
});
