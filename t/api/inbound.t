# What comes after a message: answers, edits, deletions and reactions, as the
# bridge reports them, in whatever order and however often.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my $BRIDGE = sprintf '01900000-0000-7000-8001-%012x', $$;
my ($user, $session, $seq) = (undef, undef, 0);
my ($ME, $ANNA, $EVA) = ('+4917099990', '+4917011110', '+4917022220');
my $CHAT = '4917011110@s.whatsapp.net';

END { my $status = $?; eval { db("DELETE FROM bridges WHERE id = '$BRIDGE'"); 1 } or warn $@; $? = $status }

sub at { my ($second) = @_; return sprintf '2026-01-02T03:04:%02d.000Z', $second }
sub inbound {
    my ($type, $second, %data) = @_;
    return { seq => ++$seq, session => $session, type => 'message.inbound', at => at($second),
        data => { whatsapp_id => unique('IN'), chat => $CHAT, from => $CHAT, from_phone => $ANNA, type => $type, at => at($second), %data } };
}
sub batch {
    my $r = internal('/events', key => secret('internal_secret'),
        body => { bridge_id => $BRIDGE, mode => 'sandbox', sessions => 1, events => [@_] });
    die "events: $r->{status} $r->{content}\n" if $r->{status} != 200;
    return $r;
}
# The same again under new numbers, as after a restart that lost what was told.
sub again { return map { { %$_, seq => ++$seq } } @_ }
sub row { my ($wa, $chat) = @_; return db("SELECT id FROM messages WHERE session_id = '$session' AND whatsapp_id = '$wa' AND chat = '" . ($chat || $CHAT) . "'") }
sub of { my ($wa) = @_; return message($user, row($wa)) }
sub told { my ($wa) = @_; return [db("SELECT type FROM events WHERE message_id = '" . row($wa) . "' ORDER BY seq")] }
sub ours {
    my ($text) = @_;
    my ($id, $wa) = (sprintf('01900000-0000-7000-8002-%012x', $$ * 1000 + ++$seq), unique('3EB0'));
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id)"
        . " VALUES ('$id', '$user->{id}', '$session', 'out', 'text', 'sent', '$ANNA', '$CHAT', '$text', '$wa')");
    return $wa;
}

step 'a session' => sub {
    $user = new_user();
    $session = api(POST => '/session/init', key => $user->{key}, body => {})->{json}{id};
    bridge(POST => "/v1/sessions/$session/disconnect"); # it must not report by itself
    wait_until { session_of($user)->{status} eq 'disconnected' } 20, 'disconnected';
    db("UPDATE sessions SET phone_number = '$ME' WHERE id = '$session'");
    return ($session, UUID);
};

# --- answers ----------------------------------------------------------------

it 'an answer names what it answers' => sub {
    batch(inbound('text', 1, whatsapp_id => 'ANSWER', text => 'yes', quoted_id => '3EB0QUESTION'));
    return (pick(of('ANSWER'), qw(type content quoted_id sender sent_at)),
        { type => 'text', content => 'yes', quoted_id => '3EB0QUESTION', sender => $ANNA, sent_at => at(1) });
};

# --- edits ------------------------------------------------------------------

my @edit;
step 'an edit changes its message, and is no message' => sub {
    batch(inbound('text', 1, whatsapp_id => 'EDITED', text => 'frist'));
    @edit = (inbound('edit', 5, target_id => 'EDITED', text => 'first'));
    batch(@edit);
    return ([pick(of('EDITED'), qw(type content edited_at)), db("SELECT count(*) FROM messages WHERE session_id = '$session' AND type = 'edit'"), told('EDITED')],
        [{ type => 'text', content => 'first', edited_at => at(5) }, 0, ['message.received', 'message.edited']]);
};
it 'told twice it changes nothing' => sub {
    batch(again(@edit));
    return ([of('EDITED')->{edited_at}, told('EDITED')], [at(5), ['message.received', 'message.edited']]);
};
it 'the newest counts, in whatever order they come' => sub {
    batch(inbound('edit', 9, target_id => 'EDITED', text => 'newest'), inbound('edit', 7, target_id => 'EDITED', text => 'older'));
    return (pick(of('EDITED'), qw(content edited_at)), { content => 'newest', edited_at => at(9) });
};
it 'it stands in the history' => sub { return ([map { $_->{status} } @{ of('EDITED')->{history} }], ['received', 'edited']) };
it "nobody edits what is another's" => sub {
    batch(inbound('edit', 20, target_id => 'EDITED', text => 'forged', from => '4917022220@s.whatsapp.net', from_phone => $EVA));
    return (of('EDITED')->{content}, 'newest');
};
it 'nor what is ours' => sub {
    my $wa = ours('our words');
    batch(inbound('edit', 20, target_id => $wa, text => 'forged'), inbound('deletion', 21, target_id => $wa));
    return (pick(of($wa), qw(content edited_at deleted_at)), { content => 'our words', edited_at => undef, deleted_at => undef });
};
it 'our own phone does' => sub {
    my $wa = ours('our words');
    batch(inbound('edit', 20, target_id => $wa, text => 'better words', from => '4917099990@s.whatsapp.net', from_phone => $ME));
    return (pick(of($wa), qw(content edited_at status)), { content => 'better words', edited_at => at(20), status => 'sent' });
};
it 'an edit that comes before its message waits for it' => sub {
    my @early = (inbound('edit', 5, target_id => 'LATE', text => 'the later text'));
    batch(@early, again(@early), inbound('edit', 4, target_id => 'LATE', text => 'between'));
    batch(inbound('text', 1, whatsapp_id => 'LATE', text => 'the first text'));
    return ([pick(of('LATE'), qw(content edited_at)), db("SELECT count(*) FROM message_changes WHERE session_id = '$session' AND target_id = 'LATE'")],
        [{ content => 'the later text', edited_at => at(5) }, 0]);
};

