/**
 * The whole flow with whatsapp-web.js in a real Chromium, on the stand-in page: the suite that Baileys passes.
 */
import { test } from 'node:test';
import { linkedByCode } from '../bridge/lib/code-flow.js';
import { wholeLife } from '../bridge/lib/flow.js';

test('a session from its first code to its end, webjs', (t) =>
  wholeLife(t, { engine: 'webjs', rejection: '-1', late: 'outcome_unknown' }));

test('linked by a code that is typed on the phone, webjs', { timeout: 300000 }, (t) => linkedByCode(t, 'webjs'));
