# The engines: what each can, the main road by webjs (a browser), linking by a
# code that is typed on the phone.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $phone, $friend);

sub init { my ($who, %body) = @_; return api(POST => '/session/init', key => $who->{key}, body => \%body) }
sub engines { return api(GET => '/engines', key => $_[0]{key})->{json} }

# Linked by a code to type: the phone.
sub link_by_number {
    my ($who, $own, %more) = @_;
    my $res = init($who, phone_number => $own->{number}, %more);
    die "init: $res->{status} $res->{content}\n" if $res->{status} != 202;
    my $s = wait_until { my $s = session_of($who); $s->{pairing_code} ? $s : undef } 90, 'a pairing code';
    sandbox(POST => "/phones/$own->{id}/link-code", { code => $s->{pairing_code} });
    wait_until { session_of($who)->{status} eq 'connected' } 90, 'connected by the code';
    return $s;
}

step 'users and phones' => sub {
    $user = new_user();
    ($phone, $friend) = (phone('Sender'), phone('Recipient'));
    return (defined $friend->{id} ? 'there' : '', 'there');
};

# --- what there is ----------------------------------------------------------

step 'both engines are there, and baileys is the default' => sub {
    my $j = engines($user);
    return ([$j->{default}, map { "$_->{name} " . ($_->{available} ? 'available' : "not: $_->{reason}") } @{ $j->{engines} }],
        ['baileys', 'baileys available', 'webjs available']);
};
it 'each says what it can and what it lacks' => sub {
    my %lacks = map { $_->{name} => join ' ', sort @{ $_->{lacks} } } @{ engines($user)->{engines} };
    return (\%lacks, { baileys => qr/\A(?!.*pairing_code)/, webjs => qr/\bcaller_message_id\b(?!.*pairing_code)/ });
};

# --- webjs ------------------------------------------------------------------

step 'a session by webjs: its code is scanned, and it is connected' => sub {
    link_phone($user, $phone, engine => 'webjs');
    return (pick(session_of($user), qw(engine phone_number reason)),
        { engine => 'webjs', phone_number => $phone->{number}, reason => undef });
};
it 'a text arrives once, and its receipts come back' => sub {
    my $r = send_text($user, $friend, 'by a browser');
    wait_until { texts($friend) } 30, 'the text';
    wait_until { message($user, $r->{json}{id})->{status} eq 'delivered' } 30, 'delivered';
    sandbox(POST => "/phones/$friend->{id}/read", { chat => $phone->{number} });
    wait_until { message($user, $r->{json}{id})->{status} eq 'read' } 30, 'read';
    return ([texts($friend)], ['by a browser']);
};
it 'what comes in is stored' => sub {
    sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => 'to the browser' });
    wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND direction = 'in'") == 1 } 30, 'inbound';
    return (db("SELECT content FROM messages WHERE user_id = '$user->{id}' AND direction = 'in'"), 'to the browser');
};
it 'linked, it stays with its engine: 409' => sub {
    return problem(init($user, engine => 'baileys'), 409, 'conflict');
};
it 'and is not disturbed by that' => sub {
    return (pick(session_of($user), qw(engine status)), { engine => 'webjs', status => 'connected' });
};
it 'an init that names no engine keeps it' => sub {
    my $r = init($user);
    return ([$r->{status}, $r->{json}{engine}, $r->{json}{status}], [202, 'webjs', 'connected']);
};
it 'logged out on the phone' => sub {
    sandbox(POST => "/phones/$phone->{id}/unlink", {});
    my $s = wait_until { my $s = session_of($user); $s->{status} eq 'disconnected' ? $s : undef } 30, 'disconnected';
    return ($s->{reason}, 'logged_out');
};
it 'without a phone the engine can change' => sub {
    my $r = init($user, engine => 'baileys');
    return ([$r->{status}, $r->{json}{engine}], [202, 'baileys']);
};
it 'and its code is the new engine\'s' => sub {
    link_phone($user, $phone);
    return (session_of($user)->{engine}, 'baileys');
};

# --- by number --------------------------------------------------------------

for my $wrong ('', 'x', '123', '0049151', '+49 170', '123@g.us') {
    it 'no number to pair: ' . json($wrong) => sub {
        return problem(init(new_user(), phone_number => $wrong), 422, 'validation_failed',
            errors => [['/phone_number', $wrong eq '' ? 'length' : 'format']]);
    };
}
for my $engine ('baileys', 'webjs') {
    it "a session by $engine is linked by a code to type" => sub {
        my ($new, $own) = (new_user(), phone('Typist'));
        my $s = link_by_number($new, $own, engine => $engine);
        return ([pick($s, qw(engine status pairing_code pairing_code_expires_at qr_code)),
                pick(session_of($new), qw(engine phone_number pairing_code pairing_code_expires_at))],
            [{ engine => $engine, status => 'qr_pending', pairing_code => qr/\A[0-9A-Z]{8}\z/, pairing_code_expires_at => TIME, qr_code => undef },
                { engine => $engine, phone_number => $own->{number}, pairing_code => undef, pairing_code_expires_at => undef }]);
    };
    it "a number that nobody has ends with a reason, by $engine" => sub {
        my $new = new_user();
        init($new, engine => $engine, phone_number => '+4917000000000');
        my $s = wait_until { my $s = session_of($new); $s->{status} eq 'disconnected' ? $s : undef } 90, 'refused';
        return (pick($s, qw(engine reason)), { engine => $engine, reason => 'pairing_refused' });
    };
}
it 'meanwhile there is no QR code, and the answer says why' => sub {
    my ($new, $own) = (new_user(), phone('Typist'));
    init($new, phone_number => $own->{number});
    wait_until { session_of($new)->{pairing_code} } 20, 'a pairing code';
    my $r = api(GET => '/session/qr', key => $new->{key});
    return ([$r->{status}, $r->{json}{code}, $r->{json}{detail}], [404, 'qr_not_ready', qr/pairing_code/]);
};
it 'with a phone linked: 409' => sub {
    return problem(init($user, phone_number => $phone->{number}), 409, 'session_already_linked');
};
run_tests;
