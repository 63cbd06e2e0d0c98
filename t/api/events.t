# What the bridge reports is applied once, in order, and never backwards; what
# makes no sense does not hold up the rest.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my $BRIDGE = sprintf '01900000-0000-7000-8000-%012x', $$;
my ($user, $session, $seq) = (undef, undef, 0);
my $AT = '2026-01-02T03:04:05.678Z';

END { my $status = $?; eval { db("DELETE FROM bridges WHERE id = '$BRIDGE'"); 1 } or warn $@; $? = $status }

sub event { my ($type, $data, %more) = @_; return { seq => ++$seq, session => $session, type => $type, at => $AT, data => $data, %more } }
sub post { my ($batch, @o) = @_; return internal('/events', key => secret('internal_secret'), body => $batch, @o) }
sub batch { return post({ bridge_id => $BRIDGE, mode => 'sandbox', sessions => 1, events => [@_] }) }
sub acked { my ($r) = @_; return [$r->{status}, $r->{json}{acked}] }
# A message of the user's, sent as far as the bridge knows.
sub stored {
    my ($status) = @_;
    my ($id, $wa) = (sprintf('01900000-0000-7000-8000-%012x', $$ * 1000 + ++$seq), unique('3EB0'));
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id)"
        . " VALUES ('$id', '$user->{id}', '$session', 'out', 'text', '$status', '+4917012345', '4917012345\@s.whatsapp.net', 'x', '$wa')");
    return ($id, $wa);
}
sub receipt { my ($wa, $status, %more) = @_; return event('message.status', { whatsapp_id => $wa, status => $status, at => $AT, %more }) }

step 'a session' => sub {
    $user = new_user();
    $session = api(POST => '/session/init', key => $user->{key}, body => {})->{json}{id};
    bridge(POST => "/v1/sessions/$session/disconnect"); # it must not report by itself
    wait_until { session_of($user)->{status} eq 'disconnected' } 10, 'disconnected';
    # Only the bridge that holds a session is heard about its state.
    internal("/credentials/$session/claim", key => secret('internal_secret'), body => { bridge_id => $BRIDGE, take => true });
    return ($session, UUID);
};
it 'an empty batch is a heartbeat' => sub {
    my $r = batch();
    return ([@{ acked($r) }, db("SELECT mode, last_seen_at > now() - interval '5 s' FROM bridges WHERE id = '$BRIDGE'")], [200, 0, 'sandbox|t']);
};
it 'a state is taken over' => sub {
    my $r = batch(event('session.status', { id => $session, status => 'connected', reason => undef, phone_number => '+4917099999',
        push_name => 'Somebody', restricted => true, connected_at => $AT, last_active_at => $AT }));
    return ([@{ acked($r) }, pick(session_of($user), qw(status reason phone_number push_name restricted connected_at))],
        [200, $seq, { status => 'connected', reason => undef, phone_number => '+4917099999', push_name => 'Somebody',
            restricted => true, connected_at => $AT }]);
};
it 'what another bridge says of it is passed over' => sub {
    my $other = '01900000-0000-7000-8000-0000000000ff';
    my $r = post({ bridge_id => $other, mode => 'sandbox', sessions => 1, events => [
        { seq => 1, session => $session, type => 'session.status', at => $AT, data => { id => $session, status => 'failed', reason => 'banned' } }] });
    db("DELETE FROM bridges WHERE id = '$other'");
    return ([@{ acked($r) }, session_of($user)->{status}], [200, 1, 'connected']);
};
it 'the same batch again changes nothing, and is acknowledged alike' => sub {
    my $r = batch({ seq => $seq, session => $session, type => 'session.status', at => $AT, data => { status => 'failed', reason => 'banned' } });
    return ([@{ acked($r) }, session_of($user)->{status}], [200, $seq, 'connected']);
};
it 'a code is taken over while the session is wanted' => sub {
    db("UPDATE sessions SET wanted = true WHERE id = '$session'");
    batch(event('session.qr', { qr_code => '2@code,of,a,test', qr_expires_at => '2099-01-01T00:00:00.000Z' }));
    return (pick(session_of($user), qw(status qr_code qr_expires_at)),
        { status => 'qr_pending', qr_code => '2@code,of,a,test', qr_expires_at => '2099-01-01T00:00:00.000Z' });
};
it 'a code that is over is not shown' => sub {
    batch(event('session.qr', { qr_code => '2@old', qr_expires_at => '2020-01-01T00:00:00.000Z' }));
    return (session_of($user)->{qr_code}, undef);
};

