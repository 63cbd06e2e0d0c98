# WhatsAppSessionIdle: a session in which nothing happens is disconnected; one
# that is used is not; nothing is when the setting is not there.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my $IDLE = 6;
my ($idle, $busy, $friend);

step 'two users, each with a phone' => sub {
    ($idle, $busy) = (new_user(), new_user());
    link_phone($_) for $idle, $busy;
    $friend = phone('Recipient');
    return ([map { session_of($_)->{status} } $idle, $busy], ['connected', 'connected']);
};
step 'the daemon is told to end idle sessions: one ends, the one that is used stays' => sub {
    daemon_with("WhatsAppSessionIdle $IDLE\n");
    my $sent = 0;
    wait_until {
        send_text($busy, $friend, 'n' . $sent++);
        session_of($idle)->{status} eq 'disconnected';
    } 60, 'idle';
    return ([pick(session_of($idle), qw(status reason connected_at)), session_of($busy)->{status}],
        [{ status => 'disconnected', reason => 'idle', connected_at => undef }, 'connected']);
};
it 'its bridge says the same' => sub {
    my $id = session_of($idle)->{id};
    return (pick(bridge(GET => "/v1/sessions/$id")->{json}, qw(status reason)), { status => 'disconnected', reason => 'idle' });
};
it 'without the setting nothing is ended' => sub {
    daemon_with('');
    return (db("SELECT wanted FROM sessions WHERE user_id = '$idle->{id}'"), 'f');
};
it 'it comes back without a code' => sub {
    api(POST => '/session/init', key => $idle->{key}, body => {});
    wait_until { session_of($idle)->{status} eq 'connected' } 20, 'connected again';
    return (send_text($idle, $friend, 'back')->{status}, qr/\A20[02]\z/);
};

run_tests;
