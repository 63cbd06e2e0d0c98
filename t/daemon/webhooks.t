# Webhooks: every event is posted, signed, again and again until it is taken, and
# whoever hangs holds up nobody else.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use WA::Receiver;
use WA::Test;

my ($user, $friend, $rx, $main, $from);

sub hook {
    my ($owner, $name, %fields) = @_;
    my $r = api(POST => '/webhooks', key => $owner->{key}, body => { url => $rx->url($name), %fields });
    die "webhook: $r->{status} $r->{content}\n" if $r->{status} != 201;
    return { %{ $r->{json} }, name => $name, key => $owner->{key} };
}
sub ask { my ($h, $method, $path, @o) = @_; return api($method, "/webhooks/$h->{id}$path", key => $h->{key}, @o) }
sub ping { my ($h) = @_; return ask($h, POST => '/test')->{json}{id} }
sub shown { my ($h) = @_; return ask($h, GET => '')->{json} }
sub delivery { my ($h, $id) = @_; return (grep { $_->{id} eq $id } @{ ask($h, GET => '/deliveries')->{json}{data} })[0] }
# A delivery once it is as wanted.
sub delivered_as {
    my ($h, $id, $wanted) = @_;
    return wait_until { my $d = delivery($h, $id); $wanted->($d) ? $d : undef } 40, "delivery $id";
}
# What waits for its next attempt is due now; what whatsappd writes to at this moment is none of that, and it writes in an order of its own.
sub hurry {
    my ($h) = @_;
    db("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE id IN
        (SELECT id FROM webhook_deliveries WHERE webhook_id = '$h->{id}' AND state = 'pending' FOR UPDATE SKIP LOCKED)");
    return;
}
sub waiting { my ($h) = @_; return db("SELECT count(*) FROM webhook_deliveries WHERE webhook_id = '$h->{id}' AND state = 'pending'") }
# The user's feed from where the tests began: [number, id, type, data].
sub feed {
    my ($where) = @_;
    return map { JSON::PP::decode_json($_) } db("SELECT json_build_array(seq, id, type, data) FROM events"
        . " WHERE user_id = '$user->{id}' AND seq > $from AND " . ($where || 'true') . ' ORDER BY seq');
}
sub ids { return [map { $_->{id} } @_] }
sub settled { my ($h) = @_; return db("SELECT h.seen_seq = x.last_seq FROM webhooks h JOIN event_heads x USING (user_id) WHERE h.id = '$h->{id}'") eq 't' && waiting($h) == 0 }

step 'a user with a webhook' => sub {
    $rx = WA::Receiver->new;
    $user = new_user(max_messages_per_minute => 10000, max_messages_per_day => 10000);
    $from = db("SELECT last_seq FROM event_heads WHERE user_id = '$user->{id}'");
    $main = hook($user, 'main');
    $rx->mode('main', 'ok', secrets => [$main->{secret}]);
    return ($main->{secret}, qr{\Awhsec_[A-Za-z0-9+/]{43}=\z});
};
my $some;
step 'a phone linked, three texts out, one in: all of it is posted, in order' => sub {
    $some = hook($user, 'some', events => ['message.received', 'session.*']);
    my $phone = link_phone($user);
    $friend = phone('Recipient');
    my @sent = map { send_text($user, $friend, "text $_")->{json}{id} } 1 .. 3;
    for my $id (@sent) { wait_until { message($user, $id)->{status} eq 'delivered' } 30, 'delivered' }
    sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => 'an answer' });
    wait_until { grep { $_->[2] eq 'message.received' } feed() } 30, 'the answer';
    wait_until { settled($main) && settled($some) } 40, 'all posted';
    return (ids($rx->seen('main')), [map { $_->[1] } feed()]);
};
it 'each as it is in the feed' => sub {
    return ([map { [@{ $_->{body} }{qw(seq id type data)}] } $rx->seen('main')], [feed()]);
};
it 'as a POST of JSON, its id and type and time beside its data' => sub {
    my %kinds = map { join(' ', $_->{method}, $_->{type}, sort keys %{ $_->{body} }) => 1 } $rx->seen('main');
    return ([sort keys %kinds], [map { "POST application/json data id ${_}seq timestamp type" } 'request_id ', '']);
};
it 'the standardwebhooks package finds each well signed, and none that is altered' => sub {
    my @seen = $rx->seen('main');
    return ([scalar(@seen) > 8 ? 'some' : 'none', (grep { !$_->{fits}[0] } @seen) + 0, (grep { $_->{altered}[0] } @seen) + 0], ['some', 0, 0]);
};
it 'a filter lets through what it names' => sub {
    return (ids($rx->seen('some')), [map { $_->[1] } feed("(type = 'message.received' OR type LIKE 'session.%')")]);
};
it 'the list tells what became of each' => sub {
    my @all = @{ ask($main, GET => '/deliveries?state=delivered')->{json}{data} };
    my ($d) = @all;
    my @f = feed();
    return ([scalar @all, pick($d, qw(id event_id seq type state attempt_count next_attempt_at ended_at)), $d->{attempts}],
        [scalar @f, { id => qr/\A[0-9a-f-]{36}\z/, event_id => $f[-1][1], seq => $f[-1][0], type => $f[-1][2],
            state => 'delivered', attempt_count => 1, next_attempt_at => undef, ended_at => TIME },
        [{ number => 1, at => TIME, duration_ms => qr/\A\d+\z/, status => 204, error => undef, response => undef }]]);
};

