# The main job, end to end: log in, make a user and a key, link a phone by its
# QR code, send a text, see it decrypted on another phone, follow its receipts,
# disconnect, come back, unlink.
use strict;
use warnings FATAL => 'all';

use MIME::Base64 qw(encode_base64);
use WA::Test;

my $NAME = unique('flow-');
# Words that stand nowhere else, with what is not ASCII.
my $TEXT = "Gr\x{fc}\x{df}e, this is ${NAME}: nobody between may read it \x{1f512}";
my ($token, $user, $key, $phone, $friend, $qr, $sent, $message);

sub session { return session_of({ key => $key->{key} }) }
sub as_user { my ($method, $path, @o) = @_; return api($method, $path, key => $key->{key}, @o) }
sub shape { my ($got, $want) = @_; return (pick($got, keys %$want), $want) }

# --- who is who -------------------------------------------------------------

step 'login gives an access token' => sub {
    my $res = api(POST => '/auth/login', body => {
        username => $ENV{WA_TEST_ADMIN_USER}, password => secret('admin_password') });
    $token = $res->{json}{access_token};
    return ([$res->{status}, header($res, 'Content-Type'), header($res, 'Cache-Control'),
            pick($res->{json}, qw(access_token token_type expires_in))],
        [200, 'application/json', 'no-store',
            { access_token => qr/\A[\w-]+\.[\w-]+\.[\w-]+\z/, token_type => 'Bearer', expires_in => 900 }]);
};

step 'a user is made' => sub {
    my $res = api(POST => '/users', key => $token, body => {
        username => $NAME, email => "$NAME\@example.org", password => 'a password long enough',
        max_messages_per_minute => 100, max_messages_per_day => 1000, max_requests_per_minute => 100000 });
    $user = $res->{json};
    my $want = {
        id => UUID, username => $NAME, email => "$NAME\@example.org", role => 'user',
        is_active => true, max_messages_per_minute => 100, max_messages_per_day => 1000,
        max_requests_per_minute => 100000, max_sessions => 1,
        created_at => TIME, updated_at => TIME };
    return ([$res->{status}, header($res, 'Location'), pick($user, keys %$want)],
        [201, "/api/users/$user->{id}", $want]);
};

step 'a key is made and shown' => sub {
    my $res = api(POST => "/users/$user->{id}/keys", key => $token, body => { name => 'first' });
    $key = $res->{json};
    return ([$res->{status}, pick($key, qw(id user_id name key hint created_at expires_at))],
        [201, { id => UUID, user_id => $user->{id}, name => 'first', key => qr/\Awak_[\w-]{49}\z/,
            hint => substr($key->{key}, 0, 12), created_at => TIME, expires_at => undef }]);
};

it 'the key is not stored, only a MAC of it' => sub {
    my $row = db("SELECT k::text FROM api_keys k WHERE id = '$key->{id}'");
    my $hex = unpack 'H*', $key->{key};
    return ($row =~ /\Q$key->{key}\E|$hex/ ? 'stored' : $row, qr/first.*\\x[0-9a-f]{64}/);
};

# --- before init ------------------------------------------------------------

it 'status before init: never linked' => sub {
    return shape(session(), { session => 'default', status => 'disconnected', reason => 'never_linked',
        mode => 'sandbox', phone_number => undef, connected_at => undef, last_active_at => undef,
        qr_code => undef, qr_expires_at => undef });
};
it 'QR before init: 404 with Retry-After' => sub {
    return problem(as_user(GET => '/session/qr'), 404, 'qr_not_ready', retry_after => qr/\A[1-9]\d*\z/);
};
it 'send before init: 409' => sub {
    return problem(as_user(POST => '/messages/send-text',
        body => { recipient => '+4915112345678', text => 'x' }), 409, 'session_not_linked');
};
it 'disconnect before init: 409' => sub {
    return problem(as_user(POST => '/session/disconnect'), 409, 'session_not_linked');
};
it 'nothing was stored by any of these' => sub { return (rows($user), '0 0 0') };

# --- linking ----------------------------------------------------------------

step 'init starts the session' => sub {
    $phone  = phone('Sender');
    $friend = phone('Recipient');
    my $res = as_user(POST => '/session/init', body => {});
    return ([$res->{status}, pick($res->{json}, qw(id session engine mode status phone_number))],
        [202, { id => UUID, session => 'default', engine => 'baileys', mode => 'sandbox',
            status => qr/\A(connecting|qr_pending)\z/, phone_number => undef }]);
};

