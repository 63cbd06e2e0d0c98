# JSON over HTTP to the API, the sandbox and the bridge, with a bound on every
# call; and many calls at a time, each from a process of its own.
package WA::HTTP;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use HTTP::Tiny ();
use IO::Select ();
use IO::Socket::INET ();
use JSON::PP ();
use MIME::Base64 ();
use Time::HiRes qw(time);
use WA::Answers ();

our @EXPORT = qw(api call sandbox bridge internal header json raw parallel
                 at_once secret true false);

our %URL = (
    api      => "$ENV{WA_TEST_BASE_URL}/api",
    sandbox  => $ENV{WA_TEST_SANDBOX_URL},
    bridge   => $ENV{WA_TEST_BRIDGE_URL},
    internal => $ENV{WA_TEST_INTERNAL_URL},
);

my $JSON = JSON::PP->new->utf8->canonical->allow_nonref;
my %agent; # by process: a socket must not be shared after a fork

sub true  { JSON::PP::true() }
sub false { JSON::PP::false() }

# One of the stack's secrets, by its file's name.
sub secret {
    my ($name) = @_;
    open my $in, '<', "$ENV{WA_TEST_SECRETS_DIR}/$name" or die "$name: $!\n";
    my $text = <$in>;
    $text =~ s/\s+\z//;
    return $text;
}

# The answer to a request: {status, headers, content, json, seconds}. A body
# that is a reference becomes JSON; a text goes as it is. json is undef when
# the answer isn't JSON. Nothing answered: status 599.
sub call {
    my ($method, $url, %o) = @_;
    my %headers = %{ $o{headers} || {} };
    my $body = $o{body};
    if (ref $body eq 'HASH' || ref $body eq 'ARRAY') {
        $body = $JSON->encode($body);
    }
    if (defined $body && !grep { lc eq 'content-type' } keys %headers) {
        $headers{'Content-Type'} = 'application/json';
    }
    $headers{Authorization} = "Bearer $o{key}" if defined $o{key};
    my $ua = $agent{$$} ||= HTTP::Tiny->new(
        agent => 'mod_whatsapp-test', keep_alive => 1, max_redirect => 0,
        no_proxy => '127.0.0.1');
    $ua->timeout($o{timeout} || 30); # the method: it also reaches the connection that is kept
    my $start = time;
    my $res = $ua->request($method, $url, {
        headers => \%headers, defined $body ? (content => $body) : () });
    $res->{seconds} = time - $start;
    $res->{content} //= '';
    WA::Answers::record($method, $url, $res);
    my $type = header($res, 'Content-Type') || '';
    $res->{json} = $type =~ m{^application/(?:problem\+)?json\b}
        ? eval { $JSON->decode($res->{content}) } : undef;
    return $res;
}

sub header { my ($res, $name) = @_; return $res->{headers}{lc $name} }
sub json { return $JSON->encode($_[0]) }

# api(POST => '/users', key => ..., body => {...})
sub api { my ($method, $path, @o) = @_; return call($method, $URL{api} . $path, @o) }

# The sandbox's JSON, or death: a sandbox that fails is no result of a test.
sub sandbox {
    my ($method, $path, $body) = @_;
    my $res = call($method, $URL{sandbox} . $path, $body ? (body => $body) : ());
    die "sandbox: $method $path: $res->{status} $res->{content}\n" if $res->{status} >= 400;
    return $res->{json};
}

sub bridge {
    my ($method, $path, @o) = @_;
    return call($method, $URL{bridge} . $path, key => secret('bridge_secret'), @o);
}

# What the bridge tells the module.
sub internal {
    my ($path, @o) = @_;
    return call(POST => "$URL{internal}/internal/v1$path", @o);
}

# Bytes as they are over a new connection; the whole answer as text, read until
# the other end closes or $seconds are over.
sub raw {
    my ($bytes, $seconds) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $ENV{WA_TEST_PORT}, Timeout => 5) or die "connect: $!\n";
    local $SIG{PIPE} = 'IGNORE';
    my $until = time + ($seconds || 10);
    syswrite $s, $bytes;
    my $got = '';
    while ((my $left = $until - time) > 0) {
        last unless IO::Select->new($s)->can_read($left);
        last unless sysread $s, $got, 65536, length $got;
    }
    return $got;
}

# How many seconds parallel and at_once have.
our $WITHIN = 120;

# parallel($n, $code, @items): $code->($item) for all items by $n processes; the
# results in the order of the items. $code returns what JSON can carry.
sub parallel {
    my ($n, $code, @items) = @_;
    return _parallel($n, $code, undef, @items);
}

# at_once($code, @items): the same by a process for each item, all of which are
# there before the first begins.
sub at_once {
    my ($code, @items) = @_;
    pipe my $gate, my $open or die "pipe: $!\n";
    return _parallel(scalar @items, $code, [$gate, $open], @items);
}

# A worker waits at the gate until nobody holds it shut any more.
sub _wait_at {
    my ($gate, $open) = @_;
    close $open;
    sysread $gate, my $nothing, 1;
    return;
}

sub _parallel {
    my ($n, $code, $gate, @items) = @_;
    my (%pid_of, %got, @results);
    for my $i (0 .. $n - 1) {
        pipe my $in, my $out or die "pipe: $!\n";
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            close $in;
            %agent = ();
            _wait_at(@$gate) if $gate;
            for (my $k = $i; $k < @items; $k += $n) {
                my $r = eval { $code->($items[$k]) };
                $r = { died => "$@" } if $@;
                my $line = MIME::Base64::encode_base64($JSON->encode($r), '');
                syswrite $out, "$k $line\n";
            }
            close $out;
            require POSIX;
            POSIX::_exit(0);
        }
        close $out;
        $pid_of{fileno $in} = [$pid, $in];
    }
    close $_ for $gate ? @$gate : ();
    my $select = IO::Select->new(map { $_->[1] } values %pid_of);
    my $until = time + $WITHIN;
    while ($select->count && time < $until) {
        for my $in ($select->can_read($until - time)) {
            my $fd = fileno $in;
            $got{$fd} //= '';
            next if sysread $in, $got{$fd}, 65536, length $got{$fd};
            $select->remove($in);
            for my $line (split /\n/, $got{$fd}) {
                my ($k, $text) = split / /, $line;
                $results[$k] = $JSON->decode(MIME::Base64::decode_base64($text));
            }
        }
    }
    for my $worker (values %pid_of) {
        kill KILL => $worker->[0] if $select->exists($worker->[1]);
        waitpid $worker->[0], 0;
    }
    return @results;
}

1;
