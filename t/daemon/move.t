# A linked session goes on at another bridge, without a new code: its keys are
# in PostgreSQL, sealed, and one bridge at a time holds it.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $friend, $session, $first);
my $aside = "$ENV{WA_TEST_BRIDGE_DIR}.first";

# The tests' bridge is what it was when the file ends.
END {
    my $status = $?;
    if (-d $aside) { eval { swap(); 1 } or warn $@ }
    $? = $status;
}

sub holder { return db("SELECT bridge_id, clean FROM session_holders WHERE session_id = '$session'") }
sub bridge_now { return bridge(GET => '/v1/health')->{json}{bridge_id} }
sub codes { return db("SELECT count(*) FROM sessions WHERE id = '$session' AND qr_code IS NOT NULL") }

# Another bridge: other files, another id, the same secrets.
sub swap {
    stop_it('bridge');
    if (-d $aside) {
        command('rm', '-rf', $ENV{WA_TEST_BRIDGE_DIR});
        command('mv', $aside, $ENV{WA_TEST_BRIDGE_DIR});
    }
    else {
        command('mv', $ENV{WA_TEST_BRIDGE_DIR}, $aside);
    }
    start_it('bridge');
    return;
}

step 'a linked session is held by the bridge, and its keys are copied' => sub {
    $user = new_user();
    link_phone($user);
    $friend = phone('Recipient');
    $session = session_of($user)->{id};
    send_text($user, $friend, 'one');
    wait_until { texts($friend) == 1 } 20, 'the text';
    wait_until { db("SELECT count(*) FROM session_keys WHERE session_id = '$session'") > 800 } 20, 'the keys';
    $first = bridge_now();
    return ([holder()], ["$first|f"]);
};
it 'no value that is stored has anything to read in it' => sub {
    return (db("SELECT count(*) FROM session_keys WHERE session_id = '$session'"
        . " AND (value::text ~ encode('creds', 'hex') OR length(name) <> 32)"), 0);
};
step 'the bridge stops in order, another one starts' => sub {
    swap();
    my $second = bridge_now();
    return ([$second eq $first ? 'same' : 'other'], ['other']);
};
it 'the session is connected there, without a code' => sub {
    my $second = bridge_now();
    wait_until { my ($h) = holder(); $h =~ /^\Q$second\E/ && session_of($user)->{status} eq 'connected' } 90, 'connected at the other bridge';
    return ([codes(), bridge(GET => "/v1/sessions/$session")->{json}{status}], [0, 'connected']);
};
it 'it sends' => sub {
    my $r = send_text($user, $friend, 'two');
    wait_until { texts($friend) == 2 } 20, 'the text';
    return ([$r->{status} =~ /^20[02]$/ ? 'accepted' : $r->{status}, texts($friend)], ['accepted', 'one', 'two']);
};
it 'back at the first, which was not told, what it had is replaced by what the second left' => sub {
    swap();
    wait_until { my ($h) = holder(); $h =~ /^\Q$first\E/ && session_of($user)->{status} eq 'connected' } 90, 'connected at the first';
    send_text($user, $friend, 'three');
    wait_until { texts($friend) == 3 } 20, 'the text';
    return ([codes(), texts($friend)], [0, 'one', 'two', 'three']);
};
it 'a logout leaves no keys' => sub {
    api(POST => '/session/logout', key => $user->{key}, body => {});
    wait_until { db("SELECT count(*) FROM session_keys WHERE session_id = '$session'") == 0 } 20, 'no keys';
    return (db("SELECT count(*) FROM session_keys WHERE session_id = '$session'"), 0);
};
it 'what makes no sense is refused' => sub {
    my $id = '01900000-0000-7000-8000-000000000001';
    my @r = map { internal(@$_, key => secret('internal_secret')) } (
        ["/credentials/$session/claim", body => {}],
        ["/credentials/$id/claim", body => { bridge_id => $id }],
        ["/credentials/$session/claim", body => { bridge_id => $id }],
        ['/credentials', body => { bridge_id => $id }],
        ['/credentials', body => { bridge_id => $id, sessions => [{ id => $session, epoch => 1, changes => [['x', 'y']] }] }],
        ['/credentials', body => { bridge_id => $id, sessions => [{ id => $session, epoch => 1, changes => [['0' x 64, '%']] }] }],
        ["/credentials/$session/read", body => { bridge_id => $id, epoch => 1, after => 'x' }],
    );
    return ([map { $_->{status} } @r], [422, 404, 409, 422, 422, 422, 422]);
};
it 'a bridge that does not hold a session writes and reads nothing' => sub {
    my $id = '01900000-0000-7000-8000-000000000001';
    my $w = internal('/credentials', key => secret('internal_secret'),
        body => { bridge_id => $id, sessions => [{ id => $session, epoch => 1, changes => [['0' x 64, 'AAAA']] }] });
    my $r = internal("/credentials/$session/read", key => secret('internal_secret'), body => { bridge_id => $id, epoch => 1 });
    return ([$w->{json}{sessions}[0]{held}, $r->{json}{keys}, db("SELECT count(*) FROM session_keys WHERE session_id = '$session'")],
        [false, [], 0]);
};

run_tests;
