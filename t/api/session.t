# Sessions beside the main road: names, their number, whose they are, and ends
# in every state.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $phone, $friend);

sub post { my ($path, $body, $who) = @_; return api(POST => $path, key => ($who || $user)->{key}, body => $body) }
sub get  { my ($path, $who) = @_; return api(GET => $path, key => ($who || $user)->{key}) }

step 'users' => sub { $user = new_user(max_sessions => 2); return ($user->{max_sessions}, 2) };

# --- names ------------------------------------------------------------------

my @NAMES = (
    ['', 'length'], ['a b', 'format'], ['a/b', 'format'], ["a\x{e9}", 'format'], ['x' x 65, 'length'],
    ["a'; --", 'format'], [17, 'type'], [true, 'type'], [['a'], 'type'],
);
for my $n (@NAMES) {
    my ($name, $code) = @$n;
    it 'init of session ' . json($name) . ' is refused' => sub {
        return problem(post('/session/init', { session => $name }), 422, 'validation_failed',
            errors => [['/session', $code]]);
    };
}
for my $name ('', 'a%20b', 'x' x 65) {
    it "status of session '$name' is refused" => sub {
        return problem(get("/session/status?session=$name"), 422, 'validation_failed',
            errors => [['/session', 'format']]);
    };
}
for my $what (qw(status qr)) {
    it "an admin who asks for the $what of a session 'a b' is refused" => sub {
        return problem(api(GET => "/users/$user->{id}/session/$what?session=a%20b", key => admin_token()), 422, 'validation_failed',
            errors => [['/session', 'format']]);
    };
}
it 'a broken escape in the query is refused' => sub {
    return problem(get('/session/status?session=%zz'), 400, 'bad_parameter');
};
it 'an engine that is not there is refused' => sub {
    return problem(post('/session/init', { engine => 'pigeon' }), 422, 'validation_failed',
        errors => [['/engine', 'value']]);
};
for my $path (qw(disconnect logout)) {
    it "$path of what was never started: 409" => sub {
        return problem(post("/session/$path", { session => 'none' }), 409, 'session_not_linked');
    };
}
it 'no session was made by these' => sub { return (rows($user), '0 0 0') };

# --- their number -----------------------------------------------------------

it 'two sessions, as the user may have' => sub {
    my @r = map { post('/session/init', { session => $_ }) } 'default', 'second';
    return ([map { "$_->{status} $_->{json}{session}" } @r], ['202 default', '202 second']);
};
it 'no third one: 409' => sub {
    return problem(post('/session/init', { session => 'third' }), 409, 'session_limit');
};
it 'one that is there may be started again at the limit' => sub {
    return (post('/session/init', { session => 'second' })->{status}, 202);
};
it 'each has an id of its own' => sub {
    my ($one, $two) = map { get("/session/status?session=$_")->{json}{id} } 'default', 'second';
    return ($one eq $two ? 'the same' : 'two', 'two');
};
it 'ten at a time make one session' => sub {
    my $new = new_user();
    my @r = parallel(10, sub { post('/session/init', { session => $_[0] }, $new)->{status} }, ('default') x 10);
    return ([join(' ', sort @r), rows($new)], [join(' ', (202) x 10), '0 0 1']);
};
it 'ten names at a time make no more than may be' => sub {
    my $new = new_user(max_sessions => 1);
    my @r = parallel(10, sub { post('/session/init', { session => $_[0] }, $new)->{status} }, map { "s$_" } 1 .. 10);
    return ([(grep { $_ == 202 } @r) + 0, (grep { $_ == 409 } @r) + 0, rows($new)], [1, 9, '0 0 1']);
};
it "another user sees none of them" => sub {
    my $other = new_user();
    return ([map { $_->{status}, $_->{json}{reason} } get('/session/status?session=second', $other)],
        [200, 'never_linked']);
};

# --- linking by a named session ---------------------------------------------

step 'the second session is linked' => sub {
    ($phone, $friend) = (phone('Sender'), phone('Recipient'));
    my $qr = wait_until {
        my $r = get('/session/qr?format=raw&session=second');
        $r->{status} == 200 ? $r->{content} : undef;
    } 15, 'a code';
    sandbox(POST => "/phones/$phone->{id}/scan", { qr => $qr });
    my $s = wait_until {
        my $s = get('/session/status?session=second')->{json};
        $s->{status} eq 'connected' ? $s : undef;
    } 15, 'connected';
    return ($s->{phone_number}, $phone->{number});
};
it 'it sends' => sub {
    my $r = post('/messages/send-text', { session => 'second', recipient => $friend->{number}, text => 'by the second' });
    wait_until { grep { $_ eq 'by the second' } texts($friend) } 10, 'the text';
    return ($r->{status}, 200);
};
it 'the first one has no phone still: 409' => sub {
    return problem(post('/messages/send-text', { recipient => $friend->{number}, text => 'x' }), 409, 'session_not_linked');
};
it 'a session that is not there: 409' => sub {
    return problem(post('/messages/send-text', { session => 'none', recipient => $friend->{number}, text => 'x' }),
        409, 'session_not_linked');
};

# --- ends -------------------------------------------------------------------

step 'disconnected, then logged out: the link is gone' => sub {
    post('/session/disconnect', { session => 'second' });
    my $r = post('/session/logout', { session => 'second' });
    return ([$r->{status}, $r->{json}{status}, $r->{json}{qr_code}], [200, 'disconnected', undef]);
};
it 'and known to be gone' => sub {
    return (db("SELECT linked, wanted FROM sessions WHERE user_id = '$user->{id}' AND name = 'second'"), 'f|f');
};
it 'init then asks for a code, and until a scan nothing can be sent: 409' => sub {
    post('/session/init', { session => 'second' });
    return problem(post('/messages/send-text', { session => 'second', recipient => $friend->{number}, text => 'x' }),
        409, 'session_not_linked');
};
it 'QR while it starts is not "linked already"' => sub {
    my @seen;
    wait_until {
        my $r = get('/session/qr?session=second');
        push @seen, $r->{status};
        $r->{status} == 200;
    } 15, 'a code';
    return ([grep { $_ != 200 && $_ != 404 } @seen], []);
};

