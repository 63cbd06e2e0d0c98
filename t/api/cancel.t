# Messages for later, and messages that are taken back before they go.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use WA::Test;

my ($user, $other, $phone, $friend);

# RFC 3339, so many seconds from now.
sub later { my ($seconds, $format) = @_; return strftime($format || '%Y-%m-%dT%H:%M:%SZ', gmtime(time + $seconds)) }
sub send_later {
    my ($text, $at, %more) = @_;
    return api(POST => '/messages/send-text', key => $user->{key},
        body => { recipient => $friend->{number}, text => $text, scheduled_at => $at, %more });
}
sub cancel { my ($id, $who) = @_; return api(DELETE => "/messages/$id", key => ($who || $user)->{key}) }
sub history { my ($id) = @_; return [map { $_->{status} } @{ message($user, $id)->{history} }] }
sub waiting { return (split / /, rows($user))[1] }

step 'a user with a phone' => sub {
    ($user, $other) = (new_user(max_messages_per_minute => 1000, max_messages_per_day => 10000), new_user());
    $phone = link_phone($user);
    $friend = phone('Recipient');
    return (send_text($user, $friend, 'first')->{status}, 200);
};

# --- later ------------------------------------------------------------------

my $later;
step 'scheduled: 202, and it is told when' => sub {
    my $at = later(3600);
    my $r = send_later('in an hour', $at, client_ref => 'hour');
    $later = $r->{json};
    return ([$r->{status}, pick($later, qw(status scheduled_at sent_at attempts client_ref)), header($r, 'Location')],
        [202, { status => 'scheduled', scheduled_at => $at =~ s/Z\z/.000Z/r, sent_at => undef, attempts => 0, client_ref => 'hour' },
            "/api/messages/$later->{id}"]);
};
it 'it is listed, and its history begins with that' => sub {
    my $list = api(GET => '/messages?status=scheduled', key => $user->{key})->{json}{data};
    return ([[map { $_->{id} } @$list], history($later->{id})], [[$later->{id}], ['scheduled']]);
};
it 'it holds up nothing of its chat' => sub {
    return (send_text($user, $friend, 'now')->{status}, 200);
};
it 'a moment later it is sent, of itself' => sub {
    my $r = send_later('in a moment', later(2));
    my $m = wait_until { my $m = message($user, $r->{json}{id}); $m->{status} eq 'delivered' ? $m : undef } 30, 'delivered';
    return ([$r->{status}, $m->{sent_at} ge $m->{scheduled_at} ? 'not before' : "$m->{sent_at} before $m->{scheduled_at}", [grep { $_ eq 'in a moment' } texts($friend)]],
        [202, 'not before', ['in a moment']]);
};
it 'a file too' => sub {
    my ($type, $body) = form([recipient => $friend->{number}], [scheduled_at => later(2)], ['type', 'document'],
        ['file', "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n", 'later.pdf', 'application/pdf']);
    my $r = api(POST => '/messages/send-media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type });
    wait_until { message($user, $r->{json}{id})->{sent_at} } 60, 'sent';
    return ([$r->{status}, pick($r->{json}, qw(status type))], [202, { status => 'scheduled', type => 'document' }]);
};
it 'an offset is fine, and means that moment' => sub {
    my $r = send_later('offset', later(7200 + 3600, '%Y-%m-%dT%H:%M:%S+01:00'));
    cancel($r->{json}{id});
    return ([$r->{status}, $r->{json}{scheduled_at} lt later(7200 + 10) ? 'in two hours' : $r->{json}{scheduled_at}], [202, 'in two hours']);
};
for my $bad ([past => sub { later(-2) }, 'range'], ['long ago' => sub { '2000-01-01T00:00:00Z' }, 'range'],
    ['in two years' => sub { later(2 * 366 * 86400) }, 'range'], [word => sub { 'tomorrow' }, 'format'],
    ['no zone' => sub { later(60, '%Y-%m-%dT%H:%M:%S') }, 'format'], [number => sub { 1_900_000_000 }, 'type'], [empty => sub { '' }, 'length']) {
    my ($name, $value, $code) = @$bad;
    it "scheduled_at: $name" => sub {
        return problem(send_later('bad', $value->()), 422, 'validation_failed', errors => [['/scheduled_at', $code]]);
    };
}

# --- cancelled --------------------------------------------------------------

step 'what is scheduled can be cancelled' => sub {
    my $r = cancel($later->{id});
    return ([$r->{status}, pick($r->{json}, qw(id status sent_at)), history($later->{id})],
        [200, { id => $later->{id}, status => 'cancelled', sent_at => undef }, ['scheduled', 'cancelled']]);
};
it 'again is no fault' => sub { my $r = cancel($later->{id}); return ("$r->{status} $r->{json}{status}", '200 cancelled') };
it 'the feed tells it' => sub {
    my @types = db("SELECT type FROM events WHERE message_id = '$later->{id}' ORDER BY seq");
    return (\@types, ['message.cancelled']);
};
it "another's message: 404" => sub {
    my $r = send_later('mine', later(600));
    my @got = problem(cancel($r->{json}{id}, $other), 404, 'not_found');
    cancel($r->{json}{id});
    return @got;
};
it 'none at all: 404' => sub { return problem(cancel('01900000-0000-7000-8000-000000000000'), 404, 'not_found') };
it 'no id: 404' => sub { return problem(cancel('none'), 404, 'not_found') };
it 'a key that may only read: 403' => sub {
    my $key = new_key($user->{id}, scopes => ['messages:read']);
    return problem(cancel($later->{id}, $key), 403, 'insufficient_scope');
};
it 'what was sent: 409' => sub {
    my $r = send_text($user, $friend, 'gone');
    return problem(cancel($r->{json}{id}), 409, 'message_not_cancellable');
};
it 'what was received: 409' => sub {
    sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => 'an answer' });
    my $id = wait_until { db("SELECT id FROM messages WHERE user_id = '$user->{id}' AND content = 'an answer'") } 20, 'the answer';
    return problem(cancel($id), 409, 'message_not_cancellable');
};

