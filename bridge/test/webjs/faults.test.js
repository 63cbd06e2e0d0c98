/**
 * What breaks in a browser, and that a link notices, says why, and leaves no process behind.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { processesOf } from '../../src/engines/webjs/browser.js';
import { eventually } from '../bridge/lib/wait.js';
import { misbehave, openAccount, parentOf, renderersOf, startWorld } from './harness.js';

const message = (text) => Buffer.from(JSON.stringify({ text }));
const QUICK = { probeMs: 200, probeDeadlineMs: 1000, silentMs: 3000, closeMs: 700, endMs: 1500 };
const START = { startMs: 15000, readyMs: 10000 };
// With times as short as these a machine that is busy costs another start now and then.
const STARTS = 4;
const SLOW = ['start_timeout', 'never_ready', 'unresponsive', 'child_silent'];

/** A linked session comes back without a code. */
async function reopen(session) {
  for (let starts = 1; ; starts += 1) {
    const link = session.connect();
    const { name, code } = await link.told.until((items) => items.find((item) => ['open', 'close'].includes(item.name)), 'open or close');
    assert.ok(!link.told.items.some((item) => item.name === 'qr'));
    if (name === 'open') {
      return link;
    }
    assert.ok(SLOW.includes(code) && starts < STARTS, `start ${starts} ended: ${code}`);
    await session.gone();
  }
}

