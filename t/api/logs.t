# The request log: rows, filters, pages, exports.
use strict;
use warnings FATAL => 'all';

use IO::Socket::INET;
use Time::HiRes qw(time sleep);
use WA::Test;

my ($user, $other, $second_key, $start);

sub logs { my ($who, $query, %o) = @_; return api(GET => '/logs' . ($query || ''), key => ref $who ? $who->{key} : $who, %o) }
sub ids { return [map { $_->{request_id} } @{ $_[0]{json}{data} }] }
sub stamp { my ($t) = @_; return POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $t) }
sub ndjson { my ($r) = @_; return map { JSON::PP->new->utf8->decode($_) } split /\n/, $r->{content} }

# The fields of CSV text, row by row (RFC 4180, everything quoted).
sub csv {
    my ($text) = @_;
    my @rows;
    while (length $text) {
        my @row;
        while ($text =~ s/\A"((?:[^"]|"")*)"(,|\r\n)//s) {
            my ($value, $end) = ($1, $2);
            $value =~ s/""/"/g;
            push @row, $value;
            last if $end eq "\r\n";
        }
        die 'no CSV: ' . substr($text, 0, 80) unless @row;
        push @rows, \@row;
    }
    return @rows;
}

step 'two users, and some requests' => sub {
    wait_ready(20);
    require POSIX;
    require JSON::PP;
    ($user, $other) = (new_user(), new_user());
    $second_key = new_key($user->{id});
    $start = time;
    my $n = 0;
    my $ask = sub { my ($method, $path, $key, %o) = @_; $n++; api($method, $path, key => $key, headers => { 'X-Request-ID' => "$user->{id}.$n" }, %o) };
    $ask->(GET  => '/session/status', $user->{key});                                  # 1
    $ask->(HEAD => '/session/status', $user->{key});                                  # 2
    $ask->(GET  => '/messages/x', $user->{key});                                      # 3: 404
    $ask->(POST => '/session/init', $user->{key}, body => { engine => 'x' });         # 4: 422
    $ask->(GET  => '/auth/me', $second_key->{key});                                   # 5
    $ask->(GET  => '/users', $user->{key});                                           # 6: 403
    $ask->(GET  => '/auth/me', $other->{key});                                        # 7: another user's
    $ask->(GET  => '/auth/me', 'wak_nonsense');                                       # 8: nobody's
    $ask->(GET  => '/nothing', $user->{key});                                         # 9: no route, so nobody's
    my $rows = wait_until { db("SELECT count(*) FROM request_log WHERE request_id LIKE '$user->{id}.%'") == 9 } 10, 'nine rows';
    return ($rows, 1);
};

sub nth { my ($got) = @_; return join ' ', map { /\.(\d+)\z/ ? $1 : () } @$got }
sub mine { my ($query) = @_; return nth(ids(logs($user, $query))) }

it 'a row, in full' => sub {
    my ($row) = @{ logs($user, "?request_id=$user->{id}.4")->{json}{data} };
    return ($row, { id => qr/\A\d+\z/, at => TIME, user_id => $user->{id}, key_id => $user->{key_id}, method => 'POST',
        endpoint => '/session/init', status => 422, duration_ms => qr/\A\d+(\.\d+)?(e-\d+)?\z/, bytes_in => 14,
        bytes_out => qr/\A[1-9]\d+\z/, address => '127.0.0.1', request_id => "$user->{id}.4" });
};
it 'one sees one\'s own, newest first' => sub { return (mine(), '6 5 4 3 2 1') };
it 'another user sees its own' => sub { return (nth(ids(logs($other))), '7') };
it 'HEAD is logged as it came' => sub { return (mine('?method=HEAD'), '2') };