# --- while the bridge is away -----------------------------------------------

my @waits;
step 'two wait for the bridge; the first is cancelled between its attempts' => sub {
    stop_it('bridge');
    @waits = map { send_text($user, $friend, "waits $_")->{json}{id} } 1, 2;
    my $r = wait_until { my $r = cancel($waits[0]); $r->{status} == 200 ? $r : undef } 30, 'cancelled';
    return ([$r->{json}{status}, waiting()], ['cancelled', 1]);
};
step 'the second goes, the first never' => sub {
    start_it('bridge');
    wait_until { message($user, $waits[1])->{status} eq 'delivered' } 60, 'delivered';
    return ([[grep { /^waits/ } texts($friend)], message($user, $waits[0])->{status}, waiting()], [['waits 2'], 'cancelled', 0]);
};
it 'one whose acknowledgement is still out may have been sent: 409' => sub {
    sandbox(POST => "/phones/$friend->{id}/online", { online => false });
    sandbox(POST => '/faults', { ack_delay_ms => 4000 });
    my $r = send_text($user, $friend, 'perhaps', Prefer => 'wait=1');
    my $try = cancel($r->{json}{id});
    call(DELETE => "$ENV{WA_TEST_SANDBOX_URL}/faults");
    sandbox(POST => "/phones/$friend->{id}/online", { online => true });
    wait_until { message($user, $r->{json}{id})->{status} eq 'delivered' } 60, 'delivered';
    return ([$r->{status}, $try->{status}, $try->{json}{code}], [202, 409, 'message_not_cancellable']);
};
it 'twenty sent and cancelled at once: each is on the phone or cancelled, never both' => sub {
    my @ids = map { send_text($user, $friend, "race $_", Prefer => 'respond-async')->{json}{id} } 1 .. 20;
    my %told = map { $_->{id} => $_->{status} } parallel(10, sub { my $r = cancel($_[0]); return { id => $_[0], status => $r->{status} } }, @ids);
    wait_until { waiting() == 0 } 60, 'an empty outbox';
    wait_until { !grep { message($user, $_)->{status} =~ /^(pending|sent)\z/ } @ids } 30, 'all settled';
    my %shown = map { $_ => 1 } grep { /^race/ } texts($friend);
    my @wrong = grep { my $m = message($user, $ids[$_ - 1]);
        my $cancelled = $told{ $ids[$_ - 1] } == 200;
        ($cancelled != ($m->{status} eq 'cancelled')) || ($cancelled == !!$shown{"race $_"}) } 1 .. 20;
    return (\@wrong, []);
};

run_tests;
