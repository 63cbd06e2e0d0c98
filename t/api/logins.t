# Logins over REST: refresh tokens are used once, a cookie changes things only
# for its own pages, what was ended is ended, failed tries cost time.
use strict;
use warnings FATAL => 'all';

use File::Temp ();
use WA::Test;

my $PASSWORD = 'correct horse battery';
my ($user, $origin) = (undef, $WA::HTTP::URL{api} =~ m{\A(http://[^/]+)});

sub forgive { db('DELETE FROM login_failures'); return }
# A login by cookie is one of our own pages'.
sub login { my (%o) = @_; return login_from($o{cookie} ? { 'Sec-Fetch-Site' => 'same-origin' } : {}, %o) }
sub login_from { my ($headers, %o) = @_; return api(POST => '/auth/login', headers => $headers, body => { username => $user->{username}, password => $PASSWORD, %o }) }
sub tokens { my $r = login(@_); die "login: $r->{status} $r->{content}\n" if $r->{status} != 200; return $r->{json} }
sub refresh { my ($t) = @_; return api(POST => '/auth/refresh', body => { refresh_token => $t }) }
sub works { my ($t) = @_; return api(GET => '/auth/me', key => $t)->{status} }
sub login_id { my ($t) = @_; return api(GET => '/auth/me', key => $t)->{json}{login_id} }

step 'a user with a password' => sub {
    forgive();
    $user = new_user(password => $PASSWORD);
    return (login()->{status}, 200);
};

# --- refresh ------------------------------------------------------------------

it 'a refresh gives new tokens, which work' => sub {
    my $old = tokens();
    my $new = refresh($old->{refresh_token});
    return ([$new->{status}, $new->{json}{token_type}, $new->{json}{refresh_token} ne $old->{refresh_token} ? 'another' : 'the same',
            works($new->{json}{access_token}), refresh($new->{json}{refresh_token})->{status}],
        [200, 'Bearer', 'another', 200, 200]);
};
it 'a login does not live longer by it' => sub {
    my $old = tokens();
    return (refresh($old->{refresh_token})->{json}{login_expires_at}, $old->{login_expires_at});
};
it 'a token that was used already ends the login, for whoever has the newer one too' => sub {
    my $old = tokens();
    my $new = refresh($old->{refresh_token})->{json};
    my $stolen = refresh($old->{refresh_token});
    return ([$stolen->{status}, $stolen->{json}{code}, refresh($new->{refresh_token})->{status}, works($new->{access_token}), works($old->{access_token})],
        [401, 'invalid_refresh_token', 401, 401, 401]);
};
it 'the reuse stands in the audit' => sub {
    my $old = tokens();
    refresh($old->{refresh_token}) for 1, 2;
    return (db("SELECT count(*) FROM audit_log WHERE action = 'login.reuse' AND '$user->{id}' IN (actor_id::text, target_id)") > 0 ? 1 : 0, 1);
};
it 'of ten at a time with one token, at most one gets new ones' => sub {
    my $old = tokens();
    my @got = parallel(10, sub { refresh($old->{refresh_token})->{status} }, 1 .. 10);
    my $good = grep { $_ == 200 } @got;
    return ([$good <= 1 ? 'at most one' : $good, grep { $_ != 200 && $_ != 401 } @got], ['at most one']);
};
for my $bad ('x', 'x' x 128, '', 'wrt_' . 'A' x 43) {
    it 'not a refresh token: ' . substr($bad, 0, 20) => sub {
        my $r = refresh($bad);
        return ($r->{status} . " $r->{json}{code}", $bad eq '' ? '422 validation_failed' : '401 invalid_refresh_token');
    };
}
it 'an access token is no refresh token, nor the other way round' => sub {
    my $t = tokens();
    return ([refresh(substr $t->{access_token}, 0, 128)->{status}, works($t->{refresh_token})], [401, 401]);
};
it 'a user who is suspended refreshes nothing' => sub {
    my $other = new_user(password => $PASSWORD);
    my $t = api(POST => '/auth/login', body => { username => $other->{username}, password => $PASSWORD })->{json};
    admin(PATCH => "/users/$other->{id}", { is_active => false });
    return ([works($t->{access_token}), refresh($t->{refresh_token})->{status}], [401, 401]);
};

# --- the cookie -----------------------------------------------------------------

my ($cookie, $csrf);
my $NAME = '__Host-whatsapp';

sub with_cookie {
    my ($method, $path, %headers) = @_;
    return api($method, $path, headers => { Cookie => "$NAME=$cookie", %headers }, $method eq 'GET' ? () : (body => {}));
}

step 'a login by cookie shows no token, and a cookie no script can read' => sub {
    my $r = login(cookie => true);
    my $set = header($r, 'Set-Cookie');
    ($cookie) = $set =~ /\A\Q$NAME\E=([^;]+)/;
    $csrf = $r->{json}{csrf_token};
    return ([$r->{status}, pick($r->{json}, qw(access_token refresh_token username)), $set =~ s/=[^;]+/=…/r],
        [200, { access_token => '(absent)', refresh_token => '(absent)', username => $user->{username} },
            qr/\A\Q$NAME\E=…; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Strict\z/]);
};
my @FROM = (
    ['our own page', { 'Sec-Fetch-Site' => 'same-origin' }, 200],
    ['our origin', { Origin => $origin }, 200],
    ['another site', { 'Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.example' }, 403],
    ['another subdomain', { 'Sec-Fetch-Site' => 'same-site' }, 403],
    ['another site that names our origin', { 'Sec-Fetch-Site' => 'cross-site', Origin => $origin }, 403],
    ['another origin', { Origin => 'https://evil.example' }, 403],
    ['another port', { Origin => "${origin}0" }, 403],
    ['the origin null', { Origin => 'null' }, 403],
    ['nowhere', {}, 403],
);
for my $c (@FROM) {
    my ($what, $headers, $status) = @$c;
    it "a login by cookie from $what: $status" => sub {
        my $before = db("SELECT count(*) FROM logins WHERE user_id = '$user->{id}'");
        my $r = login_from($headers, cookie => true);
        my $made = db("SELECT count(*) FROM logins WHERE user_id = '$user->{id}'") - $before;
        return ([$r->{status}, header($r, 'Set-Cookie') ? 'a cookie' : 'none', $made, $status == 403 ? $r->{json}{code} : ()],
            $status == 200 ? [200, 'a cookie', 1] : [403, 'none', 0, 'csrf_failed']);
    };
}
it 'no form can send it: another type of body is refused' => sub {
    my $body = qq({"username":"$user->{username}","password":"$PASSWORD","cookie":true});
    my @r = map { api(POST => '/auth/login', body => $body, headers => { 'Content-Type' => $_, 'Sec-Fetch-Site' => 'same-origin' })->{status} }
        'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x';
    return (\@r, [415, 415, 415]);
};
it 'a login for tokens sets nothing in a browser: it may come from anywhere' => sub {
    my $r = login_from({ 'Sec-Fetch-Site' => 'cross-site', Origin => 'https://evil.example' });
    return ([$r->{status}, header($r, 'Set-Cookie')], [200, undef]);
};
it 'it reads without more' => sub { return (with_cookie(GET => '/auth/me')->{json}{username}, $user->{username}) };
my @CSRF = (
    ['with its token and from our own page', { 'X-CSRF-Token' => 'TOKEN', 'Sec-Fetch-Site' => 'same-origin' }, 409],
    ['with its token and our origin', { 'X-CSRF-Token' => 'TOKEN', Origin => $origin }, 409],
    ['without its token', { 'Sec-Fetch-Site' => 'same-origin' }, 403],
    ['with another token', { 'X-CSRF-Token' => 'x' x 43, 'Sec-Fetch-Site' => 'same-origin' }, 403],
    ['from another site', { 'X-CSRF-Token' => 'TOKEN', 'Sec-Fetch-Site' => 'cross-site' }, 403],
    ['from another subdomain', { 'X-CSRF-Token' => 'TOKEN', 'Sec-Fetch-Site' => 'same-site' }, 403],
    ['with another origin', { 'X-CSRF-Token' => 'TOKEN', Origin => 'https://evil.example' }, 403],
    ['with the origin null', { 'X-CSRF-Token' => 'TOKEN', Origin => 'null' }, 403],
);
for my $c (@CSRF) {
    my ($what, $headers, $status) = @$c;
    it "a change $what: $status" => sub {
        my %h = %$headers;
        $h{'X-CSRF-Token'} = $csrf if ($h{'X-CSRF-Token'} || '') eq 'TOKEN';
        # No phone is linked: what gets past the guard is answered 409.
        my $r = with_cookie(POST => '/session/disconnect', %h);
        return ([$r->{status}, $status == 403 ? $r->{json}{code} : ()], [$status, $status == 403 ? 'csrf_failed' : ()]);
    };
}
it "another login's token is none of this one" => sub {
    my $other = login(cookie => true)->{json}{csrf_token};
    return (with_cookie(POST => '/session/disconnect', 'X-CSRF-Token' => $other, 'Sec-Fetch-Site' => 'same-origin')->{status}, 403);
};
it 'logout ends it on the server, and clears the cookie' => sub {
    my $r = with_cookie(POST => '/auth/logout', 'X-CSRF-Token' => $csrf, 'Sec-Fetch-Site' => 'same-origin');
    return ([$r->{status}, header($r, 'Set-Cookie'), with_cookie(GET => '/auth/me')->{status}],
        [204, qr/\A\Q$NAME\E=; Path=\/; Max-Age=0;/, 401]);
};

# --- logout, list, end ----------------------------------------------------------

it 'logout: neither token works any more' => sub {
    my $t = tokens();
    my $r = api(POST => '/auth/logout', key => $t->{access_token}, body => {});
    return ([$r->{status}, works($t->{access_token}), refresh($t->{refresh_token})->{status}], [204, 401, 401]);
};
it 'a key has no login to end' => sub {
    my $key = new_key($user->{id}, scopes => ['account:manage'])->{key};
    return (api(POST => '/auth/logout', key => $key, body => {})->{status}, 409);
};
it "one's logins are listed, the present one marked, and can be ended" => sub {
    my ($here, $there) = (tokens(), tokens());
    my $list = api(GET => '/auth/logins', key => $here->{access_token})->{json}{data};
    my @current = map { $_->{id} } grep { $_->{current} } @$list;
    my $other = login_id($there->{access_token});
    my $end = api(DELETE => "/auth/logins/$other", key => $here->{access_token});
    return ([\@current, (grep { $_->{id} eq $other } @$list) ? 'listed' : 'not listed', $list->[0]{address}, $end->{status},
            works($there->{access_token}), works($here->{access_token})],
        [[login_id($here->{access_token})], 'listed', '127.0.0.1', 204, 401, 200]);
};
it "another's login can not be ended" => sub {
    my $other = new_user(password => $PASSWORD);
    my $mine = tokens();
    my $theirs = api(POST => '/auth/login', body => { username => $other->{username}, password => $PASSWORD })->{json};
    my $r = api(DELETE => '/auth/logins/' . login_id($theirs->{access_token}), key => $mine->{access_token});
    return ([$r->{status}, works($theirs->{access_token})], [404, 200]);
};

# --- an admin, and others' logins --------------------------------------------------

sub logins_of { my ($id) = @_; return api(GET => "/users/$id/logins", key => admin_token()) }
sub end_of { my ($id, $login) = @_; return api(DELETE => "/users/$id/logins/$login", key => admin_token()) }
sub password_user {
    my $who = new_user(password => 'correct horse battery');
    my $t = api(POST => '/auth/login', body => { username => $who->{username}, password => 'correct horse battery' })->{json};
    return ($who, $t->{access_token}, $t->{refresh_token});
}

it "an admin sees a user's logins, of that user only" => sub {
    my ($who, $token) = password_user();
    my $id = login_id($token);
    my $r = logins_of($who->{id});
    return ([$r->{status}, $r->{json}{next_cursor}, map { pick($_, qw(id kind address current)) } @{ $r->{json}{data} }],
        [200, undef, { id => $id, kind => 'token', address => '127.0.0.1', current => false }]);
};
it 'of who was never logged in: none' => sub { return (logins_of(new_user()->{id})->{json}{data}, []) };
it 'ended by an admin: its token is good no more, for any process of the server; the key is' => sub {
    my ($who, $token, $refresh) = password_user();
    my $id = login_id($token);
    my @before = parallel(16, sub { works($token) }, 1 .. 32);
    my $end = end_of($who->{id}, $id);
    my @after = parallel(16, sub { works($token) }, 1 .. 32);
    return ([$end->{status}, $end->{content}, (grep { $_ != 200 } @before), (grep { $_ != 401 } @after), 
            refresh($refresh)->{status}, works($who->{key}), logins_of($who->{id})->{json}{data}],
        [204, '', 401, 200, []]);
};
it 'so is a cookie' => sub {
    my $set = header(login(cookie => true), 'Set-Cookie');
    ($cookie) = $set =~ /=([^;]+)/;
    my $me = with_cookie(GET => '/auth/me')->{json};
    return ([end_of($user->{id}, $me->{login_id})->{status}, with_cookie(GET => '/auth/me')->{status}], [204, 401]);
};
it 'the audit says whose it was' => sub {
    my ($who, $token) = password_user();
    my $id = login_id($token);
    end_of($who->{id}, $id);
    return (db("SELECT actor || ' ' || (detail::jsonb->>'user_id') FROM audit_log WHERE action = 'login.end' AND target_id = '$id'"), "admin $who->{id}");
};
it 'not found: one that has ended, that there never was, that is no id, that is of another user, of no user' => sub {
    my ($who, $token) = password_user();
    my $id = login_id($token);
    my $other = new_user();
    my $absent = '01900000-0000-7000-8000-000000000000';
    my @r = map { end_of(@$_) } [$who->{id}, $absent], [$who->{id}, 'x'], [$other->{id}, $id], [$absent, $id], ['x', $id];
    my $still = works($token);
    end_of($who->{id}, $id);
    push @r, end_of($who->{id}, $id);
    my %seen = map { join(' ', $_->{status}, $_->{json}{code}) => 1 } @r, map { logins_of($_) } $absent, 'x';
    return ([[keys %seen], $still], [['404 not_found'], 200]);
};
it 'only for an admin' => sub {
    my ($who, $token) = password_user();
    my $id = login_id($token);
    my $key = new_key($who->{id}, scopes => ['account:manage'])->{key};
    my @r = map { (api(GET => "/users/$who->{id}/logins", key => $_)->{status}, api(DELETE => "/users/$who->{id}/logins/$id", key => $_)->{status}) } $token, $key;
    return ([@r, works($token)], [(403) x 4, 200]);
};

# --- their ends ----------------------------------------------------------------

# The clock is that of the database, so it is its rows that are set back. What
# Redis knows of a credential goes with it.
sub set_back {
    my ($column, $by) = @_;
    db("UPDATE logins SET $column = now() - interval '$by' WHERE user_id = '$user->{id}' AND revoked_at IS NULL");
    command('redis-cli', '-s', $ENV{WA_TEST_REDIS_SOCKET}, 'FLUSHALL');
    return;
}
it 'a cookie that was not used for half an hour is none; one in use stays' => sub {
    ($cookie) = header(login(cookie => true), 'Set-Cookie') =~ /=([^;]+)/;
    my @got = with_cookie(GET => '/auth/me')->{status};
    set_back(last_used_at => '29 min');
    push @got, with_cookie(GET => '/auth/me')->{status};
    set_back(last_used_at => '31 min');
    return ([@got, with_cookie(GET => '/auth/me')->{status}], [200, 200, 401]);
};
it 'after twelve hours a login ends, however much it is used' => sub {
    ($cookie) = header(login(cookie => true), 'Set-Cookie') =~ /=([^;]+)/;
    my $t = tokens();
    my $longest = db("SELECT max(extract(epoch FROM expires_at - created_at))::integer FROM logins WHERE user_id = '$user->{id}'");
    my @before = (with_cookie(GET => '/auth/me')->{status}, works($t->{access_token}));
    set_back(expires_at => '1 s');
    return ([$longest, @before, with_cookie(GET => '/auth/me')->{status}, works($t->{access_token}), refresh($t->{refresh_token})->{status}],
        [43200, 200, 200, 401, 401, 401]);
};

# --- passwords ------------------------------------------------------------------

it 'a changed password: the old one is none, other logins end, this one and keys go on' => sub {
    my ($here, $there) = (tokens(), tokens());
    my $r = api(POST => '/auth/password', key => $here->{access_token},
        body => { current_password => $PASSWORD, new_password => 'another long password' });
    my $old = login()->{status};
    $PASSWORD = 'another long password';
    return ([$r->{status}, $old, login()->{status}, works($there->{access_token}), works($here->{access_token}), works($user->{key})],
        [204, 401, 200, 401, 200, 200]);
};
it 'not without the present one' => sub {
    my $t = tokens();
    my $r = api(POST => '/auth/password', key => $t->{access_token}, body => { current_password => 'wrong', new_password => 'yet another long one' });
    forgive();
    return ([$r->{status}, login()->{status}], [401, 200]);
};
it 'a short one is refused' => sub {
    my $t = tokens();
    my $r = api(POST => '/auth/password', key => $t->{access_token}, body => { current_password => $PASSWORD, new_password => 'short' });
    return ($r->{status}, 422);
};
my %GUESSED = (
    'a common one twice' => 'passwordpassword', 'digits in a row' => '123456789012345', 'a row of keys' => 'qwertyuiopasdfgh',
    'one letter' => 'a' x 40, 'with figures for letters' => 'P@ssw0rdP@ssw0rd1', 'our own name' => 'WhatsAppWhatsApp1',
);
for my $what (sort keys %GUESSED) {
    it "one that is guessed soon is refused, and nothing changed: $what" => sub {
        my $t = tokens();
        my $bad = $GUESSED{$what};
        my $n = unique('u');
        my @r = (api(POST => '/auth/password', key => $t->{access_token}, body => { current_password => $PASSWORD, new_password => $bad }),
            api(POST => "/users/$user->{id}/password", key => admin_token(), body => { new_password => $bad }),
            api(POST => '/users', key => admin_token(), body => { username => $n, email => "$n\@example.org", password => $bad }));
        return ([(map { ($_->{status}, map { "$_->{pointer} $_->{code}" } @{ $_->{json}{errors} || [] }) } @r), login()->{status},
                db("SELECT count(*) FROM users WHERE username = '$n'")],
            [(422, '/new_password guessable') x 2, 422, '/password guessable', 200, 0]);
    };
}
it 'nor does whatsappd make an admin of it, and it says why' => sub {
    my $file = File::Temp->new;
    print {$file} "passwordpassword\n";
    close $file or die "$file: $!\n";
    my $n = unique('boss');
    my $said = eval { command("$ENV{WA_TEST_BUILD_DIR}/whatsappd", '-c', $ENV{WA_TEST_WHATSAPPD_CONF}, '--create-admin', $n, '--password-file', "$file"); 1 } ? 'made' : $@;
    return ([$said, db("SELECT count(*) FROM users WHERE username = '$n'")], [qr/$n was not made: .*\nwhatsappd: password is among the first that are guessed/, 0]);
};
it "nor is the user's name or address a password" => sub {
    my $n = unique('quite-a-long-name-');
    my @r = map { api(POST => '/users', key => admin_token(), body => { username => $n, email => "$n\@example.org", password => $_ }) }
        $n, uc $n, "$n$n", "$n\@example.org";
    return ([map { ($_->{status}, $_->{json}{errors}[0]{code}) } @r], [(422, 'guessable') x 4]);
};
it 'whoever has such a password from earlier logs in with it' => sub {
    my $who = new_user();
    # Of 'password', at today's cost.
    db("UPDATE users SET password_hash = '\$argon2id\$v=19\$m=19456,t=2,p=1\$OkK6Ycbe0vOvV2JMxvJNpQ\$fIpMb3Yt3vEZpEpgaC9sAyzdnt27JrMFloJ7v6ceUug' WHERE id = '$who->{id}'");
    return (api(POST => '/auth/login', body => { username => $who->{username}, password => 'password' })->{status}, 200);
};
it 'fourteen characters are too few, fifteen are enough, whatever their bytes' => sub {
    my @r = map { api(POST => "/users/$user->{id}/password", key => admin_token(), body => { new_password => $_ }) }
        'xK7 qFm2 Zt9 w', "\x{e4}\x{f6}\x{fc}\x{20ac} qFm2 Zt9", 'xK7 qFm2 Zt9 wB';
    $PASSWORD = 'xK7 qFm2 Zt9 wB';
    return ([map { ($_->{status}, $_->{json} ? $_->{json}{errors}[0]{code} : ()) } @r], [422, 'length', 422, 'length', 204]);
};
it 'an admin sets a new one, and all logins end' => sub {
    my $t = tokens();
    admin(POST => "/users/$user->{id}/password", { new_password => 'set by the admin' });
    my $old = login()->{status};
    $PASSWORD = 'set by the admin';
    forgive();
    return ([$old, login()->{status}, works($t->{access_token})], [401, 200, 401]);
};

# Of the first password, at a lower cost than today's.
my $STALE = '$argon2id$v=19$m=8192,t=1,p=1$KzFUD99QIKAzou3F25rz7Q$/yngdkaSlsNvDnYyiS0vNW9F17HJePHbFVFSEDdSm4E';
sub hash_of { my ($who) = @_; return db("SELECT password_hash FROM users WHERE id = '$who->{id}'") }
sub version_of { my ($who) = @_; return db("SELECT concat_ws(' ', version, updated_at, password_changed_at) FROM users WHERE id = '$who->{id}'") }

it 'a hash at a lower cost is replaced by a login, and by nothing else; nobody else notices' => sub {
    my $who = new_user(password => 'correct horse battery');
    my $try = sub { return api(POST => '/auth/login', body => { username => $who->{username}, password => $_[0] })->{status} };
    db("UPDATE users SET password_hash = '$STALE' WHERE id = '$who->{id}'");
    my $version = version_of($who);
    my $wrong = $try->('correct horse batterx');
    my $still = hash_of($who);
    my $right = $try->('correct horse battery');
    my $fresh = hash_of($who);
    my @later = ($try->('correct horse battery'), hash_of($who), $try->('correct horse batterx'));
    forgive();
    return ([$wrong, $still, $right, $fresh, @later, version_of($who)],
        [401, $STALE, 200, qr/\A\$argon2id\$v=19\$m=19456,t=2,p=1\$/, 200, $fresh, 401, $version]);
};
it 'so it is by ten at a time' => sub {
    my $who = new_user(password => 'correct horse battery');
    my $try = sub { return api(POST => '/auth/login', body => { username => $who->{username}, password => 'correct horse battery' })->{status} };
    db("UPDATE users SET password_hash = '$STALE' WHERE id = '$who->{id}'");
    my @got = parallel(10, $try, 1 .. 10);
    forgive();
    return ([(grep { $_ == 200 } @got) ? 'some' : "none: @got", (grep { $_ != 200 && $_ != 429 } @got), hash_of($who), $try->()],
        ['some', qr/\A\$argon2id\$v=19\$m=19456,t=2,p=1\$/, 200]);
};

# --- failed tries ---------------------------------------------------------------

it 'after a few wrong ones the account waits, longer each time, also for the right password' => sub {
    forgive();
    my @r = map { login(password => "wrong $_") } 1 .. 12;
    my @waits = map { header($_, 'Retry-After') } grep { $_->{status} == 429 } @r;
    my $right = login();
    return ([scalar(grep { $_->{status} == 401 } @r) > 2 ? 'some are tried' : 'none', scalar @waits > 0 ? 'then they wait' : 'never', $right->{status}, $right->{json}{code}],
        ['some are tried', 'then they wait', 429, 'login_delayed']);
};
it 'the owner is not kept out elsewhere: it is this address that waits' => sub {
    my $others = db("SELECT count(*) FROM login_failures WHERE account <> '' AND address <> '127.0.0.1'");
    my $here = db("SELECT count(*) FROM login_failures WHERE account = lower('$user->{username}') AND address = '127.0.0.1'");
    return ([$here, $others], [1, 0]);
};
it 'Redis away: failed tries count all the same' => sub {
    forgive();
    stop_it('redis');
    my @r = map { login(password => "wrong $_")->{status} } 1 .. 12;
    start_it('redis');
    forgive();
    wait_ready();
    return ([scalar(grep { $_ == 429 } @r) > 0 ? 'they wait' : "never: @r", scalar grep { $_ >= 500 } @r], ['they wait', 0]);
};

run_tests;
