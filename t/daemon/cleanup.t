# What has had its time is taken away by whatsappd, and nothing else is.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $gone);

sub left { my ($where) = @_; return db("SELECT count(*) FROM request_log WHERE $where") }
sub many_rows {
    my ($n, $at, $user_id, $name) = @_;
    db("INSERT INTO request_log (at, user_id, method, endpoint, status, duration_us, bytes_in, bytes_out, request_id)
        SELECT $at, $user_id, 'GET', '/x', 200, 1, 0, 0, '$name' FROM generate_series(1, $n)");
    return;
}

# Events of a user, as many as there are numbers of days that they are old.
sub old_events {
    my ($of, $from, @days) = @_;
    my $last = $from + @days - 1;
    my $data = json({ id => $of->{id}, session_id => $of->{id}, session => 'default', engine => 'baileys', status => 'connecting', restricted => false });
    db("INSERT INTO events (user_id, seq, type, occurred_at, written_at, data) SELECT '$of->{id}', $from - 1 + n, 'session.connecting', now(),
            now() - d * interval '1 day', '$data' FROM unnest('{" . join(',', @days) . "}'::int[]) WITH ORDINALITY x (d, n);
        UPDATE event_heads SET last_seq = $last WHERE user_id = '$of->{id}'");
    return;
}
sub events_left { my ($of) = @_; return [db("SELECT min(seq), max(seq), count(*), (SELECT first_seq FROM event_heads WHERE user_id = '$of->{id}')
    FROM events WHERE user_id = '$of->{id}'")] }

my ($writer, $idler);

step 'old and new rows' => sub {
    wait_ready(20);
    $user = new_user();
    $gone = new_user();
    admin(DELETE => "/users/$gone->{id}?confirm=$gone->{username}");
    ($writer, $idler) = (new_user(), new_user());
    stop_it('whatsappd');
    old_events($writer, 1, (31) x 7000, 29, 31, 0);
    old_events($idler, 1, (31) x 5);
    many_rows(12_000, "now() - interval '91 days'", 'NULL', 'old');
    many_rows(10, "now() - interval '89 days'", 'NULL', 'young');
    many_rows(6000, 'now()', "'$gone->{id}'", 'erased');
    many_rows(10, 'now()', "'$user->{id}'", 'kept');
    db("UPDATE usage_erasures SET created_at = now() - interval '2 min'");
    db("INSERT INTO usage_hourly (hour) VALUES (usage_hour(now() - interval '401 days')), (usage_hour(now() - interval '399 days'))");
    db("INSERT INTO logins (id, user_id, kind, refresh_hash, expires_at) SELECT gen_random_uuid(), '$user->{id}', 'token',
        decode(md5(d::text), 'hex'), now() - d * interval '1 day' FROM (VALUES (6), (8)) v (d)");
    return (left("request_id = 'old'"), 12_000);
};
step 'whatsappd comes back' => sub {
    start_it('whatsappd');
    wait_until { left("request_id = 'old'") == 0 && left("request_id = 'erased'") == 0
        && db('SELECT count(*) FROM usage_erasures') == 0 } 30, 'the cleanup';
    return (left("request_id = 'old'"), 0);
};
it 'what is younger stays' => sub { return ([left("request_id = 'young'"), left("request_id = 'kept'")], [10, 10]) };
it 'the erased user is done with' => sub { return (left("user_id = '$gone->{id}'"), 0) };
it 'sums by the hour stay for 400 days' => sub {
    return (db("SELECT count(*) FROM usage_hourly WHERE hour < now() - interval '398 days'"), 1);
};
it 'logins stay for a week after their end' => sub {
    return (db("SELECT count(*) FROM logins WHERE user_id = '$user->{id}'"), 1);
};

it 'events go by their age, the oldest first, and leave no gap behind' => sub {
    wait_until { db("SELECT count(*) FROM events WHERE user_id IN ('$writer->{id}', '$idler->{id}')") == 3 } 30, 'the cleanup of events';
    return ([events_left($writer), events_left($idler)], [['7001|7003|3|7001'], ['||0|6']]);
};
it 'who comes too late is told, who is up to date goes on' => sub {
    my @r = map { api(GET => "/users/$_->[0]{id}/events?after=$_->[1]", key => admin_token()) }
        [$writer, 6999], [$writer, 7000], [$idler, 5], [$idler, 4];
    return ([map { $_->{status} } @r], [410, 200, 200, 410]);
};

run_tests;
