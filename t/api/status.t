# What Redis keeps for a moment, of a session's state and of keys that nobody
# has, is gone the moment it is no longer true.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my $user = new_user();

sub status_now { return api(GET => '/session/status', key => $user->{key}) }
sub kept { return command('redis-cli', '-s', $ENV{WA_TEST_REDIS_SOCKET}, 'GET', "wa:s:$user->{id}") =~ s/\s+\z//r }
# What all children say, asked at one time.
sub all_say { my %said; $said{ $_ // 'none' }++ for parallel(16, sub { status_now()->{json}{status} }, 1 .. 32); return [sort keys %said] }

it 'a session that never was: asked again, the same answer' => sub {
    my @r = map { status_now() } 1 .. 5;
    my %texts = map { ($_->{content} => 1) } @r;
    return ([scalar(keys %texts), map { ($_->{status}, header($_, 'Content-Type')) } @r], [1, (200, 'application/json') x 5]);
};
step 'a phone is linked' => sub {
    status_now(); # is kept, and must not be in the way
    link_phone($user);
    return (status_now()->{json}{status}, 'connected');
};
it 'it is kept, and counted and named all the same' => sub {
    wait_until { status_now(); kept() =~ /\A\d+\|\{/ } 20, 'an entry';
    my @r = map { status_now() } 1 .. 2;
    my @left = map { header($_, 'X-RateLimit-Remaining') } @r;
    return ([$left[0] - $left[1], map { header($_, 'X-Request-ID') =~ UUID ? 'named' : 'no' } @r], [1, 'named', 'named']);
};
it 'the session by its name, and by an admin, say the same' => sub {
    my @r = (status_now(), api(GET => '/session/status?session=default', key => $user->{key}),
        api(GET => "/users/$user->{id}/session/status", key => admin_token()));
    my %states = map { (join(' ', @{ $_->{json} }{qw(id status)}) => 1) } @r;
    return (scalar(keys %states), 1);
};
for my $round (1 .. 3) {
    it "disconnected, round $round: no child says otherwise" => sub {
        all_say();
        my $r = api(POST => '/session/disconnect', key => $user->{key}, body => {});
        return ([$r->{status}, all_say()], [200, ['disconnected']]);
    };
    it "started, round $round: no child says disconnected" => sub {
        my $r = api(POST => '/session/init', key => $user->{key}, body => {});
        my $said = all_say();
        wait_until { status_now()->{json}{status} eq 'connected' } 30, 'the connection';
        return ([$r->{status}, grep { $_ eq 'disconnected' } @$said], [202]);
    };
}
it 'what changes behind the back of all is seen all the same' => sub {
    all_say();
    db("UPDATE sessions SET push_name = 'By hand' WHERE user_id = '$user->{id}'");
    wait_until { status_now()->{json}{push_name} eq 'By hand' } 20, 'the new name';
    return (status_now()->{json}{push_name}, 'By hand');
};
it 'a code to link a phone with is not kept' => sub {
    api(POST => '/session/logout', key => $user->{key}, body => {});
    api(POST => '/session/init', key => $user->{key}, body => {});
    wait_until { status_now()->{json}{qr_code} } 30, 'a code';
    my $s = status_now()->{json};
    return ([$s->{status}, kept() =~ /2@/ ? 'kept' : 'not kept'], ['qr_pending', 'not kept']);
};

# --- keys that nobody has -------------------------------------------------------

it 'an unknown key is refused again and again, in one way' => sub {
    my $gone = new_key($user->{id});
    api(DELETE => "/keys/$gone->{id}", key => admin_token());
    my @r = map { api(GET => '/auth/me', key => $gone->{key}) } 1 .. 4;
    return ([map { ($_->{status}, $_->{json}{code}, header($_, 'RateLimit') =~ /\A"(\w+)"/) } @r], [(401, 'invalid_api_key', 'anonymous') x 4]);
};
it 'a user who is let in again is in at once, though just refused' => sub {
    my $other = new_user();
    my @seen;
    for my $active (JSON::PP::false(), JSON::PP::true(), JSON::PP::false(), JSON::PP::true()) {
        api(PATCH => "/users/$other->{id}", key => admin_token(), body => { is_active => $active });
        my %said;
        $said{$_}++ for parallel(8, sub { api(GET => '/auth/me', key => $other->{key})->{status} }, 1 .. 16);
        push @seen, join ' ', sort keys %said;
    }
    return (\@seen, [401, 200, 401, 200]);
};
it 'a login that has ended stays ended' => sub {
    my $other = new_user(password => 'a password long enough');
    my $token = api(POST => '/auth/login', body => { username => $other->{username}, password => 'a password long enough' })->{json}{access_token};
    my $before = api(GET => '/auth/me', key => $token)->{status};
    api(POST => '/auth/logout', key => $token, body => {});
    return ([$before, map { api(GET => '/auth/me', key => $token)->{status} } 1 .. 3], [200, 401, 401, 401]);
};

run_tests;
