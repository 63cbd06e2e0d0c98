/**
 * The whole flow against the sandbox: link, send, receive, statuses, and the ends of a session's life.
 */
import { test } from 'node:test';
import { wholeLife } from './lib/flow.js';

test('a session from its first code to its end', (t) => wholeLife(t, { engine: 'baileys', rejection: '479', late: 'ack_timeout' }));