my @FILTERS = (
    ['endpoint=/session/status'      => '2 1'],
    ['endpoint=%2Fmessages%2F%7Bid%7D' => '3'],
    ['status=200&endpoint=/auth/me'  => '5'],
    ['status=404'                    => '3'],
    ['status=4xx'                    => '6 4 3'],
    ['status=5xx'                    => ''],
    ['method=POST'                   => '4'],
    ['method=post'                   => ''],
    ['status=4xx&method=GET'         => '6 3'],
    ['to=2020-01-01T00:00:00Z'       => ''],
    ['from=2020-01-01T00:00:00Z&status=403' => '6'],
    ['from=2090-01-01T00:00:00Z'     => ''],
);
for my $f (@FILTERS) {
    my ($query, $want) = @$f;
    it "?$query" => sub { return (mine("?$query"), $want) };
}
it 'key_id' => sub { return (mine("?key_id=$second_key->{id}"), '5') };
it 'another user\'s key finds nothing' => sub { return (mine("?key_id=$other->{key_id}"), '') };
it 'one\'s own id is no other' => sub { return (mine("?user_id=$user->{id}&status=403"), '6') };
it 'another\'s id: 403' => sub { return problem(logs($user, "?user_id=$other->{id}"), 403, 'forbidden') };
it 'an id that nobody has: the same' => sub {
    return problem(logs($user, '?user_id=01900000-0000-7000-8000-000000000000'), 403, 'forbidden');
};
it 'an admin sees everybody\'s' => sub {
    my $got = join ' ', map { nth(ids(logs(admin_token(), "?request_id=$user->{id}.$_"))) } 1, 7, 8, 9;
    return ($got, '1 7 8 9');
};
it 'nobody\'s rows have no user' => sub {
    my ($row) = @{ logs(admin_token(), "?request_id=$user->{id}.8")->{json}{data} };
    my ($none) = @{ logs(admin_token(), "?request_id=$user->{id}.9")->{json}{data} };
    return ([pick($row, qw(user_id key_id status endpoint)), pick($none, qw(user_id status endpoint))],
        [{ user_id => undef, key_id => undef, status => 401, endpoint => '/auth/me' },
            { user_id => undef, status => 404, endpoint => undef }]);
};
it 'an admin sees one user\'s' => sub { return (nth(ids(logs(admin_token(), "?user_id=$other->{id}"))), '7') };
it 'a login has no key' => sub {
    my $id = unique('login-');
    api(GET => '/auth/me', key => admin_token(), headers => { 'X-Request-ID' => $id });
    my $row = wait_until { logs(admin_token(), "?request_id=$id")->{json}{data}[0] } 10, 'the row';
    return ($row->{key_id}, undef);
};

my @BAD = ('user_id=x', 'key_id=x', 'key_id=', 'endpoint=', 'endpoint=' . 'x' x 201, 'method=' . 'x' x 16, 'status=99', 'status=600',
    'status=4x', 'status=xxx', 'status=6xx', 'status=', 'from=x', 'from=2026-01-01', 'from=0000-01-01T00:00:00Z', 'to=1969-12-31T00:00:00Z',
    'from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'request_id=%20', 'request_id=', 'format=xml', 'format=', 'limit=0',
    'limit=201', 'limit=x', 'cursor=x', 'endpoint=%00', 'endpoint=%ff', "status='", 'from=9999-12-31T23:59:60%2B99:99');
for my $query (@BAD) {
    it 'logs?' . substr($query, 0, 60) . ': 400' => sub { return problem(logs($user, "?$query"), 400, 'bad_parameter') };
}
it 'nobody: 401' => sub { return problem(api(GET => '/logs'), 401, 'unauthorized') };
it 'a key without usage:read: 403' => sub {
    my $key = new_key($user->{id}, scopes => ['messages:read'])->{key};
    return problem(logs($key), 403, 'insufficient_scope');
};
it 'an admin\'s key without the scope admin sees its own only' => sub {
    my $admin = new_user(role => 'admin');
    my $r = logs($admin, "?user_id=$user->{id}");
    return problem($r, 403, 'forbidden');
};
it 'no media type that there is: 406' => sub {
    return problem(logs($user, '', headers => { Accept => 'text/html' }), 406, 'not_acceptable');
};

# --- many rows --------------------------------------------------------------

