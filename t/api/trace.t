# One request through all logs and on to a webhook: by its id, and by its trace
# (W3C Trace Context).
use strict;
use warnings FATAL => 'all';

use WA::Receiver;
use WA::Test;

my ($user, $phone, $rx);
my $HEX = '[0-9a-f]';

sub trace_id { return join '', map { sprintf '%04x', int rand 65536 } 1 .. 7, 0 } # 28 hex digits and 0000
sub parent { my ($trace, $flags) = @_; return "00-$trace-00f067aa0ba902b7-" . ($flags // '01') }

sub lines_of { my ($log, $id) = @_; return grep { index($_, $id) >= 0 } split /\n/, log_text($log) }
# The trace that the access log has of a request.
sub logged {
    my ($id) = @_;
    my $line = wait_until { (lines_of("$ENV{WA_TEST_DIR}/t/logs/access_log", $id))[0] } 10, "$id in the access log";
    return $line =~ / (\S+) \Q$id\E \d+\z/ ? $1 : $line;
}
# The traces that the bridge's log has of a request.
sub bridged {
    my ($id) = @_;
    wait_until { lines_of("$ENV{WA_TEST_LOG_DIR}/bridge.log", $id) } 10, "$id in the bridge's log";
    my %seen = map { JSON::PP::decode_json($_)->{trace_id} // '(none)', 1 } lines_of("$ENV{WA_TEST_LOG_DIR}/bridge.log", $id);
    return sort keys %seen;
}

step 'a user whose phone is linked' => sub {
    $user = new_user();
    link_phone($user);
    $phone = phone();
    return (session_of($user)->{status}, 'connected');
};
it "a send's id and trace stand in the access log, the bridge's log, the message, the request log" => sub {
    my ($id, $trace) = (unique('trace-'), trace_id());
    my $r = send_text($user, $phone, 'hello', 'X-Request-ID' => $id, traceparent => parent($trace));
    return ([$r->{status}, header($r, 'X-Request-ID'), logged($id), bridged($id),
            db("SELECT request_id FROM messages WHERE id = '$r->{json}{id}'"),
            wait_until { db("SELECT request_id FROM request_log WHERE request_id = '$id'") } 10, 'the row'],
        [200, $id, $trace, $trace, $id, $id]);
};
for my $bad ([none => undef], [zeros => parent('0' x 32)], [capitals => parent(uc(trace_id()) =~ s{0000\z}{ABCD}r)], [short => '00-1-1-01'],
    ['version ff' => 'ff-' . ('1' x 32) . '-' . ('1' x 16) . '-01'], [SQL => "' OR true --"], [long => parent(trace_id()) . '-x' x 1000]) {
    my ($what, $text) = @$bad;
    it "a traceparent that is no good ($what): a trace of its own, by the request's id, for the bridge too" => sub {
        my $r = send_text($user, $phone, 'hello', defined $text ? (traceparent => $text) : ());
        my $id = header($r, 'X-Request-ID');
        return ([logged($id), bridged($id)], [($id =~ tr/-//dr) x 2]);
    };
}
it 'an id that is no UUID has a trace of its own' => sub {
    my $id = unique('trace-');
    send_text($user, $phone, 'hello', 'X-Request-ID' => $id);
    my $trace = logged($id);
    return ([$trace, bridged($id)], [qr/\A$HEX{32}\z/, $trace]);
};
it 'a trace is not that of the next request on the connection' => sub {
    my ($first, $second, $trace) = (unique('trace-'), unique('trace-'), trace_id());
    send_text($user, $phone, 'one', 'X-Request-ID' => $first, traceparent => parent($trace));
    send_text($user, $phone, 'two', 'X-Request-ID' => $second);
    return ([logged($first), bridged($first), logged($second) eq $trace ? 'the same' : 'another', grep { $_ eq $trace } bridged($second)],
        [$trace, $trace, 'another']);
};

# --- on to webhooks ----------------------------------------------------------

my $hook;
sub digits { return $_[0] =~ tr/-//dr }
# What the receiver was posted of a message, by event type: [request id, trace, flags, span, trace, span, …] of each attempt.
sub posted {
    my ($message, $type) = @_;
    return wait_until {
        my @seen = grep { $_->{body}{type} eq $type && ($_->{body}{data}{id} // '') eq $message } $rx->seen('trace');
        @seen ? $seen[0] : undef
    } 30, "$type of $message posted";
}
sub parts { my ($seen) = @_; return $seen->{traceparent} =~ /\A00-($HEX{32})-($HEX{16})-($HEX{2})\z/ }
sub follows { my ($seen) = @_; my ($trace, undef, $flags) = parts($seen); return [$seen->{body}{request_id}, $trace, $flags] }

step 'a webhook' => sub {
    $rx = WA::Receiver->new;
    $hook = api(POST => '/webhooks', key => $user->{key}, body => { url => $rx->url('trace') })->{json};
    return ($hook->{id}, UUID);
};
it 'one id and one trace in the access log, the error log, the row, the log of the bridge and what the receiver got' => sub {
    my ($id, $trace) = (unique('trace-'), trace_id());
    my $r = send_text($user, { number => '+49300000001' }, 'hello', 'X-Request-ID' => $id, traceparent => parent($trace));
    my ($message, $request) = split /\|/, db("SELECT id || '|' || request_id FROM messages WHERE user_id = '$user->{id}' AND recipient = '+49300000001'");
    my $seen = posted($message, 'message.failed');
    my @errors = lines_of("$ENV{WA_TEST_DIR}/t/logs/error_log", $id);
    return ([$r->{status}, $request, logged($id), bridged($id), follows($seen), (parts($seen))[1] ne '00f067aa0ba902b7' ? 'a span of its own' : 'the caller\'s span',
            scalar(grep { /\] \[\Q$id\E\] WA0132: message $message is not sent: not_on_whatsapp/ } @errors), # the module's
            scalar(grep { /\[request \Q$id\E\] .*Response sent with status 422/ } @errors)],               # httpd's
        [422, $id, $trace, $trace, [$id, $trace, '01'], 'a span of its own', 1, 1]);
};
for my $how (['at once', 'message.sent'], ['by whatsappd', 'message.delivered', Prefer => 'respond-async'], ['by whatsappd, unsampled', 'message.sent', Prefer => 'respond-async']) {
    my ($what, $type, @headers) = @$how;
    my $flags = $what =~ /unsampled/ ? '00' : '01';
    it "sent $what: the bridge and the receiver have the trace" => sub {
        my ($id, $trace) = (unique('trace-'), trace_id());
        my $r = send_text($user, $phone, 'hello', 'X-Request-ID' => $id, traceparent => parent($trace, $flags), @headers);
        my $seen = posted($r->{json}{id}, $type);
        my @bridge = map { JSON::PP::decode_json($_) } lines_of("$ENV{WA_TEST_LOG_DIR}/bridge.log", $trace);
        my %ids = map { ($_->{request_id} // '(none)') => 1 } @bridge;
        return ([follows($seen), join ' ', keys %ids], [[$id, $trace, $flags], @headers ? $r->{json}{id} : $id]);
    };
}
it 'without a traceparent the trace has the digits of the request id, by whatsappd too' => sub {
    my $r = send_text($user, $phone, 'hello', Prefer => 'respond-async');
    my $id = header($r, 'X-Request-ID');
    return (follows(posted($r->{json}{id}, 'message.sent')), [$id, digits($id), '00']);
};
it 'nor is it lost where the request id is no UUID' => sub {
    my $id = unique('trace-');
    my $r = send_text($user, $phone, 'hello', Prefer => 'respond-async', 'X-Request-ID' => $id);
    return (follows(posted($r->{json}{id}, 'message.sent')), [$id, logged($id), '00']);
};
it 'each of many sent at a time belongs to their request' => sub {
    my ($id, $trace) = (unique('trace-'), trace_id());
    my $r = api(POST => '/messages/bulk', key => $user->{key}, headers => { 'X-Request-ID' => $id, traceparent => parent($trace) },
        body => { messages => [map { { recipient => $phone->{number}, text => "many $_" } } 1, 2] });
    return ([map { follows(posted($_->{id}, 'message.sent')) } @{ $r->{json}{data} }], [([$id, $trace, '01']) x 2]);
};
it 'those that come at one time each have their own' => sub {
    my @sends = map { [unique('trace-'), trace_id()] } 1 .. 8;
    my @answers = at_once(sub {
        my ($id, $trace) = @{ $_[0] };
        return send_text($user, $phone, 'at once', Prefer => 'respond-async', 'X-Request-ID' => $id, traceparent => parent($trace));
    }, @sends);
    return ([map { follows(posted($_->{json}{id}, 'message.sent')) } @answers], [map { [@$_, '01'] } @sends]);
};
it 'a test is of the request that asked for it' => sub {
    my ($id, $trace) = (unique('trace-'), trace_id());
    my $r = api(POST => "/webhooks/$hook->{id}/test", key => $user->{key}, body => {}, headers => { 'X-Request-ID' => $id, traceparent => parent($trace) });
    my $seen = wait_until { (grep { $_->{id} eq $r->{json}{event_id} } $rx->seen('trace'))[0] } 30, 'the test posted';
    return (follows($seen), [$id, $trace, '01']);
};
it 'what no request caused is a trace of its own, the same on each attempt, each a span' => sub {
    $rx->mode('trace', 500);
    my $sent = sandbox(POST => "/phones/$phone->{id}/send", { to => session_of($user)->{phone_number}, text => 'an answer' });
    my $attempts = sub { return grep { $_->{body}{type} eq 'message.received' } $rx->seen('trace') };
    wait_until { $attempts->() } 30, 'a first attempt';
    $rx->mode('trace', 'ok');
    wait_until { (my @seen = $attempts->()) > 1 } 30, 'a second one';
    my @seen = $attempts->();
    my @parts = map { [parts($_)] } @seen[0, 1];
    return ([$seen[0]{body}{request_id}, map({ $_->[0] } @parts), $parts[0][1] ne $parts[1][1] ? 'two spans' : 'one span'],
        [undef, (digits($seen[0]{id})) x 2, 'two spans']);
};
it 'the feed has the id of the request' => sub {
    my $id = unique('trace-');
    my $r = send_text($user, $phone, 'hello', 'X-Request-ID' => $id);
    my $events = sub { return @{ api(GET => "/events?limit=100&types=$_[0]", key => $user->{key})->{json}{data} } };
    my ($sent) = grep { $_->{data}{id} eq $r->{json}{id} } $events->('message.sent');
    return ([$sent->{request_id}, grep { exists $_->{request_id} } $events->('session.*,message.received')], [$id]);
};

run_tests;