step 'unlinked on the phone: the session hears of it' => sub {
    my $new = $user = new_user();
    $phone = link_phone($new);
    sandbox(POST => "/phones/$phone->{id}/unlink", {});
    my $s = wait_until { my $s = session_of($new); $s->{status} ne 'connected' ? $s : undef } 10, 'no longer connected';
    return (pick($s, qw(status reason connected_at qr_code)),
        { status => 'disconnected', reason => 'logged_out', connected_at => undef, qr_code => undef });
};
it 'send then: 409' => sub {
    return problem(post('/messages/send-text', { recipient => $friend->{number}, text => 'x' }), 409, 'session_not_linked');
};
it 'QR then: 404, for no code will come by itself' => sub {
    return problem(get('/session/qr'), 404, 'qr_not_ready', retry_after => qr/\d/);
};
it 'a network that breaks heals by itself' => sub {
    $user = new_user();
    $phone = link_phone($user);
    my $first = session_of($user)->{connected_at};
    sandbox(POST => "/phones/$phone->{id}/drop");
    my $s = wait_until {
        my $s = session_of($user);
        $s->{status} eq 'connected' && $s->{connected_at} ne $first ? $s : undef;
    } 15, 'connected again';
    return ($s->{phone_number}, $phone->{number});
};
it 'a phone scans a code only once' => sub {
    my $other = new_user();
    post('/session/init', {}, $other);
    my $qr = wait_until {
        my $r = get('/session/qr?format=raw', $other);
        $r->{status} == 200 ? $r->{content} : undef;
    } 15, 'a code';
    sandbox(POST => '/phones/' . phone()->{id} . '/scan', { qr => $qr });
    my $again = call(POST => "$ENV{WA_TEST_SANDBOX_URL}/phones/" . phone()->{id} . '/scan', body => { qr => $qr });
    return ($again->{status} >= 400 ? 'refused' : $again->{content}, 'refused');
};


# --- what WhatsApp does to a session (docs/sandbox.md has the whole table) ---

# The phone's linked devices are struck; the session's state once it changed.
sub struck {
    my ($who, $own, $fault) = @_;
    sandbox(POST => "/phones/$own->{id}/fault", { fault => $fault });
    return wait_until { my $s = session_of($who); $s->{status} ne 'connected' ? $s : undef } 20, "$fault shows";
}
my @ENDS = (
    ['ban', 'failed', 'banned', 409], ['conflict', 'disconnected', 'replaced', undef],
    ['outdated', 'failed', 'incompatible', undef], ['logout', 'disconnected', 'logged_out', 409],
);
for my $end (@ENDS) {
    my ($fault, $status, $reason, $send) = @$end;
    it "$fault: the session is $status, $reason" => sub {
        my $who = new_user();
        my $s = struck($who, link_phone($who), $fault);
        my $sent = send_text($who, $friend, 'x')->{status};
        return ([pick($s, qw(status reason connected_at)), $send ? $sent : 'any'],
            [{ status => $status, reason => $reason, connected_at => undef }, $send || 'any']);
    };
}
it 'replaced, then started: connected again without a code' => sub {
    my $who = new_user();
    struck($who, link_phone($who), 'conflict');
    api(POST => '/session/init', key => $who->{key}, body => {});
    wait_until { session_of($who)->{status} eq 'connected' } 20, 'connected';
    return (session_of($who)->{reason}, undef);
};
it 'told to connect anew by WhatsApp: it does' => sub {
    my $who = new_user();
    my $own = link_phone($who);
    my $first = session_of($who)->{connected_at};
    sandbox(POST => "/phones/$own->{id}/fault", { fault => 'restart' });
    my $s = wait_until {
        my $s = session_of($who);
        $s->{status} eq 'connected' && $s->{connected_at} ne $first ? $s : undef;
    } 20, 'connected anew';
    return ($s->{phone_number}, $own->{number});
};
it 'an account that is limited is shown as restricted, and connected' => sub {
    my $who = new_user();
    my $own = link_phone($who);
    sandbox(POST => "/phones/$own->{id}/fault", { fault => 'restrict' });
    wait_until { session_of($who)->{restricted} } 20, 'restricted';
    sandbox(POST => "/phones/$own->{id}/fault", { fault => 'unrestrict' });
    my $s = wait_until { my $s = session_of($who); $s->{restricted} ? undef : $s } 20, 'no longer';
    return ($s->{status}, 'connected');
};
it 'codes that nobody scans: qr_timeout' => sub {
    my $who = new_user();
    sandbox(POST => '/faults', { qr_codes => 0 });
    api(POST => '/session/init', key => $who->{key}, body => {});
    my $s = eval { wait_until { my $s = session_of($who); $s->{status} eq 'disconnected' ? $s : undef } 20, 'the end' };
    sandbox(POST => '/faults', { qr_codes => undef });
    return ($s->{reason}, 'qr_timeout');
};
it 'a number that bans: the send is not lost without a word' => sub {
    my $who = new_user();
    link_phone($who);
    my $r = send_text($who, '+15559000001', 'x');
    my $s = wait_until { my $s = session_of($who); $s->{status} eq 'failed' ? $s : undef } 20, 'banned';
    sandbox(DELETE => '/faults');
    return ([$s->{reason}, $r->{status}], ['banned', qr/\A(?:202|409|50[34])\z/]);
};

run_tests;
