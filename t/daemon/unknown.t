# Messages whose outcome nobody knows: they hold up nothing, are asked for under
# their id, and end as what turns out. A bridge of our own answers here, as one
# whose engine can't send an id twice does (docs/bridge-api.md).
use strict;
use warnings FATAL => 'all';

use IO::Socket::INET ();
use POSIX ();
use WA::Apache;
use WA::Test;

my $PORT = free_port();
my $DIR = "$ENV{WA_TEST_DIR}/tmp/unknown.$$";
my ($user, $session, $apache, $stub);
my $SENT = '{"whatsapp_id":"x","status":"sent","sent_at":"2026-11-24T10:00:00.000Z","chat":"x"}';

# --- the bridge -------------------------------------------------------------

# What it answers to a message with this text: a status and a body.
sub answers { my ($text, $status, $body) = @_; spew("$DIR/$text", "$status $body"); return }
sub lost { my ($text) = @_; return answers($text, 504, problem_of('outcome_unknown', 504)) }
sub problem_of { my ($code, $status) = @_; return json({ type => 'about:blank', title => 'x', status => $status, code => $code, request_id => 'x' }) }
# The ids under which it was asked for that text.
sub asked { my ($text) = @_; return [split /\n/, log_text("$DIR/$text.asked")] }
sub spew { my ($file, $text) = @_; open my $out, '>', "$file.new" or die "$file: $!\n"; print $out $text; close $out; rename "$file.new", $file or die "$file: $!\n"; return }

sub answer_one {
    my ($peer) = @_;
    my $head = '';
    while ($head !~ /\r\n\r\n/) { return if !sysread $peer, $head, 1, length $head }
    my ($length) = $head =~ /^content-length:\s*(\d+)/mi;
    my $body = '';
    while (length $body < ($length || 0)) { return if !sysread $peer, $body, $length - length $body, length $body }
    my ($text) = $body =~ /"text":"([^"]*)"/;
    my ($id) = $body =~ /"id":"([^"]*)"/;
    my ($status, $answer) = (200, '{"status":"ok","mode":"sandbox"}');
    if (defined $text) {
        open my $log, '>>', "$DIR/$text.asked" or die $!;
        print $log "$id\n";
        close $log;
        ($status, $answer) = split / /, log_text("$DIR/$text") || '200 ' . $SENT, 2;
    }
    my $type = $status < 300 ? 'application/json' : 'application/problem+json';
    syswrite $peer, "HTTP/1.1 $status X\r\nContent-Type: $type\r\nContent-Length: " . length($answer) . "\r\nConnection: close\r\n\r\n$answer";
    return;
}

sub start_stub {
    mkdir $DIR or die "$DIR: $!\n";
    my $door = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $PORT, Listen => 32, ReuseAddr => 1) or die "port $PORT: $!\n";
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    $SIG{PIPE} = 'IGNORE';
    while (my $peer = $door->accept) { answer_one($peer); close $peer }
    POSIX::_exit(0);
}

my $owner = $$;
END {
    my $status = $?;
    if ($stub && $$ == $owner) { kill KILL => $stub; waitpid $stub, 0 }
    $? = $status;
}

# --- sending ----------------------------------------------------------------

sub submit {
    my ($text, %o) = @_;
    return call(POST => "$apache->{url}/api/messages/send-text", key => $user->{key}, headers => $o{headers} || {},
        body => { recipient => $o{to} || '+491701111111', text => $text });
}
sub becomes { my ($id, $status) = @_; return wait_until { my $m = message($user, $id); $m->{status} eq $status ? $m : undef } 60, "$id $status" }
sub told { my ($id) = @_; return [db("SELECT type FROM events WHERE message_id = '$id' ORDER BY seq")] }
sub waits { my ($id) = @_; return db("SELECT count(*) FROM outbox WHERE message_id = '$id'") }

step 'a bridge, an Apache and a daemon that know each other' => sub {
    $user = new_user(max_messages_per_minute => 1000, max_messages_per_day => 1000);
    $session = api(POST => '/session/init', key => $user->{key}, body => {})->{json}{id};
    bridge(POST => "/v1/sessions/$session/disconnect");
    wait_until { session_of($user)->{status} eq 'disconnected' } 20, 'disconnected';
    $stub = start_stub();
    my $here = "http://127.0.0.1:$PORT";
    $apache = apache_start(apache_config(edit => sub { s/^(\s*WhatsAppBridge\s+)\S+/$1$here/m or die "no WhatsAppBridge\n" }));
    daemon_with('', sub { s/^(\s*WhatsAppBridge\s+)\S+/$1$here/m or die "no WhatsAppBridge\n" });
    # Linked, as far as we know.
    db("UPDATE sessions SET linked = true, wanted = true, phone_number = '+4917099990' WHERE id = '$session'");
    return (submit('plain')->{status}, 200);
};

