# The ledger: hundreds of sends while one part after the other is killed. What
# was accepted is in the sandbox's log, under one WhatsApp id, and on its phone
# once; what a client sent again with its Idempotency-Key is one message.
#
# WA_LEDGER_ROUNDS and WA_LEDGER_SENDS make it longer.
use strict;
use warnings FATAL => 'all';

use WA::Ledger;
use WA::Test;

ledger(engine => 'baileys', senders => 2, friends => 5, rounds => $ENV{WA_LEDGER_ROUNDS} || 7, sends => $ENV{WA_LEDGER_SENDS} || 40,
    victims => ['a child of Apache', 'whatsappd', 'the bridge', 'PostgreSQL', "Apache's parent", 'a backend of PostgreSQL', 'all of Apache']);

run_tests;
