# Every change of accounts, keys, logins, others' sessions and configuration
# leaves its row: who, what, to what, from where, in which request. A route that
# changes something and is neither below nor among CONTENT fails.
use strict;
use warnings FATAL => 'all';

use WA::OpenAPI;
use WA::Test;

my $PASSWORD = 'a password long enough';
my ($user, $boss);

# What users do with their own sessions and messages: that is in the request log.
my $CONTENT = qr{\A/(?:messages|media|session|webhooks/\{id\}/(?:test|replay|deliveries))(?:/|\z)};

sub token { my ($who) = @_; return login($who)->{json}{access_token} }
sub login {
    my ($who, $password) = @_;
    return api(POST => '/auth/login', body => { username => $who->{username}, password => $password // $PASSWORD });
}
sub as_admin { my ($method, $path, $body) = @_; return [$method, $path, { key => token($boss), body => $body }] }
sub as_user { my ($method, $path, $body) = @_; return [$method, $path, { key => token($user), body => $body }] }
sub session {
    my $r = api(POST => '/session/init', key => $user->{key}, body => { session => unique('s') });
    return $r->{json}{id} || die "init: $r->{content}\n";
}
sub webhook {
    my ($key) = @_;
    return api(POST => '/webhooks', key => $key, body => { url => 'https://hooks.example.com/x', events => ['message.sent'] });
}

# route => [its action, who is the actor, sub giving [method, path, options]]
my %CHANGES = (
    'POST /auth/login' => ['login.ok', 'user', sub { [POST => '/auth/login', { body => { username => $user->{username}, password => $PASSWORD } }] }],
    'POST /auth/logout' => ['login.end', 'user', sub { as_user(POST => '/auth/logout', {}) }],
    'DELETE /auth/logins/{id}' => ['login.end', 'user', sub {
        my $id = api(GET => '/auth/me', key => token($user))->{json}{login_id};
        as_user(DELETE => "/auth/logins/$id") }],
    'POST /auth/password' => ['password.change', 'user', sub { as_user(POST => '/auth/password', { current_password => $PASSWORD, new_password => $PASSWORD }) }],
    'POST /users' => ['user.create', 'admin', sub { my $n = unique('u'); as_admin(POST => '/users', { username => $n, email => "$n\@example.org" }) }],
    'PATCH /users/{id}' => ['user.update', 'admin', sub { as_admin(PATCH => '/users/' . new_user()->{id}, { max_messages_per_day => 7 }) }],
    'DELETE /users/{id}' => ['user.delete', 'admin', sub { my $u = new_user(); as_admin(DELETE => "/users/$u->{id}?confirm=$u->{username}") }],
    'POST /users/{id}/password' => ['password.reset', 'admin', sub { as_admin(POST => '/users/' . new_user()->{id} . '/password', { new_password => $PASSWORD }) }],
    'POST /users/{id}/keys' => ['key.create', 'admin', sub { as_admin(POST => "/users/$user->{id}/keys", { name => 'x' }) }],
    'DELETE /users/{id}/logins/{login_id}' => ['login.end', 'admin', sub {
        my $id = api(GET => '/auth/me', key => token($user))->{json}{login_id};
        as_admin(DELETE => "/users/$user->{id}/logins/$id") }],
    'POST /users/{id}/session/init' => ['session.init', 'admin', sub { as_admin(POST => '/users/' . new_user()->{id} . '/session/init', {}) }],
    'POST /keys' => ['key.create', 'user', sub { as_user(POST => '/keys', { name => 'x' }) }],
    'PATCH /keys/{id}' => ['key.rename', 'user', sub { as_user(PATCH => '/keys/' . new_key($user->{id})->{id}, { name => 'y' }) }],
    'DELETE /keys/{id}' => ['key.revoke', 'user', sub { as_user(DELETE => '/keys/' . new_key($user->{id})->{id}) }],
    'POST /keys/{id}/rotate' => ['key.rotate', 'user', sub { as_user(POST => '/keys/' . new_key($user->{id})->{id} . '/rotate', {}) }],
    'POST /sessions/{id}/disconnect' => ['session.disconnect', 'admin', sub { as_admin(POST => '/sessions/' . session() . '/disconnect', {}) }],
    'POST /sessions/{id}/logout' => ['session.logout', 'admin', sub { as_admin(POST => '/sessions/' . session() . '/logout', {}) }],
    'POST /sessions/{id}/restart' => ['session.restart', 'admin', sub { as_admin(POST => '/sessions/' . session() . '/restart', {}) }],
    'POST /webhooks' => ['webhook.create', 'user', sub { as_user(POST => '/webhooks', { url => 'https://hooks.example.com/x', events => ['message.sent'] }) }],
    'PATCH /webhooks/{id}' => ['webhook.update', 'user', sub { as_user(PATCH => '/webhooks/' . webhook($user->{key})->{json}{id}, { url => 'https://hooks.example.com/y' }) }],
    'DELETE /webhooks/{id}' => ['webhook.delete', 'user', sub { as_user(DELETE => '/webhooks/' . webhook($user->{key})->{json}{id}) }],
    'POST /webhooks/{id}/rotate-secret' => ['webhook.rotate', 'user', sub { as_user(POST => '/webhooks/' . webhook($user->{key})->{json}{id} . '/rotate-secret', {}) }],
);
# A login that goes on changes nothing that anybody has to know of; its misuse does.
my %NOTHING = ('POST /auth/refresh' => 1);

sub routes { return map { $_->{route} } grep { $_->{method} ne 'GET' } operations() }
# The rows that a request left, by its id.
sub left {
    my ($id) = @_;
    return map { { action => $_->[0], actor => $_->[1], address => $_->[2], target => $_->[3] } } map { [split /\|/, $_, -1] }
        db("SELECT action, actor, address, target_id FROM audit_log WHERE request_id = '$id' ORDER BY id");
}
sub row { my ($action, $actor, $target) = @_; return { action => $action, actor => $actor, address => '127.0.0.1', target => $target // qr/\A[\w-]+\z/ } }

step 'a user and an administrator' => sub {
    $user = new_user(password => $PASSWORD, max_sessions => 50);
    $boss = new_user(password => $PASSWORD, role => 'admin');
    return ([map { login($_)->{status} } $user, $boss], [200, 200]);
};
it 'each route that changes something is one of these' => sub {
    my @unknown = grep { my ($path) = /\A\S+ (.*)/; !$CHANGES{$_} && !$NOTHING{$_} && $path !~ $CONTENT } routes();
    return ([scalar(routes()) > 15 ? 'many' : 'few', @unknown], ['many']);
};
my %there = map { $_ => 1 } routes();
for my $route (sort grep { $there{$_} } keys %CHANGES) {
    my ($action, $actor, $make) = @{ $CHANGES{$route} };
    it "$route: $action" => sub {
        my ($method, $path, $o) = @{ $make->() };
        my $id = unique('audit-');
        my $r = api($method, $path, ref $o->{body} ? () : (), map({ defined $o->{$_} ? ($_ => $o->{$_}) : () } qw(key body)), headers => { 'X-Request-ID' => $id });
        return ([$r->{status} < 300 ? 'done' : "$r->{status} $r->{content}", left($id)],
            ['done', row($action, $actor eq 'admin' ? $boss->{username} : $user->{username})]);
    };
    it "$route: a call that is refused leaves none" => sub {
        my ($method, $path, $o) = @{ $make->() };
        my $id = unique('audit-');
        my $r = api($method, $path, body => '{"no-such-field":1}', headers => { 'X-Request-ID' => $id }, $o->{key} ? (key => 'wak_x') : ());
        return ([$r->{status}, left($id)], [qr/\A4/]);
    };
}

# --- what is told in more detail --------------------------------------------

it 'a wrong password' => sub {
    my $id = unique('audit-');
    api(POST => '/auth/login', headers => { 'X-Request-ID' => $id }, body => { username => $user->{username}, password => 'wrong' });
    my @rows = left($id);
    db('DELETE FROM login_failures');
    return (\@rows, [row('login.failed', $user->{username}, qr/\A(?:[\w-]+)?\z/)]);
};
it 'an unknown user' => sub {
    my $id = unique('audit-');
    api(POST => '/auth/login', headers => { 'X-Request-ID' => $id }, body => { username => 'nobody-here', password => 'wrong' });
    my @rows = left($id);
    db('DELETE FROM login_failures');
    return (\@rows, [row('login.failed', 'nobody-here', '')]);
};
it 'a suspension, and its end' => sub {
    my $u = new_user();
    my @rows = map {
        my $id = unique('audit-');
        api(PATCH => "/users/$u->{id}", key => token($boss), headers => { 'X-Request-ID' => $id }, body => { is_active => $_ });
        left($id);
    } false, true;
    return ([map { $_->{action} } @rows], ['user.suspend', 'user.activate']);
};
it 'limits: what they were and what they are' => sub {
    my $u = new_user(max_messages_per_minute => 5);
    my $id = unique('audit-');
    api(PATCH => "/users/$u->{id}", key => token($boss), headers => { 'X-Request-ID' => $id }, body => { max_messages_per_minute => 9 });
    return (db("SELECT detail FROM audit_log WHERE request_id = '$id'"), qr/max_messages_per_minute.*\b9\b/);
};
for my $list (['/audit', 'export.audit'], ['/logs', 'export.logs']) {
    my ($path, $action) = @$list;
    for my $format (qw(csv ndjson)) {
        it "an export of $path as $format" => sub {
            my $id = unique('audit-');
            my $r = api(GET => "$path?format=$format", key => token($boss), headers => { 'X-Request-ID' => $id });
            my @rows = wait_until { my @rows = left($id); @rows ? \@rows : undef } 20, 'the row';
            return ([$r->{status}, map { $_->{action} } @{ $rows[0] }], [200, $action]);
        };
    }
}
it 'no secret is in any detail' => sub {
    my @bad = db("SELECT id FROM audit_log WHERE detail::text ~ 'wak_[A-Za-z0-9_-]{20}|war_|wac_|argon2|whsec_' OR detail::text LIKE '%$PASSWORD%'");
    return (\@bad, []);
};

# --- the chain finds what was altered ---------------------------------------

sub forced { db("ALTER TABLE audit_log DISABLE TRIGGER ALL; $_[0]; ALTER TABLE audit_log ENABLE TRIGGER ALL"); return }
# The row that whatsappd names, or 0 for an unbroken chain.
sub broken_at {
    my $out = eval { command("$ENV{WA_TEST_BUILD_DIR}/whatsappd", '-c', $ENV{WA_TEST_WHATSAPPD_CONF}, '--verify-audit') };
    return 0 if defined $out;
    return $@ =~ /broken at row (\d+)/ ? $1 : $@;
}
my @EDITS = (
    "actor = coalesce(actor, '') || 'x'", "address = '203.0.113.9'", "action = action || '.'", "target_type = coalesce(target_type, '') || 'x'",
    "target_id = coalesce(target_id, '') || 'x'", "request_id = coalesce(request_id, '') || 'x'", "at = at + interval '1 millisecond'",
    "actor_id = '01900000-0000-7000-8000-000000000000'", "hash = decode(repeat('00', 32), 'hex')", "detail = '{\"x\": 1}'",
);
it 'of a hundred alterations, each is found at its row' => sub {
    my ($first, $last) = split /\|/, db('SELECT min(id), max(id) FROM audit_log');
    my @wrong = broken_at() ? 'not whole before' : ();
    for my $i (0 .. 99) {
        my $id = $first + int rand($last - $first + 1);
        my $edit = $EDITS[$i % @EDITS];
        forced("DROP TABLE IF EXISTS audit_kept; CREATE TABLE audit_kept AS SELECT * FROM audit_log WHERE id = $id; UPDATE audit_log SET $edit WHERE id = $id");
        my $found = broken_at();
        push @wrong, "$edit of $id: $found" if $found ne $id;
        forced("DELETE FROM audit_log WHERE id = $id; INSERT INTO audit_log SELECT * FROM audit_kept; DROP TABLE audit_kept");
    }
    push @wrong, 'not whole after' if broken_at();
    return (\@wrong, []);
};
it 'two rows that change places are found' => sub {
    my $id = db('SELECT max(id) - 3 FROM audit_log');
    my $swap = "UPDATE audit_log SET id = -1 WHERE id = $id; UPDATE audit_log SET id = $id WHERE id = $id + 1; UPDATE audit_log SET id = $id + 1 WHERE id = -1";
    forced($swap);
    my $found = broken_at();
    forced($swap);
    return ([$found, broken_at()], [$id, 0]);
};
it 'it is no alteration that rows come while it is read' => sub {
    my @r = parallel(3, sub {
        my ($who) = @_;
        return join ' ', map { broken_at() } 1 .. 15 if !$who;
        api(PATCH => "/keys/$user->{key_id}", key => admin_token(), body => { name => "n$_" }) for 1 .. 150;
        return 'done';
    }, 0, 1, 2);
    return (\@r, [join(' ', (0) x 15), 'done', 'done']);
};

run_tests;
