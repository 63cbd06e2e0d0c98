/**
 * Each hook on whatsapp-web.js: what it cures, and that the fault is there without it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Nudge, wantId } from '../../src/engines/webjs/hooks.js';
import { eventually } from '../bridge/lib/wait.js';
import { libraryClient, misbehave, openAccount, startWorld } from './harness.js';

const ID = '3EB0AABBCCDDEEFF001122';

test('hooks', async (t) => {
  const world = await startWorld(t);
  const friend = await world.phone('Berta');
  const chat = `${friend.pn}@c.us`;
  const options = { sendSeen: false, linkPreview: false };

  await t.test('renamedKeys: the renamed property is found, and a sent message with it', async (t) => {
    misbehave(t, world, { serialized: '$1' });
    const client = libraryClient(t, world);
    await client.link(await world.phone());
    const message = await client.sendMessage(chat, 'hello', options);
    assert.equal(message.id._serialized, `true_${chat}_${message.id.id}`);
    assert.equal(await client.pupPage.evaluate(() => window.__bridge.alias), '$1');
  });

  await t.test('renamedKeys, left out: the message is sent and the library finds none', async (t) => {
    misbehave(t, world, { serialized: '$1' });
    const client = libraryClient(t, world, { skip: ['renamedKeys'] });
    await client.link(await world.phone());
    assert.equal(await client.sendMessage(chat, 'sent, whatever the library says', options), undefined);
    await eventually(() => friend.chats.list().some(({ text }) => text === 'sent, whatever the library says'), 'the message');
  });

  await t.test('callerId: a message gets the id that is wanted, the next one its own', async (t) => {
    const client = libraryClient(t, world);
    await client.link(await world.phone());
    assert.equal(await wantId(client.pupPage, ID), true);
    assert.equal((await client.sendMessage(chat, 'one', options)).id.id, ID);
    assert.notEqual((await client.sendMessage(chat, 'two', options)).id.id, ID);
  });

  await t.test('callerId, left out: it does not', async (t) => {
    const client = libraryClient(t, world, { skip: ['callerId'] });
    await client.link(await world.phone());
    assert.equal(await wantId(client.pupPage, ID), false);
    assert.notEqual((await client.sendMessage(chat, 'one', options)).id.id, ID);
  });

  const framesLoaded = (client) =>
    client.pupPage.waitForFunction(() => [...document.querySelectorAll('iframe')].filter((frame) => frame.contentDocument?.title === 'frame').length === 2);

  await t.test('singleInject: frames that load change nothing', async (t) => {
    misbehave(t, world, { iframes: 2 });
    const client = libraryClient(t, world);
    await client.initialize();
    await framesLoaded(client);
    // Stands behind whatever the frames have caused.
    await client.inject();
    assert.equal(client.count('qr'), 1);
  });

  await t.test('singleInject, left out: the code is told once more for each', async (t) => {
    misbehave(t, world, { iframes: 2 });
    const client = libraryClient(t, world, { skip: ['singleInject'] });
    await client.initialize();
    await client.told.until((items) => items.filter(({ name }) => name === 'qr').length > 1, 'a second code');
  });

  /** Two "synced" at once, as after a connection that is lost in the middle of it. */
  const syncedTwice = (client) =>
    client.pupPage.evaluate(async () => {
      const both = await Promise.allSettled([window.onAppStateHasSyncedEvent(), window.onAppStateHasSyncedEvent()]);
      return both.map(({ status }) => status);
    });

  async function linkedButNotSynced(t, skip) {
    misbehave(t, world, { sync_delay_ms: 600000 });
    const own = await world.phone();
    const client = libraryClient(t, world, { skip });
    await client.initialize();
    await own.scan((await client.until('qr')).value);
    await client.pupPage.waitForFunction(() => window.require('WAWebSocketModel').Socket.state === 'CONNECTED');
    return { client, own };
  }

  async function toldOf(client, own, text) {
    await friend.send(own.number, text);
    await client.told.until((items) => items.find(({ name, value }) => name === 'message' && value.body === text), text);
    return client.told.items.filter(({ name, value }) => name === 'message' && value.body === 'first').length;
  }

  await t.test('singleAttach: two "ready" at once tell a message once', async (t) => {
    const { client, own } = await linkedButNotSynced(t, []);
    assert.deepEqual(await syncedTwice(client), ['fulfilled', 'fulfilled']);
    await toldOf(client, own, 'first');
    assert.equal(await toldOf(client, own, 'second'), 1);
  });

  await t.test('singleAttach, left out: they fail, or tell it twice', async (t) => {
    const { client, own } = await linkedButNotSynced(t, ['singleAttach']);
    const outcomes = await syncedTwice(client);
    if (!outcomes.includes('rejected')) {
      await toldOf(client, own, 'first');
      assert.equal(await toldOf(client, own, 'second'), 2);
    }
  });

  /** A profile whose device was removed while its browser was closed. */
  async function staleProfile(t) {
    const own = await world.phone();
    const client = libraryClient(t, world);
    await client.link(own);
    await client.quit();
    await own.unlink();
    // In the middle of the injection, on a busy machine as well.
    misbehave(t, world, { logout_delay_ms: 700 });
    return client.dir;
  }

  await t.test('retryInject: a stale session gets a code in the same start', async (t) => {
    const client = libraryClient(t, world, { dir: await staleProfile(t) });
    await client.initialize();
    await client.until('qr');
  });

  await t.test('retryInject, left out: the start fails', async (t) => {
    const client = libraryClient(t, world, { dir: await staleProfile(t), skip: ['retryInject'] });
    await assert.rejects(client.initialize(), /Execution context|Cannot find context|detached/);
  });

  /** Logged out on the phone, linked again in the same browser, started again. */
  async function linkedAgain(t, skip) {
    // Without the bridge's probe the library must have the time to listen (lateReady).
    misbehave(t, world, { sync_delay_ms: 500 });
    const own = await world.phone();
    const client = libraryClient(t, world, { skip });
    await client.link(own);
    const from = client.told.items.length;
    await own.unlink();
    await client.until('disconnected', from);
    await own.scan((await client.until('qr', from)).value);
    await client.until('ready', from);
    await client.quit();
    const next = libraryClient(t, world, { dir: client.dir });
    await next.initialize();
    return next.told.until((items) => items.find(({ name }) => name === 'qr' || name === 'ready'), 'a code or ready');
  }

  await t.test('keepProfile: what is linked after a logout survives a restart', async (t) => {
    assert.equal((await linkedAgain(t, [])).name, 'ready');
  });

  await t.test('keepProfile, left out: it does not', async (t) => {
    assert.equal((await linkedAgain(t, ['keepProfile'])).name, 'qr');
  });

  async function syncedBeforeHeard(t, skip) {
    const own = await world.phone();
    const session = await openAccount(t, world, { skip, times: { startMs: 4000 } });
    (await session.link(own)).end();
    await session.gone();
    misbehave(t, world, { early_sync: true });
    const link = session.connect();
    return link.told.until((items) => items.find(({ name }) => name === 'open' || name === 'close'), 'open or close');
  }

  await t.test('lateReady: "synced" that came too early is made up for', async (t) => {
    assert.equal((await syncedBeforeHeard(t, [])).name, 'open');
  });

  await t.test('lateReady, left out: it is never ready', async (t) => {
    const { name, code } = await syncedBeforeHeard(t, ['lateReady']);
    assert.deepEqual({ name, code }, { name: 'close', code: 'start_timeout' });
  });

  async function codesUntilClose(t, skip) {
    misbehave(t, world, { code_ms: 150 });
    const session = await openAccount(t, world, { skip, times: { codesMs: 2400 } });
    const link = session.connect();
    const { kind } = await link.until('close');
    assert.equal(kind, 'qr_timeout');
    return link.told.items.filter(({ name }) => name === 'qr').length;
  }

  await t.test('idleCodes: when the codes have run out there are new ones', async (t) => {
    assert.ok((await codesUntilClose(t, [])) > 6);
  });

  await t.test('idleCodes, left out: the last one stays, and is dead', async (t) => {
    assert.ok((await codesUntilClose(t, ['idleCodes'])) <= 6);
  });

  async function whileAway(t, skip) {
    const own = await world.phone();
    const session = await openAccount(t, world, { skip });
    (await session.link(own)).end();
    await session.gone();
    await friend.send(own.number, 'while you were out');
    await session.connect().until('open');
    await friend.send(own.number, 'now');
    await session.inbound.until((items) => items.find(({ text }) => text === 'now'), 'the message that came live');
    return session;
  }

  await t.test('missedMessages: what came while the browser was away is told, once', async (t) => {
    const session = await whileAway(t, []);
    await session.inbound.until((items) => items.find(({ text }) => text === 'while you were out'), 'the missed message');
    assert.equal(session.inbound.items.length, 2);
  });

  async function refused(t, skip) {
    const session = await openAccount(t, world, { skip, times: { startMs: 8000 } });
    const link = session.connect({ pairingPhone: '+4915100000000' });
    const { kind } = await link.until('close');
    assert.ok(!link.told.items.some(({ name }) => name === 'pairing_code'));
    return kind;
  }

  await t.test('refusedCode: WhatsApp gives no code for a number, and the session hears of it', async (t) => {
    assert.equal(await refused(t, []), 'pairing_refused');
  });

  await t.test('refusedCode, left out: it waits until the start takes too long', async (t) => {
    assert.equal(await refused(t, ['refusedCode']), 'network');
  });

  /** The connection on which a code to type was made is lost. */
  async function codeLost(t, { skip = [], times = {} }) {
    const own = await world.phone();
    const session = await openAccount(t, world, { skip, times });
    const link = session.connect({ pairingPhone: own.number });
    const { code } = await link.until('pairing_code');
    world.sandbox.server.pairing.clients().forEach((client) => client.close());
    return { own, link, code };
  }

  await t.test('lostCode: there is another one, and it links', async (t) => {
    const { own, link, code: first } = await codeLost(t, {});
    const { code } = await link.until('pairing_code', (told) => told.code !== first);
    await own.linkByCode(code);
    await link.until('open');
  });

  await t.test('lostCode, left out: the dead one stays', async (t) => {
    const { link, code: first } = await codeLost(t, { skip: ['lostCode'], times: { pairingMs: 4000 } });
    assert.equal((await link.until('close')).kind, 'qr_timeout');
    assert.deepEqual(link.told.items.filter(({ name }) => name === 'pairing_code').map(({ code }) => code), [first]);
  });

  await t.test('idleCodes: a code to type does not end with those to scan', async () => {
    const asked = [];
    const nudge = (phoneNumber) => new Nudge({ pupPage: { evaluate: async () => asked.push(phoneNumber) }, options: { pairWithPhoneNumber: { phoneNumber } } });
    const idle = { state: 'UNPAIRED_IDLE', hasSynced: false, ready: false, codeLost: false };
    assert.equal(await nudge('4915111111111').after(idle), false);
    assert.equal(await nudge('').after(idle), true);
    assert.deepEqual(asked, ['']);
  });

  await t.test('missedMessages, left out: it is not', async (t) => {
    const session = await whileAway(t, ['missedMessages']);
    assert.deepEqual(session.inbound.items.map(({ text }) => text), ['now']);
  });
});
