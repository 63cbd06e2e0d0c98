# Many at a time, at a given time, and once for a key: by the engine webjs (a
# browser) through the same API, each on the phone once.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use WA::Test;

my ($user, $friend, $other);

sub post { my ($path, $body, %headers) = @_; return api(POST => "/messages/$path", key => $user->{key}, body => $body, headers => \%headers) }
sub settled { my ($id) = @_; return wait_until { my $m = message($user, $id); $m->{status} =~ /\A(?:sent|delivered|failed)\z/ ? $m : undef } 90, "$id sent or failed" }
# How these ended, and what has come to the phones.
sub outcome {
    my (@ids) = @_;
    return [map { my $m = settled($_); ($m->{status} =~ s/delivered/sent/r) . ($m->{error_code} // '') } @ids];
}
sub arrived { my ($n, @phones) = @_; wait_until { my @all = map { texts($_) } @phones; @all >= $n } 60, "$n texts"; return [map { [texts($_)] } @phones] }
# Nothing more comes after it: it goes the same way, behind all else to its chat.
sub last_of_all { my ($to) = @_; settled(send_text($user, $to, 'the last')->{json}{id}); wait_until { grep { $_ eq 'the last' } texts($to) } 60, 'the last'; return }

step 'a session by webjs, linked' => sub {
    $user = new_user(max_messages_per_minute => 1000);
    ($friend, $other) = (phone('Recipient'), phone('Another'));
    link_phone($user, phone('Sender'), engine => 'webjs');
    return (pick(session_of($user), qw(engine status)), { engine => 'webjs', status => 'connected' });
};
it 'in bulk: each once, in the order of its chat' => sub {
    my %body = (messages => [map { my $n = $_; map { { recipient => $_->{number}, text => "many $n" } } $friend, $other } 1 .. 4]);
    my $key = unique('key-');
    my ($r, $again) = map { post(bulk => \%body, 'Idempotency-Key' => $key) } 1, 2;
    my @ids = map { $_->{id} } @{ $r->{json}{data} };
    return ([$r->{status}, header($again, 'Idempotency-Replayed'), [map { $_->{id} } @{ $again->{json}{data} }], outcome(@ids), arrived(8, $friend, $other)],
        [202, 'true', \@ids, [('sent') x 8], [([map { "many $_" } 1 .. 4]) x 2]]);
};
it 'at its time, not before, once; its key repeated meanwhile and afterwards' => sub {
    my $at = strftime '%Y-%m-%dT%H:%M:%SZ', gmtime(time + 8);
    my $key = unique('key-');
    my $send = sub { return post('send-text', { recipient => $friend->{number}, text => 'later', scheduled_at => $at }, 'Idempotency-Key' => $key) };
    my ($r, $again) = map { $send->() } 1, 2;
    my $m = settled($r->{json}{id});
    my $after = $send->();
    arrived(5, $friend);
    return ([$r->{status}, $r->{json}{status}, [map { ($_->{json}{id}, header($_, 'Idempotency-Replayed')) } $again, $after], outcome($m->{id}),
            $m->{sent_at} ge $m->{scheduled_at} ? 'not before' : "$m->{sent_at} before $m->{scheduled_at}", scalar grep { $_ eq 'later' } texts($friend)],
        [202, 'scheduled', [($r->{json}{id}, 'true') x 2], ['sent'], 'not before', 1]);
};
it 'five at one time with one key: one message, once on the phone' => sub {
    my $key = unique('key-');
    my @r = at_once(sub { return post('send-text', { recipient => $other->{number}, text => 'once' }, 'Idempotency-Key' => $key) }, 1 .. 5);
    my %ids = map { $_->{json}{id} => 1 } grep { $_->{status} =~ /\A20[02]\z/ } @r;
    my @others = grep { $_->{status} !~ /\A20[02]\z/ && "$_->{status} $_->{json}{code}" ne '409 idempotency_in_progress' } @r;
    return ([scalar keys %ids, outcome(keys %ids), \@others, arrived(5, $other)], [1, ['sent'], [], [[(map { "many $_" } 1 .. 4), 'once']]]);
};
it 'nothing came a second time' => sub {
    last_of_all($_) for $friend, $other;
    return ([map { [texts($_)] } $friend, $other], [map { [(map { "many $_" } 1 .. 4), $_, 'the last'] } 'later', 'once']);
};

run_tests;
