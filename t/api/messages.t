# The list of one's messages: filters, pages, exports, and what became of each.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $other, @friends, $session);

sub list { my ($query, @o) = @_; return api(GET => "/messages?$query", key => $user->{key}, @o) }
sub contents { my ($query) = @_; my $r = list($query); return $r->{status} == 200 ? [map { $_->{content} } @{ $r->{json}{data} }] : [$r->{status}, $r->{json}{code}] }

step 'a user with messages of all kinds' => sub {
    $user = new_user(max_messages_per_minute => 5000, max_messages_per_day => 50000);
    my $phone = link_phone($user);
    $session = session_of($user)->{id};
    @friends = (phone('One'), phone('Two'));
    $other = new_user();
    for my $i (1 .. 3) {
        api(POST => '/messages/send-text', key => $user->{key}, body => {
            recipient => $friends[0]{number}, text => "to one $i", client_ref => "ref-$i" });
    }
    send_text($user, $friends[1], 'to two');
    sandbox(POST => "/phones/$friends[1]{id}/send", { to => $phone->{number}, text => 'from two' });
    wait_until { @{ contents('direction=in') } == 1 } 20, 'the answer';
    wait_until { @{ contents('status=delivered') } == 4 } 20, 'four delivered';
    return (contents('limit=200'), ['from two', 'to two', 'to one 3', 'to one 2', 'to one 1']);
};

my $number = sub { $friends[$_[0]]{number} =~ s/\+/%2B/r };
my @FILTERS = (
    ['direction=out', sub { ['to two', 'to one 3', 'to one 2', 'to one 1'] }],
    ['direction=in', sub { ['from two'] }],
    ['status=received', sub { ['from two'] }],
    ['status=failed', sub { [] }],
    ['type=text', sub { ['from two', 'to two', 'to one 3', 'to one 2', 'to one 1'] }],
    ['type=image', sub { [] }],
    ['client_ref=ref-2', sub { ['to one 2'] }],
    ['client_ref=ref-', sub { [] }],
    ['from=2100-01-01T00:00:00Z', sub { [] }],
    ['to=2000-01-01T00:00:00Z', sub { [] }],
);
for my $f (@FILTERS) {
    my ($query, $want) = @$f;
    it "?$query" => sub { return (contents($query), $want->()) };
}
it 'a chat, both ways, by any spelling of its number' => sub {
    my $digits = $friends[1]{number} =~ s/\D//gr;
    return ([map { contents("recipient=$_") } $number->(1), $digits, "$digits%40s.whatsapp.net", "%2B" . substr($digits, 0, 2) . '%20' . substr($digits, 2)],
        [(['from two', 'to two']) x 4]);
};
it 'a session' => sub { return ([scalar @{ contents("session_id=$session") }, contents('session_id=01900000-0000-7000-8000-000000000000')], [5, []]) };
it 'filters together' => sub { return (contents('direction=out&status=delivered&recipient=' . $number->(1)), ['to two']) };
for my $bad ('status=sending', 'direction=up', 'recipient=nobody', 'session_id=x', 'from=yesterday', 'type=', 'client_ref=', 'limit=0', 'cursor=x', 'to=2026-02-30T00:00:00Z') {
    it "refused: ?$bad" => sub { return (contents($bad), [400, 'bad_parameter']) };
}
it 'pages: all of them, once, in order' => sub {
    my (@all, $query);
    for (1 .. 10) {
        my $r = list('limit=2' . ($query ? "&cursor=$query" : ''));
        push @all, map { $_->{content} } @{ $r->{json}{data} };
        $query = $r->{json}{next_cursor} or last;
    }
    return (\@all, ['from two', 'to two', 'to one 3', 'to one 2', 'to one 1']);
};
it 'a cursor of another list is refused' => sub {
    my $cursor = api(GET => '/users?limit=1', key => admin_token())->{json}{next_cursor};
    return (contents("cursor=$cursor"), [400, 'bad_parameter']);
};
it "another user's list has none of them" => sub {
    return (api(GET => '/messages', key => $other->{key})->{json}, { data => [], next_cursor => undef });
};
it 'CSV and NDJSON have them all' => sub {
    my ($csv, $lines) = map { list("format=$_") } qw(csv ndjson);
    my @csv = split /\r?\n/, $csv->{content};
    return ([header($csv, 'Content-Type'), scalar @csv, $csv[0] =~ /client_ref/ ? 1 : 0, header($lines, 'Content-Type'), scalar split(/\n/, $lines->{content})],
        [qr{\Atext/csv}, 6, 1, 'application/x-ndjson', 5]);
};
it 'the chats, newest first, each with its newest message' => sub {
    my $r = api(GET => '/chats', key => $user->{key});
    return ([map { [$_->{phone_number}, $_->{last_message}{content}] } @{ $r->{json}{data} }],
        [[$friends[1]{number}, 'from two'], [$friends[0]{number}, 'to one 3']]);
};
it 'pages of chats' => sub {
    my $first = api(GET => '/chats?limit=1', key => $user->{key})->{json};
    my $second = api(GET => "/chats?limit=1&cursor=$first->{next_cursor}", key => $user->{key})->{json};
    return ([map({ $_->{data}[0]{phone_number} } $first, $second), $second->{next_cursor}], [map({ $_->{number} } @friends[1, 0]), undef]);
};
it "another user has no chats" => sub { return (api(GET => '/chats', key => $other->{key})->{json}{data}, []) };
it 'chats of another session, none' => sub {
    return (api(GET => '/chats?session_id=01900000-0000-7000-8000-000000000000', key => $user->{key})->{json}{data}, []);
};
it 'a message tells its history, in order' => sub {
    my ($m) = grep { $_->{content} eq 'to two' } @{ list('direction=out')->{json}{data} };
    sandbox(POST => "/phones/$friends[1]{id}/read", { message_id => $m->{whatsapp_id} });
    my $read = wait_until { my $r = message($user, $m->{id}); $r->{status} eq 'read' ? $r : undef } 20, 'read';
    my @at = map { $_->{at} } @{ $read->{history} };
    return ([map({ $_->{status} } @{ $read->{history} }), join(' ', @at) eq join(' ', sort @at) ? 'in order' : "@at"],
        [qw(pending sent delivered read), 'in order']);
};
it 'one that failed tells why' => sub {
    my $r = send_text($user, '+4915200000001', 'nobody there');
    my ($id) = header($r, 'Location') =~ m{/([^/]+)\z};
    my $last = message($user, $id)->{history}[-1];
    return (pick($last, qw(status error_code)), { status => 'failed', error_code => 'not_on_whatsapp' });
};
for my $ref ('', 'x' x 256, 5) {
    it 'no reference: ' . substr(json($ref), 0, 10) => sub {
        return (api(POST => '/messages/send-text', key => $user->{key}, body => { recipient => $friends[0]{number}, text => 'x', client_ref => $ref })->{status}, 422);
    };
}

run_tests;
