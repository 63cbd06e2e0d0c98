# The feed of events: all of it, in order, once; by pages, by waiting, as a
# stream; for whom it is, and for as long as he may.
use strict;
use warnings FATAL => 'all';

use IO::Select ();
use IO::Socket::INET ();
use Time::HiRes qw(sleep time);
use WA::Test;

my $BRIDGE = sprintf '01900000-0000-7000-8000-%012x', $$;
my ($user, $other, $session, $number) = (undef, undef, undef, 0);

END { my $status = $?; eval { db("DELETE FROM bridges WHERE id = '$BRIDGE'"); 1 } or warn $@; $? = $status }

# --- making events ------------------------------------------------------------

sub new_id { return sprintf '01900000-0000-7000-8000-%06x%06x', $$ & 0xffffff, ++$number }
# A session of a user, by itself: no bridge knows it.
sub new_session {
    my ($of, $name) = @_;
    my $id = new_id();
    db("INSERT INTO sessions (id, user_id, name, engine, status, reason) VALUES ('$id', '$of->{id}', '"
        . ($name || 'default') . "', 'baileys', 'connecting', NULL)");
    return $id;
}
# Messages that came in, one event each: their texts.
sub receive {
    my ($of, $in, @texts) = @_;
    db(join '', map { "INSERT INTO messages (id, user_id, session_id, direction, type, status, sender, chat, content, whatsapp_id)"
        . " VALUES ('" . new_id() . "', '$of->{id}', '$in', 'in', 'text', 'received', '+4917012345', 'c\@s.whatsapp.net', '$_', '"
        . unique('W') . "');" } @texts);
    return @texts;
}
# A message that is to be sent: its id and WhatsApp id.
sub pending {
    my ($of, $in) = @_;
    my ($id, $wa) = (new_id(), unique('3EB0'));
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, recipient, chat, content, whatsapp_id)"
        . " VALUES ('$id', '$of->{id}', '$in', 'out', 'text', 'pending', '+4917012345', 'c\@s.whatsapp.net', 'secret', '$wa')");
    return ($id, $wa);
}
sub status { my ($id, @statuses) = @_; db(join '', map { "UPDATE messages SET status = '$_' WHERE id = '$id';" } @statuses); return }

# --- reading them ---------------------------------------------------------------

sub feed { my ($query, %o) = @_; return api(GET => '/events' . ($query ? "?$query" : ''), key => $o{key} || $user->{key}, %o) }
sub types_of { my ($r) = @_; return [map { $_->{type} } @{ $r->{json}{data} }] }
sub seqs_of { my ($r) = @_; return [map { $_->{seq} } @{ $r->{json}{data} }] }
sub newest { return db("SELECT last_seq FROM event_heads WHERE user_id = '" . ($_[0] || $user)->{id} . "'") }
sub now { return feed('after=latest')->{json}{next_cursor} }