# --- test, secrets ----------------------------------------------------------

it 'a test is posted, and is no event of the feed' => sub {
    my $d = delivered_as($main, ping($main), sub { $_[0]{state} eq 'delivered' });
    my ($seen) = grep { $_->{id} eq $d->{event_id} } $rx->seen('main');
    return ([$seen->{fits}, $seen->{body}],
        [[1], { id => $d->{event_id}, type => 'webhook.test', timestamp => TIME, request_id => UUID, data => { webhook_id => $main->{id} } }]);
};
it 'after a rotation both secrets fit' => sub {
    my $r = ask($main, POST => '/rotate-secret', body => {});
    my ($old, $new) = ($main->{secret}, $r->{json}{secret});
    $rx->mode('main', 'ok', secrets => [$old, $new]);
    $main->{secret} = $new;
    delivered_as($main, ping($main), sub { $_[0]{state} eq 'delivered' });
    my ($seen) = reverse $rx->seen('main');
    return ([$r->{status}, $old ne $new ? 'another' : 'the same', $seen->{fits}, scalar split(/ /, $seen->{signature})], [200, 'another', [1, 1], 2]);
};
it 'when the overlap is over the new one alone does' => sub {
    db("UPDATE webhooks SET previous_until = now() - interval '1 s' WHERE id = '$main->{id}'");
    delivered_as($main, ping($main), sub { $_[0]{state} eq 'delivered' });
    my ($seen) = reverse $rx->seen('main');
    return ([$seen->{fits}, shown($main)->{previous_secret_expires_at}], [[0, 1], undef]);
};
it 'no secret is in the database as it is' => sub {
    my $raw = unpack 'H*', MIME::Base64::decode_base64($main->{secret} =~ s/whsec_//r);
    return (db("SELECT count(*) FROM webhooks WHERE position('$raw' IN encode(secret, 'hex')) > 0"), 0);
};

# --- failures ---------------------------------------------------------------

my ($bad, $first);
it 'a 500: tried again in about five seconds, then in about five minutes' => sub {
    $bad = hook($user, 'bad', events => ['webhook.*']);
    $rx->mode('bad', 500);
    $first = ping($bad);
    my $d = delivered_as($bad, $first, sub { $_[0]{attempt_count} == 2 && !$_[0]{attempts}[1] == 0 && @{ $_[0]{attempts} } == 2 });
    my $between = db("SELECT extract(epoch FROM b.at - a.at) FROM webhook_attempts a JOIN webhook_attempts b USING (delivery_id)"
        . " WHERE delivery_id = '$first' AND a.number = 1 AND b.number = 2");
    my $next = db("SELECT extract(epoch FROM next_attempt_at - (SELECT max(at) FROM webhook_attempts WHERE delivery_id = d.id))"
        . " FROM webhook_deliveries d WHERE id = '$first'");
    return ([$d->{state}, $between > 3.9 ? 'later' : $between, $next >= 239 && $next < 380 ? 'in five minutes' : $next,
            pick($d->{attempts}[0], qw(number status error response))],
        ['pending', 'later', 'in five minutes', { number => 2, status => 500, error => 'it answered 500', response => 'answer of bad' }]);
};
it 'it is shown to fail' => sub { return (pick(shown($bad), qw(is_active failing_since)), { is_active => true, failing_since => TIME }) };
it 'after the tenth it has failed for good' => sub {
    for (3 .. 10) {
        my $n = $_;
        hurry($bad);
        delivered_as($bad, $first, sub { @{ $_[0]{attempts} } >= $n });
    }
    my $d = delivered_as($bad, $first, sub { $_[0]{state} eq 'failed' });
    return (pick($d, qw(attempt_count next_attempt_at ended_at)), { attempt_count => 10, next_attempt_at => undef, ended_at => TIME });
};
it 'each try under the same id and with the same body' => sub {
    my @seen = $rx->seen('bad');
    my %kinds = map { join(' ', $_->{id}, json($_->{body})) => 1 } @seen;
    return ([scalar @seen, scalar keys %kinds], [10, 1]);
};
it 'sent again it is tried again, and its success ends the failure' => sub {
    $rx->mode('bad', 'ok');
    my $r = ask($bad, POST => "/deliveries/$first/resend");
    my $d = delivered_as($bad, $first, sub { $_[0]{state} eq 'delivered' });
    return ([$r->{status}, $d->{attempt_count}, shown($bad)->{failing_since}], [202, 11, undef]);
};
it 'Retry-After is kept to' => sub {
    $rx->mode('bad', 429, headers => { 'Retry-After' => '900' });
    my $id = ping($bad);
    delivered_as($bad, $id, sub { @{ $_[0]{attempts} } == 1 });
    my $next = db("SELECT extract(epoch FROM next_attempt_at - (SELECT max(at) FROM webhook_attempts WHERE delivery_id = d.id))"
        . " FROM webhook_deliveries d WHERE id = '$id'");
    $rx->mode('bad', 'ok', headers => {});
    hurry($bad);
    delivered_as($bad, $id, sub { $_[0]{state} eq 'delivered' });
    return ($next >= 899 && $next < 960 ? 'kept to' : $next, 'kept to');
};
it 'a redirect is a failure and is not followed' => sub {
    my $before = () = $rx->seen('main');
    $rx->mode('bad', 302, headers => { Location => $rx->url('main') });
    my $d = delivered_as($bad, ping($bad), sub { @{ $_[0]{attempts} } >= 1 });
    $rx->mode('bad', 'ok', headers => {});
    hurry($bad);
    my $after = () = $rx->seen('main');
    return ([$d->{attempts}[0]{status}, $d->{attempts}[0]{error}, $after - $before], [302, 'it answered 302; redirects are not followed', 0]);
};
it 'one whose address is no longer allowed is not called' => sub {
    my $h = hook($user, 'gone');
    db("UPDATE webhooks SET url = 'http://10.0.0.1:8080/' WHERE id = '$h->{id}'");
    my $d = delivered_as($h, ping($h), sub { @{ $_[0]{attempts} } >= 1 });
    ask($h, DELETE => '');
    return (pick($d->{attempts}[0], qw(status error)), { status => undef, error => qr/not a public one/ });
};

# --- the end of a webhook ---------------------------------------------------

sub told { my ($h) = @_; return [map { [@{ $_->[3] }{qw(webhook_id reason)}] } feed("type = 'webhook.disabled' AND data->>'webhook_id' = '$h->{id}'")] }
sub audited { my ($h) = @_; return db("SELECT count(*) FROM audit_log WHERE action = 'webhook.disable' AND target_id = '$h->{id}'") }

it 'a 410 switches it off, and the feed tells' => sub {
    my $h = hook($user, 'gone');
    $rx->mode('gone', 410);
    my $d = delivered_as($h, ping($h), sub { $_[0]{state} eq 'failed' });
    return ([$d->{attempt_count}, pick(shown($h), qw(is_active disabled_reason)), told($h), audited($h)],
        [1, { is_active => false, disabled_reason => 'gone' }, [[$h->{id}, 'gone']], 1]);
};
it 'five days of failure switch it off' => sub {
    my $h = hook($user, 'failing');
    $rx->mode('failing', 503);
    my $id = ping($h);
    delivered_as($h, $id, sub { @{ $_[0]{attempts} } >= 1 });
    my $before = shown($h)->{is_active};
    db("UPDATE webhooks SET failing_since = now() - interval '5 days 1 minute' WHERE id = '$h->{id}'");
    hurry($h);
    wait_until { !shown($h)->{is_active} } 40, 'switched off';
    return ([$before, shown($h)->{disabled_reason}, told($h), audited($h)], [true, 'failing', [[$h->{id}, 'failing']], 1]);
};
it 'other webhooks are posted what the feed told' => sub {
    my @ids = map { $_->[1] } feed("type = 'webhook.disabled'");
    wait_until { my %seen = map { $_->{id} => 1 } $rx->seen('bad'); !grep { !$seen{$_} } @ids } 40, 'both';
    return (scalar @ids, 2);
};

# --- nothing is lost --------------------------------------------------------

my $at;
# What disagrees between feed, table of deliveries, and what was posted and taken, row for row; and each post that is none
# of the feed's, or not the same as at first.
sub disagreements {
    my %of = map { $_->[0] => $_ } feed("seq > $at");
    my @wrong = map { "no event, but posted: $_" } grep { !$of{$_} } map { $_->{body}{seq} } grep { ($_->{body}{seq} || 0) > $at } $rx->seen('main');
    my (%taken, %body);
    for my $post (grep { $of{ $_->{body}{seq} || 0 } } $rx->seen('main')) {
        my $e = $of{ $post->{body}{seq} };
        push @wrong, "posted under another id: $e->[0]" if $post->{id} ne $e->[1];
        push @wrong, "posted otherwise: $e->[0]" if json([@{ $post->{body} }{qw(type data)}]) ne json([@$e[2, 3]]);
        push @wrong, "repeated otherwise: $e->[0]" if ($body{ $e->[0] } //= json($post->{body})) ne json($post->{body});
        $taken{ $e->[0] }++ if $post->{status} =~ /^2/;
    }
    my %row = map { my @c = split /\|/; $c[0] => \@c }
        db("SELECT seq, event_id, type, state FROM webhook_deliveries WHERE webhook_id = '$main->{id}' AND seq > $at");
    for my $e (map { $of{$_} } sort { $a <=> $b } keys %of) {
        push @wrong, "never taken: $e->[0]" if !$taken{ $e->[0] };
        push @wrong, "in the table otherwise: $e->[0]" if join('|', @{ delete $row{ $e->[0] } || [] }) ne "$e->[0]|$e->[1]|$e->[2]|delivered";
    }
    return (@wrong, map { "only in the table: $_" } sort { $a <=> $b } keys %row);
}

step '500 events, a receiver that fails to 30 %, and it and whatsappd killed again and again' => sub {
    $rx->mode('main', 'flaky');
    $rx->mode($_, 'ok') for 'some', 'bad';
    $at = db("SELECT last_seq FROM event_heads WHERE user_id = '$user->{id}'");
    my $sent = 0;
    for my $round (1 .. 5) {
        my @list = map { { recipient => $friend->{number}, text => "round $round: $_" } } 1 .. 45;
        my $r = api(POST => '/messages/bulk', key => $user->{key}, body => { messages => \@list });
        $sent += grep { $_->{id} } @{ $r->{json}{data} };
        $rx->kill;
        kill_it('whatsappd');
        send_text($user, $friend, "round $round, too: $_", Prefer => 'respond-async')->{status} == 202 and $sent++ for 1 .. 5;
        $rx->start;
        wait_until { pid_of('whatsappd') } 20, 'whatsappd';
        wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content LIKE 'round %'"
            . " AND status IN ('delivered', 'read')") >= $sent - 20 } 120, 'most of the round';
    }
    wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content LIKE 'round %'"
        . " AND status IN ('delivered', 'read')") == $sent } 120, 'delivered';
    wait_until { hurry($main); settled($main) } 180, 'all posted';
    return ([$sent, scalar(feed("seq > $at")) >= 500 ? 'enough' : 'too few'], [250, 'enough']);
};
it 'feed, posts and table agree row for row; repeats have the same id and body' => sub {
    my @seen = grep { ($_->{body}{seq} || 0) > $at } $rx->seen('main');
    my %times;
    $times{ $_->{body}{seq} }++ for @seen;
    show(scalar(@seen) . ' requests for ' . scalar(feed("seq > $at")) . ' events, ' . (grep { $_ > 1 } values %times) . ' of them repeated');
    return ([scalar(@seen) > keys %times ? 'repeats' : 'none', disagreements()], ['repeats']);
};
it 'it would be seen if they did not' => sub {
    my ($gone, $other) = map { $_->[0] } (feed("seq > $at"))[10, 20];
    db("UPDATE webhook_deliveries SET event_id = gen_random_uuid() WHERE webhook_id = '$main->{id}' AND seq = $other");
    my ($row) = db("DELETE FROM webhook_deliveries WHERE webhook_id = '$main->{id}' AND seq = $gone RETURNING event_id");
    my @wrong = disagreements();
    db("UPDATE webhook_deliveries SET event_id = e.id FROM events e WHERE webhook_id = '$main->{id}' AND webhook_deliveries.seq = $other"
        . " AND e.user_id = '$user->{id}' AND e.seq = $other");
    db("INSERT INTO webhook_deliveries (webhook_id, event_id, seq, type, state, ended_at)"
        . " SELECT '$main->{id}', id, seq, type, 'delivered', now() FROM events WHERE user_id = '$user->{id}' AND seq = $gone");
    return ([\@wrong, disagreements()], [["in the table otherwise: $gone", "in the table otherwise: $other"]]);
};

