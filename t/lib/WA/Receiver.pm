# A receiver of webhooks (t/daemon/receiver.mjs): started, told how to answer,
# killed, and what it was sent.
package WA::Receiver;

use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use WA::HTTP;
use WA::Stack;

my $count = 0;

sub new {
    my ($class) = @_;
    my $self = bless { log => "$ENV{WA_TEST_DIR}/tmp/receiver.$$." . $count++, port => 0, modes => {} }, $class;
    $self->start;
    return $self;
}

# On the port that it had before, if it had one; with the modes it had.
sub start {
    my ($self) = @_;
    my $src = $ENV{WA_TEST_SRC_DIR};
    $self->{pid} = open $self->{out}, '-|', $ENV{WA_TEST_NODE}, "$src/t/daemon/receiver.mjs", $self->{port},
        $self->{log}, "$src/bridge/package.json" or die "receiver: $!\n";
    my $port = readline $self->{out};
    die "the receiver did not start\n" if !defined $port;
    ($self->{port}) = $port =~ /(\d+)/;
    $self->_tell($_) for keys %{ $self->{modes} };
    return;
}

sub kill {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    CORE::kill(KILL => $pid);
    close $self->{out};
    return;
}

sub url { my ($self, $name) = @_; return "http://127.0.0.1:$self->{port}/hook/$name" }

# mode($name, $mode, secrets => [...], headers => {...})
sub mode {
    my ($self, $name, $mode, %more) = @_;
    $self->{modes}{$name} = { %{ $self->{modes}{$name} || {} }, mode => "$mode", %more };
    $self->_tell($name);
    return;
}

sub _tell {
    my ($self, $name) = @_;
    my $r = call(PUT => "http://127.0.0.1:$self->{port}/mode/$name", body => $self->{modes}{$name});
    die "receiver: $r->{status}\n" if $r->{status} != 204;
    return;
}

# What was posted to a name, in the order of its coming.
sub seen {
    my ($self, $name) = @_;
    return grep { $_->{name} eq $name } map { JSON::PP::decode_json($_) } split /\n/, log_text($self->{log});
}

sub DESTROY {
    my ($self) = @_;
    local $?;
    $self->kill;
    unlink $self->{log};
    return;
}

1;
