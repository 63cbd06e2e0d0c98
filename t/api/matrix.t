# Every route, called by everybody: who may what is computed from x-caller and
# x-scope of docs/openapi.yaml, which a guard holds against the route table. A
# route that has an {id} and no sample of one below fails.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my $ABSENT = '01900000-0000-7000-8000-000000000000';
my @READS = qw(messages:read sessions:read usage:read events:read);
my $PASSWORD = 'a password long enough';
my ($owner, $friend, %who, $cells);

# --- the routes -------------------------------------------------------------

# [method, path, caller, scope or '', whether an admin may do it to what is
# another's] of each operation.
sub operations {
    my (@found, $in, $path);
    for my $line (split /\n/, log_text("$ENV{WA_TEST_SRC_DIR}/docs/openapi.yaml")) {
        if ($line =~ /^(\S[^:]*):/) { $in = $1 eq 'paths' }
        next if !$in;
        if ($line =~ m{^  (/\S*):$}) { $path = $1 }
        elsif ($line =~ /^    (get|put|post|delete|patch):$/) { push @found, [uc $1, $path, '', '', 0] }
        elsif ($line =~ /^      x-caller: (\S+)/) { $found[-1][2] = $1 }
        elsif ($line =~ /^      x-scope: (\S+)/) { $found[-1][3] = $1 }
        elsif ($line =~ /^      x-admin: any/) { $found[-1][4] = 1 }
    }
    return @found;
}

# --- an object of the owner's, new for each call: a call may use it up ---------

sub login_of {
    my ($user) = @_;
    my $r = api(POST => '/auth/login', body => { username => $user->{username}, password => $PASSWORD });
    die "login: $r->{status} $r->{content}\n" if $r->{status} != 200;
    return api(GET => '/auth/me', key => $r->{json}{access_token})->{json}{login_id};
}

my %SAMPLE = (
    keys => sub { new_key($owner->{id})->{id} },
    'auth/logins' => sub { login_of($owner) },
    messages => sub {
        link_phone($owner) if session_of($owner)->{status} ne 'connected'; # a call before has unlinked it
        return send_text($owner, $friend, 'a sample')->{json}{id};
    },
    media => sub { upload($owner, "a sample\n", 'a.txt', 'text/plain')->{json}{id} },
    users => sub {
        my ($path) = @_;
        return new_user()->{id} if $path !~ m{/logins/};
        my $user = new_user(password => $PASSWORD);
        return ($user->{id}, login_of($user));
    },
    webhooks => sub {
        # There are twenty at most.
        db("DELETE FROM webhooks WHERE user_id = '$owner->{id}'");
        my @o = (key => $owner->{key}, body => {});
        my $hook = api(POST => '/webhooks', key => $owner->{key}, body => { url => 'https://shop.invalid/' })->{json}{id};
        return ($hook, api(POST => "/webhooks/$hook/test", @o)->{json}{id});
    },
    sessions => sub {
        my $user = new_user();
        return api(POST => '/session/init', key => $user->{key}, body => {})->{json}{id};
    },
);

# A stream has no end: whoever may read it is told that there is no such place.
my %QUERY = ('/events/stream' => '?after=nowhere');

