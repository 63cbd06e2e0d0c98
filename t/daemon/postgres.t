# PostgreSQL restarted, stopped, hung: the next requests work without a restart
# of Apache, and no request waits without end.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $friend, $httpd);

# Cached keys need no database, and Redis may have the state of the session that
# no name is given of; these questions need it.
sub ask { return api(GET => '/session/status?session=default', key => $user->{key}, timeout => 15) }
sub asked_by { my ($n, $many) = @_; return parallel($n, sub { my $r = ask(); [$r->{status}, $r->{seconds}, $r->{json}{code}, header($r, 'Retry-After')] }, 1 .. $many) }
sub slowest { my ($max) = sort { $b <=> $a } map { $_->[1] } @_; return $max }

step 'a user with a phone' => sub {
    wait_ready(20);
    ($user, $friend) = (new_user(), phone('Recipient'));
    link_phone($user);
    $httpd = httpd_pid();
    return (send_text($user, $friend, 'before')->{status}, 200);
};

for my $mode (qw(fast immediate)) {
    step "restarted ($mode): every request after it is answered" => sub {
        asked_by(8, 32); # so that every child has its connections
        restart_postgres($mode);
        my @r = asked_by(8, 64);
        return ([(grep { $_->[0] != 200 } @r), slowest(@r) < 3 ? 'in time' : slowest(@r)], ['in time']);
    };
    it "restarted ($mode): a message is sent" => sub {
        my $r = send_text($user, $friend, "after $mode");
        wait_until { (texts($friend))[-1] eq "after $mode" } 10, 'the text';
        return ($r->{status}, 200);
    };
    it "restarted ($mode): whatsappd works on" => sub {
        my $r = send_text($user, $friend, "by the daemon after $mode", Prefer => 'respond-async');
        wait_until { (texts($friend))[-1] eq "by the daemon after $mode" } 15, 'the text';
        return ($r->{status}, 202);
    };
}

step "restarted under load: what was accepted is sent, and nothing else" => sub {
    my $restarter = fork // die "fork: $!\n";
    if (!$restarter) {
        my $ok = eval { wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content LIKE 'load %'") >= 5 } 20, 'five'; restart_postgres('immediate'); 1 };
        require POSIX;
        POSIX::_exit($ok ? 0 : 1);
    }
    my @r = parallel(6, sub {
        my $r = send_text($user, $friend, sprintf 'load %02d', $_[0]);
        return { http => $r->{status}, text => sprintf('load %02d', $_[0]), code => $r->{json}{code}, seconds => $r->{seconds} };
    }, 1 .. 30);
    waitpid $restarter, 0;
    my $restarted = $?;
    my @accepted = sort map { $_->{text} } grep { $_->{http} =~ /^20[02]$/ } @r;
    my @odd = grep { $_->{http} !~ /^20[02]$/ && ($_->{code} // '') ne 'database_unavailable' } @r;
    wait_until { my %on = map { $_ => 1 } texts($friend); !grep { !$on{$_} } @accepted } 75, 'all that was accepted on the phone';
    my %times; $times{$_}++ for texts($friend);
    return ([$restarted, \@odd, grep { $times{$_} > 1 } keys %times], [0, []]);
};

step 'stopped: 503 with Retry-After, at once' => sub {
    stop_it('postgresql');
    my @r = asked_by(8, 32);
    return ([slowest(@r) < 3 ? 'in time' : slowest(@r), map { "@$_[0, 2] $_->[3]" } @r],
        ['in time', map { qr/\A503 database_unavailable [1-9]\d*\z/ } @r]);
};
it 'stopped: the answer is a problem like any other' => sub {
    return problem(ask(), 503, 'database_unavailable', retry_after => qr/\A[1-9]\d*\z/);
};
it 'stopped: a send is refused, not lost' => sub {
    return problem(send_text($user, $friend, 'never accepted'), 503, 'database_unavailable', retry_after => qr/\d/);
};
it 'stopped: a login is refused as such, not as a wrong password' => sub {
    my $r = api(POST => '/auth/login', body => { username => 'admin', password => 'x' });
    return problem($r, 503, 'database_unavailable', retry_after => qr/\d/);
};
it 'stopped: health answers' => sub {
    return ([map { api(GET => $_, timeout => 5)->{status} } '/health/live', '/health/ready'], [200, 503]);
};
step 'started: the very next requests are answered' => sub {
    start_it('postgresql');
    wait_until { ask()->{status} == 200 } 3, 'an answer';
    my @r = asked_by(8, 64);
    return ([grep { $_->[0] != 200 } @r], []);
};
it 'started: what was refused was not stored or counted' => sub {
    my $r = send_text($user, $friend, 'after the stop');
    return ([$r->{status}, db("SELECT count(*) FROM messages WHERE content = 'never accepted'")], [200, 0]);
};

step 'hung: every request is answered within its bound' => sub {
    pause_it('postgresql');
    my @r = asked_by(8, 16);
    return ([slowest(@r) < 8 ? 'in time' : slowest(@r), map { "@$_[0, 2] $_->[3]" } @r],
        ['in time', map { qr/\A503 database_unavailable [1-9]\d*\z/ } @r]);
};
it 'hung: live answers at once' => sub {
    my $r = api(GET => '/health/live');
    return ([$r->{status}, $r->{seconds} < 1 ? 'in time' : $r->{seconds}], [200, 'in time']);
};
it 'hung: ready says so' => sub {
    my $r = wait_until { my $r = api(GET => '/health/ready', timeout => 5); $r->{status} == 503 ? $r : undef } 5, 'not ready';
    return ([$r->{json}{checks}{postgresql}{reason}, $r->{seconds} < 3 ? 'in time' : $r->{seconds}], [qr/\w/, 'in time']);
};
step 'it goes on: requests are answered again' => sub {
    resume_it('postgresql');
    wait_until { ask()->{status} == 200 } 10, 'an answer';
    # A child that was not asked meanwhile finds out by its next request only, and those at the same moment wait for that.
    my @r = wait_until { my @r = asked_by(8, 96); (grep { $_->[0] != 200 } @r) ? undef : \@r } 20, 'ninety-six answers in a row';
    return (scalar @{ $r[0] }, 96);
};
it 'it goes on: sends too, and whatsappd' => sub {
    my @r = (send_text($user, $friend, 'inline after the hang'), send_text($user, $friend, 'daemon after the hang', Prefer => 'respond-async'));
    wait_until { (grep { /after the hang/ } texts($friend)) == 2 } 20, 'both texts';
    return ([map { $_->{status} } @r], [200, 202]);
};
it 'Apache was never restarted' => sub { return (httpd_pid(), $httpd) };
it 'no connection is left behind: each child has its four at most' => sub {
    return (db("SELECT count(*) <= 24 FROM pg_stat_activity WHERE application_name = 'mod_whatsapp'"), 't');
};
# What hung in the middle of one ends by idle_in_transaction_session_timeout.
it 'nor a transaction left open' => sub {
    my $open = sub { db("SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND application_name = 'mod_whatsapp'") };
    return ((wait_until { $open->() ? undef : 'none' } 30, 'the end of all transactions'), 'none');
};
it 'at the end everything is ready' => sub { wait_ready(20); return (api(GET => '/health/ready')->{json}{status}, 'ok') };

run_tests;
