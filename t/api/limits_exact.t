# Limits are exact: for a hundred clients at once, over the children of two
# Apaches that share one Redis, as two hosts do.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::Test;

my $LIMIT = 60;
my $CLIENTS = 100;
my ($second, $friend, @hosts);

# The processes that answered the requests whose ids begin so, by both logs.
sub processes {
    my ($id) = @_;
    my %seen;
    for my $log ("$ENV{WA_TEST_DIR}/t/logs/access_log", "$second->{dir}/access_log") {
        my $text = log_text($log);
        $seen{$1} = 1 while $text =~ /\b\Q$id\E-\d+ (\d+)$/mg;
    }
    return keys %seen;
}

# $ask->(host, headers, number) by all clients at once: {status => how many}, and
# by how many processes they were answered.
sub storm {
    my ($ask) = @_;
    my $id = unique('storm-');
    my %count;
    $count{$_}++ for at_once(sub {
        my ($i) = @_;
        return $ask->($hosts[$i % @hosts], { 'X-Request-ID' => "$id-$i" }, $i);
    }, 1 .. $CLIENTS);
    my $pids = wait_until { my @p = processes($id); @p > 1 ? \@p : undef } 20, 'both logs';
    show(sprintf '%d clients, %d processes: %s', $CLIENTS, scalar @$pids, json(\%count));
    return \%count;
}

step 'a second Apache on the same Redis' => sub {
    $second = apache_start(apache_config());
    @hosts = ($ENV{WA_TEST_BASE_URL}, $second->{url});
    $friend = phone('Recipient');
    return ([map { call(GET => "$_/api/health/live")->{status} } @hosts], [200, 200]);
};
it "of $CLIENTS requests at once, exactly $LIMIT are answered" => sub {
    my $user = new_user(max_requests_per_minute => $LIMIT);
    steady_minute(20);
    my $count = storm(sub { my ($host, $h) = @_; return call(GET => "$host/api/auth/me", key => $user->{key}, headers => $h)->{status} });
    return ($count, { 200 => $LIMIT, 429 => $CLIENTS - $LIMIT });
};
it 'also when they are the first of their user, and by two of its keys' => sub {
    my $user = new_user(max_requests_per_minute => $LIMIT);
    my @keys = ($user->{key}, new_key($user->{id})->{key});
    command('redis-cli', '-s', $ENV{WA_TEST_REDIS_SOCKET}, 'FLUSHALL');
    steady_minute(20);
    my $count = storm(sub { my ($host, $h, $i) = @_; return call(GET => "$host/api/auth/me", key => $keys[$i / 2 % 2], headers => $h)->{status} });
    return ($count, { 200 => $LIMIT, 429 => $CLIENTS - $LIMIT });
};
it 'a limit that is changed holds for both from the answer on' => sub {
    my $user = new_user(max_requests_per_minute => 1000);
    my $ask = sub { return [map { call(GET => "$_/api/auth/me", key => $user->{key})->{status} } @hosts] };
    steady_minute(10);
    my $before = $ask->();
    admin(PATCH => "/users/$user->{id}", { max_requests_per_minute => 2 });
    return ([$before, $ask->()], [[200, 200], [429, 429]]);
};
it "of $CLIENTS sends at once, exactly $LIMIT are accepted, and as many stored" => sub {
    my $user = new_user(max_messages_per_minute => $LIMIT);
    link_phone($user);
    steady_minute(30);
    my $count = storm(sub {
        my ($host, $h, $i) = @_;
        my $r = call(POST => "$host/api/messages/send-text", key => $user->{key}, headers => { %$h, Prefer => 'respond-async' },
            body => { recipient => $friend->{number}, text => "text $i" });
        return $r->{status} == 429 ? "429 $r->{json}{code}" : $r->{status};
    });
    return ([$count, db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}'")],
        [{ 202 => $LIMIT, '429 message_quota_minute' => $CLIENTS - $LIMIT }, $LIMIT]);
};
it "of $CLIENTS sends at once, exactly $LIMIT fit into a day" => sub {
    my $user = new_user(max_messages_per_minute => 1000, max_messages_per_day => $LIMIT);
    link_phone($user);
    steady_day(60);
    my $count = storm(sub {
        my ($host, $h, $i) = @_;
        my $r = call(POST => "$host/api/messages/send-text", key => $user->{key}, headers => { %$h, Prefer => 'respond-async' },
            body => { recipient => $friend->{number}, text => "text $i" });
        return $r->{status} == 429 ? "429 $r->{json}{code}" : $r->{status};
    });
    return ([$count, db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}'")],
        [{ 202 => $LIMIT, '429 message_quota_day' => $CLIENTS - $LIMIT }, $LIMIT]);
};
it 'and all of them arrive' => sub {
    wait_until { scalar(inbox($friend)) == 2 * $LIMIT } 90, 'every accepted message';
    return (scalar(inbox($friend)), 2 * $LIMIT);
};

run_tests;