# --- receipts ---------------------------------------------------------------

my @RECEIPTS = (
    # what it was, what came, what it is then
    ['pending',   ['sent'],                  'sent'],
    ['pending',   ['delivered'],             'delivered'],
    ['sent',      ['delivered', 'read'],     'read'],
    ['sent',      ['read', 'delivered'],     'read'],
    ['delivered', ['sent'],                  'delivered'],
    ['read',      ['played', 'read'],        'played'],
    ['sent',      ['delivered', 'delivered'], 'delivered'],
    ['pending',   ['failed'],                'failed'],
    ['delivered', ['failed'],                'delivered'],
    ['failed',    ['delivered'],             'delivered'],
);
for my $c (@RECEIPTS) {
    my ($before, $came, $after) = @$c;
    it "$before, then @$came: $after" => sub {
        my ($id, $wa) = stored($before);
        batch(map { receipt($wa, $_) } @$came);
        return (message($user, $id)->{status}, $after);
    };
}
it 'a read receipt alone proves all three times, in order' => sub {
    my ($id, $wa) = stored('pending');
    batch(receipt($wa, 'read'));
    my $m = message($user, $id);
    my @times = @$m{qw(created_at sent_at delivered_at read_at)};
    return ([(grep { !defined } @times) + 0, @times], [0, sort @times]);
};
it 'a failure tells its code' => sub {
    my ($id, $wa) = stored('pending');
    batch(receipt($wa, 'failed', code => '479'));
    return (pick(message($user, $id), qw(status error_code error_message sent_at)),
        { status => 'failed', error_code => '479', error_message => qr/\w/, sent_at => undef });
};
it 'a receipt of another session changes nothing' => sub {
    my ($id, $wa) = stored('sent');
    batch({ %{ receipt($wa, 'read') }, session => '01900000-0000-7000-8000-000000000000' });
    return (message($user, $id)->{status}, 'sent');
};

# What the feed has of these messages since, by message, and whether its numbers have gaps.
sub told {
    my ($since, @ids) = @_;
    my $of = "FROM events WHERE user_id = '$user->{id}' AND seq > $since";
    my %told = map { split /\|/, $_, 2 } db("SELECT message_id, string_agg(replace(type, 'message.', ''), ' ' ORDER BY seq) $of GROUP BY 1");
    return [(map { $told{$_} } @ids), db("SELECT count(*) = max(seq) - $since $of")];
}
it 'of many at a time each goes its way, and the feed tells of each step once' => sub {
    my @of = (['pending', [qw(sent delivered read)], 'sent delivered read'], ['sent', [qw(sent delivered)], 'delivered'],
        ['sent', [qw(read delivered)], 'read'], ['pending', [qw(failed delivered)], 'failed delivered']);
    my @m = map { my $of = $_; map { [stored($of->[0]), $of] } 1 .. 8 } @of;
    my $since = db("SELECT last_seq FROM event_heads WHERE user_id = '$user->{id}'");
    my $r = batch(map { my ($id, $wa, $of) = @$_; map { receipt($wa, $_) } @{ $of->[1] } } @m);
    return ([@{ acked($r) }, @{ told($since, map { $_->[0] } @m) }], [200, $seq, (map { $_->[2][2] } @m), 't']);
};
it 'so it is where all of them are one step further' => sub {
    my @m = map { [stored('sent')] } 1 .. 8;
    db("INSERT INTO outbox (message_id, session_id, chat, expires_at) SELECT id, session_id, chat, now() FROM messages WHERE id = '$m[0][0]'");
    db("UPDATE sessions SET last_active_at = NULL WHERE id = '$session'");
    my $since = db("SELECT last_seq FROM event_heads WHERE user_id = '$user->{id}'");
    my $r = batch(map { receipt($_->[1], 'delivered') } @m);
    return ([@{ acked($r) }, @{ told($since, map { $_->[0] } @m) }, db("SELECT count(*) FROM outbox WHERE session_id = '$session'"), session_of($user)->{last_active_at}],
        [200, $seq, ('delivered') x 8, 't', 0, $AT]);
};

