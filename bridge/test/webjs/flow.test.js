/**
 * The whole flow with whatsapp-web.js in a real Chromium, on the stand-in page: the suite that Baileys passes.
 */
import { test } from 'node:test';
import { wholeLife } from '../bridge/lib/flow.js';

test('a session from its first code to its end, webjs', (t) =>
  wholeLife(t, { engine: 'webjs', rejection: '-1', late: 'outcome_unknown' }));
