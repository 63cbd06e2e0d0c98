# Nonsense for every route: each time a problem with a code that says which, and
# nothing in the database is another than before. Routes are those of
# docs/openapi.yaml, so that a new one is in it by itself.
use strict;
use warnings FATAL => 'all';

use WA::OpenAPI;
use WA::Test;

my $PASSWORD = 'a password long enough';
my ($user, $other, $boss, $token, $boss_token, $before);

sub token_of {
    my ($who) = @_;
    return api(POST => '/auth/login', body => { username => $who->{username}, password => $PASSWORD })->{json}{access_token};
}
# As whoever may call it: by a login, whose use changes no row of a key.
sub ask {
    my ($op, $path, %o) = @_;
    my %by = (user => $token, admin => $boss_token);
    return api($op->{method}, $path, $by{ $op->{caller} } ? (key => $by{ $op->{caller} }) : (), %o);
}

# What is stored: a sum of each table, but for those that each request moves, or whatsappd alone; of
# what sessions of other files may move meanwhile the number of rows.
sub stored {
    my @tables = db("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
        AND table_name !~ '^(request_log|usage_|workers|bridges|logins|login_failures|event|schema_migrations|webhook_attempts)' ORDER BY 1");
    my $sum = sub { "|| ' ' || coalesce(md5(string_agg($_[0], ' ' ORDER BY $_[0])), '')" };
    my %columns = (webhooks => "(to_jsonb(t) - '{seen_seq,failing_since}'::text[])::text"); # what deliveries move
    return { map {
        my $counted = /\A(?:sessions|session_|messages|outbox|webhook_)/ ? '' : $sum->($columns{$_} || 't::text');
        $_ => db("SELECT count(*) $counted FROM $_ t")
    } @tables };
}
sub changed {
    my $now = stored();
    return [grep { $now->{$_} ne ($before->{$_} // '') } sort keys %$now];
}

step 'two users and an administrator' => sub {
    ($user, $other) = map { new_user(password => $PASSWORD) } 1, 2;
    $boss = new_user(password => $PASSWORD, role => 'admin');
    ($token, $boss_token) = map { token_of($_) } $user, $boss;
    new_key($_->{id}) for $user, $user, $other, $other;
    $before = stored();
    return ([map { defined } $token, $boss_token], [1, 1]);
};
it 'the check of the database sees a change' => sub {
    my $u = new_user();
    my $changed = changed();
    admin(DELETE => "/users/$u->{id}?confirm=$u->{username}");
    $before = stored();
    return ([grep { $_ eq 'users' || $_ eq 'api_keys' } @$changed], ['api_keys', 'users']);
};

# --- bodies -----------------------------------------------------------------

my @MALFORMED = (
    ['a word',           'x'],
    ['half an object',   '{"a":'],
    ['an array',         '[]'],
    ['null',             'null'],
    ['a number',         '1'],
    ['two objects',      '{}{}'],
    ['a name twice',     '{"a":1,"a":2}'],
    ['a name twice, deep', '{"a":{"b":1,"b":1}}'],
    ['8,000 levels',     '[' x 8000 . ']' x 8000],
    ['NUL, escaped',     '{"a":"\u0000"}'],
    ['NUL as a byte',    "{\"a\":\"\0\"}"],
    ['half a pair',      '{"a":"\ud800"}'],
    ['a pair turned round', '{"a":"\udc00\ud800"}'],
    ['no UTF-8',         "{\"a\":\"\xc3\x28\"}"],
    ['an overlong form', "{\"a\":\"\xc0\x80\"}"],
    ['2^63',             '{"a":9223372036854775808}'],
    ['-2^63 - 1',        '{"a":-9223372036854775809}'],
    ['1e400',            '{"a":1e400}'],
    ['NaN',              '{"a":NaN}'],
    ['Infinity',         '{"a":-Infinity}'],
    ['hexadecimal',      '{"a":0x10}'],
    ['a zero before',    '{"a":01}'],
    ['a comma too many', '{"a":1,}'],
    ['a quote of the other kind', "{'a':1}"],
    ['a byte order mark', "\xef\xbb\xbf{}"],
);
my @TYPES = ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json-patch+json',
    'application/jsonx', 'application/xml', ' ', '*/*');

my @with_body = grep { ($_->{body} // '') eq 'application/json' } operations();
it 'there are routes that take JSON' => sub { return (scalar @with_body > 10 ? 'many' : scalar @with_body, 'many') };
for my $op (@with_body) {
    it "$op->{route}: " . @MALFORMED . ' bodies that are no JSON' => sub {
        my @wrong;
        for my $m (@MALFORMED) {
            my ($what, $text) = @$m;
            my $r = ask($op, path_of($op), body => $text);
            my $got = "$r->{status} " . ($r->{json} ? $r->{json}{code} // '' : $r->{content});
            push @wrong, "$what: $got" if $got ne '400 malformed_json' || header($r, 'Content-Type') ne 'application/problem+json';
        }
        return (\@wrong, []);
    };
    it "$op->{route}: " . @TYPES . ' other media types' => sub {
        my @wrong;
        for my $type (@TYPES) {
            my $r = ask($op, path_of($op), body => '{}', headers => { 'Content-Type' => $type });
            my $got = "$r->{status} " . ($r->{json} ? $r->{json}{code} // '' : $r->{content});
            push @wrong, "$type: $got" if $got ne '415 unsupported_media_type';
        }
        return (\@wrong, []);
    };
    it "$op->{route}: a member that it does not have" => sub {
        my $r = ask($op, path_of($op), body => { no_such_member => true });
        my @named = grep { $_->{pointer} eq '/no_such_member' && $_->{code} eq 'unknown' } @{ $r->{json}{errors} || [] };
        return ([$r->{status}, $r->{json}{code}, scalar @named], [422, 'validation_failed', 1]);
    };
    it "$op->{route}: two megabytes" => sub {
        my $r = ask($op, path_of($op), body => '{"a":"' . 'x' x 2_097_152 . '"}');
        return ("$r->{status} $r->{json}{code}", qr/\A(?:413 body_too_large|422 validation_failed)\z/);
    };
}
it 'none of these changed anything' => sub { return (changed(), []) };

# --- ids --------------------------------------------------------------------

my @IDS = ('0', '-1', 'null', '%00', '%0a', '%25', "'", '%27%3B--', '*', '%E2%80%AE', ABSENT . 'x', uc(ABSENT) . '0', '{id}', '..%5c', 'x' x 2000);
for my $op (grep { $_->{path} =~ /\{/ } operations()) {
    it "$op->{route}: " . @IDS . ' ids that are none' => sub {
        my @wrong;
        for my $id (@IDS) {
            my $r = ask($op, path_of($op, $id), $op->{body} && $op->{body} eq 'application/json' ? (body => {}) : ());
            # A body that lacks something is told of first.
            push @wrong, "$id: $r->{status} $r->{content}" if $r->{status} !~ /\A(?:400|404|409|415|422)\z/;
        }
        return (\@wrong, []);
    };
}
it 'nor did these' => sub { return (changed(), []) };

# --- cursors ----------------------------------------------------------------

# A cursor that a list really gave out, or undef where it has one page only.
sub cursor_of {
    my ($op, $who) = @_;
    return ($who ? api(GET => "$op->{path}?limit=1", key => $who) : ask($op, "$op->{path}?limit=1"))->{json}{next_cursor};
}
my @lists = grep { $_->{cursor} && $_->{path} !~ /\{/ } operations();
it 'there are lists with cursors' => sub { return (scalar @lists > 3 ? 'some' : scalar @lists, 'some') };
my %cursor;
for my $op (@lists) {
    it "$op->{route}: a cursor with another letter anywhere, and what never was one" => sub {
        $cursor{ $op->{route} } = cursor_of($op);
        my $good = $cursor{ $op->{route} } // 'q0Qd0mJ5pQe2mC1yD6R8vA20261124055705908~' . ABSENT;
        my @bad = map { my $c = $good; substr($c, $_, 1) = substr($c, $_, 1) eq 'A' ? 'B' : 'A'; $c } 0 .. length($good) - 1;
        push @bad, '', '~', 'x', $good . 'x', substr($good, 0, -1), scalar reverse($good), "$good~", '0' x 600, '%00', '%ff', "$good%00";
        my @wrong;
        for my $c (@bad) {
            my $r = ask($op, "$op->{path}?limit=1&cursor=$c");
            my $got = "$r->{status} " . ($r->{json}{code} // '');
            push @wrong, "$c: $got" if $got ne '400 bad_parameter';
        }
        return (\@wrong, []);
    };
}
it 'a cursor of another list is none' => sub {
    my @wrong;
    for my $op (@lists) {
        for my $from (grep { $_ ne $op->{route} && $cursor{$_} } sort keys %cursor) {
            my $r = ask($op, "$op->{path}?limit=1&cursor=$cursor{$from}");
            push @wrong, "$from at $op->{route}: $r->{status}" if $r->{status} != 400;
        }
    }
    return ([scalar(grep { $_ } values %cursor) > 1 ? 'several' : 'too few', @wrong], ['several']);
};
it "another user's cursor shows nothing of that user" => sub {
    my @wrong;
    my $theirs = token_of($other);
    for my $op (grep { $_->{caller} eq 'user' } @lists) {
        my $c = cursor_of($op) // next;
        my $r = api(GET => "$op->{path}?cursor=$c", key => $theirs);
        push @wrong, "$op->{route}: $r->{status}" if $r->{status} !~ /\A(?:200|400)\z/;
        push @wrong, "$op->{route} shows $user->{username}'s" if $r->{content} =~ /\Q$user->{id}\E|\Q$user->{username}\E|\Q$user->{key_id}\E/;
    }
    return (\@wrong, []);
};
for my $op (@lists) {
    it "$op->{route}: limits that are none" => sub {
        my @wrong;
        for my $limit ('0', '-1', '201', '', 'x', '1.5', '1e2', '9223372036854775808', '%2b5', '5%20', '0x10', '%D9%A5') {
            my $r = ask($op, "$op->{path}?limit=$limit");
            my $got = "$r->{status} " . ($r->{json}{code} // '');
            push @wrong, "$limit: $got" if $got ne '400 bad_parameter';
        }
        return (\@wrong, []);
    };
}

# --- versions ---------------------------------------------------------------

my ($target, $version);
step 'a user has a version' => sub {
    $target = new_user();
    $version = header(api(GET => "/users/$target->{id}", key => $boss_token), 'ETag');
    $before = stored();
    return ($version, qr/\A"v[1-9]\d*"\z/);
};
sub patch { return api(PATCH => "/users/$target->{id}", key => $boss_token, body => { max_messages_per_day => $_[1] }, headers => { 'If-Match' => $_[0] }) }
for my $tag ('"v0"', '"v-1"', '"v99999999999999999999"', '"v1', 'v1', '""', '"', '"x"', 'W/"v1"', '"v1"x', '"v 1"', '"v1e0"', '"v0x1"', ' ', '"v+1"',
    '"V1"', 'x' x 4000) {
    it 'If-Match ' . substr(json($tag), 0, 30) . ': 412' => sub { return problem(patch($tag, 11), 412, 'precondition_failed') };
}
it 'nothing was changed by these' => sub { return (changed(), []) };
it 'the version itself, and any, are good; the one before is none any more' => sub {
    my @r = map { patch($_, 12)->{status} } $version, $version, '*';
    return (\@r, [200, 412, 200]);
};

run_tests;
