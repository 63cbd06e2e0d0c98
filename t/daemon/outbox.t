# What is accepted is sent, once, in order, whatever is away in between.
use strict;
use warnings FATAL => 'all';

use IO::Handle;
use IPC::Open2 qw(open2);
use WA::Test;

my ($user, $phone, $friend, @others);
my $PG_LOG = "$ENV{WA_TEST_LOG_DIR}/postgresql.log";
my $pg_log_before = length log_text($PG_LOG);

sub qrs { return db("SELECT count(*) FROM sessions WHERE qr_code IS NOT NULL OR status = 'qr_pending'") }
sub statuses {
    my ($what) = @_;
    my %count;
    for (db("SELECT status FROM messages WHERE user_id = '$user->{id}' AND content LIKE '$what%'")) { $count{$_}++ }
    return \%count;
}
sub on_phones { my ($what, @phones) = @_; return grep { index($_->{text}, $what) == 0 } map { inbox($_) } @phones }

step 'a user with a phone' => sub {
    $user = new_user(max_messages_per_minute => 10000, max_messages_per_day => 10000);
    $phone = link_phone($user);
    $friend = phone('Recipient');
    @others = map { phone("Recipient $_") } 1 .. 5;
    return (send_text($user, $friend, 'before all')->{status}, 200);
};

# --- the bridge is away -----------------------------------------------------

my ($late, $id);
step 'the bridge stopped: a send is accepted, pending, at once' => sub {
    stop_it('bridge');
    $late = send_text($user, $friend, 'late');
    ($id) = map { $_->{id} } $late->{json};
    return ([$late->{status}, pick($late->{json}, qw(status whatsapp_id sent_at recipient content)), $late->{seconds} < 3 ? 1 : 0],
        [202, { status => 'pending', whatsapp_id => qr/\A3EB0[0-9A-F]{18}\z/, sent_at => undef,
            recipient => $friend->{number}, content => 'late' }, 1]);
};
it 'it waits in the outbox, with the reason of its first try' => sub {
    wait_until { message($user, $id)->{attempts} >= 1 } 10, 'an attempt';
    return ([rows($user), message($user, $id)->{error_code}], ['2 1 1', 'bridge_unavailable']);
};
it 'whatsappd tries again, later each time' => sub {
    wait_until { message($user, $id)->{attempts} >= 2 } 10, 'a second attempt';
    my $left = db("SELECT ceil(extract(epoch FROM next_attempt_at - now())) FROM outbox WHERE message_id = '$id'");
    return ($left, qr/\A-?[0-5]\z/); # below 0: it is due at this moment
};
it 'five to one chat and five to others while it is away' => sub {
    my @r = map { send_text($user, $friend, "queued $_") } 1 .. 5;
    push @r, map { send_text($user, $others[$_ - 1], "queued $_") } 1 .. 5;
    return ([map { "$_->{status} $_->{json}{status}" } @r], [('202 pending') x 10]);
};
it 'the session is not shown as working for ever' => sub {
    my $s = wait_until { my $s = session_of($user); $s->{status} ne 'connected' ? $s : undef } 25, 'no longer connected';
    return ([@$s{qw(status reason)}], ['connecting', 'bridge_unreachable']);
};
step 'the bridge started: it is delivered under the same id' => sub {
    start_it('bridge');
    my $m = wait_until { my $m = message($user, $id); $m->{status} eq 'delivered' ? $m : undef } 30, 'delivered';
    return (pick($m, qw(whatsapp_id error_code error_message sent_at)),
        { whatsapp_id => $late->{json}{whatsapp_id}, error_code => undef, error_message => undef, sent_at => TIME });
};
it 'all of the chat came, once, in order' => sub {
    wait_until { texts($friend) >= 7 } 20, 'seven texts';
    return ([texts($friend)], ['before all', 'late', map { "queued $_" } 1 .. 5]);
};
it 'the other chats too' => sub {
    wait_until { on_phones('queued', @others) >= 5 } 20, 'five texts';
    return ([map { [texts($_)] } @others], [map { ["queued $_"] } 1 .. 5]);
};
it 'the outbox is empty' => sub {
    wait_until { rows($user) eq '12 0 1' } 10, 'an empty outbox';
    return (rows($user), '12 0 1');
};
it 'respond-async: accepted without waiting, and delivered' => sub {
    my $r = send_text($user, $friend, 'async', Prefer => 'respond-async');
    wait_until { (texts($friend))[-1] eq 'async' } 10, 'the text';
    return ([$r->{status}, header($r, 'Preference-Applied')], [202, 'respond-async']);
};

