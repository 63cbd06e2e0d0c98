# WhatsAppPaceMessages and WhatsAppPaceNewChats: a session keeps its pace,
# whoever sends, others unhindered; without them nothing waits.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::Test;

my ($user, $other, $friend, @strangers, $apache, $session);

sub submit {
    my ($who, $to, $text, %headers) = @_;
    return call(POST => "$apache->{url}/api/messages/send-text", key => $who->{key}, headers => \%headers,
        body => { recipient => $to->{number}, text => $text });
}
# Apache and whatsappd with these lines.
sub with {
    my ($lines) = @_;
    apache_stop($apache) if $apache;
    $apache = apache_start(apache_config(main => $lines));
    daemon_with($lines);
    return;
}
sub sent { my ($what) = @_; return db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content LIKE '$what %' AND sent_at IS NOT NULL") }
# Seconds between one turn of the user's session and the next one, of the newest ones. A turn is what a message goes out
# by; when WhatsApp took it is known in whole seconds only.
sub gaps {
    my ($turns) = @_;
    return db("SELECT extract(epoch FROM at - before) FROM (SELECT at, lag(at) OVER (ORDER BY at) AS before FROM (SELECT at"
        . " FROM pace_turns WHERE session_id = '$session' ORDER BY at DESC LIMIT $turns) n) g WHERE before IS NOT NULL ORDER BY at");
}
sub turns { return db("SELECT count(*) FROM pace_turns WHERE session_id = '$session'") }

# Notes each turn, by the clock that gives them.
sub watch_turns {
    return db('CREATE TABLE pace_turns (session_id uuid, at timestamptz);'
        . ' CREATE FUNCTION pace_turn() RETURNS trigger LANGUAGE plpgsql AS'
        . ' $$ BEGIN INSERT INTO pace_turns VALUES (NEW.session_id, now()); RETURN NULL; END $$;'
        . ' CREATE TRIGGER pace_turn AFTER UPDATE OF next_at ON session_paces FOR EACH ROW'
        . ' WHEN (OLD.next_at <> NEW.next_at) EXECUTE FUNCTION pace_turn()');
}
END {
    my $status = $?;
    eval { db('DROP TRIGGER IF EXISTS pace_turn ON session_paces; DROP FUNCTION IF EXISTS pace_turn(); DROP TABLE IF EXISTS pace_turns'); 1 } or warn $@;
    $? = $status;
}

step 'two users with phones' => sub {
    ($user, $other) = map { new_user(max_messages_per_minute => 1000, max_messages_per_day => 1000) } 1, 2;
    link_phone($_) for $user, $other;
    $friend = phone('Friend');
    @strangers = map { phone("Stranger $_") } 1 .. 4;
    $session = session_of($user)->{id};
    watch_turns();
    with("WhatsAppPaceMessages 15\n");
    return ([map { session_of($_)->{status} } $user, $other], ['connected', 'connected']);
};
my $held;
step 'the first goes at once, the next waits for its turn' => sub {
    steady_minute(25);
    my @r = map { submit($user, $friend, "paced $_") } 1 .. 4;
    $held = $r[1]{json};
    return ([map { "$_->{status} $_->{json}{status} " . ($_->{json}{error_code} // '-') } @r[0, 1]], ['200 sent -', '202 pending paced']);
};
it 'another session is not held up' => sub {
    return (submit($other, $friend, 'meanwhile')->{status}, 200);
};
it 'they go in order, each by a turn, four seconds apart at least' => sub {
    wait_until { sent('paced') == 4 && (grep { /^paced/ } texts($friend)) == 4 } 60, 'four sent';
    my @gaps = gaps(4);
    show("turns after @gaps s");
    return ([[grep { /^paced/ } texts($friend)], turns() >= 4 ? 'turns' : turns(), scalar @gaps, [grep { $_ < 4 } @gaps], message($user, $held->{id})->{error_code}],
        [[map { "paced $_" } 1 .. 4], 'turns', 3, [], undef]);
};
it 'also when the daemon sends all of them' => sub {
    my @list = map { { recipient => $strangers[$_ - 1]{number}, text => "many $_" } } 1 .. 3;
    call(POST => "$apache->{url}/api/messages/bulk", key => $user->{key}, body => { messages => \@list });
    wait_until { sent('many') == 3 } 60, 'three sent';
    return ([turns() >= 7 ? 'turns' : turns(), grep { $_ < 4 } gaps(4)], ['turns']);
};

step 'two new chats a day' => sub {
    @strangers = map { phone("New $_") } 1 .. 4;
    with("WhatsAppPaceNewChats 2\n");
    # A new day, and nothing is left of the pause after the last one.
    db("UPDATE session_paces SET day = NULL, new_chats = 0, next_at = now()");
    steady_day(120);
    my @r = map { submit($user, $strangers[$_ - 1], "hello $_") } 1 .. 3;
    return ([map { "$_->{status} " . ($_->{json}{error_code} // '-') } @r], ['200 -', '200 -', '202 paced']);
};
it 'who was written to before is no new one' => sub {
    my @r = (submit($user, $friend, 'old friend'), submit($user, $strangers[0], 'hello again'));
    return ([map { $_->{status} } @r], [200, 200]);
};
it 'nor who wrote first' => sub {
    my $phone = phone('Asks');
    sandbox(POST => "/phones/$phone->{id}/send", { to => session_of($user)->{phone_number}, text => 'are you there?' });
    wait_until { db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content = 'are you there?'") } 20, 'the question';
    return (submit($user, $phone, 'yes')->{status}, 200);
};
it 'the daemon does not send it either, and goes on with what it may' => sub {
    my $r = submit($user, $friend, 'after it', Prefer => 'respond-async');
    wait_until { message($user, $r->{json}{id})->{sent_at} } 30, 'the other message';
    return (db("SELECT o.attempts FROM outbox o JOIN messages m ON m.id = o.message_id WHERE m.content = 'hello 3' AND m.user_id = '$user->{id}'"), 0);
};
it 'another session has two of its own' => sub {
    return ([map { submit($other, $strangers[$_], "other $_")->{status} } 1, 2], [200, 200]);
};
it 'the next day it goes' => sub {
    db("UPDATE session_paces SET day = day - 1");
    wait_until { grep { $_ eq 'hello 3' } texts($strangers[2]) } 60, 'the third';
    return (sent('hello'), 4);
};
it 'without them nothing waits' => sub {
    with("WhatsAppPaceMessages Off\nWhatsAppPaceNewChats Off\n");
    return ([map { submit($user, $friend, "free $_")->{status} } 1 .. 5], [(200) x 5]);
};
it 'what is none is refused at the start' => sub {
    my ($status, $said) = apache_check(apache_config(main => "WhatsAppPaceMessages fast\n"));
    return ([$status, $said], [1, qr/WhatsAppPaceMessages is Off or a whole number from 1 to 1000/]);
};

run_tests;
