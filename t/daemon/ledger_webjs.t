# The ledger with the engine webjs, which never sends an id a second time: what it
# can't know the outcome of is unknown. Such are counted and printed; no message
# is on a phone twice.
#
# WA_LEDGER_WEBJS_ROUNDS and WA_LEDGER_WEBJS_SENDS make it longer.
use strict;
use warnings FATAL => 'all';

use WA::Ledger;
use WA::Test;

ledger(engine => 'webjs', unknown => 1, senders => 1, friends => 3,
    rounds => $ENV{WA_LEDGER_WEBJS_ROUNDS} || 3, sends => $ENV{WA_LEDGER_WEBJS_SENDS} || 20,
    victims => ['the bridge', 'the browser', 'whatsappd', 'a child of Apache', 'PostgreSQL', "Apache's parent"]);

run_tests;