# --- kill -9 of the bridge in the middle of fifty sends ---------------------

my @fifty;
step 'fifty sends by ten clients, the bridge killed in the middle: all accepted' => sub {
    my $before = pid_of('bridge');
    my $killer = fork // die "fork: $!\n";
    if (!$killer) {
        my $ok = eval {
            wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content LIKE 'fifty %'") >= 15 } 20, 'fifteen';
            kill_it('bridge');
        };
        require POSIX;
        POSIX::_exit(defined $ok ? 0 : 1);
    }
    @fifty = parallel(10, sub {
        my $r = send_text($user, ($friend, @others)[$_[0] % 6], sprintf 'fifty %02d', $_[0]);
        return { status => $r->{status}, %{ $r->{json} || {} } , http => $r->{status} };
    }, 1 .. 50);
    waitpid $killer, 0;
    my $killed = $?;
    my $after = wait_until { my $pid = pid_of('bridge'); $pid && $pid != $before ? $pid : undef } 10, 'a new bridge';
    return ([$killed, $before != $after ? 'killed' : 'alive', grep { $_->{http} !~ /^20[02]$/ } @fifty], [0, 'killed']);
};
it 'some were still pending when the bridge died' => sub {
    return ((grep { $_->{http} == 202 } @fifty) > 0 ? 'some' : 'none', 'some');
};
it 'fifty texts on the phones' => sub {
    wait_until { on_phones('fifty', $friend, @others) >= 50 } 60, 'fifty texts';
    return ([sort map { $_->{text} } on_phones('fifty', $friend, @others)], [map { sprintf 'fifty %02d', $_ } 1 .. 50]);
};
it 'each under the id that its sender was told' => sub {
    my %told = map { $_->{content} => $_->{whatsapp_id} } @fifty;
    my %shown = map { $_->{text} => $_->{id} } on_phones('fifty', $friend, @others);
    return (\%shown, \%told);
};
it 'fifty ids' => sub {
    my %ids = map { $_->{whatsapp_id} => 1 } @fifty;
    return (scalar keys %ids, 50);
};
it 'fifty rows, all delivered' => sub {
    wait_until { my $s = statuses('fifty'); ($s->{delivered} || 0) == 50 } 30, 'fifty delivered';
    return (statuses('fifty'), { delivered => 50 });
};
it 'nothing waits' => sub {
    wait_until { (split / /, rows($user))[1] == 0 } 10, 'an empty outbox';
    return ((split / /, rows($user))[1], 0);
};
it 'the session is connected again, with no QR code' => sub {
    wait_until { session_of($user)->{status} eq 'connected' } 20, 'connected';
    return (session_of($user)->{qr_code}, undef);
};

# --- whatsappd --------------------------------------------------------------

