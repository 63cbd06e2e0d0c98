# Redis stopped, hung, emptied: requests are answered, and limits stay bounds.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $friend);
my $CHILDREN = 6; # ServerLimit: each counts alone meanwhile

sub ask { my ($who) = @_; return api(GET => '/session/status', key => ($who || $user)->{key}, timeout => 15) }
sub many { my ($n, $who) = @_; return parallel(6, sub { my $r = ask($who); [$r->{status}, $r->{seconds}] }, 1 .. $n) }
sub slowest { my ($max) = sort { $b <=> $a } map { $_->[1] } @_; return $max }
sub of { my ($status, @r) = @_; return scalar grep { $_->[0] == $status } @r }

step 'a user with a phone' => sub {
    wait_ready(20);
    ($user, $friend) = (new_user(), phone('Recipient'));
    link_phone($user);
    return (ask()->{status}, 200);
};

my @AWAY = (
    ['stopped', sub { stop_it('redis') },  sub { start_it('redis') }],
    ['hung',    sub { pause_it('redis') }, sub { resume_it('redis') }],
);
for my $a (@AWAY) {
    my ($how, $away, $back) = @$a;
    step "$how: requests are answered, within their bound" => sub {
        $away->();
        my @r = many(30);
        return ([of(200, @r), slowest(@r) < 3 ? 'in time' : slowest(@r)], [30, 'in time']);
    };
    it "$how: requests are not slow for long" => sub {
        # Each child finds out by itself, in five requests; one that has not been asked so far does so now.
        my @slow;
        wait_until { @slow = grep { $_ > 0.5 } map { ask()->{seconds} } 1 .. 20; @slow <= 3 } 10, 'twenty requests of which three are slow at most';
        return (@slow <= 3 ? 'quick' : "slow: @slow", 'quick');
    };
    it "$how: the headers are there" => sub {
        return (header(ask(), 'RateLimit'), qr/\A"requests";r=\d+;t=\d+\z/);
    };
    it "$how: a wrong key is refused still" => sub {
        return (api(GET => '/session/status', key => 'wak_' . 'A' x 49)->{status}, 401);
    };
    it "$how: a text is sent" => sub {
        my $r = send_text($user, $friend, "while $how");
        wait_until { (texts($friend))[-1] eq "while $how" } 10, 'the text';
        return ([$r->{status}, header($r, 'RateLimit')], [200, qr/"messages-minute".*"messages-day"/]);
    };
    it "$how: the request limit is a bound" => sub {
        my $small = new_user(max_requests_per_minute => 5);
        steady_minute(10);
        my @r = many(60, $small);
        return ([of(200, @r) >= 5 && of(200, @r) <= 5 * $CHILDREN ? 'a bound' : of(200, @r), of(200, @r) + of(429, @r)], ['a bound', 60]);
    };
    it "$how: the quota of a minute is a bound" => sub {
        my $small = new_user(max_messages_per_minute => 3);
        link_phone($small);
        steady_minute(10);
        my @s = parallel(6, sub { send_text($small, $friend, "minute $how")->{status} }, 1 .. 30);
        my $accepted = grep { /^20[02]$/ } @s;
        return ([$accepted >= 3 && $accepted <= 3 * $CHILDREN ? 'a bound' : $accepted, [grep { !/^(20[02]|429)$/ } @s]], ['a bound', []]);
    };
    it "$how: the quota of the day holds, by what is stored" => sub {
        my $small = new_user(max_messages_per_day => 2);
        link_phone($small);
        return ([map { send_text($small, $friend, "day $how")->{status} } 1 .. 3], [200, 200, 429]);
    };
    it "$how: health names it, and is ready all the same" => sub {
        my $r = wait_until { my $r = api(GET => '/health/ready', timeout => 5); $r->{json}{status} eq 'degraded' ? $r : undef } 5, 'degraded';
        return ([$r->{status}, $r->{json}{checks}{redis}{reason}], [200, qr/limits are counted by each process alone/]);
    };
    step "$how, and back: ready" => sub { $back->(); wait_ready(20); return (api(GET => '/health/ready')->{json}{status}, 'ok') };
    it "$how, and back: limits are exact again" => sub {
        my $small = new_user(max_requests_per_minute => 10);
        wait_until { !grep { $_->[1] > 0.5 } many(12) } 10, 'quick answers';
        steady_minute(10);
        my @r = many(40, $small);
        return ([of(200, @r), of(429, @r)], [10, 30]);
    };
}

it 'killed -9: it comes back, and requests are answered all along' => sub {
    kill_it('redis');
    my @r = many(30);
    start_it('redis'); # waits until it answers
    return ([of(200, @r), slowest(@r) < 3 ? 'in time' : slowest(@r)], [30, 'in time']);
};
it 'its scripts forgotten: nothing is to be seen of it' => sub {
    command('redis-cli', '-s', $ENV{WA_TEST_REDIS_SOCKET}, 'SCRIPT', 'FLUSH');
    my @r = map { ask() } 1 .. 3;
    my $r = send_text($user, $friend, 'after the flush');
    return ([map { $_->{status} } @r, $r], [200, 200, 200, 200]);
};

run_tests;