my $lost;
step 'it left, and nobody knows: 202 unknown' => sub {
    lost('lost');
    my $r = submit('lost');
    $lost = $r->{json};
    return ([$r->{status}, pick($lost, qw(status error_code sent_at attempts))],
        [202, { status => 'unknown', error_code => 'outcome_unknown', sent_at => undef, attempts => 1 }]);
};
it 'it stands so, with its history, and the feed tells it' => sub {
    return ([message($user, $lost->{id})->{status}, [map { $_->{status} } @{ message($user, $lost->{id})->{history} }], told($lost->{id})],
        ['unknown', ['pending', 'unknown'], ['message.unknown']]);
};
it 'the next to the same chat is not held up' => sub {
    return (submit('next')->{status}, 200);
};
it 'it is asked for again, under the same id' => sub {
    wait_until { @{ asked('lost') } >= 3 } 60, 'three times';
    my %ids = map { $_ => 1 } @{ asked('lost') };
    return ([keys %ids], [$lost->{whatsapp_id}]);
};
it 'it is too late to cancel it' => sub {
    return problem(api(DELETE => "/messages/$lost->{id}", key => $user->{key}), 409, 'message_not_cancellable');
};
it 'when the bridge knows at last, it is sent' => sub {
    answers('lost', 200, $SENT);
    my $m = becomes($lost->{id}, 'sent');
    return ([pick($m, qw(error_code)), $m->{sent_at}, told($lost->{id}), waits($lost->{id})],
        [{ error_code => undef }, TIME, ['message.unknown', 'message.sent'], 0]);
};
it 'or refused: it failed' => sub {
    lost('refused');
    my $id = submit('refused')->{json}{id};
    answers('refused', 422, problem_of('rejected', 422));
    return ([becomes($id, 'failed')->{error_code}, told($id)], ['rejected', ['message.unknown', 'message.failed']]);
};
it 'a receipt settles it' => sub {
    lost('receipt');
    my $m = submit('receipt')->{json};
    my $id = '01900000-0000-7000-8000-0000000000aa';
    internal('/events', key => secret('internal_secret'), body => { bridge_id => $id, mode => 'sandbox', sessions => 1, events => [
        { seq => time, session => $session, type => 'message.status', at => '2026-11-24T10:00:00.000Z',
            data => { whatsapp_id => $m->{whatsapp_id}, status => 'delivered', at => '2026-11-24T10:00:00.000Z' } }] });
    db("DELETE FROM bridges WHERE id = '$id'");
    return ([message($user, $m->{id})->{status}, waits($m->{id}), told($m->{id})], ['delivered', 0, ['message.unknown', 'message.delivered']]);
};
it 'by the daemon alone it is the same' => sub {
    lost('daemon');
    my $id = submit('daemon', headers => { Prefer => 'respond-async' })->{json}{id};
    becomes($id, 'unknown');
    answers('daemon', 200, $SENT);
    return (becomes($id, 'sent')->{status}, 'sent');
};
it 'unlinked while nobody knows: it stays unknown, and is asked for no more' => sub {
    lost('unlinked');
    my $id = submit('unlinked')->{json}{id};
    answers('unlinked', 409, problem_of('session_not_linked', 409));
    wait_until { waits($id) == 0 } 60, 'asked for no more';
    return (pick(message($user, $id), qw(status error_code)), { status => 'unknown', error_code => 'session_not_linked' });
};
it 'its time to live ends: it stays unknown too' => sub {
    lost('expired');
    my $id = submit('expired')->{json}{id};
    db("UPDATE outbox SET expires_at = now() WHERE message_id = '$id'");
    wait_until { waits($id) == 0 } 60, 'asked for no more';
    return (pick(message($user, $id), qw(status error_code)), { status => 'unknown', error_code => 'outcome_unknown' });
};
it 'what was never acknowledged in time is no failure either' => sub {
    answers('late', 504, problem_of('ack_timeout', 504));
    my $r = submit('late');
    my $id = $r->{json}{id};
    db("UPDATE outbox SET expires_at = now() WHERE message_id = '$id'");
    my $m = becomes($id, 'unknown');
    return (["$r->{status} $r->{json}{status}", $m->{error_code}, told($id)], ['202 pending', 'outcome_unknown', ['message.unknown']]);
};
it 'what certainly was not sent is one' => sub {
    answers('away', 503, problem_of('session_unavailable', 503));
    my $id = submit('away')->{json}{id};
    db("UPDATE outbox SET expires_at = now() WHERE message_id = '$id'");
    return ([becomes($id, 'failed')->{error_code}, told($id)], ['session_unavailable', ['message.failed']]);
};
it 'nothing was asked for under two ids' => sub {
    my @two = grep { my %ids = map { $_ => 1 } @{ asked($_) }; keys %ids != 1 } qw(plain lost next refused receipt daemon unlinked expired late away);
    return (\@two, []);
};

run_tests;