it 'whatsappd stopped: sends that go at once still go' => sub {
    stop_it('whatsappd');
    return (send_text($user, $friend, 'without the daemon')->{status}, 200);
};
it 'what it must deliver waits, and goes when it is back' => sub {
    my $r = send_text($user, $friend, 'for the daemon', Prefer => 'respond-async');
    my $waiting = (split / /, rows($user))[1];
    start_it('whatsappd');
    wait_until { (texts($friend))[-1] eq 'for the daemon' } 15, 'the text';
    return ([$r->{status}, $waiting], [202, 1]);
};
it 'whatsappd killed in the middle of twenty: each comes once' => sub {
    stop_it('bridge');
    send_text($user, $others[$_ % 5], sprintf 'twenty %02d', $_) for 1 .. 20;
    start_it('bridge');
    kill_it('whatsappd');
    wait_until { on_phones('twenty', @others) >= 20 } 75, 'twenty texts';
    return ([sort map { $_->{text} } on_phones('twenty', @others)], [map { sprintf 'twenty %02d', $_ } 1 .. 20]);
};
it 'and in order in each chat' => sub {
    return ([map { my @in = on_phones('twenty', $_); join ' ', map { $_->{text} } @in } @others],
        [map { my $i = $_; join ' ', map { sprintf 'twenty %02d', $_ } grep { $_ % 5 == $i } 1 .. 20 } 0 .. 4]);
};

# --- a whatsappd that dies holding leases, and one that does not ------------

my $held;
sub lease { return db("SELECT coalesce(lease_owner, '-'), coalesce(lease_until > now(), false) FROM outbox WHERE message_id = '$_[0]'") }

it 'killed in the middle of an attempt: its lease ends with it, long before its time' => sub {
    pause_it('bridge');
    my $r = send_text($user, $others[0], 'held by the dead', Prefer => 'respond-async');
    wait_until { lease($r->{json}{id}) =~ /\|t\z/ } 10, 'the attempt';
    my ($owner) = split /\|/, lease($r->{json}{id});
    my $known = db("SELECT count(*) FROM workers WHERE id = '$owner'");
    # The bridge too, so that nobody but another whatsappd can send it.
    kill_it($_) for qw(whatsappd bridge);
    resume_it('bridge');
    my $from = time;
    wait_until { on_phones('held by the dead', $others[0]) && message($user, $r->{json}{id})->{status} eq 'delivered' } 40, 'the text';
    my $took = time - $from;
    show("sent $took s after the kill");
    wait_until { !db("SELECT count(*) FROM workers WHERE id = '$owner'") } 10, 'the end of its row';
    return ([$known, scalar on_phones('held by the dead', $others[0])], [1, 1]);
};
my ($keeper, @keep);
it 'what is leased by one that lives stays so' => sub {
    stop_it('bridge');
    $held = send_text($user, $others[1], 'held by the living')->{json}{id};
    my $id = '01900000-0000-7000-8000-00000000dead';
    # Idle when it has the lock: a backend at work does not notice that its client is gone.
    $keeper = open2(my $out, my $in, "$ENV{WA_TEST_PG_BIN}/psql", '-XAtq', '-d', $ENV{WA_TEST_DB});
    $in->autoflush(1);
    print {$in} "SELECT 'locked' FROM (SELECT pg_advisory_lock(hashtextextended('whatsappd $id', 0))) x;\n";
    die "no lock\n" if <$out> !~ /locked/;
    push @keep, $in, $out;
    db("INSERT INTO workers (id, name, holds_lock) VALUES ('$id', 'another', true)");
    wait_until { db("UPDATE outbox SET lease_owner = '$id', lease_until = now() + interval '50 s'"
        . " WHERE message_id = '$held' AND lease_owner IS NULL RETURNING 1") } 10, 'the lease';
    sleep 6;
    return (lease($held), "$id|t");
};
it 'until it dies' => sub {
    kill KILL => $keeper;
    waitpid $keeper, 0;
    wait_until { lease($held) !~ /dead\|t\z/ } 20, 'the end of the lease';
    start_it('bridge');
    wait_until { message($user, $held)->{status} eq 'delivered' } 30, 'delivered';
    return (scalar on_phones('held by the living', $others[1]), 1);
};

# --- everything restarted ---------------------------------------------------

