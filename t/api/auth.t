# Logins, access tokens and roles.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(hmac_sha256 hmac_sha512);
use MIME::Base64 qw(decode_base64url encode_base64url);
use WA::Test;

my $PASSWORD = 'correct horse';
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
sub token {
    my (%o) = @_;
    my ($head, $claims) = map { JSON::PP->new->decode(decode_base64url($_)) } (split /\./, $token)[0, 1];
    my %claims = (%$claims, %{ $o{claims} || {} });
    delete $claims{$_} for grep { !defined $claims{$_} } keys %claims;
    my $text = join '.', map { encode_base64url(json($_)) } { %$head, %{ $o{head} || {} } }, \%claims;
    my $sign = $o{sign} || \&hmac_sha256;
    return "$text." . ($o{no_signature} ? '' : encode_base64url($sign->($text, $o{key} || secret('jwt_secret'))));
}

my $now = time;
my @TOKENS = (
    ['signed with another key',   { key => 'x' x 64 }],
    ['without a signature',       { no_signature => 1 }],
    ['of algorithm none',         { head => { alg => 'none' }, no_signature => 1 }],
    ['of algorithm none, signed', { head => { alg => 'none' } }],
    ['of algorithm None',         { head => { alg => 'None' }, no_signature => 1 }],
    ['of HS512',                  { head => { alg => 'HS512' }, sign => \&hmac_sha512 }],
    ['of RS256, signed by HMAC',  { head => { alg => 'RS256' } }],
    ['with another kid',          { head => { kid => '../../dev/null' } }],
    ['of another typ',            { head => { typ => 'at+jwt' } }],
    ['of another issuer',         { claims => { iss => 'somebody' } }],
    ['for another audience',      { claims => { aud => 'somebody' } }],
    ['without a subject',         { claims => { sub => undef } }],
    ['of no login',               { claims => { sid => undef } }],
    ['whose login is no id',      { claims => { sid => "x' OR true --" } }],
    ['whose login is not there',  { claims => { sid => '01900000-0000-7000-8000-000000000000' } }],
    ['without an end',            { claims => { exp => undef } }],
    ['that is not valid yet',     { claims => { nbf => $now + 600 } }],
    ['of the future',             { claims => { iat => $now + 600 } }],
);
it 'a token made here like the server makes it is good' => sub {
    return (api(GET => '/session/status', key => token())->{status}, 200);
};
for my $t (@TOKENS) {
    my ($what, $o) = @$t;
    it "a token $what: 401" => sub {
        return problem(api(GET => '/session/status', key => token(%$o)), 401, 'invalid_token',
            challenge => 'Bearer realm="mod_whatsapp", error="invalid_token"');
    };
}
it 'a token that has expired: 401, and it says so' => sub {
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