# --- deletions --------------------------------------------------------------

it 'a deletion takes the text along' => sub {
    batch(inbound('text', 1, whatsapp_id => 'GONE', text => 'regretted'));
    my @deletion = (inbound('deletion', 6, target_id => 'GONE'));
    batch(@deletion);
    batch(again(@deletion), inbound('edit', 8, target_id => 'GONE', text => 'regretted again'));
    return ([pick(of('GONE'), qw(content deleted_at edited_at)), told('GONE')],
        [{ content => undef, deleted_at => at(6), edited_at => undef }, ['message.received', 'message.deleted']]);
};
it 'one that comes before its message too' => sub {
    batch(inbound('edit', 5, target_id => 'LOST', text => 'changed'), inbound('deletion', 6, target_id => 'LOST'));
    batch(inbound('text', 1, whatsapp_id => 'LOST', text => 'regretted'));
    return (pick(of('LOST'), qw(content deleted_at)), { content => undef, deleted_at => at(6) });
};
it 'in a group an admin deletes what others wrote; nobody edits it' => sub {
    my %group = (chat => '120363000000000001@g.us');
    batch(inbound('text', 1, %group, whatsapp_id => 'GROUP', text => 'spam'),
        inbound('edit', 2, %group, target_id => 'GROUP', text => 'forged', from => '4917022220@s.whatsapp.net', from_phone => $EVA),
        inbound('deletion', 6, %group, target_id => 'GROUP', from => '4917022220@s.whatsapp.net', from_phone => $EVA));
    return (pick(message($user, row('GROUP', $group{chat})), qw(content deleted_at edited_at)), { content => undef, deleted_at => at(6), edited_at => undef });
};

# --- reactions --------------------------------------------------------------

sub reactions { my ($wa) = @_; return [map { "$_->{sender} $_->{emoji}" } @{ of($wa)->{reactions} }] }
my ($asked, @thumb);
step 'a reaction stands with its message' => sub {
    $asked = ours('well?');
    @thumb = (inbound('reaction', 5, target_id => $asked, text => "\x{1f44d}"));
    batch(@thumb, again(@thumb));
    my $feed = db("SELECT count(*)::text || (data->>'emoji') FROM events WHERE type = 'message.reaction' AND message_id = '" . row($asked) . "' GROUP BY data");
    utf8::decode($feed);
    return ([reactions($asked), $feed], [["$ANNA \x{1f44d}"], "1\x{1f44d}"]);
};
it 'the newest of each counts' => sub {
    batch(inbound('reaction', 9, target_id => $asked, text => "\x{2764}"), inbound('reaction', 7, target_id => $asked, text => "\x{1f44e}"),
        inbound('reaction', 8, target_id => $asked, text => "\x{1f602}", from => '4917022220@s.whatsapp.net', from_phone => $EVA));
    return (reactions($asked), ["$EVA \x{1f602}", "$ANNA \x{2764}"]);
};
it 'an empty one takes it back' => sub {
    batch(inbound('reaction', 12, target_id => $asked, text => ''));
    return (reactions($asked), ["$EVA \x{1f602}"]);
};
it 'to a message that comes later' => sub {
    batch(inbound('reaction', 5, target_id => 'EARLY', text => "\x{1f44d}"));
    batch(inbound('text', 1, whatsapp_id => 'EARLY', text => 'hello'));
    return (reactions('EARLY'), ["$ANNA \x{1f44d}"]);
};

# --- what makes no sense ----------------------------------------------------

it 'without a target they are passed over, and hold up nothing' => sub {
    my $n = db("SELECT count(*) FROM messages WHERE session_id = '$session'");
    my $r = batch(inbound('edit', 1, text => 'x'), inbound('deletion', 1), inbound('reaction', 1, text => 'x'), inbound('text', 1, text => 'after'));
    return ([$r->{json}{acked}, db("SELECT count(*) FROM messages WHERE session_id = '$session'") - $n], [$seq, 1]);
};

# --- on real phones ---------------------------------------------------------

it 'from a phone of the sandbox: answered, edited, reacted to, deleted' => sub {
    my $u = new_user();
    my $phone = link_phone($u);
    my $friend = phone('Friend');
    my $sent = send_text($u, $friend, 'a question')->{json};
    wait_until { texts($friend) == 1 } 20, 'the question';
    my $reply = sandbox(POST => "/phones/$friend->{id}/send", { to => $phone->{number}, text => 'an anwser', quote => $sent->{whatsapp_id} });
    my $m = wait_until { my ($m) = @{ api(GET => '/messages?direction=in', key => $u->{key})->{json}{data} }; $m } 20, 'the answer';
    sandbox(POST => "/phones/$friend->{id}/edit", { message_id => $m->{whatsapp_id}, text => 'an answer' });
    sandbox(POST => "/phones/$friend->{id}/react", { message_id => $sent->{whatsapp_id}, emoji => "\x{1f44d}" });
    wait_until { message($u, $m->{id})->{edited_at} } 20, 'the edit';
    wait_until { @{ message($u, $sent->{id})->{reactions} } } 20, 'the reaction';
    my $edited = message($u, $m->{id})->{content};
    sandbox(POST => "/phones/$friend->{id}/delete", { message_id => $m->{whatsapp_id} });
    my $gone = wait_until { my $g = message($u, $m->{id}); $g->{deleted_at} ? $g : undef } 20, 'the deletion';
    return ([$m->{quoted_id}, $edited, $gone->{content}, message($u, $sent->{id})->{reactions}[0]{emoji}],
        [$sent->{whatsapp_id}, 'an answer', undef, "\x{1f44d}"]);
};

run_tests;