# --- once more --------------------------------------------------------------

it 'a replay posts it again, in order' => sub {
    $rx->mode('main', 'ok');
    my $before = () = $rx->seen('main');
    my $r = ask($main, POST => '/replay', body => { after => $at + 0 });
    wait_until { settled($main) } 60, 'all posted';
    my @all = $rx->seen('main');
    my @again = map { $_->{body}{seq} } @all[$before .. $#all];
    my @feed = map { $_->[0] } feed("seq > $at AND seq <= $r->{json}{last_seq}");
    return ([$r->{status}, $r->{json}, [sort { $a <=> $b } @again]],
        [202, { count => scalar @feed, last_seq => $feed[-1], more => false }, \@feed]);
};
it 'one that was off is posted what happened since it is on; the rest by a replay' => sub {
    ask($some, PATCH => '', body => { is_active => false });
    my $last = db("SELECT last_seq FROM event_heads WHERE user_id = '$user->{id}'");
    db("SELECT event_write('$user->{id}', 'session.connecting', now(), NULL, NULL, '{\"n\":1}')");
    ask($some, PATCH => '', body => { is_active => true });
    db("SELECT event_write('$user->{id}', 'session.connecting', now(), NULL, NULL, '{\"n\":2}')");
    my $n = sub { return [map { $_->{body}{data}{n} } grep { ($_->{body}{seq} || 0) > $last } $rx->seen('some')] };
    wait_until { @{ $n->() } } 40, 'the second';
    my $first = $n->();
    my $r = ask($some, POST => '/replay', body => { since => '2020-01-01T00:00:00Z' });
    wait_until { grep { $_ == 1 } @{ $n->() } } 40, 'the first';
    return ([$first, $r->{status}], [[2], 202]);
};

# --- black holes ------------------------------------------------------------

my (@holes, $good);
sub hanging { return db("SELECT count(*) FROM webhook_deliveries d JOIN webhooks h ON h.id = d.webhook_id WHERE h.url LIKE '%/hook/hole' AND d.lease_until > now()") }

step 'fifty that hang' => sub {
    $rx->mode('hole', 'hang');
    for my $many (20, 20, 10) {
        my $owner = new_user();
        push @holes, map { hook($owner, 'hole') } 1 .. $many;
    }
    $good = hook(new_user(), 'good');
    db("INSERT INTO webhook_deliveries (webhook_id, event_id, type, data) SELECT h.id, gen_random_uuid(), 'webhook.test', '{}'"
        . " FROM webhooks h, generate_series(1, 2) WHERE h.url LIKE '%/hook/hole'");
    wait_until { hanging() == 50 } 30, 'fifty attempts under way';
    return (scalar @holes, 50);
};
it 'another one is posted to meanwhile' => sub {
    my $d = delivered_as($good, ping($good), sub { $_[0]{state} eq 'delivered' });
    return ([$d->{attempt_count}, hanging() > 0 ? 'still hanging' : 'none hangs'], [1, 'still hanging']);
};
it 'also when whatsappd was told to end in the middle and is back' => sub {
    stop_it('whatsappd');
    my $id = ping($good);
    start_it('whatsappd');
    my $d = delivered_as($good, $id, sub { $_[0]{state} eq 'delivered' });
    return ($d->{attempt_count}, 1);
};
it 'those that hung have failed, by their time-out' => sub {
    my $of = "FROM webhook_attempts a JOIN webhook_deliveries d ON d.id = a.delivery_id"
        . " JOIN webhooks h ON h.id = d.webhook_id WHERE h.url LIKE '%/hook/hole'";
    wait_until { db("SELECT count(DISTINCT h.id) $of") == 50 } 90, 'an attempt of each';
    my @errors = db("SELECT DISTINCT a.error $of");
    ask($_, DELETE => '') for @holes;
    return (\@errors, ['Timeout was reached']);
};

run_tests;