# --- what makes no sense ----------------------------------------------------

my @NONSENSE = (
    ['an unknown type',        sub { event('session.party', {}) }],
    ['no type',                sub { event(undef, {}) }],
    ['a session that is no id', sub { event('session.status', { status => 'connected' }, session => 'x') }],
    ['a state that is none',   sub { event('session.status', { status => 'dancing' }) }],
    ['no data',                sub { event('session.status', undef) }],
    ['a receipt without id',   sub { event('message.status', { status => 'read' }) }],
    ['a status that is none',  sub { event('message.status', { whatsapp_id => 'x', status => 'eaten' }) }],
    ['a time that is none',    sub { event('message.status', { whatsapp_id => 'x', status => 'read', at => 'now' }) }],
    ['an inbound message of nobody', sub { event('message.inbound', { whatsapp_id => 'x', chat => 'y', type => 'text' }) }],
);
for my $n (@NONSENSE) {
    my ($what, $make) = @$n;
    it "$what: passed over, and the events around it are applied" => sub {
        my ($a, $b) = map { [stored('sent')] } 1, 2;
        my $r = batch(receipt($a->[1], 'read'), $make->(), receipt($b->[1], 'read'));
        return ([@{ acked($r) }, map { message($user, $_->[0])->{status} } $a, $b], [200, $seq, 'read', 'read']);
    };
}
my @BATCHES = (
    ['no bridge',       { mode => 'sandbox', events => [] },                        422, 'validation_failed'],
    ['no id of one',    { bridge_id => 'x', mode => 'sandbox', events => [] },      422, 'validation_failed'],
    ['no mode',         { bridge_id => $BRIDGE, events => [] },                     422, 'validation_failed'],
    ['no events',       { bridge_id => $BRIDGE, mode => 'sandbox' },                422, 'validation_failed'],
    ['no list of them', { bridge_id => $BRIDGE, mode => 'sandbox', events => {} },  422, 'validation_failed'],
    ['another mode',    { bridge_id => $BRIDGE, mode => 'live', events => [] },     409, 'conflict'],
    ['no JSON',         '{',                                                        400, 'malformed_json'],
    ['more than a megabyte', '{"bridge_id":"' . 'x' x 1_100_000 . '"}',             413, 'body_too_large'],
);
for my $b (@BATCHES) {
    my ($what, $body, $status, $code) = @$b;
    it "a batch with $what: $status" => sub { return problem(post($body), $status, $code) };
}

# --- inbound ----------------------------------------------------------------

it 'an inbound message is stored once, however often it is told' => sub {
    my $wa = unique('IN');
    my %data = (whatsapp_id => $wa, chat => '4917088888@s.whatsapp.net', from => '4917088888@s.whatsapp.net',
        from_phone => '+4917088888', type => 'text', text => "hello \x{1f600}", at => $AT);
    batch(map { event('message.inbound', {%data}) } 1 .. 3);
    batch(event('message.inbound', {%data}));
    return ([db("SELECT sender, status, direction, content FROM messages WHERE whatsapp_id = '$wa'")],
        ["+4917088888|received|in|hello \xf0\x9f\x98\x80"]);
};
it 'batches at the same time are applied in order, each once' => sub {
    my ($id, $wa) = stored('sent');
    my @events = map { receipt($wa, $_) } 'delivered', 'read';
    my @r = parallel(6, sub { acked(batch(@events)) }, 1 .. 6);
    return ([\@r, message($user, $id)->{status}], [[([200, $seq]) x 6], 'read']);
};

run_tests;
