# Limits: what the headers tell, and that they hold, also for many at a time.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $friend);

# The windows of a RateLimit header: {name => [remaining, seconds]}.
sub windows {
    my ($res) = @_;
    my $text = header($res, 'RateLimit') // return {};
    return { map { /\A"([\w-]+)";r=(\d+);t=(\d+)\z/ ? ($1 => [$2, $3]) : ($_ => 'not readable') } split /, /, $text };
}
sub status { my ($who) = @_; return api(GET => '/session/status', key => $who->{key}) }

# --- the headers ------------------------------------------------------------

step 'a user with a phone' => sub {
    $friend = phone('Recipient');
    $user = new_user(max_requests_per_minute => 5000, max_messages_per_minute => 40, max_messages_per_day => 30);
    link_phone($user);
    return (rows($user), '0 0 1');
};
it 'a request tells of the request limit' => sub {
    steady_minute(5);
    my $r = status($user);
    return ([map { header($r, $_) } 'RateLimit-Policy', 'RateLimit', 'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
        ['"requests";q=5000;w=60', qr/\A"requests";r=49\d\d;t=([1-9]|[1-5]\d|60)\z/, 5000, qr/\A49\d\d\z/, qr/\A([1-9]|[1-5]\d|60)\z/]);
};
it 'each request takes one' => sub {
    steady_minute(5);
    my @left = map { windows(status($user))->{requests}[0] } 1 .. 4;
    return ([map { $left[0] - $_ } @left], [0, 1, 2, 3]);
};
it 'a send tells of all three, and the tightest one in X-RateLimit' => sub {
    steady_minute(5);
    my $r = send_text($user, $friend, 'one');
    return ([map { header($r, $_) } 'RateLimit-Policy', 'RateLimit', 'X-RateLimit-Limit', 'X-RateLimit-Remaining'],
        ['"requests";q=5000;w=60, "messages-minute";q=40;w=60, "messages-day";q=30;w=86400',
            qr/\A"requests";r=\d+;t=\d+, "messages-minute";r=39;t=\d+, "messages-day";r=29;t=\d+\z/, 30, 29]);
};

my @ANSWERS = (
    ['200',                     200, sub { status($user) }],
    ['200 of a HEAD',           200, sub { api(HEAD => '/session/status', key => $user->{key}) }],
    ['400 of a parameter',      400, sub { api(GET => '/session/qr?format=x', key => $user->{key}) }],
    ['400 of the JSON',         400, sub { api(POST => '/session/init', key => $user->{key}, body => '{') }],
    ['403',                     403, sub { api(GET => '/users', key => $user->{key}) }],
    ['404 of a message',        404, sub { api(GET => '/messages/x', key => $user->{key}) }],
    ['409',                     409, sub { api(GET => '/session/qr', key => $user->{key}) }],
    ['413',                     413, sub { api(POST => '/session/init', key => $user->{key}, body => 'x' x 20000) }],
    ['415',                     415, sub { api(POST => '/session/init', key => $user->{key}, body => '{}', headers => { 'Content-Type' => 'text/plain' }) }],
    ['422',                     422, sub { api(POST => '/session/init', key => $user->{key}, body => { x => 1 }) }],
    ['201 to an administrator', 201, sub { api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x' }) }],
);
for my $a (@ANSWERS) {
    my ($what, $status, $ask) = @$a;
    it "the headers are there: $what" => sub {
        my $r = $ask->();
        my @absent = grep { !defined header($r, $_) } 'RateLimit-Policy', 'RateLimit', 'X-RateLimit-Limit',
            'X-RateLimit-Remaining', 'X-RateLimit-Reset';
        return ([$r->{status}, @absent], [$status]);
    };
}
it 'who is not known has no limits to be told' => sub {
    return (header(api(GET => '/session/status', key => 'wak_x'), 'RateLimit'), undef);
};

# --- requests ---------------------------------------------------------------

my $small;
it 'five requests a minute are five, and the sixth is told when to come' => sub {
    $small = new_user(max_requests_per_minute => 5);
    steady_minute(5);
    my @r = map { status($small) } 1 .. 6;
    my ($got, $want) = problem($r[5], 429, 'rate_limited', retry_after => qr/\A([1-9]|[1-5]\d|60)\z/);
    return ([[map { $_->{status} } @r], [map { windows($_)->{requests}[0] } @r], $got],
        [[200, 200, 200, 200, 200, 429], [4, 3, 2, 1, 0, 0], $want]);
};
it 'Retry-After is the end of the window' => sub {
    my $r = status($small);
    return ([$r->{status}, header($r, 'Retry-After')], [429, header($r, 'X-RateLimit-Reset')]);
};
it 'another key of the same user counts as one with it' => sub {
    return (api(GET => '/session/status', key => new_key($small->{id})->{key})->{status}, 429);
};
it 'another user is not touched' => sub { return (status($user)->{status}, 200) };
it 'of sixty at a time, exactly twenty are answered' => sub {
    my $many = new_user(max_requests_per_minute => 20);
    steady_minute(10);
    my %count;
    $count{$_}++ for parallel(12, sub { status($many)->{status} }, 1 .. 60);
    return (\%count, { 200 => 20, 429 => 40 });
};

# --- messages a minute ------------------------------------------------------

it 'of sixty sends at a time, exactly twenty are accepted' => sub {
    my $many = new_user(max_messages_per_minute => 20);
    link_phone($many);
    my @to = map { phone("Recipient $_") } 1 .. 4;
    steady_minute(25);
    my %count;
    for my $r (parallel(12, sub {
        my $r = send_text($many, $to[$_[0] % 4], "text $_[0]");
        return $r->{status} == 429 ? "429 $r->{json}{code}" : $r->{status} =~ /^20[02]$/ ? 'accepted' : $r->{status};
    }, 1 .. 60)) { $count{$r}++ }
    return ([\%count, db("SELECT count(*) FROM messages WHERE user_id = '$many->{id}'")],
        [{ accepted => 20, '429 message_quota_minute' => 40 }, 20]);
};
it 'over the quota: told as such, with Retry-After' => sub {
    my $one = new_user(max_messages_per_minute => 1);
    link_phone($one);
    steady_minute(5);
    my $first = send_text($one, $friend, 'in time');
    my ($got, $want) = problem(send_text($one, $friend, 'too much'), 429, 'message_quota_minute', retry_after => qr/\A([1-9]|[1-5]\d|60)\z/);
    return ([$first->{status}, $got, rows($one)], [200, $want, qr/^1 /]);
};

# --- what costs nothing -----------------------------------------------------

it 'where nothing was stored nothing is counted' => sub {
    my $none = new_user(max_messages_per_minute => 2);
    steady_minute(5);
    my @r = map { send_text($none, $friend, 'x') } 1 .. 5;
    return ([map { "$_->{status} " . windows($_)->{'messages-minute'}[0] } @r], ['409 2', '409 2', '409 2', '409 2', '409 2']);
};
it 'a refused recipient is not counted' => sub {
    my $none = new_user(max_messages_per_minute => 2);
    return ([map { send_text($none, 'nobody', 'x')->{status} } 1 .. 4], [422, 422, 422, 422]);
};
it 'given back by many at a time, it stays exact' => sub {
    my $none = new_user(max_messages_per_minute => 8, max_messages_per_day => 8);
    steady_minute(10);
    my %count;
    $count{$_}++ for parallel(8, sub { send_text($none, $friend, 'x')->{status} }, 1 .. 40);
    link_phone($none);
    steady_minute(5);
    return ([\%count, map { send_text($none, $friend, 'x')->{status} } 1 .. 9], [{ 409 => 40 }, (200) x 8, 429]);
};

# --- messages a day ---------------------------------------------------------

it 'three messages a day are three' => sub {
    my $day = new_user(max_messages_per_day => 3);
    link_phone($day);
    steady_day(10);
    my @r = map { send_text($day, $friend, 'x') } 1 .. 4;
    my ($got, $want) = problem($r[3], 429, 'message_quota_day', retry_after => qr/\A[1-9]\d{0,4}\z/);
    return ([map({ $_->{status} } @r[0 .. 2]), $got, rows($day)], [200, 200, 200, $want, qr/^3 /]);
};
it 'the day is counted anew from what is stored when Redis has forgotten' => sub {
    my $day = new_user(max_messages_per_day => 2);
    link_phone($day);
    steady_day(10);
    my @first = map { send_text($day, $friend, 'x')->{status} } 1 .. 2;
    command('redis-cli', '-s', $ENV{WA_TEST_REDIS_SOCKET}, 'FLUSHALL');
    my $r = send_text($day, $friend, 'x');
    return ([@first, $r->{status}, $r->{json}{code}], [200, 200, 429, 'message_quota_day']);
};

run_tests;
