# Limits: what the headers tell, and that they hold, also for many at a time.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::Test;

my @NAMES = qw(RateLimit-Policy RateLimit X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset);
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
    return ([map { header($r, $_) } @NAMES],
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
    ['404 of no path',          404, sub { api(GET => '/nothing', key => $user->{key}) }],
    ['405',                     405, sub { api(POST => '/limits', key => $user->{key}) }],
    ['413',                     413, sub { api(POST => '/session/init', key => $user->{key}, body => 'x' x 20000) }],
    ['415',                     415, sub { api(POST => '/session/init', key => $user->{key}, body => '{}', headers => { 'Content-Type' => 'text/plain' }) }],
    ['422',                     422, sub { api(POST => '/session/init', key => $user->{key}, body => { x => 1 }) }],
    ['201 to an administrator', 201, sub { api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x' }) }],
);
for my $a (@ANSWERS) {
    my ($what, $status, $ask) = @$a;
    it "the headers are there: $what" => sub {
        my $r = $ask->();
        my @absent = grep { !defined header($r, $_) } @NAMES;
        return ([$r->{status}, @absent], [$status]);
    };
}
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

# --- without a good credential ------------------------------------------------

# Apaches that believe X-Forwarded-For, so that each test has addresses of its own.
my $LEFT = 5;
my $PASSWORD = 'correct horse battery';
my ($few, $off, $person, $count);

sub address { return '198.51.100.' . ++$count }
sub from {
    my ($address, $method, $path, %o) = @_;
    my $apache = delete $o{apache} || $few;
    return call($method, "$apache->{url}/api$path", %o, headers => { %{ $o{headers} || {} }, 'X-Forwarded-For' => $address });
}
sub use_up { my ($address) = @_; from($address, GET => '/auth/me') for 1 .. $LEFT + 1; return $address }

step 'an Apache with few such requests a minute, and one with any number' => sub {
    my $proxy = "RemoteIPHeader X-Forwarded-For\nRemoteIPInternalProxy 127.0.0.1\n";
    my $limit = sub { my ($n) = @_; return sub { s/^(WhatsAppAnonymousRequestsPerMinute) .*/$1 $n/m or die } };
    $few = apache_start(apache_config(main => "${proxy}WhatsAppCORSOrigin https://app.example.com", edit => $limit->($LEFT)));
    $off = apache_start(apache_config(main => $proxy, edit => $limit->(0)));
    $person = new_user(password => $PASSWORD);
    return ([map { from(address(), GET => '/health/live', apache => $_)->{status} } $few, $off], [200, 200]);
};
it 'five are five, and the sixth is told when to come' => sub {
    my $here = address();
    steady_minute(5);
    my @r = map { from($here, GET => '/auth/me') } 1 .. $LEFT + 1;
    my ($got, $want) = problem($r[-1], 429, 'rate_limited', retry_after => qr/\A([1-9]|[1-5]\d|60)\z/);
    return ([[map { $_->{status} } @r], [map { header($_, 'X-RateLimit-Remaining') } @r], [map { header($r[0], $_) } @NAMES], $got],
        [[(401) x 5, 429], [4, 3, 2, 1, 0, 0],
            ['"anonymous";q=5;w=60', qr/\A"anonymous";r=4;t=([1-9]|[1-5]\d|60)\z/, 5, 4, qr/\A([1-9]|[1-5]\d|60)\z/], $want]);
};
it 'another address is not touched' => sub {
    steady_minute(5);
    use_up(address());
    return (from(address(), GET => '/auth/me')->{status}, 401);
};

# What else counts so: what it is answered, and what asks for it.
my @NOBODY = (
    ['no key',                        'unauthorized',          sub { from($_[0], GET => '/auth/me') }],
    ['what is no key',                'invalid_api_key',       sub { from($_[0], GET => '/auth/me', key => 'wak_x') }],
    ['a key that nobody has',         'invalid_api_key',       sub { from($_[0], GET => '/auth/me', key => $_[1]{revoked}) }],
    ['a key that has expired',        'invalid_api_key',       sub { from($_[0], GET => '/auth/me', key => $_[1]{expired}) }],
    ['a key of other networks',       'address_not_allowed',   sub { from($_[0], GET => '/auth/me', key => $_[1]{elsewhere}) }],
    ['what is no token',              'invalid_token',         sub { from($_[0], GET => '/auth/me', key => 'x.y.z') }],
    ['a cookie that nobody has',      'invalid_token',         sub { from($_[0], GET => '/auth/me', headers => { Cookie => '__Host-whatsapp=wac_x' }) }],
    ['a login',                       '',                      sub { from($_[0], POST => '/auth/login', body => { username => $person->{username}, password => $PASSWORD }) }],
    ['a login without its fields',    'validation_failed',     sub { from($_[0], POST => '/auth/login', body => {}) }],
    ['a refresh token nobody has',    'invalid_refresh_token', sub { from($_[0], POST => '/auth/refresh', body => { refresh_token => 'war_x' }) }],
    ['a path that is not there',      'not_found',             sub { from($_[0], GET => '/nothing') }],
    ['a path that can not be read',   'malformed_request',     sub { from($_[0], GET => '/messages/%ff') }],
    ['a method that is not there',    'method_not_allowed',    sub { from($_[0], DELETE => '/health/live') }],
);
my %bad;
step 'keys that are not good' => sub {
    my $gone = new_key($user->{id});
    api(DELETE => "/keys/$gone->{id}", key => admin_token());
    my $old = new_key($user->{id});
    db("UPDATE api_keys SET created_at = now() - interval '2 d', expires_at = now() - interval '1 d' WHERE id = '$old->{id}'");
    %bad = (revoked => $gone->{key}, expired => $old->{key}, elsewhere => new_key($user->{id}, networks => ['192.0.2.0/24'])->{key});
    return (scalar(keys %bad), 3);
};
for my $n (@NOBODY) {
    my ($what, $code, $ask) = @$n;
    it "it counts, and ends, for its address: $what" => sub {
        my $here = address();
        steady_minute(10);
        my @r = map { $ask->($here, \%bad) } 1 .. 3;
        use_up($here);
        my $late = $ask->($here, \%bad);
        return ([(map { $_->{json}{code} // '' } @r), (map { header($_, 'X-RateLimit-Remaining') } @r), $late->{status}, $late->{json}{code}],
            [($code) x 3, 4, 3, 2, 429, 'rate_limited']);
    };
}
it 'of forty at a time, exactly five are answered otherwise' => sub {
    my $here = address();
    steady_minute(10);
    my %count;
    $count{$_}++ for parallel(12, sub { from($here, GET => '/auth/me', key => $bad{revoked})->{status} }, 1 .. 40);
    return (\%count, { 401 => 5, 429 => 35 });
};
it 'a good key, token or cookie works all the same, and counts for its user' => sub {
    steady_minute(10);
    my $token = api(POST => '/auth/login', body => { username => $person->{username}, password => $PASSWORD })->{json}{access_token};
    my $set = header(api(POST => '/auth/login', headers => { 'Sec-Fetch-Site' => 'same-origin' },
        body => { username => $person->{username}, password => $PASSWORD, cookie => JSON::PP::true() }), 'Set-Cookie');
    my $here = use_up(address());
    my @r = (from($here, GET => '/auth/me', key => new_key($user->{id})->{key}), from($here, GET => '/auth/me', key => $token),
        from($here, GET => '/auth/me', headers => { Cookie => $set =~ s/;.*//r }), from($here, GET => '/nothing', key => $user->{key}));
    return ([from($here, GET => '/auth/me')->{status}, map { ($_->{status}, header($_, 'RateLimit') =~ /\A"(\w+)"/) } @r],
        [429, (200, 'requests') x 3, 404, 'requests']);
};
it 'a path that is not there counts for the user who asks, and has its end' => sub {
    my $small = new_user(max_requests_per_minute => 2);
    my $here = address();
    steady_minute(5);
    return ([(map { from($here, GET => '/nothing', key => $small->{key})->{status} } 1 .. 3), header(from($here, GET => '/auth/me'), 'X-RateLimit-Remaining')],
        [404, 404, 429, 4]);
};
it 'health and preflights are never refused, and tell of no limit' => sub {
    steady_minute(10);
    my $here = use_up(address());
    my @r = ((map { from($here, GET => "/health/$_") } qw(live ready)), from($here, OPTIONS => '/auth/me',
        headers => { Origin => 'https://app.example.com', 'Access-Control-Request-Method' => 'GET' }));
    return ([from($here, GET => '/auth/me')->{status}, (map { $_->{status} } @r), grep { defined } map { my $r = $_; map { header($r, $_) } @NAMES } @r],
        [429, 200, 200, 204]);
};
it 'of IPv6 it is the /64 that counts' => sub {
    steady_minute(10);
    use_up('2001:db8:0:1::1');
    return ([map { from($_, GET => '/auth/me')->{status} } '2001:db8:0:1:ffff::2', '2001:db8:0:2::1'], [429, 401]);
};
it 'PostgreSQL can not say whether a key is good: that is not the fault of its address' => sub {
    my $here = address();
    my $new = new_key($user->{id})->{key};
    pause_it('postgresql');
    my @r = eval { map { from($here, GET => '/auth/me', key => $new, timeout => 30) } 1 .. 2 };
    resume_it('postgresql');
    wait_ready(30);
    # A child that has waited in vain leaves PostgreSQL alone for a second, and this Apache's are asked for keys that Redis knows.
    sleep 2;
    wait_until { !grep { $_ != 200 } parallel(8, sub { status($user)->{status} }, 1 .. 96) } 20, 'ninety-six answers in a row';
    return ([map { ($_->{status}, header($_, 'X-RateLimit-Remaining')) } @r], [(503, 5) x 2]);
};
it 'with 0 there is no such limit, and none is told' => sub {
    my $here = address();
    my @r = map { from($here, GET => '/auth/me', apache => $off, key => $_) } ($bad{revoked}) x 10, '';
    return ([(map { $_->{status} } @r), grep { defined } map { my $r = $_; map { header($r, $_) } @NAMES } @r], [(401) x 11]);
};
it 'Redis away: a bound for each child, and good keys work' => sub {
    my $here = address();
    stop_it('redis');
    my @r = eval {
        steady_minute(20);
        (parallel(8, sub { from($here, GET => '/auth/me')->{status} }, 1 .. 40), from($here, GET => '/auth/me', key => $user->{key})->{status});
    };
    start_it('redis');
    wait_ready(20);
    my $good = pop @r;
    my $answered = grep { $_ == 401 } @r;
    my $refused = grep { $_ == 429 } @r;
    return ([$good, $answered + $refused, $answered >= $LEFT && $answered <= 2 * $LEFT ? 'a bound' : $answered], [200, 40, 'a bound']);
};

run_tests;