step 'all of the servers restarted: the session is back without a new QR code' => sub {
    my $link = session_of($user)->{id};
    stop_it($_) for qw(whatsappd bridge sandbox redis postgresql);
    restart_httpd();
    start_it($_) for qw(postgresql redis sandbox bridge whatsappd);
    my $codes = 0;
    my $s = wait_until {
        my $s = session_of($user);
        $codes++ if $s->{qr_code} || $s->{status} eq 'qr_pending';
        $s->{status} eq 'connected' ? $s : undef;
    } 40, 'connected';
    return ([$codes, $s->{id}, $s->{phone_number}], [0, $link, $phone->{number}]);
};
it 'and it sends, and what was sent is still known' => sub {
    my $r = send_text($user, $friend, 'after all');
    wait_until { (texts($friend))[-1] eq 'after all' } 15, 'the text';
    return ([$r->{status}, message($user, $id)->{content}], [200, 'late']);
};
it 'a second message with the same content is a second message' => sub {
    my @r = map { send_text($user, $friend, 'twin') } 1, 2;
    wait_until { on_phones('twin', $friend) == 2 } 10, 'two texts';
    return ($r[0]{json}{whatsapp_id} eq $r[1]{json}{whatsapp_id} ? 'one id' : 'two ids', 'two ids');
};

# --- a phone that is away, and one that unlinks -----------------------------

it 'a phone off the network: sent, and delivered when it is back' => sub {
    sandbox(POST => "/phones/$friend->{id}/online", { online => false });
    my $r = send_text($user, $friend, 'to who is away');
    my $first = message($user, $r->{json}{id})->{status};
    sandbox(POST => "/phones/$friend->{id}/online", { online => true });
    wait_until { message($user, $r->{json}{id})->{status} eq 'delivered' } 15, 'delivered';
    return ([$r->{status}, $first], [200, 'sent']);
};
it 'an acknowledgement that is late: pending, repeated under the same id, shown once' => sub {
    # Away, so that no receipt of its phone stands in for the acknowledgement.
    sandbox(POST => "/phones/$others[0]{id}/online", { online => false });
    sandbox(POST => '/faults', { ack_delay_ms => 3000 });
    my $r = send_text($user, $others[0], 'no ack', Prefer => 'wait=1');
    call(DELETE => "$ENV{WA_TEST_SANDBOX_URL}/faults");
    sandbox(POST => "/phones/$others[0]{id}/online", { online => true });
    my $m = wait_until { my $m = message($user, $r->{json}{id}); $m->{status} eq 'delivered' ? $m : undef } 30, 'delivered';
    return ([$r->{status}, header($r, 'Preference-Applied'), $m->{whatsapp_id}, map { $_->{id} } on_phones('no ack', $others[0])],
        [202, 'wait=1', $r->{json}{whatsapp_id}, $r->{json}{whatsapp_id}]);
};
step 'unlinked while a message waits: it fails, and says why' => sub {
    stop_it('bridge');
    my $r = send_text($user, $friend, 'never');
    sandbox(POST => "/phones/$phone->{id}/unlink", {});
    start_it('bridge');
    my $m = wait_until { my $m = message($user, $r->{json}{id}); $m->{status} eq 'failed' ? $m : undef } 40, 'failed';
    return (pick($m, qw(status error_code error_message sent_at)),
        { status => 'failed', error_code => 'session_not_linked', error_message => qr/\w/, sent_at => undef });
};
it 'and nothing of it waits or was sent' => sub {
    return ([(split / /, rows($user))[1], scalar on_phones('never', $friend)], [0, 0]);
};
it 'in all of this no two statements of ours waited for each other' => sub {
    my $log = substr log_text($PG_LOG), $pg_log_before;
    return ([length $log > 0 ? 'a log' : 'no log', scalar(() = $log =~ /deadlock detected/g)], ['a log', 0]);
};

run_tests;
