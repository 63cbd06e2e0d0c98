# Logins, access tokens and roles.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256 hmac_sha384 hmac_sha512 sha256);
use MIME::Base64 qw(decode_base64url encode_base64url);
use WA::Test;

my $PASSWORD = 'correct horse battery';
my ($user, $token);

# Who fails often must wait; that is none of these tests' business.
sub forgive { db('DELETE FROM login_failures'); return }
END { forgive() }

sub login { my (%body) = @_; return api(POST => '/auth/login', body => { username => $user->{username}, password => $PASSWORD, %body }) }

step 'a user with a password logs in' => sub {
    $user = new_user(password => $PASSWORD);
    my $r = login();
    $token = $r->{json}{access_token};
    return ([$r->{status}, pick($r->{json}, qw(token_type expires_in))],
        [200, { token_type => 'Bearer', expires_in => 900 }]);
};
it 'the answer to a login tells of the limit of its address' => sub { return (header(login(), 'RateLimit'), qr/\A"anonymous";r=\d+;t=\d+\z/) };
it 'the name counts in any case' => sub { return (login(username => uc $user->{username})->{status}, 200) };
it 'the token lets its user in' => sub {
    return (api(GET => '/session/status', key => $token)->{status}, 200);
};
it 'the scheme counts in any case' => sub {
    return (api(GET => '/session/status', headers => { Authorization => "bearer $token" })->{status}, 200);
};
it 'no password, hash or secret is in the error log' => sub {
    my $log = log_text($ENV{WA_TEST_HTTPD_LOG});
    return ([length $log > 0, grep { index($log, $_) >= 0 } $PASSWORD, '$argon2', secret('jwt_secret')], [1]);
};
it 'the password is stored as Argon2id' => sub {
    return (db("SELECT password_hash FROM users WHERE id = '$user->{id}'"), qr/\A\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
};

# --- what is refused --------------------------------------------------------

my @WRONG = (
    ['a wrong password',        { password => 'correct horsf' }],
    ['the password in capitals', { password => uc $PASSWORD }],
    ['a space more',            { password => "$PASSWORD " }],
    ['an unknown user',         { username => 'nobody-at-all' }],
    ['SQL as a name',           { username => "' OR '1'='1" }],
    ['a name like a pattern',   { username => '%' }],
);
for my $w (@WRONG) {
    my ($what, $body) = @$w;
    it "login with $what: 401" => sub {
        forgive();
        return problem(login(%$body), 401, 'invalid_credentials', challenge => qr/^Bearer /);
    };
}
it 'who has no password cannot log in, not even with none' => sub {
    forgive();
    my $other = new_user();
    return ([map { api(POST => '/auth/login', body => { username => $other->{username}, password => $_ })->{json}{code} } '', 'x'],
        ['validation_failed', 'invalid_credentials']);
};
it 'who is not active cannot log in' => sub {
    my $other = new_user(password => $PASSWORD);
    db("UPDATE users SET is_active = false WHERE id = '$other->{id}'");
    return problem(login(username => $other->{username}), 401, 'invalid_credentials');
};
it 'an unknown user and a wrong password look the same' => sub {
    forgive();
    my @r = map { my $c = $_->{content}; $c =~ s/"request_id":"[^"]*"//; $c } login(password => 'wrong one'), login(username => 'nobody-at-all');
    return ($r[0], $r[1]);
};
it 'a login without its fields: 422' => sub {
    return problem(api(POST => '/auth/login', body => {}), 422, 'validation_failed',
        errors => [['/password', 'required'], ['/username', 'required']]);
};
it 'a login with a password too long: 422' => sub {
    return problem(login(password => 'x' x 257), 422, 'validation_failed', errors => [['/password', 'length']]);
};
my $failures;
it 'thirty logins at a time: answered, or told when to come again' => sub {
    forgive();
    my @r = parallel(15, sub { my $r = login(); join ' ', $r->{status}, $r->{json}{code} // '', header($r, 'Retry-After') // '' }, 1 .. 30);
    my %count; $count{$_}++ for @r;
    $failures = db("SELECT coalesce(sum(failures), 0) FROM login_failures WHERE account = ''");
    forgive();
    return ([grep { !/\A(200  |429 (too_many_logins|login_delayed) [1-9]\d*)\z/ } sort keys %count,
            $count{'200  '} ? () : 'nobody'], []);
};
it 'none of them had a wrong password, so none counts as failed' => sub { return ($failures, 0) };

# --- tokens -----------------------------------------------------------------

# A token of one's own making, signed with the server's key unless told else.
# head_text, claims_text: those texts as they are; head64, claims64: what is done
# to their base64url before it is signed.
sub token {
    my (%o) = @_;
    my ($head, $claims) = map { JSON::PP->new->decode(decode_base64url($_)) } (split /\./, $o{of} || $token)[0, 1];
    my %claims = (%$claims, %{ $o{claims} || {} });
    my %head = (%$head, %{ $o{head} || {} });
    for my $part (\%head, \%claims) { delete $part->{$_} for grep { !defined $part->{$_} } keys %$part }
    my $text = join '.', ($o{head64} || sub { $_[0] })->(encode_base64url($o{head_text} ? $o{head_text}->(json(\%head)) : json(\%head))),
        ($o{claims64} || sub { $_[0] })->(encode_base64url($o{claims_text} ? $o{claims_text}->(json(\%claims)) : json(\%claims)));
    my $sign = $o{sign} || \&hmac_sha256;
    return "$text." . ($o{no_signature} ? '' : encode_base64url($sign->($text, $o{key} // secret('jwt_secret'))));
}
# The server's own, with something done to its parts.
sub parts { my ($do) = @_; return join '.', $do->(split /\./, $token) }
# The last of these characters, with the bits that stand for nothing.
sub last_bits { return $_[0] =~ s/(.)\z/(split m{}, join '', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_')[1 + index join('', 'A' .. 'Z', 'a' .. 'z', 0 .. 9, '-_'), $1]/er }
# As the name of a claim that makes its JSON as long as that.
sub filled { my ($rest) = @_; return sub { my ($j) = @_; my $n = ($rest - length($j) - 9) % 3; return $j =~ s/\}\z/,"pad":"@{['x' x $n]}"}/r } }

my $now = time;
my $ABSENT = '01900000-0000-7000-8000-000000000000';
my %ELSEWHERE = (jku => 'http://127.0.0.1:9/jwks', x5u => 'http://127.0.0.1:9/x5u', x5c => ['MIIB'],
    jwk => { kty => 'oct', k => encode_base64url('x' x 64) }, x5t => 'AAAA', crit => ['exp'], b64 => false, zip => 'DEF', cty => 'JWT', enc => 'A256GCM');
my %ALGS = (HS384 => \&hmac_sha384, HS512 => \&hmac_sha512, map { $_ => \&hmac_sha256 } qw(RS256 RS512 ES256 ES256K PS256 EdDSA none None NONE nOnE hs256), '');
my @KIDS = ('../../dev/null', '/dev/null', '/etc/passwd', "' UNION SELECT 'x' --", '0', '', 'x' x 100, '$(id)', "\x{0}");

my @TOKENS = (
    # the signature
    ['signed with another key',   { key => 'x' x 64 }],
    ['signed with an empty key',  { key => '' }],
    ["signed with the bridge's secret", sub { token(key => secret('bridge_secret')) }],
    ['without a signature',       { no_signature => 1 }],
    ["with another token's signature", sub { parts(sub { ($_[0], $_[1], (split /\./, token(claims => { jti => 'x' }))[2]) }) }],
    ['with half its signature',   sub { parts(sub { (@_[0, 1], substr $_[2], 0, 21) }) }],
    ['with the signature of SHA-256 alone', { sign => sub { sha256($_[0]) } }],
    ['with a signature of zeros', { sign => sub { "\0" x 32 } }],
    # the algorithm, in the header
    map({ ["of algorithm '$_', signed", { head => { alg => $_ }, sign => $ALGS{$_} }],
          ["of algorithm '$_', not signed", { head => { alg => $_ }, no_signature => 1 }] } sort keys %ALGS),
    ['of RS256, with bytes as many as its signature has', { head => { alg => 'RS256' }, sign => sub { "\1" x 256 } }],
    ['of no algorithm',           { head => { alg => undef } }],
    ['of an algorithm that is a list', { head => { alg => ['HS256'] } }],
    # what else the header says
    map({ ["with $_ in its header", { head => { $_ => $ELSEWHERE{$_} } }] } sort keys %ELSEWHERE),
    ['signed by the key that its header brings', { head => { jwk => $ELSEWHERE{jwk} }, key => 'x' x 64 }],
    map({ my $kid = $_; ["with the kid " . substr(json($kid), 0, 30), { head => { kid => $kid } }] } @KIDS),
    ['signed by the empty file that its kid names', { head => { kid => '../../dev/null' }, key => '' }],
    ['without a kid',             { head => { kid => undef } }],
    ['of another typ',            { head => { typ => 'at+jwt' } }],
    ['without a typ',             { head => { typ => undef } }],
    ['with alg twice, none first', { head_text => sub { $_[0] =~ s/\{/{"alg":"none",/r } }],
    ['with alg twice, none last', { head_text => sub { $_[0] =~ s/\}\z/,"alg":"none"}/r } }],
    ['with a space in its header', { head_text => sub { "$_[0] " } }],
    ['whose header is a list',    { head_text => sub { "[$_[0]]" } }],
    # the claims
    ['of another issuer',         { claims => { iss => 'somebody' } }],
    ['without an issuer',         { claims => { iss => undef } }],
    ['for another audience',      { claims => { aud => 'somebody' } }],
    ['for several audiences',     { claims => { aud => ['mod_whatsapp', 'somebody'] } }],
    ['for no audience',           { claims => { aud => undef } }],
    ['without a subject',         { claims => { sub => undef } }],
    ['whose subject is a number', { claims => { sub => 1 } }],
    ['without an id',             { claims => { jti => undef } }],
    ['of no login',               { claims => { sid => undef } }],
    ['whose login is no id',      { claims => { sid => "x' OR true --" } }],
    ['whose login is not there',  { claims => { sid => $ABSENT } }],
    ['without an end',            { claims => { exp => undef } }],
    ['whose end is a text',       { claims => { exp => $now + 600 . '' } }],
    ['whose end is a text of letters', { claims => { exp => 'never' } }],
    ['whose end is in a list',    { claims => { exp => [$now + 600] } }],
    ['whose end is true',         { claims => { exp => true } }],
    ['whose end is a fraction',   { claims_text => sub { $_[0] =~ s/("exp":\d+)/$1.5/r } }],
    ['whose end is beyond 2^63',  { claims_text => sub { $_[0] =~ s/"exp":\d+/"exp":9223372036854775808/r } }],
    ['whose end was',             { claims => { exp => $now - 1, iat => $now - 901 } }],
    ['whose end is before its beginning', { claims => { iat => $now, exp => $now - 10 } }],
    ['without a time of issue',   { claims => { iat => undef } }],
    ['that is not valid yet',     { claims => { nbf => $now + 600 } }],
    ['not valid before a text',   { claims => { nbf => 'now' } }],
    ['of the future',             { claims => { iat => $now + 600 } }],
    ['with its end twice',        { claims_text => sub { $_[0] =~ s/\}\z/sprintf ',"exp":%d}', $now + 800/er } }],
    ['with its subject twice',    { claims_text => sub { $_[0] =~ s/\{/{"sub":"$ABSENT",/r } }],
    ['with NUL in a claim',       { claims_text => sub { $_[0] =~ s/\}\z/,"x":"\\u0000"}/r } }],
    ['with a second object',      { claims_text => sub { "$_[0]$_[0]" } }],
    ['whose claims are a list',   { claims_text => sub { "[$_[0]]" } }],
    ['whose claims are no JSON',  { claims_text => sub { 'x' } }],
    # base64url, parts, bytes
    ['with padding',              sub { "$token=" }],
    ['with padded claims',        { claims_text => filled(2), claims64 => sub { "$_[0]=" } }],
    ['with a bit more in its claims', { claims_text => filled(2), claims64 => \&last_bits }],
    ['with a bit more in its signature', sub { last_bits($token) }],
    ['in base64 with + and /',    { claims64 => sub { my ($t) = @_; return "+/$t" } }],
    ['of two parts',              sub { parts(sub { @_[0, 1] }) }],
    ['of four parts',             sub { "$token.x" }],
    ['of five parts, as JWE has', sub { join '.', encode_base64url('{"alg":"dir","enc":"A256GCM"}'), '', map { encode_base64url($_ x 16) } qw(i c t) }],
    ['of empty parts',            sub { '..' }],
    ['with an empty header',      sub { parts(sub { ('', @_[1, 2]) }) }],
    ['with empty claims',         sub { parts(sub { ($_[0], '', $_[2]) }) }],
    ['with its parts exchanged',  sub { parts(sub { @_[1, 0, 2] }) }],
    ['cut off',                   sub { substr $token, 0, -1 }],
    ['twice',                     sub { "$token$token" }],
    ['with another behind a comma', sub { "$token, $token" }],
    ['with %2e between its parts', sub { $token =~ s/\./%2e/gr }],
    ['of 6,000 bytes',            { claims_text => sub { $_[0] =~ s/\}\z/,"pad":"@{['x' x 4200]}"}/r } }],
    # tokens of another kind, and of an end
    ['that refreshes a login',    sub { login()->{json}{refresh_token} }],
    ['of a login that has ended', sub { my $t = login()->{json}{access_token}; api(POST => '/auth/logout', key => $t); return $t }],
);
my (%tried, @accepted);
it 'a token made here like the server makes it is good' => sub {
    forgive();
    return (api(GET => '/session/status', key => token())->{status}, 200);
};
it 'so it is with a claim more, of any length' => sub {
    return ([map { api(GET => '/session/status', key => token(claims_text => filled($_)))->{status} } 0 .. 2], [200, 200, 200]);
};
for my $t (@TOKENS) {
    my ($what, $how) = @$t;
    it "a token $what: 401" => sub {
        my $text = ref $how eq 'CODE' ? $how->() : token(%$how);
        my $r = api(GET => '/session/status', key => $text);
        $tried{$text} = 1;
        push @accepted, $what if $r->{status} < 400;
        return problem($r, 401, 'invalid_token', challenge => 'Bearer realm="mod_whatsapp", error="invalid_token"');
    };
}
# What a decent client doesn't send; most of it is refused by httpd already.
for my $o (['with NUL behind it', "\0"], ['with bytes over 127', "\xc3\xa9"], ['with a line break in it', "\r\n x"], ['of 64 KiB', 'A' x 65536]) {
    my ($what, $tail) = @$o;
    it "a token $what is refused" => sub {
        my ($status) = raw("GET /api/session/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer $token$tail\r\nConnection: close\r\n\r\n") =~ m{\AHTTP/1\.1 (\d+)};
        $tried{"$token$tail"} = 1;
        push @accepted, $what if ($status || 0) < 400;
        return ($status, qr/\A4(00|01|31)\z/);
    };
}
it 'of at least forty hostile tokens, none that equals another, none was accepted' => sub {
    show(sprintf '%d hostile tokens, %d accepted', scalar keys %tried, scalar @accepted);
    return ([keys %tried >= 40 ? 'forty' : scalar keys %tried, @accepted], ['forty']);
};
it 'a token that has expired says so' => sub {
    my $r = api(GET => '/session/status', key => token(claims => { exp => $now - 1, iat => $now - 901 }));
    return ([$r->{status}, $r->{json}{code}, $r->{json}{detail}], [401, 'invalid_token', qr/expired/]);
};
it 'every bit of the signature counts' => sub {
    my ($text, $sig) = $token =~ /\A(.*)\.(.*)\z/;
    my @good;
    for my $i (0, 15, 31) {
        my $bytes = decode_base64url($sig);
        vec($bytes, $i * 8, 1) ^= 1;
        push @good, $i if api(GET => '/session/status', key => "$text." . encode_base64url($bytes))->{status} != 401;
    }
    return (\@good, []);
};

# --- roles ------------------------------------------------------------------

my @ADMIN = (
    [GET => '/users'], [POST => '/users'], [GET => "/users/ID"], [POST => "/users/ID/keys"],
);
for my $a (@ADMIN) {
    my ($method, $path) = @$a;
    for my $who ('key', 'token') {
        it "$method $path with a user's $who: 403" => sub {
            my $r = api($method, $path =~ s/ID/$user->{id}/r, key => $who eq 'key' ? $user->{key} : $token,
                $method eq 'POST' ? (body => { name => 'x' }) : ());
            return problem($r, 403, 'forbidden');
        };
    }
    it "$method $path with nothing: 401" => sub {
        return problem(api($method, $path =~ s/ID/$user->{id}/r), 401, 'unauthorized');
    };
}
it 'a role in the token counts for nothing: the database tells' => sub {
    return problem(api(GET => '/users', key => token(claims => { role => 'admin' })), 403, 'forbidden');
};
it 'nothing was made by these' => sub {
    return (db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}'"), 1);
};
it "an admin's key opens the admin's routes" => sub {
    my $boss = new_user(role => 'admin');
    my $key = new_key($boss->{id}, scopes => ['admin']);
    return (api(GET => '/users?limit=1', key => $key->{key})->{status}, 200);
};
it 'X-API-Key is as good as Authorization' => sub {
    return (api(GET => '/session/status', headers => { 'X-API-Key' => $user->{key} })->{status}, 200);
};

# --- what is another's ------------------------------------------------------

it "another user's message is as if it were not there" => sub {
    my ($owner, $other) = (new_user(), new_user());
    link_phone($owner);
    my $id = send_text($owner, phone(), 'mine')->{json}{id};
    my $absent = '01900000-0000-7000-8000-000000000000';
    my @r = map { my $r = api(GET => "/messages/$_", key => $other->{key}, headers => { 'X-Request-ID' => 'same' });
        [$r->{status}, $r->{content}, header($r, 'Content-Type')] } $id, $absent;
    return ([message($owner, $id)->{content}, $r[0][0], $r[0]], ['mine', 404, $r[1]]);
};
it 'not even to an admin, by his key' => sub {
    my ($owner, $boss) = (new_user(), new_user(role => 'admin'));
    link_phone($owner);
    my $id = send_text($owner, phone(), 'mine')->{json}{id};
    return problem(api(GET => "/messages/$id", key => $boss->{key}), 404, 'not_found');
};

# --- the internal side ------------------------------------------------------

my $batch = { bridge_id => '01900000-0000-7000-8000-00000000b001', mode => 'sandbox', events => [] };
for my $i (['nothing', undef], ['a wrong secret', 'x' x 64], ["the bridge's secret", 'bridge_secret']) {
    my ($what, $key) = @$i;
    it "events with $what: 401" => sub {
        $key = secret($key) if $key && $key =~ /_/;
        return problem(internal('/events', body => $batch, $key ? (key => $key) : ()), 401, 'unauthorized');
    };
}
it "events with a user's key: 401" => sub {
    return problem(internal('/events', body => $batch, key => $user->{key}), 401, 'unauthorized');
};
it 'events are not taken on the public port' => sub {
    my $r = call(POST => "$ENV{WA_TEST_BASE_URL}/internal/v1/events", body => $batch, key => secret('internal_secret'));
    return ($r->{status} == 404 || $r->{status} == 403 ? 'no' : $r->{content}, 'no');
};
it 'the API is not served on the internal port' => sub {
    my $r = call(GET => "$ENV{WA_TEST_INTERNAL_URL}/api/health/live");
    return ($r->{status}, 403);
};

run_tests;
