# Usage: what is counted, that it is right at any time, and that the log says
# the same, whatever is killed.
use strict;
use warnings FATAL => 'all';

use POSIX ();
use Time::HiRes qw(time sleep);
use WA::Test;

my ($user, $friend, $phone);

sub usage { my ($who, $query) = @_; return api(GET => '/usage' . ($query || ''), key => $who->{key}) }
sub day { return POSIX::strftime('%Y-%m-%d', gmtime(time - 86400 * ($_[0] || 0))) }
sub log_rows { my ($who, $more) = @_; return db("SELECT count(*) FROM request_log WHERE user_id = '$who->{id}' " . ($more || '')) }
# What the answers to $who will have been counted as, once all are written.
sub settle { my ($who, $least) = @_; wait_until { log_rows($who) >= $least } 5, "$least rows"; return }

# The sums by day and what stands in the log, read at one moment.
sub both {
    my ($who) = @_;
    my ($sums, $rows) = split /\|/, db("SELECT
        (SELECT coalesce(sum(api_requests), 0) FROM (SELECT api_requests FROM usage_daily WHERE user_id = '$who->{id}'
            UNION ALL SELECT api_requests FROM usage_delta WHERE user_id = '$who->{id}') x),
        (SELECT count(*) FROM request_log WHERE user_id = '$who->{id}')");
    return ($sums, $rows);
}

# --- what a user sees -------------------------------------------------------

step 'a user with a phone' => sub {
    steady_day(120);
    wait_ready(20);
    ($user, $friend) = (new_user(max_messages_per_minute => 50, max_messages_per_day => 70), phone('Recipient'));
    $phone = link_phone($user);
    return (rows($user), '0 0 1');
};
it 'a new user has thirty days of nothing' => sub {
    my $new = new_user();
    my $r = usage($new);
    my %none = (messages_sent => 0, messages_failed => 0, messages_received => 0, media_sent => 0, api_requests => 0);
    return ([$r->{status}, pick($r->{json}, qw(user_id from to)), $r->{json}{totals}, scalar @{ $r->{json}{days} },
            $r->{json}{days}[0], $r->{json}{days}[29]],
        [200, { user_id => $new->{id}, from => day(29), to => day() }, \%none, 30,
            { day => day(29), %none }, { day => day(), %none }]);
};
it 'the limits, and what is left of them' => sub {
    my $small = new_user(max_requests_per_minute => 100, max_messages_per_minute => 7, max_messages_per_day => 9);
    steady_minute(5);
    usage($small);
    my $l = usage($small)->{json}{limits};
    my $reset = qr/\A\d+\z/;
    return ($l, {
        requests_per_minute => { limit => 100, used => 2, remaining => 98, reset_seconds => $reset },
        messages_per_minute => { limit => 7, used => 0, remaining => 7, reset_seconds => $reset },
        messages_per_day => { limit => 9, used => 0, remaining => 9, reset_seconds => $reset } });
};
it 'sends count, and take from the limits' => sub {
    send_text($user, $friend, "text $_") for 1 .. 3;
    steady_minute(5);
    send_text($user, $friend, 'text 4');
    my $j = wait_until { my $j = usage($user)->{json}; $j->{totals}{messages_sent} == 4 ? $j : undef } 10, 'four sent';
    return ([$j->{totals}{messages_sent}, $j->{days}[29]{messages_sent}, $j->{totals}{messages_failed},
            $j->{limits}{messages_per_day}{used}, $j->{limits}{messages_per_day}{remaining}],
        [4, 4, 0, 4, 66]);
};
it 'a receipt changes nothing of that' => sub {
    my $m = send_text($user, $friend, 'to be read')->{json};
    wait_until { message($user, $m->{id})->{status} eq 'delivered' } 20, 'it is there';
    sandbox(POST => "/phones/$friend->{id}/read", { message_id => $m->{whatsapp_id} });
    wait_until { message($user, $m->{id})->{status} eq 'read' } 10, 'it was read';
    return ([@{ usage($user)->{json}{totals} }{qw(messages_sent messages_failed)}], [5, 0]);
};
it 'what fails counts as failed' => sub {
    my $r = send_text($user, '+49300000001', 'to nobody');
    wait_until { usage($user)->{json}{totals}{messages_failed} == 1 } 10, 'it failed';
    return ([$r->{status}, @{ usage($user)->{json}{totals} }{qw(messages_sent messages_failed)}], [422, 5, 1]);
};
it 'what failed and was sent after all counts as sent' => sub {
    db("UPDATE messages SET status = 'delivered', sent_at = now() WHERE user_id = '$user->{id}' AND status = 'failed'");
    return ([@{ usage($user)->{json}{totals} }{qw(messages_sent messages_failed)}], [6, 0]);
};
it 'what comes in counts' => sub {
    sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => "answer $_" }) for 1, 2;
    wait_until { usage($user)->{json}{totals}{messages_received} == 2 } 10, 'two received';
    return (usage($user)->{json}{totals}{messages_received}, 2);
};
it 'media counts beside' => sub {
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, chat, whatsapp_id, sent_at)
        SELECT gen_random_uuid(), s.user_id, s.id, 'out', 'image', 'sent', 'x', 'x' || s.id, now() FROM sessions s
        WHERE s.user_id = '$user->{id}'");
    return ([@{ usage($user)->{json}{totals} }{qw(messages_sent media_sent)}], [7, 1]);
};
it 'folding the deltas changes no sum' => sub {
    wait_until { db("SELECT count(*) FROM usage_delta WHERE user_id = '$user->{id}'") == 0 } 20, 'the fold';
    return ([@{ usage($user)->{json}{totals} }{qw(messages_sent messages_failed messages_received media_sent)}], [7, 0, 2, 1]);
};
it 'the statuses of today are those of the messages' => sub {
    my @of_messages = db("SELECT status, count(*) FROM messages WHERE direction = 'out'
        AND usage_day(created_at) = usage_day(now()) AND user_id IN (SELECT id FROM users) GROUP BY 1 ORDER BY 1");
    my %now = map { $_->[0] => $_->[1] } map { [split /\|/] } db("SELECT status, sum(n) FROM (
        SELECT status, messages AS n FROM usage_status WHERE day = usage_day(now())
        UNION ALL SELECT is_now, messages FROM usage_delta WHERE day = usage_day(now())
        UNION ALL SELECT was, -messages FROM usage_delta WHERE was IS NOT NULL AND day = usage_day(now())) x GROUP BY 1");
    my @lacking = grep { my ($s, $n) = split /\|/; ($now{$s} || 0) < $n } @of_messages;
    return (\@lacking, []);
};

my @BAD = ('?from=x', '?from=2026-13-01', '?from=2026-02-30', '?from=2026-01-01T00:00:00Z', '?to=0000-01-01', '?to=1969-12-31',
    '?from=2026-02-02&to=2026-02-01', '?from=2020-01-01&to=2026-01-01', '?from=%00', '?from=', '?to=99999-01-01');
for my $query (@BAD) {
    it "usage$query: 400" => sub { return problem(usage($user, $query), 400, 'bad_parameter') };
}
it 'a range of one day' => sub {
    my $j = usage($user, '?from=2026-01-05&to=2026-01-05')->{json};
    return ([map { $_->{day} } @{ $j->{days} }], ['2026-01-05']);
};
it 'a range of a leap year' => sub {
    return (scalar @{ usage($user, '?from=2024-01-01&to=2024-12-31')->{json}{days} }, 366);
};
it 'nobody sees nothing' => sub { return problem(api(GET => '/usage'), 401, 'unauthorized') };
it 'a key without usage:read: 403' => sub {
    my $key = new_key($user->{id}, scopes => ['messages:read'])->{key};
    return problem(api(GET => '/usage', key => $key), 403, 'insufficient_scope');
};
it 'an admin sees a user\'s' => sub {
    my $r = api(GET => "/users/$user->{id}/usage", key => admin_token());
    return ([$r->{status}, $r->{json}{user_id}, $r->{json}{totals}{messages_sent}], [200, $user->{id}, 7]);
};
it 'an admin\'s look takes nothing of the user\'s limit' => sub {
    steady_minute(5);
    my @used = map { api(GET => "/users/$user->{id}/usage", key => admin_token())->{json}{limits}{requests_per_minute}{used} } 1, 2;
    return ($used[1] - $used[0], 0);
};
it 'a user may not' => sub {
    return problem(api(GET => "/users/$user->{id}/usage", key => $user->{key}), 403, 'forbidden');
};
for my $id ('01900000-0000-7000-8000-000000000000', 'x') {
    it "the user $id: 404" => sub { return problem(api(GET => "/users/$id/usage", key => admin_token()), 404, 'not_found') };
}
it 'Redis away: the limits are told all the same' => sub {
    stop_it('redis');
    my $r = usage($user);
    start_it('redis');
    wait_ready(20);
    return ([$r->{status}, $r->{json}{limits}{messages_per_day}{limit}, $r->{json}{limits}{messages_per_day}{used}],
        [200, 70, qr/\A[1-9]\d*\z/]);
};

# --- keys -------------------------------------------------------------------

it 'a key tells when and from where it was last used' => sub {
    my $other = new_user();
    my $unused = new_key($other->{id});
    api(GET => '/auth/me', key => $other->{key});
    settle($other, 1);
    my %keys = map { $_->{id} => $_ } @{ admin(GET => "/users/$other->{id}/keys")->{data} };
    return ([pick($keys{ $other->{key_id} }, qw(last_used_at last_used_ip)), pick($keys{ $unused->{id} }, qw(last_used_at last_used_ip))],
        [{ last_used_at => TIME, last_used_ip => '127.0.0.1' }, { last_used_at => undef, last_used_ip => undef }]);
};

# --- the sum of the log -----------------------------------------------------

# One of several requests, good and bad; the status.
my @KINDS = (
    sub { api(GET => '/session/status', key => $_[0]{key}) },
    sub { api(GET => '/messages/x', key => $_[0]{key}) },
    sub { api(POST => '/session/init', key => $_[0]{key}, body => { x => 1 }) },
    sub { api(GET => '/users', key => $_[0]{key}) },
    sub { api(HEAD => '/auth/me', key => $_[0]{key}) },
    sub { api(GET => '/usage', key => $_[0]{key}) },
    sub { api(GET => '/logs?limit=1', key => $_[0]{key}) },
    sub { api(GET => '/session/status') },
    sub { api(GET => '/session/status', key => 'wak_nonsense') },
    sub { api(GET => '/nothing/here', key => $_[0]{key}) },
);
my $KNOWN = 7; # of ten have a user

sub mixed { my ($who, $n) = @_; return parallel(8, sub { $KINDS[$_[0] % @KINDS]->($who)->{status} }, 0 .. $n - 1) }

it 'a thousand mixed requests: each has its row, and is counted' => sub {
    my $who = new_user();
    my @status = mixed($who, 1000);
    settle($who, 100 * $KNOWN);
    sleep 1.2;
    my $told = usage($who)->{json}{totals}{api_requests};
    return ([both($who), $told, scalar grep { $_ == 599 } @status], [100 * $KNOWN, 100 * $KNOWN, 100 * $KNOWN, 0]);
};
it 'who must wait for the limit is logged as its user' => sub {
    my $small = new_user(max_requests_per_minute => 2);
    steady_minute(5);
    my @status = map { api(GET => '/auth/me', key => $small->{key})->{status} } 1 .. 4;
    settle($small, 4);
    return ([\@status, log_rows($small, 'AND status = 429'), both($small)], [[200, 200, 429, 429], 2, 4, 4]);
};

# While requests come by parallel processes: the sums are right at every moment.
sub under_load {
    my ($who, $n, $disturb) = @_;
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $wrong = 0;
        my $until = time + 60;
        while (time < $until && !-e "$ENV{WA_TEST_DIR}/tmp/usage.$$") {
            my ($sums, $rows) = both($who);
            $wrong++ if $sums != $rows;
            sleep 0.05;
        }
        unlink "$ENV{WA_TEST_DIR}/tmp/usage.$$";
        POSIX::_exit($wrong ? 1 : 0);
    }
    my $disturber = fork // die "fork: $!\n";
    if (!$disturber) { sleep 0.7; eval { $disturb->(); 1 } or warn $@; POSIX::_exit(0) }
    my @status = mixed($who, $n);
    waitpid $disturber, 0;
    wait_ready(30);
    sleep 1.5;
    open my $out, '>', "$ENV{WA_TEST_DIR}/tmp/usage.$pid" or die $!;
    close $out;
    waitpid $pid, 0;
    return (\@status, $? >> 8);
}

