/**
 * A browser over BRIDGE_WEBJS_MAX_MEMORY: it goes, its session says why and comes back, the others go on.
 */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { Engines } from '../../src/engines/index.js';
import { processesOf } from '../../src/engines/webjs/browser.js';
import { createWebjsEngine } from '../../src/engines/webjs/engine.js';
import { EventJournal } from '../../src/events/journal.js';
import { createLogger } from '../../src/log.js';
import { descendantsPss } from '../../src/memory.js';
import { Registry } from '../../src/sessions/registry.js';
import { Record, eventually } from '../bridge/lib/wait.js';
import { libraryClient, startWorld } from './harness.js';

const MIB = 1024 * 1024;
/** More than a browser grows by itself, and what one of them takes on top of it. */
const MARGIN_MIB = 200;
const BALLAST_MIB = 450;

/** A registry with the engine webjs in this process, and what its sessions tell. */
async function bridgeWith(t, world, maxMemory) {
  const master = randomBytes(32);
  const logger = createLogger('silent');
  const chromium = process.env.BRIDGE_CHROMIUM ?? null;
  const engine = await createWebjsEngine({ waUrl: world.sandbox.socketUrl, logger, webjs: { chromium, maxMemory }, times: { probeMs: 300, memoryMs: 500 } });
  const journal = await EventJournal.open(join(world.dir, 'events'), { master });
  const told = new Record();
  const append = journal.append.bind(journal);
  journal.append = (event) => {
    told.push(event);
    return append(event);
  };
  const registry = new Registry({ dir: join(world.dir, 'sessions'), master, engines: new Engines([engine], 'webjs'), journal, logger });
  await registry.load();
  t.after(async () => {
    await registry.stop(0);
    await journal.close();
  });
  /** A linked session. */
  const link = async (phone) => {
    const id = randomUUID();
    const session = await registry.obtain(id);
    await session.start();
    await phone.scan(await eventually(() => session.state().qr_code, 'a code'));
    await eventually(() => session.status === 'connected', 'connected');
    return { id, session, profile: join(world.dir, 'sessions', id, 'session-profile') };
  };
  return { told, link };
}

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('a browser over its limit of memory', { timeout: 300000 }, async (t) => {
  const world = await startWorld(t);
  const measured = libraryClient(t, world);
  await measured.link(await world.phone());
  const usual = Math.ceil(descendantsPss(process.pid) / MIB);
  await measured.quit();
  const friend = await world.phone('Berta');
  const { told, link } = await bridgeWith(t, world, usual + MARGIN_MIB);
  const large = await link(await world.phone('Ada'));
  const other = await link(await world.phone('Cora'));
  const from = told.items.length;
  const toldOf = ({ id }, matches, what) =>
    told.until((items) => items.slice(from).find(({ session, type, data }) => session === id && type === 'session.status' && matches(data)), what);

  let tooLarge = [];
  await t.test('its session says why', async () => {
    // The next browser of the first session is the one that grows.
    world.web.faults.set({ ballast_mib: BALLAST_MIB });
    process.kill(processesOf(large.profile)[0], 'SIGKILL');
    await toldOf(large, ({ reason }) => reason === 'network', 'its browser is gone');
    tooLarge = await eventually(() => processesOf(large.profile).length && processesOf(large.profile), 'another browser');
    const { data } = await toldOf(large, ({ reason }) => reason === 'memory', 'too large');
    assert.equal(data.status, 'connecting');
    assert.equal(data.connected_at, null);
    assert.equal(data.phone_number, large.session.state().phone_number);
  });

  await t.test('the browser goes', async () => {
    await eventually(() => !tooLarge.some(isAlive), 'it is gone');
  });

  await t.test('others go on', async () => {
    const to = `${friend.pn}@s.whatsapp.net`;
    const answer = await other.session.send({ id: '3EB0ABCDEF0001', to, type: 'text', text: 'meanwhile', timeoutMs: 30000 });
    assert.equal(answer.status, 'sent');
    assert.equal(other.session.status, 'connected');
  });

  await t.test('it comes back by itself, without a code', async () => {
    world.web.faults.clear();
    await eventually(() => large.session.status === 'connected', 'connected again');
    assert.equal(large.session.state().reason, null);
    const since = told.items.slice(from);
    assert.ok(!since.some(({ type }) => type === 'session.qr'));
    assert.ok(!since.some(({ session, type }) => session === other.id && type === 'session.status'), 'nothing happened to the other');
  });
});
