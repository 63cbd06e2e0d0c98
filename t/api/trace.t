# One request through all logs: by its id, and by its trace (W3C Trace Context).
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $phone);
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
            wait_until { db("SELECT request_id FROM request_log WHERE request_id = '$id'") } 5, 'the row'],
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

run_tests;
