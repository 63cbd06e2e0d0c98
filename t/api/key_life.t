# What a key may, from where, for how long: scopes, networks, rotation; and that
# a change holds on every child of Apache within a second, also under load.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time sleep);
use WA::Test;

my $user;
my @CALLERS = 1 .. 16; # each with a kept connection of its own, over all children

sub works { my ($key) = @_; return api(GET => '/usage', key => $key)->{status} }
sub manager { return new_key($user->{id}, scopes => ['account:manage', 'usage:read'])->{key} }

# How long after the change's answer anybody still got the old one, in seconds.
# $ask->() tells whether the old state was seen; $change->() makes the change.
sub seconds_after {
    my ($ask, $change) = @_;
    my @r = parallel(scalar(@CALLERS) + 1, sub {
        my ($who) = @_;
        if (!$who) {
            sleep 1;
            my $status = $change->();
            return { changed => time, status => $status };
        }
        my ($last, $count, $until) = (0, 0, time + 4);
        while (time < $until) {
            my $start = time;
            last if !$ask->();
            ($last, $count) = ($start, $count + 1);
        }
        return { last => $last, count => $count };
    }, 0, @CALLERS);
    my $changed = shift @r;
    my $late = 0;
    my $idle = grep { !$_->{count} } @r;
    for my $r (@r) { $late = $r->{last} - $changed->{changed} if $r->{last} - $changed->{changed} > $late }
    show(sprintf 'the old state was seen at most %.3f s after the answer, of %d requests', $late, eval { my $n = 0; $n += $_->{count} for @r; $n });
    # On a busy machine one or another may not get in before the change.
    return ($changed->{status}, $idle < @CALLERS / 2 ? 0 : $idle, $late <= 1 ? 'within a second' : "after $late s");
}

step 'a user with a key' => sub {
    $user = new_user();
    return (works($user->{key}), 200);
};

# --- within one second, everywhere --------------------------------------------

it 'a revoked key' => sub {
    my $key = new_key($user->{id});
    return ([seconds_after(sub { works($key->{key}) == 200 }, sub { api(DELETE => "/keys/$key->{id}", key => admin_token())->{status} })],
        [204, 0, 'within a second']);
};
it 'a suspended user' => sub {
    my $other = new_user();
    return ([seconds_after(sub { works($other->{key}) == 200 },
            sub { api(PATCH => "/users/$other->{id}", key => admin_token(), body => { is_active => false })->{status} })],
        [200, 0, 'within a second']);
};
it 'a changed limit' => sub {
    my $other = new_user();
    return ([seconds_after(sub { header(api(GET => '/usage', key => $other->{key}), 'RateLimit-Policy') !~ /"requests";q=77777;/ },
            sub { api(PATCH => "/users/$other->{id}", key => admin_token(), body => { max_requests_per_minute => 77777 })->{status} })],
        [200, 0, 'within a second']);
};
it 'a key whose time comes' => sub {
    my $key = new_key($user->{id}, expires_at => do { my @t = gmtime(time + 2); sprintf '%04d-%02d-%02dT%02d:%02d:%02dZ', $t[5] + 1900, $t[4] + 1, @t[3, 2, 1, 0] });
    my ($first, $end) = (works($key->{key}), time + 3);
    sleep 0.05 while time < $end;
    return ([$first, grep { $_ != 401 } parallel(8, sub { works($key->{key}) }, 1 .. 16)], [200]);
};

# --- scopes ---------------------------------------------------------------------

it 'a key does what its scopes say, and is told what it lacks' => sub {
    my $key = new_key($user->{id}, scopes => ['usage:read'])->{key};
    my $r = api(GET => '/session/status', key => $key);
    return ([works($key), $r->{status}, $r->{json}{code}, $r->{json}{detail}], [200, 403, 'insufficient_scope', qr/sessions:read/]);
};
it 'no key makes one that may more than itself' => sub {
    my $r = api(POST => '/keys', key => manager(), body => { name => 'more', scopes => ['messages:send'] });
    return ([$r->{status}, $r->{json}{code}], [403, 'insufficient_scope']);
};
it "admin is for admins' keys" => sub {
    my $r = api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x', scopes => ['admin'] });
    return ($r->{status}, 422);
};
for my $scopes ([], ['everything'], ['usage:read', 'usage:write'], 'usage:read', [1]) {
    it 'no scopes: ' . json($scopes) => sub {
        return (api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x', scopes => $scopes })->{status}, 422);
    };
}

# --- networks -------------------------------------------------------------------

my @NETWORKS = (
    [['127.0.0.0/8'], 200], [['127.0.0.1'], 200], [['127.0.0.1/32'], 200], [['10.0.0.0/8', '127.0.0.1/32'], 200],
    [['10.0.0.0/8'], 403], [['::1/128'], 403], [['2001:db8::/32'], 403], [['::ffff:127.0.0.0/104'], 422],
    [['0.0.0.0/0'], 200], [['::/0'], 403],
);
for my $n (@NETWORKS) {
    my ($networks, $status) = @$n;
    it 'from ' . json($networks) => sub {
        my $r = api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x', networks => $networks });
        my $got = $r->{status} == 201 ? works($r->{json}{key}) : $r->{status};
        return ($got, $status);
    };
}
it 'from elsewhere: 403, with a code of its own' => sub {
    my $key = new_key($user->{id}, networks => ['192.0.2.0/24'])->{key};
    return problem(api(GET => '/usage', key => $key), 403, 'address_not_allowed');
};
for my $bad ('10.0.0.0/33', '10.0.0.300', '10.0.0.1/8', '::1/129', 'localhost', '10/8', '', '10.0.0.0/-1', '10.0.0.0/8 ', '1.2.3.4/0x8', '0177.0.0.1', 'fe80::1%lo') {
    it "no network: '$bad'" => sub {
        my $before = db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}'");
        my $r = api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x', networks => [$bad] });
        return ([$r->{status}, db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}'")], [422, $before]);
    };
}

# --- rotation -------------------------------------------------------------------

it 'rotated: both work for the overlap, then the new one alone' => sub {
    my $old = new_key($user->{id}, name => 'rotating', networks => ['127.0.0.0/8'], scopes => ['usage:read', 'account:manage']);
    my $r = api(POST => "/keys/$old->{id}/rotate", key => admin_token(), body => { overlap_seconds => 2 });
    my @first = map { works($_) } $old->{key}, $r->{json}{key};
    wait_until { works($old->{key}) == 401 } 6, 'the end of the old one';
    return ([$r->{status}, @first, works($r->{json}{key}), pick($r->{json}, qw(name scopes networks))],
        [201, 200, 200, 200, { name => 'rotating', scopes => [qw(usage:read account:manage)], networks => ['127.0.0.0/8'] }]);
};
it 'without an overlap the old one ends at once' => sub {
    my $old = new_key($user->{id});
    my $r = api(POST => "/keys/$old->{id}/rotate", key => admin_token(), body => { overlap_seconds => 0 });
    return ([works($old->{key}), works($r->{json}{key})], [401, 200]);
};
it 'a key that was rotated, or revoked, is not rotated again' => sub {
    my ($a, $b) = (new_key($user->{id}), new_key($user->{id}));
    api(POST => "/keys/$a->{id}/rotate", key => admin_token(), body => {});
    api(DELETE => "/keys/$b->{id}", key => admin_token());
    return ([map { my $s = api(POST => "/keys/$_->{id}/rotate", key => admin_token(), body => {})->{status}; $s } $a, $b], [409, 409]);
};

run_tests;