my $many;
step 'a user with 2,500 rows, some of the same moment' => sub {
    $many = new_user();
    db("INSERT INTO request_log (at, user_id, method, endpoint, status, duration_us, bytes_in, bytes_out, request_id)
        SELECT date_trunc('second', now()) - (i / 3) * interval '1 s', '$many->{id}', 'GET', '/x', 200, 1, 0, 0, 'r' || i
        FROM generate_series(1, 2500) i");
    return (db("SELECT count(*) FROM request_log WHERE user_id = '$many->{id}'"), 2500);
};
my $to = '&to=2090-01-01T00:00:00Z&endpoint=/x';
it 'a walk over the pages: every row once, in order' => sub {
    my ($query, @rows) = ("?limit=200$to");
    my $pages = 0;
    while ($query && $pages++ < 20) {
        my $r = logs($many, $query);
        push @rows, @{ $r->{json}{data} };
        $query = $r->{json}{next_cursor} ? "?limit=200$to&cursor=$r->{json}{next_cursor}" : undef;
    }
    my %seen = map { $_->{id} => 1 } @rows;
    my @at = map { $_->{at} } @rows;
    return ([scalar @rows, scalar keys %seen, $pages, join(' ', @at) eq join(' ', sort { $b cmp $a } @at) ? 'sorted' : 'not'],
        [2500, 2500, 13, 'sorted']);
};
it 'Link names the next page, filters and all' => sub {
    my $link = header(logs($many, '?limit=10&endpoint=/x&status=2xx'), 'Link');
    my ($path) = $link =~ m{\A</api(/logs\?[^>]+)>; rel="next"\z} or return ($link, 'a Link');
    my $r = api(GET => $path, key => $many->{key});
    return ([scalar @{ $r->{json}{data} }, $path =~ /endpoint=/ && $path =~ /status=2xx/ ? 1 : 0], [10, 1]);
};
it 'a cursor of the audit is none of this list' => sub {
    my $cursor = api(GET => '/audit?limit=1', key => admin_token())->{json}{next_cursor};
    return problem(logs(admin_token(), "?cursor=$cursor"), 400, 'bad_parameter');
};
it 'NDJSON: every row once, whatever the limit' => sub {
    my $r = logs($many, "?format=ndjson&limit=3$to");
    my @rows = ndjson($r);
    my %seen = map { $_->{request_id} => 1 } @rows;
    return ([$r->{status}, header($r, 'Content-Type'), header($r, 'Content-Disposition'), scalar @rows, scalar keys %seen],
        [200, 'application/x-ndjson', 'attachment; filename="logs.ndjson"', 2500, 2500]);
};
it 'its rows are those of the JSON' => sub {
    my ($first) = ndjson(logs($many, "?format=ndjson$to"));
    return ($first, logs($many, "?limit=1$to")->{json}{data}[0]);
};
my @COLUMNS = qw(id at user_id key_id method endpoint status duration_ms bytes_in bytes_out address request_id);
it 'CSV: the names, then every row' => sub {
    my $r = logs($many, "?x=1$to", headers => { Accept => 'text/csv' });
    my ($head, @rows) = csv($r->{content});
    return ([$r->{status}, header($r, 'Content-Type'), header($r, 'Content-Disposition'), $head, scalar @rows,
            scalar(grep { @$_ != @COLUMNS } @rows), $rows[0][4], $rows[0][10]],
        [200, 'text/csv; charset=utf-8; header=present', 'attachment; filename="logs.csv"', \@COLUMNS, 2500, 0, 'GET', '']);
};
it 'CSV: nothing that a spreadsheet would run' => sub {
    my $id = '-2.' . unique('csv');
    logs($user, '?limit=1', headers => { 'X-Request-ID' => $id });
    wait_until { logs($user, "?request_id=$id")->{json}{data}[0] } 10, 'the row';
    my (undef, $row) = csv(logs($user, "?request_id=$id&format=csv")->{content});
    return ($row->[11], "'$id");
};
it 'CSV of nothing: the names alone' => sub {
    return ([csv(logs($many, '?format=csv&status=5xx')->{content})], [\@COLUMNS]);
};
it 'HEAD of an export: the same headers, no body' => sub {
    my $r = api(HEAD => '/logs?format=csv', key => $many->{key});
    return ([$r->{status}, header($r, 'Content-Disposition'), length $r->{content}], [200, 'attachment; filename="logs.csv"', 0]);
};
it 'an export is audited' => sub {
    my ($row) = @{ api(GET => "/audit?action=export.logs&actor_id=$many->{id}&limit=1", key => admin_token())->{json}{data} };
    return (pick($row, qw(actor_id actor action detail)),
        { actor_id => $many->{id}, actor => $many->{username}, action => 'export.logs', detail => { format => 'csv', query => 'format=csv' } });
};

# --- slow clients -----------------------------------------------------------

# Connections that ask for an export and read the beginning of the answer only.
sub slow_clients {
    my ($n, $who, $buffer) = @_;
    my @sockets;
    for (1 .. $n) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ENV{WA_TEST_PORT}, Timeout => 5) or die "connect: $!\n";
        setsockopt $s, SOL_SOCKET, SO_RCVBUF, pack 'i', $buffer || 4096;
        syswrite $s, "GET /api/logs?format=ndjson HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $who->{key}\r\n\r\n";
        sysread $s, my $head, 100 or die "no answer\n";
        die "$head\n" if $head !~ m{\AHTTP/1.1 200};
        push @sockets, $s;
    }
    return @sockets;
}

