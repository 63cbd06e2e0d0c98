# API keys: made, shown once, ended.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use WA::Test;

my ($user, $key);

sub create { my ($body, $id) = @_; return api(POST => '/users/' . ($id || $user->{id}) . '/keys', key => admin_token(), body => $body) }
sub works { my ($k) = @_; return api(GET => '/session/status', key => $k)->{status} }
sub in_time { my ($seconds) = @_; return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $seconds)) }
sub count { return db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}'") }

step 'a key is made' => sub {
    $user = new_user();
    my $r = create({ name => 'for the shop' });
    $key = $r->{json};
    return ([$r->{status}, header($r, 'Cache-Control'), pick($key, qw(id user_id name key hint created_at expires_at))],
        [201, 'no-store', {
        id => UUID, user_id => $user->{id}, name => 'for the shop', key => qr/\Awak_[\w-]{49}\z/,
        hint => qr/\Awak_[\w-]{8}\z/, created_at => TIME, expires_at => undef }]);
};
it 'it works' => sub { return (works($key->{key}), 200) };
it 'the first one works beside it' => sub { return (works($user->{key}), 200) };
it 'no two are alike' => sub {
    my %seen = map { create({ name => 'x' })->{json}{key} => 1 } 1 .. 10;
    return (scalar keys %seen, 10);
};
it 'another letter anywhere, and it does not work' => sub {
    my @good;
    for my $i (4, 20, 46, 47, 52) {
        my $k = $key->{key};
        substr($k, $i, 1) = substr($k, $i, 1) eq 'A' ? 'B' : 'A';
        push @good, $i if works($k) != 401;
    }
    return (\@good, []);
};
it 'a key of good form that nobody has: 401' => sub {
    my $gone = create({ name => 'gone' })->{json};
    db("DELETE FROM api_keys WHERE id = '$gone->{id}'");
    return problem(api(GET => '/session/status', key => $gone->{key}), 401, 'invalid_api_key');
};
it 'only a MAC of it is stored, under the server\'s secret' => sub {
    require Digest::SHA;
    return (db("SELECT encode(hash, 'hex') FROM api_keys WHERE id = '$key->{id}'"),
        Digest::SHA::hmac_sha256_hex($key->{key}, secret('key_hmac_secret')));
};

# --- refused ----------------------------------------------------------------

my $before;
step 'counting' => sub { $before = count(); return ($before, qr/\A[1-9]\d*\z/) };

my @BAD = (
    [{},                                    '/name required'],
    [{ name => '' },                        '/name length'],
    [{ name => 'x' x 101 },                 '/name length'],
    [{ name => 5 },                         '/name type'],
    [{ name => 'x', key => 'wak_mine' },    '/key unknown'],
    [{ name => 'x', expires_at => 'soon' },                 '/expires_at length'],
    [{ name => 'x', expires_at => 'tomorrow, at noon or so' }, '/expires_at format'],
    [{ name => 'x', expires_at => '2027-13-01T00:00:00Z' }, '/expires_at format'],
    [{ name => 'x', expires_at => '2027-02-29T00:00:00Z' }, '/expires_at format'],
    [{ name => 'x', expires_at => '2027-01-01T00:00:00' . ' ' }, '/expires_at format'],
    [{ name => 'x', expires_at => 1893456000 },             '/expires_at type'],
    [{ name => 'x', expires_at => '2020-01-01T00:00:00Z' }, '/expires_at range'],
);
for my $b (@BAD) {
    my ($body, $error) = @$b;
    it 'refused: ' . substr(json($body), 0, 70) => sub {
        return problem(create($body), 422, 'validation_failed', errors => [[split / /, $error]]);
    };
}
for my $id ('01900000-0000-7000-8000-000000000000', 'x') {
    it "a key for the user '$id': 404" => sub { return problem(create({ name => 'x' }, $id), 404, 'not_found') };
}
it 'none of these was made' => sub { return (count(), $before) };

# --- the end of a key -------------------------------------------------------

it 'a key that will end is told with its end' => sub {
    my $at = in_time(3600);
    my $r = create({ name => 'x', expires_at => $at });
    return ([$r->{status}, $r->{json}{expires_at}, works($r->{json}{key})], [201, $at =~ s/Z/.000Z/r, 200]);
};
it 'an end in another zone is the same moment' => sub {
    my $r = create({ name => 'x', expires_at => '2030-01-01T01:30:00.5+01:30' });
    return ($r->{json}{expires_at}, '2030-01-01T00:00:00.500Z');
};
my $ending;
it 'a key that ends in three seconds works' => sub {
    $ending = create({ name => 'x', expires_at => in_time(3) })->{json}{key};
    return (works($ending), 200);
};
it 'its time is over: 401, also while it is remembered' => sub {
    my $r = wait_until {
        my $r = api(GET => '/session/status', key => $ending);
        $r->{status} != 200 ? $r : undef;
    } 6, 'the end of the key';
    return problem($r, 401, 'invalid_api_key');
};
it 'a key that was revoked before it was used: 401' => sub {
    my $n = create({ name => 'x' })->{json};
    db("UPDATE api_keys SET revoked_at = now() WHERE id = '$n->{id}'");
    return problem(api(GET => '/session/status', key => $n->{key}), 401, 'invalid_api_key');
};
it 'a key of a user who is not active: 401' => sub {
    my $other = new_user();
    db("UPDATE users SET is_active = false WHERE id = '$other->{id}'");
    return problem(api(GET => '/session/status', key => $other->{key}), 401, 'invalid_api_key');
};
it 'a revoked key works no longer than it is remembered: ten seconds' => sub {
    my $n = create({ name => 'x' })->{json};
    my $first = works($n->{key});
    db("UPDATE api_keys SET revoked_at = now() WHERE id = '$n->{id}'");
    wait_until { works($n->{key}) == 401 } 12, 'the end of the key';
    return ($first, 200);
};

run_tests;