test('faults', async (t) => {
  const world = await startWorld(t);
  const friend = await world.phone('Berta');
  const jid = `${friend.pn}@s.whatsapp.net`;
  const shown = (text) => friend.chats.list().filter((entry) => entry.direction === 'in' && entry.text === text);
  const browserOf = ({ profile }) => processesOf(profile)[0];

  async function linked(t, options) {
    const own = await world.phone('Ada');
    const session = await openAccount(t, world, { times: QUICK, ...options });
    return { own, session, link: await session.link(own) };
  }

  await t.test('processes', async (t) => {
    const { session, link: first } = await linked(t, { times: { ...QUICK, ...START } });
    let link = first;
    let count = 0;

    /** The link ends with this code, nothing is left, and the session comes back without a code. */
    async function comesBack(code) {
      const closed = await link.until('close');
      assert.deepEqual({ kind: closed.kind, code: closed.code }, { kind: 'network', code });
      await session.gone();
      assert.deepEqual(processesOf(session.profile), []);
      link = await reopen(session);
      count += 1;
      await link.send({ id: `3EB0FFFF000${count}`, to: jid, message: message(`${code} ${count}`) });
      await link.until('ack', (ack) => !ack.error);
      assert.equal(shown(`${code} ${count}`).length, 1);
    }

    await t.test('the browser is killed', async () => {
      process.kill(browserOf(session), 'SIGKILL');
      await comesBack('browser_gone');
    });

    await t.test("the page's process is killed", async () => {
      const pids = renderersOf(browserOf(session));
      assert.ok(pids.length > 0);
      for (const pid of pids) {
        try {
          process.kill(pid, 'SIGKILL');
        } catch (error) {
          assert.equal(error.code, 'ESRCH'); // Chromium has let a spare one go
        }
      }
      await comesBack('page_crashed');
    });

    await t.test('the browser is frozen', async () => {
      process.kill(-browserOf(session), 'SIGSTOP');
      await comesBack('unresponsive');
    });

    await t.test('the child is killed', async () => {
      process.kill(parentOf(browserOf(session)), 'SIGKILL');
      await comesBack('child_gone');
    });

    await t.test('child and browser are frozen', async () => {
      const browser = browserOf(session);
      process.kill(parentOf(browser), 'SIGSTOP');
      process.kill(-browser, 'SIGSTOP');
      await comesBack('child_silent');
    });

    await t.test('a frozen browser is left on the profile', async () => {
      const browser = browserOf(session);
      process.kill(-browser, 'SIGSTOP');
      process.kill(parentOf(browser), 'SIGKILL');
      await comesBack('child_gone');
      assert.ok(!processesOf(session.profile).includes(browser));
    });
  });

  await t.test('ended at any moment of its start, it leaves nothing', async (t) => {
    const session = await openAccount(t, world, { times: QUICK });
    session.connect().end();
    await session.gone();
    const second = session.connect();
    await eventually(() => browserOf(session), 'a browser');
    second.end();
    await session.gone();
    assert.deepEqual(processesOf(session.profile), []);
    await session.connect().until('qr');
  });

  await t.test('at most two start at a time', async (t) => {
    const session = await openAccount(t, world, { times: QUICK });
    const places = [await session.gate.enter(), await session.gate.enter()];
    const link = session.connect();
    await session.gone();
    assert.deepEqual(processesOf(session.profile), []);
    places[0]();
    await link.until('qr');
    places[1]();
  });

  await t.test('logged out while the browser was away', async (t) => {
    const { own, session, link } = await linked(t);
    link.end();
    await session.gone();
    await own.unlink();
    assert.equal((await session.connect().until('close')).kind, 'logged_out');
  });

  await t.test('a frame without a document, in which the library hangs, costs a restart', async (t) => {
    const { session, link } = await linked(t, { times: { ...QUICK, readyMs: 4000, startMs: 8000 } });
    link.end();
    await session.gone();
    misbehave(t, world, { dead_frame: true });
    const { kind, code } = await session.connect().until('close');
    assert.equal(kind, 'network');
    assert.ok(['start_timeout', 'never_ready'].includes(code), code);
    world.web.faults.clear();
    await session.gone();
    await reopen(session);
  });

  for (const [module, times] of [['WAWebAltDeviceLinkingApi', {}], ['WAWebUserPrefsMeUser', { readyMs: 800 }], ['WAWebCallCollection', { readyMs: 800 }]]) {
    await t.test(`the page lacks ${module}`, async (t) => {
      misbehave(t, world, { missing: [module] });
      const own = await world.phone();
      const session = await openAccount(t, world, { times: { ...QUICK, ...times } });
      const link = session.connect();
      const first = await link.told.until((items) => items.find(({ name }) => name === 'qr' || name === 'close'), 'a code or the end');
      if (first.name === 'qr') {
        await own.scan(first.code);
      }
      const { kind, code } = await link.until('close');
      assert.equal(kind, 'incompatible');
      assert.match(code, new RegExp(module));
      assert.match(code, /2\.3000\./);
    });
  }

  await t.test('a pinned version that is not there', async (t) => {
    const session = await openAccount(t, world, { times: QUICK, webjs: { webVersion: '2.3000.1', webVersionDir: world.dir } });
    const { kind, code } = await session.connect().until('close');
    assert.equal(kind, 'incompatible');
    assert.match(code, /2\.3000\.1 from the cache/);
  });

  await t.test('the page never says which version it is', async (t) => {
    misbehave(t, world, { version: null });
    const session = await openAccount(t, world, { times: { ...QUICK, authMs: 1000 } });
    const { kind, code } = await session.connect().until('close');
    assert.deepEqual({ kind, code }, { kind: 'network', code: 'auth timeout' });
  });

  await t.test('a connection that is lost comes back in the same page', async (t) => {
    const { own, link } = await linked(t);
    for (const client of world.sandbox.server.clients.values()) {
      if (client.account.pn === own.pn && client.device !== 0) {
        client.close();
      }
    }
    await link.until('interrupted');
    await link.told.until((items) => items.filter(({ name }) => name === 'open').length === 2, 'open again');
  });

  await t.test('what the page says of its link', async (t) => {
    const { own, session, link } = await linked(t);
    let next = link;
    for (const [state, kind] of [['CONFLICT', 'replaced'], ['TOS_BLOCK', 'banned'], ['DEPRECATED_VERSION', 'incompatible'], ['UNPAIRED', 'logged_out']]) {
      assert.equal(world.web.push(state, own.number), 1);
      assert.equal((await next.until('close')).kind, kind);
      await session.gone();
      next = session.connect();
      await next.until('open');
    }
  });

  await t.test('a connection that does not come back ends the link', async (t) => {
    const { own, link } = await linked(t, { times: { ...QUICK, passingMs: 600 } });
    world.web.push('TIMEOUT', own.number);
    await link.until('interrupted');
    await assert.rejects(link.send({ id: '3EB0AAAA0001', to: jid, message: message('x') }), (error) => error.neverLeft);
    assert.equal((await link.until('close')).code, 'no_connection');
  });

  await t.test('messages that are never acknowledged: the browser is started anew, and they arrive once', async (t) => {
    const { session, link } = await linked(t, { times: { ...QUICK, ackMs: 500, maxUnacknowledged: 2 } });
    world.sandbox.server.faults.set({ drop_acks: 2 });
    await friend.setOnline(false);
    await link.send({ id: '3EB0AAAA1001', to: jid, message: message('late 1') });
    await link.send({ id: '3EB0AAAA1002', to: jid, message: message('late 2') });
    assert.equal((await link.until('close')).code, 'no_acknowledgements');
    const next = session.connect();
    await next.until('open');
    // Acknowledged before the library listened, perhaps: the page is asked, as a session does.
    await next.outcomes(['3EB0AAAA1001', '3EB0AAAA1002']);
    await next.until('ack', ({ id }) => id === '3EB0AAAA1001');
    await next.until('ack', ({ id }) => id === '3EB0AAAA1002');
    await friend.setOnline(true);
    await next.until('receipt', ({ id }) => id === '3EB0AAAA1002');
    assert.equal(shown('late 1').length, 1);
    assert.equal(shown('late 2').length, 1);
  });

  await t.test('a page that insists on its own ids: they are mapped', async (t) => {
    misbehave(t, world, { fixed_ids: true });
    const { session, link } = await linked(t);
    const id = '3EB0AAAA2001';
    await link.send({ id, to: jid, message: message('mapped') });
    await link.until('ack', (ack) => ack.id === id);
    const [received] = await eventually(() => shown('mapped').length && shown('mapped'), 'the message');
    assert.notEqual(received.id, id);
    link.end();
    await session.gone();
    const next = session.connect();
    await next.until('open');
    await friend.read([received]);
    await next.until('receipt', (receipt) => receipt.id === id && receipt.status === 'read');
  });

  await t.test('the sandbox is not there', async (t) => {
    const session = await openAccount({ after: (end) => t.after(end) }, { ...world, sandbox: { socketUrl: 'ws://127.0.0.1:1/ws/chat' } });
    assert.equal((await session.connect().until('close')).kind, 'network');
  });
});