step 'a user with 40,000 rows: more than sockets hold' => sub {
    db("INSERT INTO request_log (at, user_id, method, endpoint, status, duration_us, bytes_in, bytes_out, request_id)
        SELECT now() - i * interval '1 ms', '$many->{id}', 'GET', '/y', 200, 1, 0, 0, repeat('r', 100) || i
        FROM generate_series(1, 40000) i");
    return (db("SELECT count(*) FROM request_log WHERE user_id = '$many->{id}' AND endpoint = '/y'"), 40000);
};
it 'clients that don\'t read hold no connection of the database' => sub {
    # More than there are connections, fewer than places of one child.
    my @slow = slow_clients(12, $many);
    sleep 1;
    my $busy = db("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mod_whatsapp' AND state <> 'idle'");
    my @r = map { logs($user, '?limit=1') } 1 .. 20;
    my @bad = grep { $_->{status} != 200 || $_->{seconds} > 1 } @r;
    close $_ for @slow;
    return ([$busy, scalar @bad], [0, 0]);
};
it 'who reads slowly gets all of it' => sub {
    my ($s) = slow_clients(1, $many, 65536);
    my ($text, $rows) = ('', 0);
    while (sysread $s, my $part, 65536) {
        $text .= $part;
        last if substr($text, -7) eq "\r\n0\r\n\r\n";
        sleep 0.001;
    }
    $rows++ while $text =~ /"endpoint": ?"\/y"/g;
    # A chunk's boundary may stand within a name.
    return ([$rows > 39_000 ? 'all' : $rows, $text =~ /\r\n0\r\n\r\n\z/ ? 'whole' : 'broken'], ['all', 'whole']);
};
it 'PostgreSQL goes meanwhile: the export ends as one that is not whole' => sub {
    my ($s) = slow_clients(1, $many);
    stop_it('postgresql');
    my $text = '';
    my $until = time + 30;
    while (time < $until && sysread $s, my $part, 65536) { $text .= $part }
    start_it('postgresql');
    wait_ready(30);
    return ([length $text > 1000 ? 'begun' : $text, $text =~ /\r\n0\r\n\r\n\z/ ? 'whole' : 'broken'], ['begun', 'broken']);
};
it 'PostgreSQL is away: an export that has not begun is a 503' => sub {
    logs($user, '?limit=1'); # so that its key is known
    stop_it('postgresql');
    my $r = logs($user, '?format=csv');
    start_it('postgresql');
    wait_ready(30);
    return problem($r, 503, 'database_unavailable', retry_after => qr/\A\d+\z/);
};
it 'every place comes back' => sub {
    my @status = map { logs($user, '?format=csv&limit=1')->{status} } 1 .. 60;
    return (scalar(grep { $_ == 200 } @status), 60);
};

run_tests;
