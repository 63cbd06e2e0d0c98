# A second Apache beside the one of the tests, on ports of its own: the same
# module, database, Redis and secrets, another configuration. It ends with the
# file that started it.
package WA::Apache;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use File::Path qw(make_path);
use IO::Socket::INET ();
use Time::HiRes qw(time sleep);
use WA::Stack qw(command log_text httpd_pid);

our @EXPORT = qw(free_port apache_config apache_check apache_start apache_stop);

my %running; # folder => pid
my $count = 0;

sub free_port {
    my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 1) or die "a port: $!\n";
    return $s->sockport;
}

# The program that runs already, so that both are one.
sub _program {
    my ($path) = split /\0/, log_text('/proc/' . httpd_pid() . '/cmdline');
    return $path;
}

sub _spew {
    my ($file, $text) = @_;
    open my $out, '>', $file or die "$file: $!\n";
    print $out $text;
    close $out or die "$file: $!\n";
    return $file;
}

# Writes a configuration: {dir, conf, port, internal, url, log}. modules: names of more
# modules; main: lines for the end of it; edit: changes the module's part, which
# is in $_; listen: 0 when main has the Listen.
sub apache_config {
    my (%o) = @_;
    my $dir = "$ENV{WA_TEST_DIR}/tmp/apache.$$." . $count++;
    make_path("$dir/run");
    my ($port, $internal) = (free_port(), free_port());
    my $module = log_text($ENV{WA_TEST_HTTPD_CONF}) =~ s/127\.0\.0\.1:$ENV{WA_TEST_INTERNAL_PORT}\b/127.0.0.1:$internal/gr;
    for ($module) { $o{edit}->() if $o{edit} }
    my $modules = join '', map { "LoadModule ${_}_module /usr/lib/apache2/modules/mod_$_.so\n" } @{ $o{modules} || [] };
    my $listen = ($o{listen} // 1) ? "Listen 127.0.0.1:$port\n" : '';
    my $conf = _spew("$dir/httpd.conf", <<"TEXT" . $module . "\n" . ($o{main} // '') . "\n");
Include "$ENV{WA_TEST_DIR}/apache/modules.conf"
${modules}ServerRoot "$dir"
ServerName 127.0.0.1
${listen}DocumentRoot "$ENV{WA_TEST_DOCUMENT_ROOT}"
PidFile "$dir/run/httpd.pid"
DefaultRuntimeDir "$dir/run"
Mutex file:$dir/run default
ErrorLog "$dir/error_log"
CustomLog "$dir/access_log" "%{X-Request-ID}o %P"
TypesConfig /etc/mime.types
StartServers 2
ServerLimit 2
ThreadsPerChild 32
MaxRequestWorkers 64
KeepAliveTimeout 15
GracefulShutdownTimeout 10
TraceEnable Off
TEXT
    return { dir => $dir, conf => $conf, port => $port, internal => $internal, url => "http://127.0.0.1:$port", log => "$dir/error_log" };
}

# What `httpd -t` says of it, and its status.
sub apache_check {
    my ($apache) = @_;
    my $out = eval { command(_program(), '-t', '-f', $apache->{conf}) };
    return defined $out ? (0, $out) : (1, $@);
}

# Starts it and waits until it answers; a fault of it is death.
sub apache_start {
    my ($apache) = @_;
    command(_program(), '-f', $apache->{conf}, '-k', 'start');
    my $until = time + 30;
    my $pid;
    while (!$pid) {
        ($pid) = log_text("$apache->{dir}/run/httpd.pid") =~ /^(\d+)/;
        die "a second Apache does not start: " . log_text($apache->{log}) . "\n" if time > $until;
        sleep 0.05 if !$pid;
    }
    $running{ $apache->{dir} } = $pid;
    sleep 0.05 until IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $apache->{port}) || time > $until;
    return $apache;
}

sub apache_stop {
    my ($dir) = ref $_[0] ? $_[0]{dir} : $_[0];
    my $pid = delete $running{$dir} or return;
    kill TERM => $pid;
    my $until = time + 30;
    sleep 0.05 while kill(0 => $pid) && time < $until;
    kill KILL => $pid;
    return;
}

my $owner = $$;
END {
    my $status = $?;
    if ($$ == $owner) { apache_stop($_) for keys %running }
    $? = $status;
}

1;
