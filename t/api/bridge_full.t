# The bridge takes no further session: what the API answers, that those which are
# there go on, and that the others start when there is room. And an engine that
# this bridge can't use.
use strict;
use warnings FATAL => 'all';

use POSIX ();
use WA::Test;

my ($first, $friend, $second, $own);

# The tests' bridge is what it was when the file ends.
END {
    my $status = $?;
    end_bridge();
    $? = $status;
}

sub init { my ($who, %body) = @_; return api(POST => '/session/init', key => $who->{key}, body => \%body) }
sub status_of { return session_of($_[0])->{status} }

sub there {
    my $sessions = bridge(GET => '/v1/health')->{json}{sessions};
    my $n = 0;
    $n += $_ for values %$sessions;
    return $n;
}

# The same bridge in a process of this test, with more settings.
sub bridge_with {
    my (%more) = @_;
    my $pid = pid_of('bridge') or die "the bridge does not run\n";
    my %env = (%more, map { split /=/, $_, 2 } split /\0/, log_text("/proc/$pid/environ"));
    my ($dir, $log, $node) = ("$ENV{WA_TEST_SRC_DIR}/bridge", "$ENV{WA_TEST_LOG_DIR}/bridge_full.log", $ENV{WA_TEST_NODE});
    stop_it('bridge');
    $own = fork // die "fork: $!\n";
    if (!$own) {
        %ENV = %env;
        chdir $dir or POSIX::_exit(126);
        open STDOUT, '>>', $log or POSIX::_exit(126);
        open STDERR, '>&', \*STDOUT or POSIX::_exit(126);
        exec { $node } $node, 'src/server.js' or POSIX::_exit(127);
    }
    wait_until { bridge(GET => '/v1/health/live')->{status} == 200 } 30, 'the bridge';
    return;
}

sub end_bridge {
    return if !$own;
    kill TERM => $own;
    waitpid $own, 0;
    $own = undef;
    return;
}

step 'a linked session, and a bridge with room for one more' => sub {
    ($first, $second) = (new_user(), new_user());
    link_phone($first);
    $friend = phone('Recipient');
    bridge_with(BRIDGE_MAX_SESSIONS => there() + 1, BRIDGE_CHROMIUM => '/nonexistent');
    wait_until { status_of($first) eq 'connected' } 30, 'connected again';
    return ([map { "$_->{name} " . ($_->{available} ? 'available' : 'not available') }
            @{ api(GET => '/engines', key => $first->{key})->{json}{engines} }],
        ['baileys available', 'webjs not available']);
};
it 'an engine that is not available: 501, and no session is left' => sub {
    my $r = init($second, engine => 'webjs');
    return ([$r->{status}, pick($r->{json}, qw(code detail)), rows($second)],
        [501, { code => 'not_supported', detail => qr/webjs is not available: .*nonexistent/ }, '0 0 0']);
};
step 'the one more is taken' => sub {
    my $r = init($second);
    wait_until { status_of($second) eq 'qr_pending' } 30, 'a code';
    return ($r->{status}, 202);
};
it 'a session that is there keeps its engine when another one is not available' => sub {
    my $r = init($second, engine => 'webjs');
    return ([$r->{status}, db("SELECT engine, wanted FROM sessions WHERE user_id = '$second->{id}'")], [501, 'baileys|t']);
};

my $third;
it 'no further one: bridge_full, and when to try again' => sub {
    $third = new_user();
    return problem(init($third), 503, 'bridge_full', retry_after => 30);
};
it 'with the reason' => sub {
    my $n = there();
    return (init($third)->{json}{detail}, "The bridge has $n sessions, as many as it may");
};
it 'it waits, and says so' => sub {
    return (pick(session_of($third), qw(status reason qr_code)), { status => 'connecting', reason => 'never_linked', qr_code => undef });
};
it 'those that are there go on: one sends, one is started again' => sub {
    send_text($first, $friend, 'no room');
    wait_until { texts($friend) } 30, 'the text';
    return ([texts($friend), init($second)->{status}], ['no room', 202]);
};
it 'when one goes, the one that waits starts by itself' => sub {
    admin(DELETE => "/users/$second->{id}?confirm=$second->{username}");
    my $s = wait_until { my $s = session_of($third); $s->{status} eq 'qr_pending' ? $s : undef } 60, 'a code';
    return ($s->{qr_code}, qr/\w/);
};
it 'more memory than it may use: the same answer, with its reason' => sub {
    end_bridge();
    start_it('bridge');
    bridge_with(BRIDGE_MAX_MEMORY => 1);
    my $r = init(new_user());
    return ([$r->{status}, header($r, 'Retry-After'), pick($r->{json}, qw(code detail))],
        [503, 30, { code => 'bridge_full', detail => qr/\AThe bridge uses \d+ MiB, and takes no further session above 1\z/ }]);
};

run_tests;
