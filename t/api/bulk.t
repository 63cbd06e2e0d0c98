# Many messages by one request: each judged for itself, all accepted as one.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use WA::Test;

my ($user, $phone, @friends);

sub bulk {
    my ($messages, %headers) = @_;
    return api(POST => '/messages/bulk', key => $user->{key}, headers => \%headers, body => { messages => $messages });
}
sub to { my ($friend, $text, %more) = @_; return { recipient => ref $friend ? $friend->{number} : $friend, text => $text, %more } }
sub outcomes { my ($r) = @_; return [map { $_->{status} eq 'refused' ? "$_->{index} $_->{problem}{code}" : "$_->{index} $_->{status}" } @{ $r->{json}{data} }] }
sub stored { return db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND direction = 'out'") }

it 'without a linked phone: 409, nothing stored, nothing taken' => sub {
    $user = new_user(max_messages_per_minute => 50, max_messages_per_day => 5000);
    my @got = problem(bulk([to('+491701234567', 'x')]), 409, 'session_not_linked');
    return ([$got[0], stored()], [$got[1], 0]);
};
step 'a phone is linked' => sub {
    $phone = link_phone($user);
    @friends = map { phone("Recipient $_") } 1 .. 3;
    return (session_of($user)->{status}, 'connected');
};
it 'all are fine: 202, in order to each chat' => sub {
    my $r = bulk([map { to($friends[$_ % 3], "all $_", client_ref => "ref $_") } 0 .. 11]);
    wait_until { (grep { /^all/ } map { texts($_) } @friends) == 12 } 60, 'twelve texts';
    return ([$r->{status}, outcomes($r), $r->{json}{data}[5]{client_ref}, [map { [grep { /^all/ } texts($_)] } @friends]],
        [202, [map { "$_ pending" } 0 .. 11], 'ref 5', [map { my $i = $_; [map { "all " . ($_ * 3 + $i) } 0 .. 3] } 0 .. 2]]);
};
it 'their ids are the messages' => sub {
    my $r = bulk([to($friends[0], 'by its id')]);
    return (pick(message($user, $r->{json}{data}[0]{id}), qw(content recipient type)),
        { content => 'by its id', recipient => $friends[0]{number}, type => 'text' });
};
my $before;
step 'what is wrong stops nothing else: 207' => sub {
    $before = stored();
    my $past = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time - 60));
    my $ahead = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 3600));
    my $r = bulk([to($friends[0], 'mixed 0'), to('12', 'x'), to($friends[1], ''), { recipient => $friends[1]{number} },
        'no object', to($friends[1], 'x', colour => 'red'), to($friends[1], 'x', scheduled_at => $past),
        to($friends[1], 'mixed later', scheduled_at => $ahead), to($friends[2], 'mixed 8')]);
    return ([$r->{status}, outcomes($r)], [207, ['0 pending', '1 invalid_recipient', (map { "$_ validation_failed" } 2 .. 6), '7 scheduled', '8 pending']]);
};
it 'the others were stored, and go' => sub {
    wait_until { (grep { /^mixed/ } map { texts($_) } @friends) == 2 } 60, 'two texts';
    return (stored() - $before, 3);
};
it 'faults point into the body' => sub {
    my $r = bulk([to($friends[0], 'fine'), to($friends[0], 'x', scheduled_at => 'soon'), to('nobody', 'x')]);
    return ([map { [map { "$_->{pointer} $_->{code}" } @{ $_->{problem}{errors} || [] }] } @{ $r->{json}{data} }],
        [[], ['/messages/1/scheduled_at format'], ['/messages/2/recipient format']]);
};
it 'all are wrong: 207, and nothing is stored' => sub {
    my $n = stored();
    my $r = bulk([to('1', 'x'), to('2', 'x')]);
    return ([$r->{status}, outcomes($r), stored() - $n], [207, ['0 invalid_recipient', '1 invalid_recipient'], 0]);
};
it 'none: 422' => sub { return problem(bulk([]), 422, 'validation_failed', errors => [['/messages', 'length']]) };
it '1,001: 422' => sub { return problem(bulk([map { to($friends[0], 'x') } 1 .. 1001]), 422, 'validation_failed', errors => [['/messages', 'length']]) };
it 'no list: 422' => sub {
    return problem(api(POST => '/messages/bulk', key => $user->{key}, body => { messages => 'x' }), 422, 'validation_failed', errors => [['/messages', 'type']]);
};
it 'a text that is too long: refused alone' => sub {
    my $r = bulk([to($friends[0], 'x' x 65537), to($friends[0], 'short')]);
    return (outcomes($r), ['0 validation_failed', '1 pending']);
};
it 'a body over its bound: 413' => sub {
    return problem(bulk([map { to($friends[0], 'x' x 60000) } 1 .. 100]), 413, 'body_too_large');
};

