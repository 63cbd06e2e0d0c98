# Health: live without anything behind it, ready with each part named.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my @PARTS = qw(postgresql redis bridge whatsappd);

sub ready { return api(GET => '/health/ready', timeout => 10) }

step 'ready: everything is well' => sub {
    wait_ready(20);
    my $r = ready();
    return ({ http => $r->{status}, type => header($r, 'Content-Type'), %{ $r->{json} },
            checks => { map { $_ => $r->{json}{checks}{$_}{status} } keys %{ $r->{json}{checks} } } },
        { http => 200, type => 'application/json', status => 'ok', mode => 'sandbox',
            checks => { map { $_ => 'ok' } @PARTS } });
};

for my $part (qw(postgresql redis bridge)) {
    it "ready tells the latency of $part" => sub {
        return (ready()->{json}{checks}{$part}{latency_ms}, qr/^\d+(\.\d+)?(e-\d+)?$/);
    };
}

it 'no part that is well has a reason' => sub {
    my $checks = ready()->{json}{checks};
    return ([grep { exists $checks->{$_}{reason} } @PARTS], []);
};

it 'live answers the same to HEAD, without a body' => sub {
    my $r = api(HEAD => '/health/live');
    return ("$r->{status} " . length($r->{content}), '200 0');
};

it 'ready needs no key, and a wrong one does not matter' => sub {
    return (api(GET => '/health/ready', key => 'nonsense')->{status}, 200);
};

# Without Redis, the bridge or whatsappd requests are answered, so the answer is
# 200 and "degraded"; without PostgreSQL nothing can be accepted.
my @OUTAGES = (
    [redis      => 200, 'degraded', qr/can't be reached|no answer/],
    [bridge     => 200, 'degraded', qr/can't be reached/],
    [whatsappd  => 200, 'degraded', qr/reported/],
    [postgresql => 503, 'unavailable', qr/can't be reached|no answer/],
);

for my $o (@OUTAGES) {
    my ($part, $http, $status, $reason) = @$o;
    step "$part stopped: ready names it" => sub {
        stop_it($part);
        my $r = wait_until {
            my $r = ready();
            $r->{json} && $r->{json}{checks}{$part}{status} eq 'unavailable' ? $r : undef;
        } 5, "ready says that $part is away";
        return ({ http => $r->{status}, status => $r->{json}{status},
                reason => $r->{json}{checks}{$part}{reason} },
            { http => $http, status => $status, reason => $reason });
    };
    it "$part stopped: only it is named" => sub {
        my $checks = ready()->{json}{checks};
        my @bad = sort grep { $checks->{$_}{status} ne 'ok' } @PARTS;
        # The heartbeat of whatsappd is read from PostgreSQL.
        return (\@bad, $part eq 'postgresql' ? ['postgresql', 'whatsappd'] : [$part]);
    };
    it "$part stopped: ready takes no longer than two seconds" => sub {
        my $r = ready();
        return ($r->{seconds} < 2 ? 'in time' : "$r->{seconds} s", 'in time');
    };
    it "$part stopped: live answers at once" => sub {
        my $r = api(GET => '/health/live');
        return ({ http => $r->{status}, json => $r->{json}, late => $r->{seconds} > 1 ? 1 : 0 },
            { http => 200, json => { status => 'ok' }, late => 0 });
    };
    step "$part started: ready again" => sub {
        start_it($part);
        wait_ready(20);
        return (ready()->{json}{status}, 'ok');
    };
}

run_tests;
