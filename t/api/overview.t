# The overview: figures that fit what there is.
use strict;
use warnings FATAL => 'all';

use Time::HiRes qw(sleep);
use WA::Test;

my ($user, $friend);

sub overview { return api(GET => '/overview', key => admin_token(), @_) }
sub seen { return overview()->{json} }
my $N = qr/\A\d+\z/;

step 'a user with a phone, who sends' => sub {
    steady_day(60);
    wait_ready(20);
    ($user, $friend) = (new_user(), phone('Recipient'));
    link_phone($user);
    my $r = send_text($user, $friend, 'text 1');
    # Or its delivery would be counted in the middle of a later test.
    wait_until { message($user, $r->{json}{id})->{status} eq 'delivered' } 20, 'delivered';
    return ($r->{status}, 200);
};
it 'all that there is' => sub {
    my $j = seen();
    my $figure = { today => $N, yesterday => $N };
    my %want = (at => TIME, users => { total => $figure, active => $figure }, api_requests => $figure,
        queue => { depth => $N, oldest_seconds => $j->{queue}{oldest_seconds} },
        health => { status => 'ok', checks => { map { $_ => 'ok' } qw(postgresql redis bridge whatsappd) } },
        sessions => { total => $N, by_status => { map { $_ => $N } qw(connected connecting qr_pending passkey_required disconnected failed) } });
    return (pick($j, keys %want), \%want);
};
it 'the users' => sub {
    my ($all, $active, $before) = split /\|/, db("SELECT count(*), count(*) FILTER (WHERE is_active),
        count(*) FILTER (WHERE usage_day(created_at) < usage_day(now())) FROM users");
    my $u = seen()->{users};
    return ($u, { total => { today => $all, yesterday => $before }, active => { today => $active, yesterday => $N } });
};
it 'a connected session is counted as one' => sub {
    my $s = seen()->{sessions};
    my $sum = 0;
    $sum += $_ for values %{ $s->{by_status} };
    return ([$s->{by_status}{connected} >= 1 ? 1 : 0, $sum], [1, $s->{total}]);
};
it 'a message more' => sub {
    my $before = seen()->{messages};
    my $m = send_text($user, $friend, 'one more')->{json};
    wait_until { message($user, $m->{id})->{status} eq 'delivered' } 10, 'delivered';
    my $after = seen()->{messages};
    return ([$after->{sent}{today} - $before->{sent}{today}, $after->{failed}{today} - $before->{failed}{today},
            ($after->{by_status}{delivered}{today} || 0) - ($before->{by_status}{delivered}{today} || 0)], [1, 0, 1]);
};
it 'a request more, a second later' => sub {
    my $before = seen()->{api_requests}{today};
    api(GET => '/nothing') for 1 .. 10;
    my $after = wait_until { my $n = seen()->{api_requests}{today}; $n >= $before + 10 ? $n : undef } 10, 'ten more';
    return ($after >= $before + 10 ? 'more' : $after, 'more');
};
it 'the series: 24 hours, 7 and 30 days, the last is now' => sub {
    my $j = seen();
    my $s = $j->{series};
    return ([map { scalar @{ $s->{$_} } } qw(hours_24 days_7 days_30)], [24, 7, 30]);
};
it 'the last day is today\'s figure' => sub {
    my $j = seen();
    my $last = $j->{series}{days_30}[29];
    return ([@$last{qw(messages_sent messages_failed messages_received api_requests)}, $j->{series}{days_7}[6]],
        [(map { $j->{messages}{$_}{today} } qw(sent failed received)), $j->{api_requests}{today}, $last]);
};
it 'an hour is of the last day, a name of each' => sub {
    my $s = seen()->{series};
    return ([$s->{hours_24}[23]{hour}, $s->{days_30}[0]{day}], [qr/\A\d{4}-\d\d-\d\dT\d\d:00:00\.000Z\z/, qr/\A\d{4}-\d\d-\d\d\z/]);
};
it 'yesterday is told beside today' => sub {
    db("INSERT INTO usage_hourly (hour, api_requests, messages_sent) VALUES (usage_hour(now() - interval '24 hours'), 11, 5)
        ON CONFLICT (hour) DO UPDATE SET api_requests = 11, messages_sent = 5");
    db("INSERT INTO usage_status (day, status, messages) VALUES (usage_day(now()) - 1, 'read', 4)
        ON CONFLICT (day, status) DO UPDATE SET messages = 4");
    my $j = seen();
    db("DELETE FROM usage_hourly WHERE hour = usage_hour(now() - interval '24 hours');
        DELETE FROM usage_status WHERE day = usage_day(now()) - 1 AND status = 'read'");
    return ([$j->{api_requests}{yesterday}, $j->{messages}{sent}{yesterday}, $j->{messages}{by_status}{read}{yesterday}], [11, 5, 4]);
};
it 'what waits to be sent, and for how long' => sub {
    stop_it('bridge');
    send_text($user, $friend, 'has to wait', Prefer => 'respond-async');
    sleep 1.2;
    my $q = seen()->{queue};
    my $health = seen()->{health};
    start_it('bridge');
    wait_ready(30);
    wait_until { seen()->{queue}{depth} == 0 } 40, 'an empty queue';
    return ([$q->{depth} >= 1 ? 'waits' : 'none', $q->{oldest_seconds}, $health->{status}, seen()->{queue}],
        ['waits', qr/\A[1-9]\d*\z/, 'degraded', { depth => 0, oldest_seconds => undef }]);
};
it 'it is quick' => sub {
    my @seconds = sort { $a <=> $b } map { overview()->{seconds} } 1 .. 9;
    return ($seconds[4] < 0.3 ? 'quick' : "$seconds[4] s", 'quick');
};
it 'a user may not: 403' => sub { return problem(api(GET => '/overview', key => $user->{key}), 403, 'forbidden') };
it 'nobody may: 401' => sub { return problem(api(GET => '/overview'), 401, 'unauthorized') };

run_tests;
