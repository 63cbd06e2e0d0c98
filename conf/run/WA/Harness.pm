# Runs test files that speak TAP and counts honestly: a file that dies, that runs
# no test, or that skips what t/SKIPS doesn't list is a failure. Used for the C
# unit tests and, by t/TEST, for what talks to Apache. The totals go to a file:
# one "passed N", "failed N", "skipped N", and a "why TEXT" for each failure.
package WA::Harness;

use strict;
use warnings FATAL => 'all';

use TAP::Harness ();
use TAP::Parser::Aggregator ();

# Lines "path: reason" of t/SKIPS; the reason is compared as it is written.
sub allowed_skips {
    my ($file) = @_;
    my %allowed;
    open my $in, '<', $file or return \%allowed;
    while (my $line = <$in>) {
        chomp $line;
        next if $line =~ /^\s*(#|$)/;
        $allowed{$line} = 1;
    }
    return \%allowed;
}

my $DETAIL = 40; # lines of what a failed test said of itself

# In a word why a test failed, of the lines it said before: what it died of, or
# what it received.
sub _reason {
    my $said = join ' ', map { s/^#\s*//r } @_;
    my ($reason) = $said =~ /\b(died: .*)/ ? $1 : $said =~ /\b(received: .*)/ ? $1 : '';
    $reason =~ s/\s+/ /g;
    return $reason eq '' ? '' : ' (' . substr($reason, 0, 200) . ')';
}

# run({tests => [[path, name]…], exec, lib, log, results, skips}): true if all
# passed. `tests` are pairs of the file and what it is called on the screen.
sub run {
    my ($o) = @_;
    my $allowed = allowed_skips($o->{skips});
    my ($passed, $failed, $skipped, @why) = (0, 0, 0);
    my (%bad, @detail);

    open my $log, '>>', $o->{log} or die "$o->{log}: $!";
    $log->autoflush(1);
    my $harness = TAP::Harness->new({
        verbosity => $ENV{WA_TEST_VERBOSE} ? 1 : 0,
        color     => -t STDOUT ? 1 : 0,
        ($o->{exec} ? (exec => $o->{exec}) : ()),
        ($o->{lib} ? (lib => $o->{lib}) : ()),
    });
    $harness->callback(made_parser => sub {
        my ($parser, $job) = @_;
        my $name = $job->[1];
        print $log "=== $name\n";
        my @said;
        my $skip = sub {
            my ($reason) = @_;
            if ($allowed->{"$name: $reason"}) {
                $skipped++;
                return;
            }
            $failed++;
            push @why, "$name: a skip that t/SKIPS does not list: $reason";
        };
        $parser->callback(ALL => sub {
            print $log $_[0]->as_string, "\n";
            push @said, $_[0]->as_string if $_[0]->is_comment;
        });
        $parser->callback(test => sub {
            my ($t) = @_;
            if ($t->has_skip) {
                $skip->($t->explanation);
            }
            elsif ($t->is_ok) {
                $passed++;
            }
            else {
                $failed++;
                $bad{$name}++;
                my $what = sprintf '%s: %d %s', $name, $t->number, $t->description;
                push @why, $what . _reason(@said);
                splice @said, 0, @said - $DETAIL if @said > $DETAIL;
                push @detail, $what, map { "  $_" } @said;
            }
            @said = ();
        });
        $parser->callback(plan => sub {
            $skip->($_[0]->explanation || 'no reason given')
                if $_[0]->has_skip || ($_[0]->tests_planned // 1) == 0;
        });
    });

    my $all = TAP::Parser::Aggregator->new;
    $all->start;
    $harness->aggregate_tests($all, @{ $o->{tests} });
    $all->stop;
    print map { "    $_\n" } @detail;

    for my $name ($all->descriptions) {
        my ($p) = $all->parsers($name);
        next if $bad{$name};
        my @problem = $p->parse_errors;
        push @problem, 'ended with signal ' . $p->wait % 128 if $p->wait && $p->wait % 128;
        push @problem, 'ended with status ' . $p->exit if $p->exit;
        push @problem, 'ran no test' if !$p->tests_run && !$p->skip_all;
        next unless @problem;
        $failed++;
        push @why, "$name: " . join '; ', @problem;
    }

    open my $out, '>', $o->{results} or die "$o->{results}: $!";
    print $out "passed $passed\nfailed $failed\nskipped $skipped\n";
    print $out map { s/\s+/ /gr . "\n" } map { "why $_" } @why;
    close $out or die "$o->{results}: $!";
    return !$failed;
}

1;
