# People whose phone number WhatsApp does not tell: they are known by an id alone
# (LID). Whoever wrote to a session is answered by it; nobody else is written to.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $other, $phone, $hidden, $lid, $in);
my $NOBODY = '123456789012345@lid';

sub to { my ($recipient, $text, %more) = @_; return api(POST => '/messages/send-text', key => ($more{user} || $user)->{key}, body => { recipient => $recipient, text => $text, $more{session} ? (session => $more{session}) : () }) }
sub stored { return db("SELECT count(*) FROM messages WHERE direction = 'out' AND user_id IN ('$user->{id}', '$other->{id}')") }
sub refused { my ($r) = @_; return problem($r, 422, 'invalid_recipient', errors => [['/recipient', 'value']]) }

step 'two users with phones, and a message of one without a number' => sub {
    ($user, $other) = map { new_user(max_messages_per_minute => 1000) } 1, 2;
    ($phone, $hidden) = (link_phone($user), phone('Hidden'));
    link_phone($other);
    my $sent = sandbox(POST => "/phones/$hidden->{id}/send", { to => $phone->{number}, text => 'who am I?', hidden => true });
    my $row = wait_until { db("SELECT id FROM messages WHERE user_id = '$user->{id}' AND direction = 'in' AND whatsapp_id = '$sent->{id}'") } 30, 'the message came in';
    $in = message($user, $row);
    $lid = $in->{chat};
    return (pick($in, qw(content sender chat)), { content => 'who am I?', sender => qr/\A\d+\@lid\z/, chat => qr/\A\d+\@lid\z/ });
};
it 'the chat is listed by that id, without a number' => sub {
    my $r = api(GET => '/chats', key => $user->{key});
    return ([map { pick($_, qw(chat phone_number)) } @{ $r->{json}{data} }], [{ chat => $lid, phone_number => undef }]);
};
it 'it can be answered: the text is on the phone, and its receipts come back' => sub {
    my $r = to($lid, 'an answer');
    wait_until { (texts($hidden))[0] } 30, 'the answer';
    my $m = wait_until { my $m = message($user, $r->{json}{id}); $m->{status} eq 'delivered' ? $m : undef } 30, 'delivered';
    sandbox(POST => "/phones/$hidden->{id}/read", { chat => $phone->{number} });
    wait_until { message($user, $r->{json}{id})->{status} eq 'read' } 30, 'read';
    return ([$r->{status}, [texts($hidden)], pick($m, qw(recipient chat))], [qr/\A20[02]\z/, ['an answer'], { recipient => $lid, chat => $lid }]);
};
it 'with a file' => sub {
    my $png = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";
    my $id = upload($user, $png, 'a.png', 'image/png')->{json}{id};
    my $r = api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $lid, media_id => $id });
    return ([$r->{status}, file_on($hidden, $r->{json}{whatsapp_id})->[0]], [qr/\A20[02]\z/, 'image']);
};
it 'in bulk, beside one that nobody knows' => sub {
    my $n = stored();
    my $r = api(POST => '/messages/bulk', key => $user->{key}, body => { messages => [map { { recipient => $_, text => 'to many' } } $NOBODY, $lid, $hidden->{number}] });
    wait_until { 2 == grep { ($_ // '') eq 'to many' } texts($hidden) } 30, 'both texts';
    return ([$r->{status}, [map { $_->{problem} ? $_->{problem}{code} : $_->{status} } @{ $r->{json}{data} }], stored() - $n], [207, ['invalid_recipient', 'pending', 'pending'], 2]);
};
it 'his messages are found by that id, both ways' => sub {
    my $r = api(GET => "/messages?recipient=$lid", key => $user->{key});
    return ([map { "$_->{direction} " . ($_->{content} // $_->{type}) } @{ $r->{json}{data} }], ['out to many', 'out image', 'out an answer', 'in who am I?']);
};
for (['of nobody', sub { to($NOBODY, 'x') }], ["that wrote to another user's session", sub { to($lid, 'x', user => $other) }],
    ['that wrote to another session', sub { to($lid, 'x', session => 'second') }], ['in capitals', sub { to(uc $lid, 'x') }]) {
    my ($whose, $send) = @$_;
    it "an id $whose is no recipient" => sub {
        my $n = stored();
        my ($got, $want) = refused($send->());
        return ([$got, stored()], [$want, $n]);
    };
}
it 'nor is one that was only written to' => sub {
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id)
        SELECT gen_random_uuid(), user_id, session_id, 'out', 'text', 'sent', '$NOBODY', '$NOBODY', 'x', 'X' FROM messages WHERE id = '$in->{id}'");
    return refused(to($NOBODY, 'x'));
};

run_tests;