# A stream: {socket, text}. What is asked goes out at once, the answer is read by
# the functions below.
sub stream {
    my ($query, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{WA_TEST_PORT}, Timeout => 20)
        or die "connect: $!\n";
    my $key = $o{key} || $user->{key};
    my $last = $o{last} ? "Last-Event-ID: $o{last}\r\n" : '';
    syswrite $s, 'GET /api/events/stream' . ($query ? "?$query" : '') . ($o{chunks} ? ' HTTP/1.1' : ' HTTP/1.0')
        . "\r\nHost: test\r\nAuthorization: Bearer $key\r\n$last\r\n";
    return { socket => $s, text => '', ended => 0 };
}
# Read until the condition holds of the text, or the stream has ended.
sub read_until {
    my ($stream, $what, $condition) = @_;
    my $until = time + 30;
    while (!$stream->{ended} && !$condition->($stream->{text})) {
        my $left = $until - time;
        die "not within 30 s: $what; there is: " . substr($stream->{text}, -500) . "\n" if $left <= 0;
        next unless IO::Select->new($stream->{socket})->can_read($left);
        $stream->{ended} = 1 if !sysread $stream->{socket}, $stream->{text}, 65536, length $stream->{text};
    }
    return $stream->{text};
}
sub status_line {
    my ($stream) = @_;
    my $text = read_until($stream, 'a status', sub { $_[0] =~ /\r\n\r\n/ });
    my ($status, $type) = $text =~ m{\AHTTP/1\.1 (\d+).*?\r\nContent-Type: ([^\r]*)}si or return 0;
    # What of a body is there belongs to those that read it.
    WA::Answers::record(GET => "$ENV{WA_TEST_BASE_URL}/api/events/stream", { status => $status, headers => { 'content-type' => $type } })
        if $type eq 'text/event-stream';
    return $status;
}
# The first $n events: [id, type, JSON].
sub events_of {
    my ($stream, $n) = @_;
    my $text = read_until($stream, "$n events", sub { (() = $_[0] =~ /^data: .*\n\n/mg) >= $n });
    return map { [$_->[0], $_->[1], JSON::PP->new->utf8->decode($_->[2])] }
        @{ [map { [/^id: (.*)\nevent: (.*)\ndata: (.*)\n\z/] } $text =~ /^(id: .*\nevent: .*\ndata: .*\n)\n/mg] };
}
sub texts_in { return [map { $_->[2]{data}{content} } @_] }

# --- order, and what is told -----------------------------------------------------

