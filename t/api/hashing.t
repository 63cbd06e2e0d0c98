# Passwords are hashed by processes of their own, which Apache's parent makes:
# logins in a storm, when such a process dies or stands still, over restarts.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time sleep);
use WA::Apache;
use WA::Test;

my $PASSWORD = 'correct horse battery';
my $user;

sub forgive { db('DELETE FROM login_failures'); return }
sub failures { return db('SELECT coalesce(sum(failures), 0) FROM login_failures') }
END { forgive() }

sub login { my (%o) = @_; return api(POST => '/auth/login', timeout => 60, body => { username => $user->{username}, password => $PASSWORD, %o }) }
sub status_of { my ($r) = @_; return $r->{status} == 200 ? '200' : "$r->{status} " . ($r->{json}{code} // $r->{content}) }
sub count { my %n; $n{$_}++ for @_; return \%n }
# A line of /proc/PID/status, or a file beside it.
sub status_line { my ($pid, $name) = @_; return log_text("/proc/$pid/status") =~ /^$name:\s+(.*)$/m ? $1 : '' }
sub nice_of { return (split ' ', log_text("/proc/$_[0]/stat") =~ s/.*\) //sr)[16] }
sub ticks { my ($u, $s) = (split ' ', log_text("/proc/$_[0]/stat") =~ s/.*\) //sr)[11, 12]; return $u + $s }
sub gone { my (@pids) = @_; return !grep { kill(0 => $_) && status_line($_, 'State') !~ /^Z/ } @pids }

# So many logins at a time; what becomes of each.
sub storm { my ($n, %o) = @_; return at_once(sub { my $r = login(%o); return { status => status_of($r), seconds => $r->{seconds}, again => header($r, 'Retry-After') } }, 1 .. $n) }

step 'a login' => sub {
    forgive();
    $user = new_user(password => $PASSWORD);
    return (status_of(login()), '200');
};

# --- the processes --------------------------------------------------------------

it 'half as many as there are processors, at least one, for all of Apache' => sub {
    my $n = int(command('getconf', '_NPROCESSORS_ONLN') / 2);
    return (scalar(httpd_hashers()), $n < 1 ? 1 : $n > 8 ? 8 : $n);
};
it 'they stand back behind everything else' => sub {
    return ([map { nice_of($_) } httpd_hashers()], [map { 10 } httpd_hashers()]);
};
it 'and not as a part of what Apache is, where sessions share the processors' => sub {
    my ($one) = httpd_hashers();
    my $group = log_text("/proc/$one/autogroup");
    return ($group eq '' || $group =~ /nice 10$/ && $group ne log_text('/proc/' . httpd_pid() . '/autogroup') ? 'apart' : $group, 'apart');
};
it 'they have nothing open but their queue' => sub {
    my ($one) = httpd_hashers();
    my %open = map { m{(\d+)\z} => readlink } glob "/proc/$one/fd/*";
    return ([sort keys %open, $open{3}], [0 .. 3, qr/\Asocket:/]);
};
it 'an unknown user costs as much as a wrong password' => sub {
    my ($one, @all) = httpd_hashers();
    my %used;
    for my $i (1 .. 40) {
        my $who = $i % 2 ? 'known' : 'unknown';
        my $before = 0;
        $before += ticks($_) for $one, @all;
        forgive();
        my $r = login(password => 'wrong', $i % 2 ? () : (username => 'nobody-at-all'));
        return ($r->{content}, 'an answer') if status_of($r) ne '401 invalid_credentials';
        $used{$who} -= $before;
        $used{$who} += ticks($_) for $one, @all;
    }
    my $ratio = $used{unknown} / ($used{known} || 1);
    return ($used{known} > 5 && $ratio > 0.6 && $ratio < 1.6 ? 'alike' : "$used{unknown} to $used{known}", 'alike');
};

# --- many at a time -------------------------------------------------------------

# Those under way count as failed until they are not.
my $NO_OTHER = qr/\A(?:200|429 (?:too_many_logins|login_delayed))\z/;

it 'a hundred logins at a time: each is let in or told to come again' => sub {
    forgive();
    my @r = storm(100);
    my $n = count(map { $_->{status} } @r);
    my @again = grep { ($_->{again} // 0) < 1 } grep { $_->{status} =~ /^429/ } @r;
    return ([[grep { $_ !~ $NO_OTHER } keys %$n], ($n->{200} || 0) > 0 ? 'some' : 'none', scalar @again], [[], 'some', 0]);
};
it 'with wrong ones among them' => sub {
    forgive();
    my @r = storm(40, password => 'wrong');
    my @other = grep { $_->{status} !~ /\A(?:401 invalid_credentials|429 (?:too_many_logins|login_delayed))\z/ } @r;
    forgive();
    return (\@other, []);
};
it 'one comes through afterwards' => sub { forgive(); return (status_of(login()), '200') };

# Of a process, what it had at most since that was last forgotten, in MiB; nothing of one that has ended.
sub peak { my ($pid) = @_; return status_line($pid, 'VmHWM') =~ /(\d+)/ ? $1 / 1024 : undef }
it 'two hundred logins at a time take less than 100 MiB' => sub {
    forgive();
    my %had;
    for my $pid (httpd_children(), httpd_hashers()) {
        # The peak begins anew (proc(5)). One that was told to end by a test before may do so.
        open my $out, '>', "/proc/$pid/clear_refs" or next;
        print {$out} '5';
        close $out or next;
        $had{$pid} = peak($pid) // next;
    }
    storm(200);
    my %has = map { my $peak = peak($_); defined $peak ? ($_ => $peak) : () } keys %had;
    my $took = 0;
    $took += $has{$_} - $had{$_} for keys %has;
    return (scalar keys %has, 'several') if keys %has < 2;
    show(sprintf '%.0f MiB', $took);
    return ($took < 100 ? 'less' : $took, 'less');
};

# --- one that dies ----------------------------------------------------------------

it 'killed: there is another one, and logins come back' => sub {
    my @old = httpd_hashers();
    kill KILL => @old;
    my $r = login();
    wait_until { scalar(httpd_hashers()) >= @old } 30, 'as many as there were';
    my @new = httpd_hashers();
    return ([status_of($r), scalar(@new), grep { my $p = $_; grep { $_ == $p } @old } @new], ['200', scalar @old]);
};
it 'killed again and again in a storm: nobody hangs, nobody is let in wrongly' => sub {
    forgive();
    my $parent = httpd_pid();
    my $killer = fork // die "fork: $!\n";
    if (!$killer) {
        for (1 .. 30) { kill KILL => httpd_hashers($parent); sleep 0.1 }
        require POSIX;
        POSIX::_exit(0);
    }
    my @r = map { storm(20) } 1 .. 3;
    waitpid $killer, 0;
    my $failures = failures();
    forgive();
    my @other = grep { $_->{status} !~ $NO_OTHER && $_->{status} ne '503 not_ready' } @r;
    wait_until { status_of(login()) eq '200' } 30, 'a login';
    return ([\@other, $failures], [[], 0]);
};
it 'it is said in the log' => sub { return (log_text($ENV{WA_TEST_HTTPD_LOG}) =~ /WA0008: / ? 'said' : 'not', 'said') };

# --- one that stands still --------------------------------------------------------

it 'standing still: some wait, for a bounded time, the others are told at once; none counts as failed' => sub {
    forgive();
    my @still = httpd_hashers();
    kill STOP => @still;
    my @r = storm(40);
    kill CONT => @still;
    my @let_in = grep { $_->{status} !~ $NO_OTHER || $_->{status} eq '200' } @r;
    my @waited = grep { $_->{seconds} > 8 } @r;
    return ([\@let_in, @waited > 0 && @waited < 30 ? 'some' : scalar @waited, scalar(grep { $_->{seconds} > 30 } @r), failures()],
        [[], 'some', 0, 0]);
};
it 'what was given up is not done later: the next login comes through' => sub { forgive(); return (status_of(login()), '200') };

# --- restarts ------------------------------------------------------------------------

sub login_at { my ($apache) = @_; return call(POST => "$apache->{url}/api/auth/login", timeout => 60, body => { username => $user->{username}, password => $PASSWORD }) }
sub pid_in { my ($apache) = @_; return log_text("$apache->{dir}/run/httpd.pid") =~ /^(\d+)/ ? $1 : 0 }
my $other;

step 'a second Apache has its own' => sub {
    $other = apache_start(apache_config());
    my $found = wait_until { my @all = httpd_hashers(pid_in($other)); @all ? \@all : undef } 30, 'its processes';
    my @mine = @$found;
    return ([status_of(login_at($other)), scalar @mine, grep { my $p = $_; grep { $_ == $p } @mine } httpd_hashers()], ['200', scalar httpd_hashers()]);
};
it 'a graceful restart: a login under way is answered, then the old ones end, and httpd knows them all' => sub {
    my $parent = pid_in($other);
    my @old = httpd_hashers($parent);
    kill STOP => @old;
    my ($r) = at_once(sub {
        if ($_[0] == 2) {
            sleep 0.5;
            kill USR1 => $parent;
            wait_until { scalar(httpd_hashers($parent)) == 2 * @old } 30, 'new ones beside the old';
            kill CONT => @old;
            return 0;
        }
        return status_of(login_at($other));
    }, 1, 2);
    wait_until { gone(@old) } 30, 'the old ones end';
    my @new = httpd_hashers($parent);
    wait_until { status_of(login_at($other)) eq '200' } 30, 'a login with the new ones';
    kill KILL => @new; # whoever waits for them waits for the old ones too
    wait_until { status_of(login_at($other)) eq '200' } 30, 'a login';
    my $log = log_text($other->{log});
    return ([$r, scalar @new, $log =~ /long lost|exit signal Seg|WA0007/ ? $log : 'quiet'], ['200', scalar @old, 'quiet']);
};
it 'twenty graceful restarts leave no process and no descriptor behind' => sub {
    my $parent = pid_in($other);
    my $open = sub { my @fd = glob "/proc/$parent/fd/*"; return scalar @fd };
    my $before = $open->();
    for (1 .. 20) {
        my ($one) = httpd_hashers($parent);
        kill USR1 => $parent;
        wait_until { my @now = httpd_hashers($parent); @now && !grep { $_ == $one } @now } 60, 'the next generation';
    }
    wait_until { status_of(login_at($other)) eq '200' } 30, 'a login';
    # The last ones but one end with their children.
    eval { wait_until { $open->() == $before && scalar(httpd_hashers($parent)) == scalar(httpd_hashers()) } 30, 'as it was' };
    return ([$open->() - $before, scalar httpd_hashers($parent), log_text($other->{log}) =~ /long lost/ ? 'lost' : 'none lost'],
        [0, scalar httpd_hashers(), 'none lost']);
};
it 'a restart that is not graceful' => sub {
    my $parent = pid_in($other);
    my @old = httpd_hashers($parent);
    kill HUP => $parent;
    wait_until { gone(@old) && scalar(httpd_hashers($parent)) == @old } 30, 'new ones';
    wait_until { status_of(login_at($other)) eq '200' } 30, 'a login';
    return (log_text($other->{log}) =~ /long lost|WA0007/ ? 'noise' : 'quiet', 'quiet');
};
it 'no process can be made for a while: who asks is told, and afterwards there is one again' => sub {
    my $parent = pid_in($other);
    my @old = httpd_hashers($parent);
    my $most = (command('prlimit', "--pid=$parent", '--nproc', '--noheadings', '--output=SOFT,HARD') =~ s/^\s+|\s+$//gr) =~ s/\s+/:/r;
    command('prlimit', "--pid=$parent", '--nproc=1:' . $most =~ s/.*://r);
    my $r = eval {
        kill KILL => @old;
        wait_until { log_text($other->{log}) =~ /WA0009: / } 30, 'it is said';
        login_at($other);
    };
    my $why = $@;
    command('prlimit', "--pid=$parent", "--nproc=$most");
    wait_until { status_of(login_at($other)) eq '200' } 60, 'a login';
    wait_until { scalar(httpd_hashers($parent)) == @old } 60, 'as many as there were';
    return ([$r ? status_of($r) : $why, $r && $r->{seconds} < 30 ? 'bounded' : 'endless'], [qr/\A429 too_many_logins\z/, 'bounded']);
};
it "Apache's parent killed: they end with it, and its children say so" => sub {
    my $parent = pid_in($other);
    my @mine = httpd_hashers($parent);
    my @children = map { m{(\d+)\z} && log_text("/proc/$1/stat") =~ /^(\d+) \(.*\) \S $parent /s ? $1 : () } glob '/proc/[0-9]*';
    @children = grep { my $p = $_; !grep { $_ == $p } @mine } @children;
    kill KILL => $parent;
    wait_until { gone(@mine) } 30, 'they end';
    my $r = login_at($other);
    kill KILL => @children;
    return ([scalar(@children) > 0 ? 'children' : 'none', status_of($r), header($r, 'Retry-After')], ['children', '503 not_ready', 2]);
};

run_tests;