# --- quotas -----------------------------------------------------------------

it 'what the quota has no room for is refused, the last ones; the others go' => sub {
    $user = new_user(max_messages_per_minute => 5, max_messages_per_day => 5000);
    link_phone($user);
    steady_minute(10);
    my $r = bulk([to('1', 'x'), map { to($friends[0], "quota $_") } 1 .. 7]);
    my $again = bulk([to($friends[0], 'more')]);
    return ([$r->{status}, outcomes($r), stored(), outcomes($again), header($r, 'X-RateLimit-Remaining')],
        [207, ['0 invalid_recipient', (map { "$_ pending" } 1 .. 5), '6 message_quota_minute', '7 message_quota_minute'], 5, ['0 message_quota_minute'], 0]);
};
it 'of the day too' => sub {
    $user = new_user(max_messages_per_minute => 5000, max_messages_per_day => 3);
    link_phone($user);
    steady_day(10);
    my $r = bulk([map { to($friends[0], "day $_") } 1 .. 5]);
    return ([outcomes($r), stored()], [['0 pending', '1 pending', '2 pending', '3 message_quota_day', '4 message_quota_day'], 3]);
};

# --- repeats ----------------------------------------------------------------

it 'a repeat with its key: the same answer, the same messages, nothing taken' => sub {
    $user = new_user(max_messages_per_minute => 3, max_messages_per_day => 5000);
    link_phone($user);
    steady_minute(15);
    my $key = unique('bulk-');
    my $list = [to($friends[0], 'once a'), to('1', 'x'), to($friends[1], 'once b')];
    my @r = map { bulk($list, 'Idempotency-Key' => $key) } 1 .. 3;
    wait_until { (grep { /^once/ } map { texts($_) } @friends) >= 2 } 60, 'two texts';
    return ([[map { $_->{status} } @r], [map { header($_, 'Idempotency-Replayed') } @r], $r[1]{content} eq $r[0]{content}, stored(),
            outcomes(bulk([to($friends[0], 'third'), to($friends[0], 'fourth')])), scalar grep { /^once/ } map { texts($_) } @friends],
        [[207, 207, 207], [undef, 'true', 'true'], 1, 2, ['0 pending', '1 message_quota_minute'], 2]);
};
it 'the key with another body: 422' => sub {
    my $key = unique('bulk-');
    bulk([to('1', 'x')], 'Idempotency-Key' => $key);
    return problem(bulk([to('2', 'x')], 'Idempotency-Key' => $key), 422, 'idempotency_key_reused');
};
it 'twenty at once with one key: one of them is carried out' => sub {
    $user = new_user(max_messages_per_minute => 5000, max_messages_per_day => 5000);
    link_phone($user);
    my $key = unique('bulk-');
    my $list = [map { to($friends[$_ % 3], "parallel $_") } 1 .. 30];
    my @r = parallel(10, sub { my $r = bulk($list, 'Idempotency-Key' => $key); return { status => $r->{status}, body => $r->{content} } }, 1 .. 20);
    my %bodies = map { $_->{body} => 1 } grep { $_->{status} == 202 } @r;
    wait_until { (split / /, rows($user))[1] == 0 } 60, 'an empty outbox';
    return ([scalar keys %bodies, [grep { $_->{status} !~ /^(202|409)\z/ } @r], stored()], [1, [], 30]);
};
it 'a thousand by one request' => sub {
    my $r = bulk([map { to($friends[$_ % 3], "thousand $_") } 1 .. 1000]);
    my %ids = map { $_->{id} => 1 } @{ $r->{json}{data} };
    return ([$r->{status}, scalar keys %ids, stored()], [202, 1000, 1030]);
};

run_tests;