it 'of 10,000 requests, a child and then Redis killed: at most a second of rows is lost, no sum is wrong' => sub {
    my $who = new_user();
    my $start = time;
    my ($status, $wrong) = under_load($who, 10_000, sub {
        my ($child) = httpd_children();
        kill KILL => $child;
        sleep 2;
        kill_it('redis');
    });
    my $seconds = time - $start - 2;
    my ($sums, $rows) = both($who);
    # The requests that were answered, as far as they are of a user.
    my $answered = grep { $status->[$_] != 599 && $_ % @KINDS < $KNOWN } 0 .. $#$status;
    my $lost = $answered - $rows;
    my $second = $answered / ($seconds > 1 ? $seconds : 1);
    show(sprintf '%d answered, %d rows, %d lost; %d a second', $answered, $rows, $lost, $second);
    return ([$sums, $wrong, $lost <= $second + 50 ? 'at most a second' : "$lost of $second a second", $lost >= 0 ? 1 : 0],
        [$rows, 0, 'at most a second', 1]);
};
it 'Redis is killed and comes back: nothing is lost, no sum is wrong' => sub {
    my $who = new_user();
    my ($status, $wrong) = under_load($who, 3000, sub { kill_it('redis') });
    my ($sums, $rows) = both($who);
    my $answered = grep { $status->[$_] != 599 && $_ % @KINDS < $KNOWN } 0 .. $#$status;
    return ([$sums, $rows, $wrong], [$answered, $answered, 0]);
};
it 'whatsappd is away: the sums are right without it' => sub {
    my $who = new_user();
    stop_it('whatsappd');
    mixed($who, 200);
    sleep 1.2;
    my $told = usage($who)->{json}{totals}{api_requests};
    start_it('whatsappd');
    wait_ready(20);
    return ($told, 20 * $KNOWN);
};
it 'Apache is stopped: every row is written before' => sub {
    my $who = new_user();
    mixed($who, 300);
    restart_httpd();
    wait_ready(20);
    return ([both($who)], [30 * $KNOWN, 30 * $KNOWN]);
};
it 'PostgreSQL is away: rows wait for it' => sub {
    my $id = unique('away-');
    stop_it('postgresql');
    my @status = map { api(GET => '/health/live', headers => { 'X-Request-ID' => "$id-$_" })->{status} } 1 .. 40;
    sleep 1;
    start_it('postgresql');
    wait_ready(30);
    my $rows = wait_until { my $n = db("SELECT count(*) FROM request_log WHERE request_id LIKE '$id-%'"); $n == 40 ? $n : undef } 10, 'forty rows';
    return ([$rows, scalar grep { $_ == 200 } @status], [40, 40]);
};

# --- erased -----------------------------------------------------------------

it 'a deleted user leaves no sums, and its rows are to be taken away' => sub {
    my $gone = new_user();
    mixed($gone, 20);
    settle($gone, 14);
    admin(DELETE => "/users/$gone->{id}?confirm=$gone->{username}");
    return ([db("SELECT count(*) FROM usage_daily WHERE user_id = '$gone->{id}'"),
            db("SELECT count(*) FROM usage_erasures WHERE user_id = '$gone->{id}'")], [0, 1]);
};

run_tests;