# The path with its {id}s filled in: by samples, or by what is not there.
sub filled {
    my ($path, $absent) = @_;
    return $path . ($QUERY{$path} // '') if $path !~ /\{/;
    my ($noun) = $path =~ m{\A/(.+?)/\{};
    my $make = $SAMPLE{$noun} || die "no sample of /$noun/{…} in t/api/matrix.t\n";
    my @ids = $absent ? () : $make->($path);
    return $path =~ s/\{[^}]*\}/@ids ? shift @ids : $ABSENT/ger;
}

# What a call needs to get as far as the object.
my %BODY = ('PATCH /keys/{id}' => { name => 'renamed' }, 'POST /webhooks/{id}/replay' => { after => 0 });

# --- what must come of it ------------------------------------------------------

sub owns { my ($name, $any) = @_; return $who{$name}{owns} || ($any && $who{$name}{role} eq 'admin') }

# A pattern that "STATUS CODE" must match.
sub expected {
    my ($name, $path, $caller, $scope, $any) = @_;
    my $me = $who{$name};
    return qr/\A(?!401|403|5)/ if $caller eq 'public';
    return qr/\A401 / if !$me->{good};
    return qr/\A403 forbidden/ if $caller eq 'admin' && $me->{role} ne 'admin';
    return qr/\A403 insufficient_scope/ if $scope && !$me->{all} && !grep { $_ eq $scope } @{ $me->{scopes} };
    return qr/\A(?!401|403|5)/ if $path !~ /\{/;
    # An admin's routes are about everybody's things, a user's about his own.
    return qr/\A404 not_found/ if $caller eq 'user' && !owns($name, $any);
    return qr/\A(?!401|403|404 not_found|405|5)/;
}

sub ask {
    my ($method, $path, $key, $body) = @_;
    return api($method, $path, defined $key ? (key => $key) : (), headers => { 'X-Request-ID' => 'matrix' },
        $method =~ /\A(?:POST|PUT|PATCH)\z/ ? (body => $body || {}) : ());
}

# What is not as it must be, of one route.
sub deviations {
    my ($method, $path, $caller, $scope, $any) = @_;
    my $body = $BODY{"$method $path"};
    my @wrong;
    for my $name (sort keys %who) {
        my $r = ask($method, filled($path), $who{$name}{key}, $body);
        my $got = $r->{status} . ' ' . ($r->{json} && ref $r->{json} eq 'HASH' ? $r->{json}{code} // '' : '');
        my $want = expected($name, $path, $caller, $scope, $any);
        $cells++;
        push @wrong, "$name: $got, not $want" if $got !~ $want;
        next if $path !~ /\{/ || $caller ne 'user' || !$who{$name}{good} || owns($name, $any);
        my $absent = ask($method, filled($path, 1), $who{$name}{key}, $body);
        push @wrong, "$name: another's is not as one that is absent"
            if join("\0", map { $_->{status}, header($_, 'Content-Type') // '', $_->{content} } $r)
            ne join("\0", map { $_->{status}, header($_, 'Content-Type') // '', $_->{content} } $absent);
    }
    return @wrong;
}

# --- the tests --------------------------------------------------------------

step 'an owner with a phone, and everybody else' => sub {
    $owner = new_user(password => $PASSWORD, max_messages_per_minute => 10000, max_messages_per_day => 10000);
    link_phone($owner);
    $friend = phone('Recipient');
    my ($other, $boss, $suspended) = (new_user(), new_user(role => 'admin'), new_user());
    my %key = map { $_ => new_key($owner->{id}, $_ eq 'reads' ? (scopes => \@READS) : ()) } qw(reads expired revoked);
    db("UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE id = '$key{expired}{id}'");
    api(DELETE => "/keys/$key{revoked}{id}", key => admin_token());
    api(PATCH => "/users/$suspended->{id}", key => admin_token(), body => { is_active => false });
    my @all = log_text("$ENV{WA_TEST_SRC_DIR}/mod_whatsapp/core/wa_scope.h") =~ /"([a-z]+:[a-z]+|admin)"/g;
    my @own = grep { $_ ne 'admin' } @all;
    %who = (
        nobody => { good => 0 },
        expired => { good => 0, key => $key{expired}{key} },
        revoked => { good => 0, key => $key{revoked}{key} },
        suspended => { good => 0, key => $suspended->{key} },
        unknown => { good => 0, key => $owner->{key} =~ s/.{12}\z/AAAAAAAAAAAA/r },
        owner => { good => 1, role => 'user', owns => 1, scopes => \@own, key => new_key($owner->{id}, scopes => \@own)->{key} },
        reads => { good => 1, role => 'user', owns => 1, scopes => \@READS, key => $key{reads}{key} },
        other => { good => 1, role => 'user', scopes => \@own, key => new_key($other->{id}, scopes => \@own)->{key} },
        admin => { good => 1, role => 'admin', scopes => \@all, key => new_key($boss->{id}, scopes => \@all)->{key} },
        'admin who only reads' => { good => 1, role => 'admin', scopes => \@READS, key => new_key($boss->{id}, scopes => \@READS)->{key} },
    );
    return ([scalar(operations()) > 40 ? 'routes' : 'none', scalar keys %who, scalar @all > 8 ? 'scopes' : 'none'], ['routes', 10, 'scopes']);
};
for my $op (operations()) {
    my ($method, $path) = @$op;
    it "$method $path" => sub { return ([deviations(@$op)], []) };
}
it 'all of them were asked' => sub {
    show(sprintf '%d routes by %d callers: %d answers', scalar(operations()), scalar keys %who, $cells);
    return ($cells, scalar(operations()) * scalar keys %who);
};

run_tests;
