import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { linked, sandbox } from './harness.js';

const CANARY = 'kanarienvogel-7f3a9c';

/** All files below a directory. */
function files(dir) {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => path.join(f.parentPath ?? f.path, f.name));
}

function contains(dir, needle) {
  return files(dir).some((f) => readFileSync(f).includes(needle));
}

test('the server half and the logs hold ciphertext only', async (t) => {
  const s = await sandbox(t);
  const anna = await s.phone('+491700000001');
  const ben = await s.phone('+491700000002');
  const device = await linked(t, s, anna);
  // One is delivered, one waits in the queue.
  const id = await device.send(ben.number, `${CANARY} one`);
  await s.message(ben, (m) => m.id === id);
  await s.ok('POST', `/phones/${ben.id}/online`, { online: false });
  const waiting = await device.send(ben.number, `${CANARY} two`);

  const log = await s.ok('GET', '/log');
  const entry = log.find((e) => e.id === id && e.kind === 'message');
  assert.equal(entry.to, '491700000002@s.whatsapp.net');
  assert.equal(entry.parts.length, 2);
  assert.match(entry.parts[0].sha256, /^[0-9a-f]{64}$/);
  assert.ok(log.some((e) => e.id === waiting));
  assert.equal(JSON.stringify(log).includes(CANARY), false);
  assert.equal(s.lines.join('\n').includes(CANARY), false);
  assert.equal(contains(path.join(s.dataDir, 'server'), CANARY), false);
  assert.equal(contains(path.join(s.dataDir, 'server'), Buffer.from(CANARY).toString('base64').slice(0, 20)), false);

  const phones = files(path.join(s.dataDir, 'phones')).map((f) => readFileSync(f, 'utf8')).join('');
  assert.ok(phones.includes(CANARY), 'the phones do show it');
  const secrets = [...phones.matchAll(/"private":"([^"]{40,})"/g)].map((m) => m[1]);
  assert.ok(secrets.length > 10);
  for (const secret of secrets) {
    assert.equal(contains(path.join(s.dataDir, 'server'), secret), false);
    assert.equal(s.lines.some((l) => l.includes(secret)), false);
  }
});
