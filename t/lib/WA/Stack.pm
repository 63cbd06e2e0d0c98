# The servers of the tests: stop, start, kill and pause them, ask the database,
# read their logs. What a file stopped or paused is back when the file ends.
package WA::Stack;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Time::HiRes qw(time sleep);

our @EXPORT = qw(ctl stop_it start_it kill_it pid_of pause_it resume_it
                 daemon_with httpd_with restart_postgres restart_httpd kill_httpd httpd_pid httpd_children httpd_hashers children_of db command log_text);

my (%stopped, %paused);
my $daemon_conf; # whatsappd's settings, as they were
my $httpd_conf; # the module's

# The output of a command (an array), or death with what it said.
sub command {
    my ($out, $status) = _run(@_);
    die "@_: status $status: $out\n" if $status;
    return $out;
}

# A command that keeps running in the background must not hold the pipe.
sub _run {
    my @command = @_;
    my $file = "$ENV{WA_TEST_DIR}/tmp/command.$$." . int(rand 1e9);
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        open STDIN, '<', '/dev/null' or die $!;
        open STDOUT, '>', $file or die $!;
        open STDERR, '>&', \*STDOUT or die $!;
        exec { $command[0] } @command or do { require POSIX; POSIX::_exit(127) };
    }
    waitpid $pid, 0;
    my $status = $?;
    my $out = log_text($file);
    unlink $file;
    return ($out, $status >> 8 || $status);
}

sub ctl { return command($ENV{WA_TEST_CTL}, @_) }

sub stop_it  { my ($name) = @_; $stopped{$name} = 1; return ctl(stop => $name) }
sub start_it { my ($name) = @_; my $out = ctl(start => $name); delete $stopped{$name}; return $out }
# kill -9; the supervisor starts it again.
sub kill_it  { my ($name) = @_; return ctl(kill9 => $name) }

sub pid_of {
    my ($name) = @_;
    my ($out) = _run($ENV{WA_TEST_CTL}, pid => $name);
    return $out =~ /^(\d+)$/m ? $1 : 0;
}

# A process and all below it: of PostgreSQL the backends do the work. Not what has ended and its parent has not noticed.
sub _tree {
    my @pids = @_;
    my %children;
    for my $stat (glob '/proc/[0-9]*/stat') {
        my $text = log_text($stat) or next;
        $text =~ /^(\d+) \(.*\) [^Z] (\d+)/s and push @{ $children{$2} }, $1;
    }
    for (my $i = 0; $i < @pids; $i++) { push @pids, @{ $children{ $pids[$i] } || [] } }
    return @pids;
}

# SIGSTOP: it takes connections and says nothing.
sub pause_it {
    my ($name) = @_;
    my $pid = pid_of($name) or die "$name does not run\n";
    $paused{$name} = [_tree($pid)];
    kill STOP => @{ $paused{$name} };
    return;
}

sub resume_it {
    my ($name) = @_;
    my $pids = delete $paused{$name} or return;
    kill CONT => @$pids;
    return;
}

END {
    my $status = $?;
    resume_it($_) for keys %paused;
    if (defined $httpd_conf) { eval { httpd_with(''); 1 } or warn $@ }
    if (defined $daemon_conf) { eval { daemon_with(''); 1 } or warn $@ }
    for my $name (sort keys %stopped) { eval { start_it($name); 1 } or warn $@ }
    $? = $status;
}

# whatsappd again, with these lines besides its settings; '' for none. The file
# that did it has it undone when it ends. change: alters the settings, in $_.
sub daemon_with {
    my ($lines, $change) = @_;
    my $conf = "$ENV{WA_TEST_DIR}/whatsappd.conf";
    $daemon_conf //= log_text($conf);
    my $text = $daemon_conf;
    if ($change) { $change->() for $text }
    open my $out, '>', $conf or die "$conf: $!\n";
    print {$out} $text, $lines;
    close $out or die "$conf: $!\n";
    stop_it('whatsappd');
    start_it('whatsappd');
    undef $daemon_conf if $lines eq '' && !$change;
    return;
}

sub restart_postgres { return command($ENV{WA_TEST_PG_CTL}, 'restart', '-m', $_[0]) }

sub httpd_pid {
    my $pid = log_text($ENV{WA_TEST_HTTPD_PID_FILE});
    return $pid =~ /^(\d+)/ ? $1 : 0;
}

# All below a process; of Apache what answers requests, and what hashes passwords
# for those.
# Of no process (0) there are none: below the kernel is all of the machine.
sub children_of { my ($pid) = @_; return $pid ? grep({ $_ != $pid } _tree($pid)) : () }
sub _is_hasher { return log_text("/proc/$_[0]/comm") eq "wa-hashing\n" }
sub httpd_children { return grep { !_is_hasher($_) } children_of(httpd_pid()) }
sub httpd_hashers { my ($pid) = @_; return grep { _is_hasher($_) } children_of($pid || httpd_pid()) }

# Apache stopped and started anew, with the command line it has.
sub restart_httpd {
    my $pid = httpd_pid() or die "httpd does not run\n";
    my @command = split /\0/, log_text("/proc/$pid/cmdline");
    kill TERM => $pid;
    my $until = time + 60;
    while (kill 0 => $pid) {
        die "httpd does not stop\n" if time > $until;
        sleep 0.05;
    }
    command(@command);
    while (!httpd_pid() || !kill 0 => httpd_pid()) {
        die "httpd does not start\n" if time > $until;
        sleep 0.05;
    }
    return;
}

# Apache again, with these lines besides its configuration; '' for none. The
# file that did it has it undone when it ends.
sub httpd_with {
    my ($lines) = @_;
    my $conf = $ENV{WA_TEST_HTTPD_CONF};
    $httpd_conf //= log_text($conf);
    open my $out, '>', $conf or die "$conf: $!\n";
    print {$out} $httpd_conf, $lines;
    close $out or die "$conf: $!\n";
    restart_httpd();
    undef $httpd_conf if $lines eq '';
    return;
}

# kill -9 of all of Apache, and a new one. With $seconds: of its parent alone, and
# only after that time of the children, which nobody looks after meanwhile.
sub kill_httpd {
    my ($seconds) = @_;
    my $pid = httpd_pid() or die "httpd does not run\n";
    my @command = split /\0/, log_text("/proc/$pid/cmdline");
    my @children = children_of($pid);
    kill KILL => $pid;
    sleep $seconds if $seconds;
    kill KILL => @children;
    my $until = time + 60;
    while (grep { kill 0 => $_ } $pid, @children) {
        die "httpd does not end\n" if time > $until;
        sleep 0.05;
    }
    unlink $ENV{WA_TEST_HTTPD_PID_FILE};
    command(@command);
    while (!httpd_pid() || !kill 0 => httpd_pid()) {
        die "httpd does not start\n" if time > $until;
        sleep 0.05;
    }
    return;
}

sub log_text {
    my ($file) = @_;
    open my $in, '<:raw', $file or return '';
    local $/;
    my $text = <$in>;
    return $text // '';
}

# What a statement answers: rows of columns by '|'; in list context the rows.
sub db {
    my ($sql, $conninfo) = @_;
    my $out = command("$ENV{WA_TEST_PG_BIN}/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1',
        '-d', $conninfo || $ENV{WA_TEST_DB}, '-c', $sql);
    chomp $out;
    return wantarray ? split(/\n/, $out) : $out;
}

1;