step 'two users, a session' => sub {
    ($user, $other) = (new_user(), new_user());
    $session = new_session($user);
    return (types_of(feed()), ['session.connecting']);
};
it 'a message on its way, a session that goes: in order, without gaps' => sub {
    my ($id) = pending($user, $session);
    status($id, qw(sent delivered read));
    db("UPDATE sessions SET status = 'connected', phone_number = '+4917099999' WHERE id = '$session'");
    db("UPDATE sessions SET last_active_at = now() WHERE id = '$session'");
    db("UPDATE sessions SET status = 'disconnected', reason = 'logged_out' WHERE id = '$session'");
    my $r = feed();
    return ([$r->{status}, types_of($r), seqs_of($r)], [200, [qw(session.connecting message.sent message.delivered message.read
        session.connected session.disconnected)], [1 .. 6]]);
};
it 'a message is told as it was then, without what its sender has' => sub {
    my ($e) = grep { $_->{type} eq 'message.delivered' } @{ feed()->{json}{data} };
    return ([pick($e, qw(seq type)), pick($e->{data}, qw(session direction status recipient content session_id)), $e->{occurred_at}],
        [{ seq => 3, type => 'message.delivered' }, { session => 'default', direction => 'out', status => 'delivered',
            recipient => '+4917012345', content => '(absent)', session_id => $session }, TIME]);
};
it 'one that came in is told with its text' => sub {
    receive($user, $session, 'hello');
    my $e = feed('after=6')->{json}{data}[0];
    return (pick($e->{data}, qw(direction content sender status)),
        { direction => 'in', content => 'hello', sender => '+4917012345', status => 'received' });
};
it 'a session with its reason' => sub {
    my ($e) = grep { $_->{type} eq 'session.disconnected' } @{ feed()->{json}{data} };
    return (pick($e->{data}, qw(id status reason phone_number)),
        { id => $session, status => 'disconnected', reason => 'logged_out', phone_number => '+4917099999' });
};
it 'a change that is undone is no event' => sub {
    my $before = newest();
    db("BEGIN; UPDATE sessions SET reason = 'network' WHERE id = '$session'; ROLLBACK;
        BEGIN; SAVEPOINT a; UPDATE sessions SET reason = 'network' WHERE id = '$session'; ROLLBACK TO a; COMMIT;");
    return (newest(), $before);
};
it 'another user sees nothing of it' => sub { return (feed('', key => $other->{key})->{json}{data}, []) };
it 'an admin sees it, if he asks for it' => sub {
    my $r = api(GET => "/users/$user->{id}/events", key => admin_token());
    return ([$r->{status}, seqs_of($r)], [200, [1 .. 7]]);
};
it 'there is no feed of nobody' => sub {
    return (problem(api(GET => '/users/01900000-0000-7000-8000-000000000000/events', key => admin_token()), 404, 'not_found'));
};

# --- pages -----------------------------------------------------------------------

it 'page by page it is the same' => sub {
    my ($cursor, @seen) = ('');
    for (1 .. 4) {
        my $r = feed('limit=2' . ($cursor && "&after=$cursor"));
        push @seen, seqs_of($r);
        $cursor = $r->{json}{next_cursor};
    }
    return (\@seen, [[1, 2], [3, 4], [5, 6], [7]]);
};
it 'a cursor comes with nothing too, and goes on from there' => sub {
    my $r = feed('after=7');
    receive($user, $session, 'later');
    my $next = feed("after=$r->{json}{next_cursor}");
    return ([$r->{json}{data}, $r->{json}{next_cursor}, seqs_of($next)], [[], qr/\A\S{20,}\z/, [8]]);
};
it 'a client that was away misses nothing' => sub {
    my $cursor = now();
    my @texts = map { receive($user, $session, map { unique('m') } 1 .. 10) } 1 .. 5;
    my @seen;
    while (@seen < 200) {
        my $r = feed("after=$cursor&limit=7");
        last if !@{ $r->{json}{data} };
        push @seen, map { $_->{data}{content} } @{ $r->{json}{data} };
        $cursor = $r->{json}{next_cursor};
    }
    return (\@seen, \@texts);
};
it 'by types: the cursor goes past the others' => sub {
    my $before = newest();
    receive($user, $session, 'one', 'two');
    status((pending($user, $session))[0], 'failed');
    my $r = feed("after=$before&types=message.failed,session.*");
    my $rest = feed("after=$r->{json}{next_cursor}");
    return ([types_of($r), $rest->{json}{data}], [['message.failed'], []]);
};
it 'by session' => sub {
    my $before = newest();
    my $second = new_session($user, 'second');
    receive($user, $session, 'first');
    receive($user, $second, 'second');
    return ([map { types_of(feed("after=$before&session=$_")) } qw(default second third)],
        [['message.received'], ['session.connecting', 'message.received'], []]);
};
for my $bad ('after=-1', 'after=x', 'after=99999999', 'after=9999999999999999999', 'after=', 'types=', 'types=message.nothing', 'types=.*',
    'types=*', 'wait=31', 'wait=-1', 'wait=x', 'wait=', 'limit=0', 'limit=201', 'session=') {
    it "400: $bad" => sub { return (problem(feed($bad), 400, 'bad_parameter')) };
}
it "a cursor that was altered is refused, and so is another user's" => sub {
    my $cursor = now();
    my $altered = $cursor =~ s/(\d)~\z/($1 + 1) % 10 . '~'/er;
    return ([map { feed("after=$_->[0]", key => $_->[1])->{json}{code} } [$altered, $user->{key}], [$cursor, $other->{key}]],
        [('bad_parameter') x 2]);
};
it 'what is not kept any more is told: 410, and where to go on' => sub {
    my $late = new_user();
    receive($late, new_session($late), map { "old $_" } 1 .. 9);
    db("DELETE FROM events WHERE user_id = '$late->{id}' AND seq < 6; UPDATE event_heads SET first_seq = 6 WHERE user_id = '$late->{id}'");
    my $r = feed('after=3', key => $late->{key});
    my ($on) = ($r->{json}{detail} // '') =~ /after=(\d+)/;
    return ([$r->{status}, $r->{json}{code}, map { seqs_of(feed($_, key => $late->{key})) } "after=$on", ''],
        [410, 'cursor_expired', [6 .. 10], [6 .. 10]]);
};

# --- waiting ---------------------------------------------------------------------

it 'it waits as long as it was asked to, and then gives a cursor' => sub {
    my $cursor = now();
    my $r = feed("after=$cursor&wait=2");
    return ([$r->{status}, $r->{json}{data}, $r->{json}{next_cursor}, $r->{seconds} >= 2 ? 'waited' : $r->{seconds}],
        [200, [], $cursor, 'waited']);
};
it 'an event wakes those who wait' => sub {
    my $cursor = now();
    my @got = parallel(5, sub {
        my ($who) = @_;
        return [receive($user, $session, 'wake up')] if $who eq 'sender';
        my $r = feed("after=$cursor&wait=30", timeout => 60);
        return [$r->{seconds} < 29 ? 'woken' : 'slept on', map { $_->{data}{content} } @{ $r->{json}{data} }];
    }, 1 .. 4, 'sender');
    return (\@got, [(['woken', 'wake up']) x 4, ['wake up']]);
};
it 'one that the filter keeps back does not end the waiting' => sub {
    my $cursor = now();
    my @got = parallel(2, sub {
        my ($who) = @_;
        if ($who eq 'sender') {
            receive($user, $session, 'not this');
            status((pending($user, $session))[0], 'failed');
            return 1;
        }
        return types_of(feed("after=$cursor&wait=30&types=message.failed", timeout => 60));
    }, 'reader', 'sender');
    return (\@got, [['message.failed'], 1]);
};
it 'who has lost his key while he waited is told nothing' => sub {
    my $cursor = now();
    my $key = new_key($user->{id});
    my @got = parallel(2, sub {
        my ($who) = @_;
        return feed("after=$cursor&wait=20", key => $key->{key}, timeout => 60)->{status} if $who eq 'reader';
        # An answer after the key's end, whether it waited then or not.
        admin(DELETE => "/keys/$key->{id}");
        receive($user, $session, 'for others');
        return 1;
    }, 'reader', 'sender');
    return (\@got, [401, 1]);
};

# --- streams ---------------------------------------------------------------------

it 'a stream tells what comes, each with the cursor after it' => sub {
    my $stream = stream('after=latest');
    my $line = status_line($stream);
    receive($user, $session, 'a', 'b');
    my @e = events_of($stream, 2);
    my $r = feed("after=$e[0][0]");
    return ([$line, $stream->{text} =~ m{^Content-Type: text/event-stream\r$}m ? 'sse' : '', texts_in(@e), $e[0][1],
        $r->{json}{data}[0]], [200, 'sse', ['a', 'b'], 'message.received', $e[1][2]]);
};
it 'it goes on where the client has got to' => sub {
    my $stream = stream('after=latest');
    status_line($stream);
    receive($user, $session, 'first');
    my ($e) = events_of($stream, 1);
    close $stream->{socket};
    receive($user, $session, 'missed 1', 'missed 2');
    my $again = stream('after=latest', last => $e->[0]);
    status_line($again);
    receive($user, $session, 'new');
    return (texts_in(events_of($again, 3)), ['missed 1', 'missed 2', 'new']);
};
it 'without a place it begins with the oldest' => sub {
    return ([map { $_->[2]{seq} } (events_of(stream('types=session.*,message.sent'), 4))[0 .. 3]], [1, 2, 5, 6]);
};
it 'a place that can not be read from is told by the status' => sub {
    return ([status_line(stream('after=x')), status_line(stream('', last => 'x')), status_line(stream('', key => 'wak_no'))], [400, 400, 401]);
};
it "another user's stream has nothing of it" => sub {
    my $stream = stream('', key => $other->{key});
    status_line($stream);
    receive($user, $session, 'not for others');
    receive($other, new_session($other), 'for others');
    return (texts_in(events_of($stream, 2)), [undef, 'for others']);
};
for my $end (
    ['a revoked key', sub { admin(DELETE => "/keys/$_[1]{id}") }],
    ['a suspended user', sub { admin(PATCH => "/users/$_[0]{id}", { is_active => false }) }],
    ['a deleted user', sub { admin(DELETE => "/users/$_[0]{id}?confirm=$_[0]{username}") }],
    ['a key that expires', sub { db("UPDATE api_keys SET expires_at = now() WHERE id = '$_[1]{id}'") }],
) {
    my ($what, $do) = @$end;
    it "$what ends the stream, whole, and nothing more is told" => sub {
        my $who = new_user();
        my $in = new_session($who);
        my $key = new_key($who->{id});
        my $stream = stream('after=latest', key => $key->{key}, chunks => 1);
        my $line = status_line($stream);
        $do->($who, $key);
        receive($who, $in, 'too late') if $what ne 'a deleted user';
        my $text = read_until($stream, 'the last chunk', sub { $_[0] =~ /\r\n0\r\n\r\n\z/ });
        return ([$line, $text =~ /\r\n0\r\n\r\n\z/ ? 'whole' : $text, $text =~ /too late/ ? 'told' : 'not told'], [200, 'whole', 'not told']);
    };
}
it 'a logout ends the stream of its token' => sub {
    my $name = unique('user-');
    admin(POST => '/users', { username => $name, email => "$name\@example.org", password => 'a password long enough' });
    my $token = api(POST => '/auth/login', body => { username => $name, password => 'a password long enough' })->{json}{access_token};
    my $stream = stream('', key => $token, chunks => 1);
    my $line = status_line($stream);
    api(POST => '/auth/logout', key => $token);
    return ([$line, read_until($stream, 'the last chunk', sub { $_[0] =~ /\r\n0\r\n\r\n\z/ })], [200, qr/\r\n0\r\n\r\n\z/]);
};

# --- many, and slow ones ------------------------------------------------------------

my @streams;
it 'there is an end to the places, and a client is told so' => sub {
    my %count;
    for (1 .. 100) {
        my $stream = stream('after=latest', key => $other->{key});
        my $line = status_line($stream);
        $count{$line}++;
        if ($line == 200) { push @streams, $stream }
        else { $count{retry} = $stream->{text} =~ /^Retry-After: (\d+)\r$/m ? $1 : 'none'; last if $line != 503 || $count{503} > 5 }
    }
    my $few = @streams >= 2 && @streams <= 48;
    return ([$few ? 'some' : scalar @streams, $count{503}, $count{retry}, [sort keys %count]], ['some', 6, 5, [200, 503, 'retry']]);
};
it 'the rest of the API answers as ever' => sub {
    my @status = map { (api(GET => '/auth/me', key => $user->{key})->{status}, api(GET => '/health/ready')->{status},
        feed('limit=1')->{status}) } 1 .. 10;
    return (\@status, [(200) x 30]);
};
it 'a send still has a place to wait in' => sub {
    my $r = api(POST => '/session/init', key => new_user()->{key}, body => {});
    return ($r->{status}, 202);
};
it 'places are free again once their clients have gone' => sub {
    close $_->{socket} for @streams;
    @streams = ();
    my $stream = wait_until {
        my $s = stream('after=latest', key => $other->{key});
        status_line($s) == 200 ? $s : undef;
    } 30, 'a place';
    return (ref $stream, 'HASH');
};
it 'clients that read nothing hold up nobody else' => sub {
    my $fat = new_user();
    my $in = new_session($fat);
    db("INSERT INTO messages (id, user_id, session_id, direction, type, status, sender, chat, content, whatsapp_id)
        SELECT gen_random_uuid(), '$fat->{id}', '$in', 'in', 'text', 'received', '+4917012345', 'c\@s.whatsapp.net', repeat('text ', 12000), 'F' || i
        FROM generate_series(1, 500) i");
    my $until = time + 30;
    while (@streams < 60 && time < $until) {
        my $stream = stream('', key => $fat->{key});
        # The status of one that can't be sent more than fits is there at once.
        if (status_line($stream) != 503) { push @streams, $stream; next }
        last if @streams >= 2;
        sleep 0.1; # places of the test before are given back as their clients are missed
    }
    my @status = map { (api(GET => '/auth/me', key => $user->{key})->{status}, api(GET => '/health/ready')->{status}) } 1 .. 20;
    receive($user, $session, 'through');
    my $seen = feed('after=' . (newest() - 1))->{json}{data}[0]{data}{content};
    close $_->{socket} for @streams;
    return ([scalar(@streams) >= 2, \@status, $seen], [1, [(200) x 40], 'through']);
};

# --- when a part dies ----------------------------------------------------------------

it 'a graceful restart ends streams and waits, whole' => sub {
    my $stream = wait_until {
        my $s = stream('after=latest', chunks => 1);
        status_line($s) == 200 ? $s : undef;
    } 30, 'a place';
    my $cursor = now();
    kill USR1 => httpd_pid();
    my $text = read_until($stream, 'the last chunk', sub { $_[0] =~ /\r\n0\r\n\r\n\z/ });
    receive($user, $session, 'after the restart');
    my $r = wait_until { my $r = feed("after=$cursor"); $r->{status} == 200 ? $r : undef } 30, 'httpd';
    return ([$text, $r->{json}{data}[0]{data}{content}], [qr/\r\n0\r\n\r\n\z/, 'after the restart']);
};
it 'several hundred changes of several users, a child of Apache killed among them: all, once, as in the table' => sub {
    my @users = map { { user => new_user() } } 1 .. 4;
    my ($seq, @changes) = (0);
    for my $u (@users) {
        $u->{session} = new_session($u->{user});
        my @sent = map { [pending($u->{user}, $u->{session})] } 1 .. 15;
        for my $status (qw(sent delivered read)) {
            push @changes, map { [$u->{session}, 'message.status', { whatsapp_id => $_->[1], status => $status, at => '2026-01-02T03:04:05.678Z' }] } @sent;
        }
        push @changes, map { [$u->{session}, 'message.inbound', { whatsapp_id => unique('I'), chat => 'c@s.whatsapp.net', from => '+4917012345',
            type => 'text', text => "in $_", at => '2026-01-02T03:04:05.678Z' }] } 1 .. 15;
        push @changes, map { [$u->{session}, 'session.status', { status => $_, reason => undef }] } qw(connected connecting connected);
    }
    # Statuses in their order, users mixed: by the place in each user's list.
    my $per = @changes / @users;
    @changes = map { my $i = $_; map { $changes[$_ * $per + $i] } 0 .. $#users } 0 .. $per - 1;
    my @batches;
    while (my @part = splice @changes, 0, 20) {
        push @batches, { bridge_id => $BRIDGE, mode => 'sandbox', sessions => 1, events => [map { { seq => ++$seq,
            session => $_->[0], type => $_->[1], at => '2026-01-02T03:04:05.678Z', data => $_->[2] } } @part] };
    }
    # Readers follow while the batches come in; each goes on with its cursor.
    my $want = $per + 1;
    my @got = parallel(@users + 1, sub {
        my ($who) = @_;
        if ($who eq 'bridge') {
            my $killed = 0;
            for my $i (0 .. $#batches) {
                $killed = kill KILL => (httpd_children())[0] if $i == int(@batches / 2);
                wait_until {
                    my $r = internal('/events', key => secret('internal_secret'), body => $batches[$i], timeout => 20);
                    $r->{status} == 200;
                } 30, 'a batch';
            }
            return "killed $killed";
        }
        my ($after, @seen) = ('0');
        wait_until {
            my $r = feed("after=$after&wait=1&limit=10", key => $users[$who]{user}{key}, timeout => 20);
            if ($r->{status} == 200) {
                push @seen, map { "$_->{seq} $_->{id} $_->{type}" } @{ $r->{json}{data} };
                $after = $r->{json}{next_cursor};
            }
            @seen >= $want;
        } 90, 'all events';
        return \@seen;
    }, 0 .. $#users, 'bridge');
    my @table = map { [db("SELECT seq || ' ' || id || ' ' || type FROM events WHERE user_id = '$_->{user}{id}' ORDER BY seq")] } @users;
    return ([\@got, [map { scalar @$_ } @table]], [[@table, 'killed 1'], [($want) x @users]]);
};
it 'PostgreSQL away: who waits is told, a stream goes on when it is back' => sub {
    my $stream = wait_until {
        my $s = stream('after=latest');
        status_line($s) == 200 ? $s : undef;
    } 30, 'a place';
    restart_postgres('fast');
    wait_ready(30);
    receive($user, $session, 'back again');
    return (texts_in(events_of($stream, 1)), ['back again']);
};

run_tests;