step 'the QR code comes, raw' => sub {
    my $res = wait_until {
        my $r = as_user(GET => '/session/qr?format=raw');
        $r->{status} == 200 ? $r : undef;
    } 15, 'a QR code';
    $qr = $res->{content};
    return ([header($res, 'Content-Type'), header($res, 'Vary'), header($res, 'Cache-Control'), $qr],
        ['text/plain; charset=utf-8', 'Accept', 'no-store', qr/\A(https:\S+#)?2@[^,\s]+(,[^,\s]+){3,}\z/]);
};

it 'status while a code is valid' => sub {
    my $s = session();
    return shape($s, { status => 'qr_pending', reason => undef, phone_number => undef,
        connected_at => undef, qr_code => qr/2@.*,/, qr_expires_at => TIME });
};

sub is_png {
    my ($res) = @_;
    my ($sig, $len, $type, $w, $h, $depth) = unpack 'a8 N a4 N N C', $res->{content};
    return ([$res->{status}, header($res, 'Content-Type'), $sig, $len, $type, $w == $h ? 'square' : "$w x $h",
            $w >= 200 ? 'large' : $w, substr($res->{content}, -8, 4)],
        [200, 'image/png', "\x89PNG\r\n\x1a\n", 13, 'IHDR', 'square', 'large', 'IEND']);
}
sub is_svg {
    my ($res) = @_;
    return ([$res->{status}, header($res, 'Content-Type'), $res->{content}],
        [200, 'image/svg+xml', qr{\A(<\?xml[^>]*>\s*)?<svg [^>]*xmlns="http://www\.w3\.org/2000/svg".*</svg>\s*\z}s]);
}
sub is_raw {
    my ($res) = @_;
    return ([$res->{status}, header($res, 'Content-Type'), $res->{content}],
        [200, 'text/plain; charset=utf-8', qr/2@.*,/]);
}
sub is_json {
    my ($res) = @_;
    return ([$res->{status}, header($res, 'Content-Type'), $res->{json}{qr_code}],
        [200, 'application/json', qr/2@.*,/]);
}

# The engine changes its code every 20 to 60 seconds: each of these asks anew.
my @FORMS = (
    ['?format=svg',  undef, \&is_svg],
    ['?format=png',  undef, \&is_png],
    ['?format=raw',  undef, \&is_raw],
    ['?format=json', undef, \&is_json],
    ['',  undef,                                     \&is_svg],
    ['',  '*/*',                                     \&is_svg],
    ['',  'image/*',                                 \&is_svg],
    ['',  'image/png',                               \&is_png],
    ['',  'text/plain',                              \&is_raw],
    ['',  'application/json',                        \&is_json],
    ['',  'image/png;q=0.5, text/plain;q=0.9',       \&is_raw],
    ['',  'image/svg+xml;q=0, image/*;q=0.1',        \&is_png],
    ['?format=png', 'text/plain',                    \&is_png],
);
for my $f (@FORMS) {
    my ($query, $accept, $check) = @$f;
    it "QR by '$query' and Accept " . ($accept // 'none') => sub {
        return $check->(as_user(GET => "/session/qr$query",
            $accept ? (headers => { Accept => $accept }) : ()));
    };
}
it "an admin has a user's QR in the same forms" => sub {
    my @r = map { api(GET => "/users/$user->{id}/session/qr?format=$_", key => admin_token()) } qw(svg png raw json);
    return ([map { $_->{status}, header($_, 'Content-Type') } @r],
        [200, 'image/svg+xml', 200, 'image/png', 200, 'text/plain; charset=utf-8', 200, 'application/json']);
};
it 'QR in a form that is not there: 406' => sub {
    return problem(as_user(GET => '/session/qr', headers => { Accept => 'audio/ogg' }), 406, 'not_acceptable');
};
it 'QR by a format that is not there: 400' => sub {
    return problem(as_user(GET => '/session/qr?format=gif'), 400, 'bad_parameter');
};

step 'a phone scans the code' => sub {
    $qr = as_user(GET => '/session/qr?format=raw')->{content};
    my $device = sandbox(POST => "/phones/$phone->{id}/scan", { qr => $qr });
    return ($device->{device_id}, qr/\A[1-9]\d*\z/);
};

step 'status becomes connected, with the number' => sub {
    my $s = wait_until { my $s = session(); $s->{status} eq 'connected' ? $s : undef } 15, 'connected';
    return shape($s, { status => 'connected', reason => undef, phone_number => $phone->{number},
        connected_at => TIME, last_active_at => TIME, qr_code => undef, qr_expires_at => undef,
        restricted => false });
};
it 'QR of a linked session: 409' => sub {
    return problem(as_user(GET => '/session/qr'), 409, 'session_already_linked');
};
it 'nor does an admin get one' => sub {
    return problem(api(GET => "/users/$user->{id}/session/qr", key => admin_token()), 409, 'session_already_linked');
};
it 'init of a linked session changes nothing' => sub {
    my $res = as_user(POST => '/session/init', body => {});
    return ([$res->{status}, pick($res->{json}, qw(status phone_number qr_code))],
        [202, { status => 'connected', phone_number => $phone->{number}, qr_code => undef }]);
};
it 'the phone knows its one linked device' => sub {
    return (scalar @{ sandbox(GET => "/phones/$phone->{id}")->{linked_devices} }, 1);
};

# --- the message ------------------------------------------------------------

step 'a text is sent' => sub {
    my $res = as_user(POST => '/messages/send-text', body => { recipient => $friend->{number}, text => $TEXT });
    $sent = $res->{json};
    my $want = {
        id => UUID, direction => 'out', type => 'text', status => 'sent',
        recipient => $friend->{number}, sender => undef,
        chat => substr($friend->{number}, 1) . '@s.whatsapp.net', content => $TEXT,
        whatsapp_id => qr/\A3EB0[0-9A-F]{18}\z/, attempts => 1, created_at => TIME, sent_at => TIME,
        delivered_at => undef, read_at => undef, error_code => undef, error_message => undef };
    $sent = pick($sent, keys %$want);
    return ([$res->{status}, header($res, 'Location'), $sent], [200, "/api/messages/$sent->{id}", $want]);
};

step "the recipient's phone decrypts and shows it" => sub {
    my @in = wait_until { my @in = inbox($friend); @in ? \@in : undef } 15, 'the text on the phone';
    @in = @{ $in[0] };
    show("the recipient's phone shows: " . encode($in[0]{text}));
    return ([map { pick($_, qw(id from to type text at direction status)) } @in], [{ id => $sent->{whatsapp_id}, from => $phone->{number}, to => $friend->{number},
        type => 'text', text => $TEXT, at => qr/\A20\d\d-/, direction => 'in', status => qr/\w/ }]);
};

step 'it becomes delivered' => sub {
    $message = wait_until {
        my $m = message({ key => $key->{key} }, $sent->{id});
        $m->{status} eq 'delivered' ? $m : undef;
    } 15, 'delivered';
    return (pick($message, keys %$sent), { %$sent, status => 'delivered', attempts => qr{\A[01]\z}, sent_at => TIME,
        delivered_at => TIME, read_at => undef });
};
it 'one attempt was made, also when the receipt came first' => sub { return ($message->{attempts}, 1) };

step 'opened on the phone, it becomes read' => sub {
    sandbox(POST => "/phones/$friend->{id}/read", { message_id => $sent->{whatsapp_id} });
    $message = wait_until {
        my $m = message({ key => $key->{key} }, $sent->{id});
        $m->{status} eq 'read' ? $m : undef;
    } 15, 'read';
    return (pick($message, keys %$sent), { %$sent, status => 'read', attempts => qr{\A[01]\z}, sent_at => TIME,
        delivered_at => TIME, read_at => TIME });
};
it 'its times are in order' => sub {
    my @times = @$message{qw(created_at sent_at delivered_at read_at)};
    return (\@times, [sort @times]);
};
it 'nothing of it waits in the outbox' => sub { return (rows($user), '1 0 1') };

it 'an answer of the phone is taken in' => sub {
    sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => "$NAME answers" });
    my $row = wait_until {
        db("SELECT status, type, sender, content FROM messages"
            . " WHERE user_id = '$user->{id}' AND direction = 'in'");
    } 15, 'the inbound message';
    return ($row, "received|text|$friend->{number}|$NAME answers");
};

# --- nobody between can read it ---------------------------------------------

# The forms in which a log might hold it.
sub encode { my ($text) = @_; utf8::encode($text); return $text }
my $BYTES = encode($TEXT);
my %FORM = (
    'as it is' => $BYTES, 'its ASCII part' => "this is ${NAME}", 'in hex' => unpack('H*', $BYTES),
    'in base64' => substr(encode_base64($BYTES, ''), 0, 40), 'as JSON escapes' => "$NAME: nobody between",
);
my %PLACE = (
    "the sandbox's GET /log" => sub { call(GET => "$ENV{WA_TEST_SANDBOX_URL}/log?limit=10000")->{content} },
    "the sandbox's log file" => sub { log_text("$ENV{WA_TEST_LOG_DIR}/sandbox.log") },
    "the bridge's log file" => sub { log_text("$ENV{WA_TEST_LOG_DIR}/bridge.log") },
    "whatsappd's log file" => sub { log_text("$ENV{WA_TEST_LOG_DIR}/whatsappd.log") },
    "Apache's error log" => sub { log_text($ENV{WA_TEST_HTTPD_LOG}) },
);
it "GET /log has seen the message's id" => sub {
    return (index($PLACE{"the sandbox's GET /log"}->(), $sent->{whatsapp_id}) >= 0 ? 'seen' : 'not there', 'seen');
};
for my $place (sort keys %PLACE) {
    it "the text is nowhere in $place" => sub {
        my $log = $PLACE{$place}->();
        my @found = grep { index(lc $log, lc $FORM{$_}) >= 0 } sort keys %FORM;
        return ([length $log > 100 ? 'a log' : 'no log', @found], ['a log']);
    };
    it "the key and the token are nowhere in $place" => sub {
        my $log = $PLACE{$place}->();
        return ([grep { index($log, $_) >= 0 } $key->{key}, $token], []);
    };
}

# --- away and back ----------------------------------------------------------

step 'disconnect closes the connection and keeps the link' => sub {
    my $res = as_user(POST => '/session/disconnect');
    return ([$res->{status}, pick($res->{json}, qw(status reason phone_number connected_at qr_code))],
        [200, { status => 'disconnected', reason => 'user', phone_number => $phone->{number},
            connected_at => undef, qr_code => undef }]);
};
it 'send while disconnected: 409' => sub {
    return problem(as_user(POST => '/messages/send-text',
        body => { recipient => $friend->{number}, text => 'x' }), 409, 'session_not_linked');
};
it 'that stored nothing' => sub { return (rows($user), '2 0 1') };
it 'disconnect again is the same' => sub {
    my $res = as_user(POST => '/session/disconnect');
    return ("$res->{status} $res->{json}{status}", '200 disconnected');
};
it 'the phone still lists the device' => sub {
    return (scalar @{ sandbox(GET => "/phones/$phone->{id}")->{linked_devices} }, 1);
};
step 'init connects again, with no QR code' => sub {
    my $codes = 0;
    as_user(POST => '/session/init', body => {});
    my $s = wait_until {
        my $s = session();
        $codes++ if $s->{qr_code} || $s->{status} eq 'qr_pending';
        $s->{status} eq 'connected' ? $s : undef;
    } 15, 'connected again';
    return ([$codes, $s->{phone_number}], [0, $phone->{number}]);
};
it 'and sends' => sub {
    my $res = as_user(POST => '/messages/send-text', body => { recipient => $friend->{number}, text => 'again' });
    wait_until { (texts($friend))[-1] eq 'again' } 10, 'the second text on the phone';
    return ($res->{json}{status}, 'sent');
};

step 'logout unlinks' => sub {
    my $res = as_user(POST => '/session/logout');
    return ([$res->{status}, pick($res->{json}, qw(status connected_at qr_code))],
        [200, { status => 'disconnected', connected_at => undef, qr_code => undef }]);
};
it 'the phone lists no device any more' => sub {
    wait_until { !@{ sandbox(GET => "/phones/$phone->{id}")->{linked_devices} } } 10, 'no linked device';
    return (sandbox(GET => "/phones/$phone->{id}")->{linked_devices}, []);
};
it 'send after logout: 409' => sub {
    return problem(as_user(POST => '/messages/send-text',
        body => { recipient => $friend->{number}, text => 'x' }), 409, 'session_not_linked');
};
it 'status after logout: no phone' => sub {
    return shape(session(), { status => 'disconnected', reason => 'logged_out', phone_number => undef });
};
it 'messages stay there' => sub {
    return (message({ key => $key->{key} }, $sent->{id})->{status}, 'read');
};
it 'init after logout asks for a new code' => sub {
    as_user(POST => '/session/init', body => {});
    my $new = wait_until {
        my $r = as_user(GET => '/session/qr?format=raw');
        $r->{status} == 200 ? $r->{content} : undef;
    } 15, 'a new code';
    return ($new eq $qr ? 'the old code' : $new, qr/2@.*,/);
};
it 'logout while a code waits ends that too' => sub {
    my $res = as_user(POST => '/session/logout');
    return ([$res->{status}, $res->{json}{status}, session()->{qr_code}], [200, 'disconnected', undef]);
};

run_tests;
