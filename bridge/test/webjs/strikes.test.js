/**
 * What the sandbox does to an account, seen by a browser: the same words as for the other engine.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strike } from '../../sandbox/wa/faults.js';
import { openAccount, startWorld } from './harness.js';

test('faults on command, in a browser', { timeout: 300000 }, async (t) => {
  const world = await startWorld(t);
  const { server } = world.sandbox;
  const linked = async () => {
    const phone = await world.phone('Ada');
    const opened = await openAccount(t, world);
    const link = await opened.link(phone);
    return { opened, link, account: server.directory.byNumber(phone.pn) };
  };

  for (const [fault, kind] of [['conflict', 'replaced'], ['ban', 'banned'], ['outdated', 'incompatible'], ['logout', 'logged_out']]) {
    await t.test(`${fault}: ${kind}`, async () => {
      const { opened, link, account } = await linked();
      assert.equal(strike(server, account, fault), 1);
      assert.equal((await link.until('close')).kind, kind);
      await opened.gone();
    });
  }
  await t.test('banned, a browser that comes again is told so; unbanned it is let in', async () => {
    const { opened, link, account } = await linked();
    strike(server, account, 'ban');
    await link.until('close');
    const again = opened.connect();
    assert.equal((await again.until('close')).kind, 'banned');
    strike(server, account, 'unban');
    const last = opened.connect();
    await last.until('open');
    last.end();
    await opened.gone();
  });
  for (const fault of ['drop', 'restart', 'garbage']) {
    await t.test(`${fault}: interrupted, and open again by itself`, async () => {
      const { opened, link, account } = await linked();
      strike(server, account, fault);
      await link.until('interrupted');
      await link.until('open', (open) => link.told.items.indexOf(open) > link.told.items.findIndex(({ name }) => name === 'interrupted'));
      link.end();
      await opened.gone();
    });
  }
});
