# The feed's promise, against the database alone: numbers without gaps, visible in
# their order, whatever many transactions do at a time; and no deadlock.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($USERS, $MESSAGES, $WRITERS, $ROUNDS) = (8, 12, 6, 40);
my ($ALONE, $FOR_ALONE) = (3, 10); # writers of statements that are alone, and the messages that each has of each user
my $MINE = sprintf '%08x', $$ * 16 + int rand 16; # the beginning of each id
my ($of_users, $deadlocks_before);

sub user_id { return sprintf '%s-0000-4000-8000-%012x', $MINE, $_[0] }
sub message_id { return sprintf '%s-0000-4000-9000-%012x', $MINE, $_[0] * 1000 + $_[1] }
sub users { return join ',', map { "'" . user_id($_) . "'" } 1 .. $USERS }
sub deadlocks { return db("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") }
sub gaps {
    return db("SELECT count(*) FROM event_heads h LEFT JOIN LATERAL (SELECT count(*) AS n, min(seq) AS low, max(seq) AS high FROM events e
        WHERE e.user_id = h.user_id) x ON true WHERE h.user_id IN ($of_users)
        AND (x.n <> h.last_seq OR x.low <> 1 OR x.high <> h.last_seq)");
}

END { my $status = $?; if ($of_users) { eval { db("DELETE FROM users WHERE id IN ($of_users)"); 1 } or warn $@ } $? = $status }

step 'users with a session and messages each' => sub {
    $of_users = users();
    for my $u (1 .. $USERS) {
        my $id = user_id($u);
        db("INSERT INTO users (id, username, email, role, max_messages_per_minute, max_messages_per_day, max_requests_per_minute)
                VALUES ('$id', 'f$MINE$u', 'f$MINE$u\@example.org', 'user', 9, 9, 9);
            INSERT INTO sessions (id, user_id, engine) VALUES ('$id', '$id', 'baileys');"
            . join '', map { "INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, whatsapp_id) VALUES ('"
                . message_id($u, $_) . "', '$id', '$id', 'out', 'text', 'pending', '+49171', 'c\@s', 'W$_');" } 1 .. $MESSAGES, 101 .. 100 + $ALONE * $FOR_ALONE);
    }
    $deadlocks_before = deadlocks();
    return ([db("SELECT last_seq FROM event_heads WHERE user_id IN ($of_users)")], [('1') x $USERS]);
};

