# The ledger: many sends while one part after the other is killed (kill -9), and
# afterwards the count of what was accepted, what WhatsApp's server got and what
# the phones show.
package WA::Ledger;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use Time::HiRes qw(time sleep);
use WA::Test;

our @EXPORT = qw(ledger);

my ($CLIENTS, $PATIENCE) = (8, 120);
my (%o, $unknown, @senders, @friends, %accepted, %times, %kills, $log_seq);
my %total = (sends => 0, tries => 0);

# --- what is killed ---------------------------------------------------------

sub lowest { my ($pid) = sort { $a <=> $b } @_; return $pid // die "nothing to kill\n" }

sub browsers { return grep { log_text("/proc/$_/cmdline") =~ /\A[^\0]*chrom/i } children_of(pid_of('bridge')) }

my %KILL = (
    'a child of Apache' => sub { kill KILL => lowest(httpd_children()) },
    'whatsappd' => sub { kill_it('whatsappd') },
    'the bridge' => sub { kill_it('bridge') },
    'PostgreSQL' => sub { kill_it('postgresql') },
    "Apache's parent" => sub { kill_httpd(2) },
    'all of Apache' => sub { kill_httpd() },
    # PostgreSQL then ends all of them and recovers.
    'a backend of PostgreSQL' => sub { kill KILL => lowest(db("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")) },
    # It may be starting anew from the round before.
    'the browser' => sub { kill KILL => wait_until { my @all = browsers(); @all ? lowest(@all) : 0 } $PATIENCE, 'a browser' },
);

# --- sending, with the patience of a client that must not lose anything ----------

# Until it is accepted, with the same key: {text, id, whatsapp_id, tries}. Every
# third message does not wait for WhatsApp.
sub send_surely {
    my ($n, $text) = @_;
    my ($key, $until, $tries) = ("ledger-$text" =~ tr/ /-/r, time + $PATIENCE, 0);
    while (1) {
        my $r = api(POST => '/messages/send-text', key => $senders[$n % @senders]{key}, timeout => 20,
            headers => { 'Idempotency-Key' => $key, $n % 3 ? () : (Prefer => 'respond-async') },
            body => { recipient => $friends[$n % @friends]{number}, text => $text });
        $tries++;
        if ($r->{status} == 200 || $r->{status} == 202) {
            return { text => $text, %{ pick($r->{json}, qw(id whatsapp_id)) }, tries => $tries };
        }
        die "$text: $r->{status} $r->{content}\n" if $r->{status} < 500 && $r->{status} != 409;
        die "$text: not accepted within $PATIENCE s: $r->{status} $r->{content}\n" if time > $until;
        sleep 0.2;
    }
}

# Kills when a third of the round's messages are there. Its process id.
sub killer {
    my ($round, $kill) = @_;
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    my $ok = eval {
        wait_until { db("SELECT count(*) FROM messages WHERE content LIKE 'r$round %'") >= $o{sends} / 3 } $PATIENCE, 'a third';
        $kill->();
        1;
    };
    warn $@ if !$ok;
    require POSIX;
    POSIX::_exit($ok ? 0 : 1);
}

# --- counting ---------------------------------------------------------------

# What WhatsApp's server got since the last look: how often each id.
sub look_at_log {
    while (1) {
        my @entries = @{ sandbox(GET => "/log?limit=5000&after=$log_seq") } or return;
        for my $e (@entries) {
            $times{ $e->{id} }++ if $e->{kind} eq 'message';
            $log_seq = $e->{seq} if $e->{seq} > $log_seq;
        }
    }
}
sub ours { return join ',', map { "'$_->{id}'" } @senders }
# What is still to be sent, but for what nobody knows the outcome of.
sub waiting { return db("SELECT count(*) FROM outbox o JOIN messages m ON m.id = o.message_id WHERE m.status <> 'unknown' AND m.user_id IN (" . ours() . ')') }
sub count_of { my ($what) = @_; return db("SELECT count(*) FROM messages WHERE direction = 'out' AND $what AND user_id IN (" . ours() . ')') }
# The texts of those that are, in the end, unknown.
sub unknown { return map { $_ => 1 } db("SELECT content FROM messages WHERE status = 'unknown' AND user_id IN (" . ours() . ')') }
# All that the phones show: the ids of each text.
sub shown {
    my %shown;
    for my $phone (@friends) { push @{ $shown{ $_->{text} } }, $_->{id} for inbox($phone) }
    return \%shown;
}

# A user's feed from its beginning, as a client reads it: [seq, id, type, message].
sub feed_of {
    my ($user) = @_;
    my ($after, @feed) = (0);
    while (1) {
        my $r = api(GET => "/events?after=$after&limit=200", key => $user->{key});
        die "events: $r->{status} $r->{content}\n" if $r->{status} != 200;
        return @feed if !@{ $r->{json}{data} };
        push @feed, map { [$_->{seq}, $_->{id}, $_->{type}, $_->{data}{id}] } @{ $r->{json}{data} };
        $after = $r->{json}{next_cursor};
    }
}

# --- the tests --------------------------------------------------------------

sub round_of {
    my ($round) = @_;
    my $victim = $o{victims}[($round - 1) % @{ $o{victims} }];
    it "round $round: $o{sends} sends, $victim killed in the middle: all are accepted in the end" => sub {
        my $pid = killer($round, $KILL{$victim});
        local $WA::HTTP::WITHIN = 900;
        my @r = parallel($CLIENTS, sub { return send_surely($_[0], sprintf 'r%d %04d', $round, $_[0]) }, 1 .. $o{sends});
        waitpid $pid, 0;
        my $killed = $?;
        $kills{$victim}++ if !$killed;
        my @good = grep { ref && $_->{id} } @r;
        for my $m (@good) {
            $accepted{ $m->{text} } = $m;
            $total{sends}++;
            $total{tries} += $m->{tries};
        }
        return ([$killed, scalar @good, grep { ref && $_->{died} } @r], [0, $o{sends}]);
    };
    it "round $round: the outbox is empty in the end" => sub {
        wait_until { (eval { waiting() } // 'away') eq '0' } 180, 'an empty outbox';
        look_at_log();
        return (waiting(), 0);
    };
    return;
}

sub count_all {
    it 'every accepted message is on its phone, once, under the id that its sender was told' => sub {
        my %unknown = unknown();
        wait_until { my $s = shown(); !grep { !$s->{$_} && !$unknown{$_} } keys %accepted } 60, 'all texts';
        my $shown = shown();
        my @wrong = grep {
            my $ids = $shown->{$_} || [];
            !(@$ids == 1 && $ids->[0] eq $accepted{$_}{whatsapp_id}) && !(@$ids == 0 && $unknown && $unknown{$_})
        } sort keys %accepted;
        return ([scalar(keys %accepted), \@wrong], [$total{sends}, []]);
    };
    it 'nothing else is there' => sub { return ([grep { !$accepted{$_} } sort keys %{ shown() }], []) };
    it "every one of them is in the server's log, and nothing else" => sub {
        look_at_log();
        my %unknown = unknown();
        my %ids = map { $_->{whatsapp_id} => 1 } values %accepted;
        return ([[grep { !$times{ $accepted{$_}{whatsapp_id} } && !($unknown && $unknown{$_}) } sort keys %accepted], [grep { !$ids{$_} } sort keys %times]], [[], []]);
    };
    it 'a row for each, however often its client tried' => sub {
        my $rows = db("SELECT count(*), count(DISTINCT whatsapp_id), count(DISTINCT content) FROM messages WHERE direction = 'out' AND user_id IN (" . ours() . ')');
        return ($rows, join '|', ($total{sends}) x 3);
    };
    # webjs: a receipt that came while the browser was away is not told later.
    it 'all are delivered in the end' . ($unknown ? ', or sent, or unknown' : '') => sub {
        my $left = $unknown ? "status NOT IN ('sent', 'delivered', 'unknown')" : "status <> 'delivered'";
        wait_until { count_of($left) == 0 } 90, 'all delivered';
        return (count_of($left), 0);
    };
    it "each sender's feed agrees with the table of events, row for row, and has no gap" => sub {
        # First the table: what a late receipt adds meanwhile is in the feed alone.
        my @table = map { [db("SELECT seq, id, type FROM events WHERE user_id = '$_->{id}' ORDER BY seq")] } @senders;
        my @got = map { my $i = $_; my $n = @{ $table[$i] }; [map { join '|', @$_[0, 1, 2] } grep { $_->[0] <= $n } feed_of($senders[$i])] } 0 .. $#senders;
        my @gaps = map { my $n = 0; grep { (split /\|/)[0] != ++$n } @$_ } @got;
        return ([\@got, \@gaps], [\@table, []]);
    };
    it "and with that of messages: of each it tells once how it stands, and of nothing else's" => sub {
        my (@wrong, $count);
        for my $user (@senders) {
            my %stands = map { split /\|/ } db("SELECT id, status FROM messages WHERE direction = 'out' AND user_id = '$user->{id}'");
            my %told;
            for (feed_of($user)) { $told{ $_->[3] }{ $_->[2] =~ s/\Amessage\.//r }++ if $_->[2] =~ /\Amessage\./ }
            push @wrong, grep { !$stands{$_} } sort keys %told;
            push @wrong, grep { my $id = $_; my $t = $told{$id}; ($t->{ $stands{$id} } // 0) != 1 || grep { $_ > 1 } values %$t } sort keys %stands;
            $count += keys %stands;
        }
        return ([$count, \@wrong], [$total{sends}, []]);
    };
    it 'the figures' => sub {
        my $twice = grep { ($times{ $_->{whatsapp_id} } || 0) > 1 } values %accepted;
        my %unknown = unknown();
        my $there = grep { $times{ $accepted{$_}{whatsapp_id} } } keys %unknown;
        show(sprintf '%s: %d rounds (%s), %d messages accepted, %d requests; %d messages reached the server more than once, each under its one id',
            $o{engine}, $o{rounds}, join(', ', map { "$kills{$_} x $_" } sort keys %kills), $total{sends}, $total{tries}, $twice);
        show(sprintf '%d ended as unknown, %d of them reached the server; %d ended as sent', scalar keys %unknown, $there, count_of("status = 'sent'")) if $unknown;
        return ([$total{sends}, $unknown ? 0 : scalar keys %unknown], [$o{rounds} * $o{sends}, 0]);
    };
    return;
}

# The tests, in a file of their own. engine; senders, friends: how many; rounds;
# sends: of each round; victims: keys of %KILL, in turn; unknown: an outcome may
# be that.
sub ledger {
    %o = @_;
    $unknown = $o{unknown};
    step 'users with phones' => sub {
        @senders = map { my $u = new_user(max_messages_per_minute => 100_000, max_messages_per_day => 100_000); link_phone($u, undef, engine => $o{engine}); $u } 1 .. $o{senders};
        @friends = map { phone("Recipient $_") } 1 .. $o{friends};
        ($log_seq, %times) = (0);
        look_at_log();
        %times = ();
        return ([map { session_of($_)->{status} } @senders], [('connected') x $o{senders}]);
    };
    round_of($_) for 1 .. $o{rounds};
    count_all();
    return;
}

1;
