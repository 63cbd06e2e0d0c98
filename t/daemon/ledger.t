# The ledger: hundreds of sends while one part after the other is killed. What
# was accepted is in the sandbox's log, under one WhatsApp id, and on its phone
# once; what a client sent again with its Idempotency-Key is one message.
#
# WA_LEDGER_ROUNDS and WA_LEDGER_SENDS make it longer.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(time);
use WA::Test;

my $ROUNDS = $ENV{WA_LEDGER_ROUNDS} || 5;
my $SENDS = $ENV{WA_LEDGER_SENDS} || 40;
my ($CLIENTS, $PATIENCE) = (8, 90);
my @VICTIMS = (
    ['a child of Apache' => sub { my ($child) = sort { $a <=> $b } httpd_children(); kill KILL => $child if $child }],
    ['whatsappd' => sub { kill_it('whatsappd') }],
    ['the bridge' => sub { kill_it('bridge') }],
    ['PostgreSQL' => sub { kill_it('postgresql') }],
    ['all of Apache' => sub { kill_httpd() }],
);
my (@senders, @friends, %accepted, %repeats, $log_seq);
my %total = (sends => 0, tries => 0, repeats => 0);

# --- sending, with the patience of a client that must not lose anything ----------

# Until it is accepted, with the same key: {text, id, whatsapp_id, tries}.
sub send_surely {
    my ($n, $text) = @_;
    my ($key, $until, $tries) = ("ledger-$text" =~ tr/ /-/r, time + $PATIENCE, 0);
    while (1) {
        my $r = api(POST => '/messages/send-text', key => $senders[$n % @senders]{key}, timeout => 20,
            headers => { 'Idempotency-Key' => $key }, body => { recipient => $friends[$n % @friends]{number}, text => $text });
        $tries++;
        if ($r->{status} == 200 || $r->{status} == 202) {
            return { text => $text, %{ pick($r->{json}, qw(id whatsapp_id)) }, tries => $tries };
        }
        die "$text: $r->{status} $r->{content}\n" if $r->{status} < 500 && $r->{status} != 409;
        die "$text: not accepted within $PATIENCE s: $r->{status} $r->{content}\n" if time > $until;
        select undef, undef, undef, 0.2;
    }
}

# Kills when a third of the round's messages are there. Its process id.
sub killer {
    my ($round, $kill) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $ok = eval {
        wait_until { db("SELECT count(*) FROM messages WHERE content LIKE 'r$round %'") >= $SENDS / 3 } $PATIENCE, 'a third';
        $kill->();
        1;
    };
    warn $@ if !$ok;
    require POSIX;
    POSIX::_exit($ok ? 0 : 1);
}

# What WhatsApp's server got since the last look: how often each id.
sub look_at_log {
    for my $e (@{ sandbox(GET => "/log?limit=20000&after=$log_seq") }) {
        $repeats{ $e->{id} }++ if $e->{kind} eq 'message';
        $log_seq = $e->{seq} if $e->{seq} > $log_seq;
    }
    return;
}
sub ours { return join ',', map { "'$_->{id}'" } @senders }
sub waiting { return db('SELECT count(*) FROM outbox o JOIN messages m ON m.id = o.message_id WHERE m.user_id IN (' . ours() . ')') }

step 'users with phones' => sub {
    @senders = map { my $u = new_user(max_messages_per_minute => 100_000, max_messages_per_day => 100_000); link_phone($u); $u } 1 .. 2;
    @friends = map { phone("Recipient $_") } 1 .. 5;
    $log_seq = 0;
    look_at_log();
    %repeats = ();
    return ([map { session_of($_)->{status} } @senders], ['connected', 'connected']);
};
for my $round (1 .. $ROUNDS) {
    my ($name, $kill) = @{ $VICTIMS[($round - 1) % @VICTIMS] };
    it "round $round: $SENDS sends, $name killed in the middle: all are accepted in the end" => sub {
        my $pid = killer($round, $kill);
        my @r = parallel($CLIENTS, sub { return send_surely($_[0], sprintf 'r%d %04d', $round, $_[0]) }, 1 .. $SENDS);
        waitpid $pid, 0;
        my $killed = $?;
        for my $m (grep { ref && $_->{id} } @r) {
            $accepted{ $m->{text} } = $m;
            $total{sends}++;
            $total{tries} += $m->{tries};
        }
        return ([$killed, scalar(grep { ref && $_->{id} } @r)], [0, $SENDS]);
    };
    it "round $round: the outbox is empty in the end" => sub {
        wait_until { (eval { waiting() } // 'away') eq '0' } 150, 'an empty outbox';
        look_at_log();
        return (waiting(), 0);
    };
}

# --- the ledger -------------------------------------------------------------

# All that the phones show, by text.
sub shown {
    my %shown;
    for my $phone (@friends) { push @{ $shown{ $_->{text} } }, $_->{id} for inbox($phone) }
    return \%shown;
}
it 'every accepted message is on its phone, once, under the id that its sender was told' => sub {
    wait_until { keys %{ shown() } >= keys %accepted } 60, 'all texts';
    my $shown = shown();
    my @wrong = grep { my $ids = $shown->{$_} || []; @$ids != 1 || $ids->[0] ne $accepted{$_}{whatsapp_id} } sort keys %accepted;
    return ([scalar(keys %accepted), \@wrong], [$total{sends}, []]);
};
it 'nothing else is there' => sub { return ([grep { !$accepted{$_} } sort keys %{ shown() }], []) };
it "every one of them is in the server's log" => sub {
    return ([grep { !$repeats{ $accepted{$_}{whatsapp_id} } } sort keys %accepted], []);
};
it 'a row for each, however often its client tried' => sub {
    my $rows = db("SELECT count(*), count(DISTINCT whatsapp_id), count(DISTINCT content) FROM messages WHERE direction = 'out' AND user_id IN (" . ours() . ')');
    return ($rows, join '|', ($total{sends}) x 3);
};
it 'all are delivered in the end' => sub {
    my $left = "SELECT count(*) FROM messages WHERE direction = 'out' AND status <> 'delivered' AND user_id IN (" . ours() . ')';
    wait_until { db($left) == 0 } 90, 'all delivered';
    return (db($left), 0);
};
it 'the figures' => sub {
    my $twice = grep { ($repeats{ $_->{whatsapp_id} } || 0) > 1 } values %accepted;
    show(sprintf '%d rounds, %d messages accepted, %d requests; %d messages reached the server more than once, each under its one id',
        $ROUNDS, $total{sends}, $total{tries}, $twice);
    return ($total{sends}, $ROUNDS * $SENDS);
};

run_tests;
