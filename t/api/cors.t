# CORS: off unless origins are named, and then for these alone.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::Test;

my $OURS = 'https://app.example.com';
my $TOO  = 'https://shop.example.com:8443';
my @ALLOW = qw(Origin Methods Headers Credentials Max-Age Private-Network);
my ($user, $other);

# What a browser looks at: the status, Access-Control-* and Vary.
sub seen {
    my ($r) = @_;
    return { status => $r->{status}, vary => header($r, 'Vary') // '', expose => header($r, 'Access-Control-Expose-Headers') ? 1 : 0,
        map { my $v = header($r, "Access-Control-Allow-$_") // header($r, "Access-Control-$_"); defined $v ? ($_ => $v) : () } @ALLOW };
}
sub nothing { my ($status, %more) = @_; return { status => $status, vary => '', expose => 0, %more } }
sub allowed { my ($status, $origin, %more) = @_; return { status => $status, vary => 'Origin', expose => 1, Origin => $origin, %more } }

sub ask {
    my ($method, $path, $origin, %o) = @_;
    return call($method, "$other->{url}/api$path", %o,
        headers => { %{ $o{headers} || {} }, defined $origin ? (Origin => $origin) : () });
}
sub preflight {
    my ($path, $origin, $method, $headers) = @_;
    return ask(OPTIONS => $path, $origin, headers => { 'Access-Control-Request-Method' => $method,
        $headers ? ('Access-Control-Request-Headers' => $headers) : () });
}

# --- as it is shipped -------------------------------------------------------

step 'a user' => sub { $user = new_user(); return ($user->{key}, qr/^wak_/) };
it 'off: an answer says nothing of origins' => sub {
    return (seen(api(GET => '/auth/me', key => $user->{key}, headers => { Origin => $OURS })), nothing(200));
};
it 'off: a preflight is a method that the path does not have' => sub {
    my $r = api(OPTIONS => '/auth/me', headers => { Origin => $OURS, 'Access-Control-Request-Method' => 'GET' });
    return ([seen($r), header($r, 'Allow')], [nothing(405), 'GET, HEAD']);
};

# --- with two origins -------------------------------------------------------

step 'an Apache that two origins are named to' => sub {
    $other = apache_start(apache_config(main => "WhatsAppCORSOrigin $OURS $TOO"));
    return (ask(GET => '/health/live')->{status}, 200);
};
for my $origin ($OURS, $TOO) {
    it "$origin reads an answer" => sub {
        return (seen(ask(GET => '/auth/me', $origin, key => $user->{key})), allowed(200, $origin));
    };
}
it 'a script may see what it needs to go on' => sub {
    my %names = map { lc, 1 } split /,\s*/, header(ask(GET => '/auth/me', $OURS, key => $user->{key}), 'Access-Control-Expose-Headers');
    return ([grep { !$names{ lc $_ } } qw(X-Request-ID Location ETag Retry-After RateLimit RateLimit-Policy
        X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset Link Content-Disposition WWW-Authenticate)], []);
};
it 'every header that the answers of the API have may be seen, or always may' => sub {
    my %names = map { lc, 1 } 'Cache-Control', 'Content-Type', 'Content-Length', 'Vary', 'Allow', 'Set-Cookie', 'Content-Security-Policy',
        split /,\s*/, header(ask(GET => '/auth/me', $OURS, key => $user->{key}), 'Access-Control-Expose-Headers');
    my ($in, @described);
    for my $line (split /\n/, log_text("$ENV{WA_TEST_SRC_DIR}/docs/openapi.yaml")) {
        if ($line =~ /^( *)headers:$/) { $in = length $1; next }
        next if !defined $in;
        my ($space) = $line =~ /^( *)\S/ or next;
        if (length $space <= $in) { undef $in; next }
        push @described, $1 if length $space == $in + 2 && $line =~ /^ *([\w-]+):/ && $1 ne 'schema';
    }
    return ([scalar(@described) > 5 ? 'some' : 'none', grep { /-|ETag|Link|Location/ && !$names{ lc $_ } } @described], ['some']);
};
my @ERRORS = (
    ['401', 401, sub { ask(GET => '/auth/me', $OURS) }],
    ['403', 403, sub { ask(GET => '/users', $OURS, key => $user->{key}) }],
    ['404 of no path', 404, sub { ask(GET => '/nothing', $OURS) }],
    ['405', 405, sub { ask(DELETE => '/auth/me', $OURS, key => $user->{key}) }],
    ['413', 413, sub { ask(POST => '/session/init', $OURS, key => $user->{key}, body => 'x' x 20000) }],
    ['422', 422, sub { ask(POST => '/session/init', $OURS, key => $user->{key}, body => { x => 1 }) }],
);
for my $e (@ERRORS) {
    my ($what, $status, $ask) = @$e;
    it "a problem can be read too: $what" => sub { return (seen($ask->()), allowed($status, $OURS)) };
}
it 'who sends no origin gets none' => sub {
    return (seen(ask(GET => '/auth/me', undef, key => $user->{key})), { %{ nothing(200) }, vary => 'Origin' });
};
it 'a list can be read, and says what it varies by' => sub {
    my $r = ask(GET => '/logs?limit=1', $OURS, key => $user->{key});
    return (seen($r), { %{ allowed(200, $OURS) }, vary => qr/\AAccept, ?Origin\z/ });
};

my @STRANGERS = ('https://evil.example', 'null', '*', '', "$OURS/", "$OURS:443", "$OURS.evil.example", 'http://app.example.com',
    'https://APP.example.com', 'https://app.example.co', 'https://xapp.example.com', 'app.example.com', "$OURS $TOO", "$OURS, $TOO",
    'https://shop.example.com', 'https://user@app.example.com');
for my $origin (@STRANGERS) {
    it 'a stranger reads nothing: ' . json($origin) => sub {
        return (seen(ask(GET => '/auth/me', $origin, key => $user->{key})), { %{ nothing(200) }, vary => 'Origin' });
    };
    it 'nor gets past a preflight: ' . json($origin) => sub {
        return (seen(preflight('/auth/me', $origin, 'GET')), { %{ nothing(405) }, vary => 'Origin' });
    };
}

# --- preflights -------------------------------------------------------------

it 'a preflight needs no credential, and has no body' => sub {
    my $r = preflight('/messages/send-text', $OURS, 'POST', 'authorization,content-type');
    return ([seen($r), $r->{content}, header($r, 'X-Request-ID')],
        [allowed(204, $OURS, Methods => qr/\bPOST\b/, Headers => qr/\bAuthorization\b/, 'Max-Age' => 600), '', UUID]);
};
it 'it tells the methods of that path' => sub {
    return (header(preflight('/users', $OURS, 'GET'), 'Access-Control-Allow-Methods'), 'GET, HEAD, POST');
};
it 'it tells the headers that the API reads' => sub {
    my %names = map { lc, 1 } split /,\s*/, header(preflight('/auth/me', $OURS, 'GET'), 'Access-Control-Allow-Headers');
    return ([grep { !$names{ lc $_ } } qw(Authorization Content-Type X-API-Key X-Request-ID traceparent If-Match Prefer Idempotency-Key)], []);
};
it 'but not that of the cookie, which never comes along' => sub {
    return (header(preflight('/auth/me', $OURS, 'GET'), 'Access-Control-Allow-Headers') =~ /csrf|cookie/i ? 1 : 0, 0);
};
it 'of no path: 404' => sub { return (seen(preflight('/nothing', $OURS, 'GET')), allowed(404, $OURS)) };
it 'OPTIONS that is no preflight: 405 as ever' => sub {
    my $r = ask(OPTIONS => '/auth/me', $OURS);
    return ([seen($r), header($r, 'Allow')], [allowed(405, $OURS), 'GET, HEAD']);
};
it 'a preflight does nothing' => sub {
    my $before = db('SELECT count(*) FROM users');
    preflight('/users', $OURS, 'POST');
    return (db('SELECT count(*) FROM users'), $before);
};
it 'a login by cookie is not for other origins, nor is a change by it' => sub {
    my $password = 'a password long enough';
    my $with = new_user(password => $password);
    my %login = (body => { username => $with->{username}, password => $password, cookie => true });
    my $theirs = ask(POST => '/auth/login', $OURS, %login, headers => { 'Sec-Fetch-Site' => 'cross-site' });
    my $r = ask(POST => '/auth/login', $OURS, %login, headers => { 'Sec-Fetch-Site' => 'same-origin' });
    my ($cookie) = header($r, 'Set-Cookie') =~ /\A([^;]+)/;
    my $change = ask(POST => '/keys', $OURS, body => { name => 'x' },
        headers => { Cookie => $cookie, 'X-CSRF-Token' => $r->{json}{csrf_token}, 'Sec-Fetch-Site' => 'cross-site' });
    return ([map { (seen($_), $_->{json}{code}) } $theirs, $change], [(allowed(403, $OURS), 'csrf_failed') x 2]);
};
it "the bridge's side has none of it" => sub {
    my ($port) = log_text($other->{conf}) =~ /^Listen 127\.0\.0\.1:(\d+)\s+<VirtualHost/m;
    my $r = call(OPTIONS => "http://127.0.0.1:$port/internal/v1/events", headers => { Origin => $OURS, 'Access-Control-Request-Method' => 'POST' });
    return (seen($r), nothing(405));
};

# --- the directive ----------------------------------------------------------

for my $value ('*', 'null', 'https://*.example.com', 'https://app.example.com/', 'app.example.com', 'https://app.example.com *', '""', '') {
    it "WhatsAppCORSOrigin $value: Apache does not start, and says why" => sub {
        return ([apache_check(apache_config(main => "WhatsAppCORSOrigin $value"))], [1, qr/WhatsAppCORSOrigin/]);
    };
}
it 'quotes do no harm, the last list counts' => sub {
    my $config = apache_config(main => "WhatsAppCORSOrigin https://one.example\nWhatsAppCORSOrigin \"$OURS\" '$TOO'");
    return ([apache_check($config)], [0, qr/Syntax OK/]);
};
it 'not in a virtual host' => sub {
    my $config = apache_config(main => "<VirtualHost *:1>\nWhatsAppCORSOrigin $OURS\n</VirtualHost>");
    return ([apache_check($config)], [1, qr/WhatsAppCORSOrigin/]);
};

run_tests;