sub received {
    my ($u, $name) = @_;
    my $id = user_id($u);
    return "INSERT INTO messages (id, user_id, session_id, direction, type, status, sender, chat, whatsapp_id)"
        . " SELECT gen_random_uuid(), user_id, id, 'in', 'text', 'received', '+49171', 'c\@s', '$name-$u' FROM sessions WHERE id = '$id';";
}
sub moved_on {
    my ($u, $m) = @_;
    return "UPDATE messages SET status = CASE status WHEN 'pending' THEN 'sent' WHEN 'sent' THEN 'delivered' ELSE 'read' END WHERE id = '"
        . message_id($u, $m) . "';";
}
# Each transaction is about several users, and each writer takes these in another
# order. The messages that several writers change are changed in one order, but
# not in that of their users. Some transactions are undone, or a part of them.
sub writer {
    my ($who) = @_;
    my $sql = '';
    for my $round (1 .. $ROUNDS) {
        my @users = grep { ($_ * 7 + $round * 3 + $who) % 3 } $who % 2 ? (1 .. $USERS) : reverse 1 .. $USERS;
        my $m = 1 + ($round + $who) % ($MESSAGES - 1);
        my ($low, $high) = (sort { $a <=> $b } @users)[0, -1];
        $sql .= join '', 'BEGIN;', (map { received($_, "$who-$round") } @users), moved_on($high, $m), moved_on($low, $m + 1);
        $sql .= 'SAVEPOINT s;' . received(1 + $round % $USERS, "undone-$who-$round") . 'ROLLBACK TO s;' if $round % 4 == 0;
        $sql .= $round % 5 ? 'COMMIT;' : 'ROLLBACK;';
    }
    db($sql);
    return 'written';
}
# Statements that are transactions by themselves, and say so: each about a message
# of every user, these in another order each time.
sub alone {
    my ($who) = @_;
    for my $m (map { 100 + ($who - 1) * $FOR_ALONE + $_ } 1 .. $FOR_ALONE) {
        my $ids = join ',', map { "'" . message_id($_, $m) . "'" } 1 .. $USERS;
        for my $status (qw(sent delivered read)) {
            db("WITH k AS (SELECT id, set_config('whatsapp.alone', 'on', true) FROM messages WHERE id IN ($ids)
                    ORDER BY md5(id::text || '$who$status') FOR NO KEY UPDATE)
                UPDATE messages m SET status = '$status' FROM k WHERE m.id = k.id");
        }
    }
    return 'alone';
}
# Looks again and again: what is visible is always 1 to n, and n never falls.
sub reader {
    db("DO \$\$ DECLARE
            seen jsonb := '{}';
            r record;
        BEGIN
            FOR i IN 1 .. 400 LOOP
                FOR r IN SELECT user_id, count(*) AS n, max(seq) AS high FROM events WHERE user_id IN ($of_users) GROUP BY 1 LOOP
                    IF r.n <> r.high OR r.high < coalesce((seen->>r.user_id::text)::bigint, 0) THEN
                        RAISE EXCEPTION 'user % has % events up to number %', r.user_id, r.n, r.high;
                    END IF;
                    seen := jsonb_set(seen, ARRAY[r.user_id::text], to_jsonb(r.high));
                END LOOP;
                PERFORM pg_sleep(0.005);
            END LOOP;
        END \$\$");
    return 'read';
}

it 'many transactions at a time, their users in opposite orders, while somebody reads' => sub {
    my @got = parallel($WRITERS + $ALONE + 2, sub { my ($who) = @_; return $who < 0 ? alone(-$who) : $who ? writer($who) : reader() },
        0, 0, 1 .. $WRITERS, map { -$_ } 1 .. $ALONE);
    return (\@got, [('read') x 2, ('written') x $WRITERS, ('alone') x $ALONE]);
};
it 'no gap, and as many events as there are changes that were kept' => sub {
    my $changes = db("SELECT count(*) FROM messages WHERE user_id IN ($of_users) AND direction = 'in'");
    my $told = db("SELECT count(*) FROM events WHERE user_id IN ($of_users) AND type = 'message.received'");
    return ([gaps(), $told, $told > 500 ? 'many' : $told], [0, $changes, 'many']);
};
it 'of statements that are alone each change is told, and counted' => sub {
    my $all = $USERS * $ALONE * $FOR_ALONE;
    my $ids = "(SELECT id FROM messages WHERE user_id IN ($of_users) AND substr(whatsapp_id, 2)::integer > 100 AND whatsapp_id LIKE 'W%')";
    return ([db("SELECT type, count(*) FROM events WHERE message_id IN $ids GROUP BY 1 ORDER BY 1")],
        ["message.delivered|$all", "message.read|$all", "message.sent|$all"]);
};
it 'usage: a statement has one delta for what is alike' => sub {
    my $u = user_id(6);
    my @ids = map { "'" . message_id(6, 200 + $_) . "'" } 1 .. 3;
    my $of = 'IN (' . join(',', @ids) . ')';
    return ([db("BEGIN; INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, whatsapp_id)
            SELECT id, '$u', '$u', 'out', CASE n WHEN 1 THEN 'image' ELSE 'text' END, 'pending', '+49171', 'c\@s', 'U' || n
            FROM unnest(ARRAY[" . join(',', @ids) . "]::uuid[]) WITH ORDINALITY AS i (id, n);
        UPDATE messages SET status = 'failed' WHERE id $of;
        UPDATE messages SET status = 'sent', sent_at = now() WHERE id $of;
        UPDATE messages SET error_code = 'x' WHERE id $of;
        SELECT messages_sent, messages_failed, media_sent, was, is_now, messages FROM usage_delta
            WHERE user_id = '$u' AND xmin::text = pg_current_xact_id()::text ORDER BY is_now, was, messages_failed; ROLLBACK")],
        ['0|3|0|pending|failed|3', '0|0|0||pending|3', '3|0|1|failed|sent|3', ('0|-1|0|||1') x 3]);
};
it 'no deadlock' => sub { return (deadlocks(), $deadlocks_before) };
it 'each event once: its message, in the order of its statuses' => sub {
    return (scalar db("SELECT array_agg(DISTINCT types) FROM (SELECT string_agg(type, ' ' ORDER BY seq) AS types FROM events WHERE user_id IN ($of_users)
        AND type NOT IN ('message.received', 'session.disconnected') GROUP BY message_id) x WHERE NOT starts_with(
        'message.sent message.delivered message.read', types)"), '');
};
it 'who waits is notified, and nobody is where nobody waits' => sub {
    my ($u, $watched) = (user_id(5), "UPDATE event_heads SET watched_until = now() + interval '1 min' WHERE user_id = '" . user_id(5) . "';");
    my @told = map { scalar db("LISTEN wa_events; $_->[0] " . received(5, "told-$_->[1]") . 'SELECT 1') } ['', 1], [$watched, 2];
    return (\@told, [qr/\A1\z/, qr/\A1\n.*wa_events.*$u/s]);
};
it 'users that are deleted while others write leave nothing behind' => sub {
    my @got = parallel(4, sub {
        my ($who) = @_;
        if ($who eq 'delete') { db("DELETE FROM users WHERE id IN ('" . user_id(1) . "', '" . user_id(2) . "')"); return 'deleted' }
        # One statement, one transaction each; of a user that is gone it writes nothing.
        for my $n (1 .. 15) { for my $u (1 .. 4) { eval { db(received($u, "late-$who-$n")) } or 1 } }
        return 'wrote';
    }, 'a', 'b', 'delete', 'c');
    my $gone = "'" . user_id(1) . "', '" . user_id(2) . "'";
    return ([\@got, db("SELECT (SELECT count(*) FROM events WHERE user_id IN ($gone)), (SELECT count(*) FROM event_heads WHERE user_id IN ($gone))"),
        gaps()], [['wrote', 'wrote', 'deleted', 'wrote'], '0|0', 0]);
};

run_tests;
