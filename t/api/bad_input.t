# Every kind of bad input: its own problem with a stable code, and nothing
# stored of it.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $phone, $friend, $unlinked);
my $BIG = 65536;       # characters a text may have
my $EMOJI = "\x{1f600}";

sub body { return { recipient => $friend->{number}, text => 'hello', @_ } }
sub post { my ($path, $body, @o) = @_; return api(POST => $path, key => $user->{key}, body => $body, @o) }
sub send_ { my ($body, @o) = @_; return post('/messages/send-text', $body, @o) }

step 'a user with a phone, and one without' => sub {
    ($user, $unlinked) = (new_user(), new_user());
    $friend = phone('Recipient');
    $phone  = link_phone($user);
    return (rows($user), '0 0 1');
};

# --- no credential, or a wrong one ------------------------------------------

my $WRONG_KEY = 'wak_' . 'A' x 43 . 'AAAAAA';
my @CREDENTIALS = (
    ['none at all',          {},                                              'unauthorized'],
    ['an empty bearer',      { Authorization => 'Bearer ' },                  'unauthorized'],
    ['basic',                { Authorization => 'Basic YWRtaW46YWRtaW4=' },   'unauthorized'],
    ['no scheme',            { Authorization => $WRONG_KEY },                 'unauthorized'],
    ['a key too short',      { Authorization => 'Bearer wak_abc' },           'invalid_api_key'],
    ['a key that is wrong in its checksum', { Authorization => "Bearer $WRONG_KEY" }, 'invalid_api_key'],
    ['an empty X-API-Key',   { 'X-API-Key' => '' },                           'invalid_api_key'],
    ['nonsense in X-API-Key', { 'X-API-Key' => "' OR 1=1 --" },               'invalid_api_key'],
    ['nonsense as a token',  { Authorization => 'Bearer abc' },               'invalid_token'],
    ['dots as a token',      { Authorization => 'Bearer ..' },                'invalid_token'],
    ['a long token',         { Authorization => 'Bearer ' . 'a' x 4000 },     'invalid_token'],
);
for my $c (@CREDENTIALS) {
    my ($what, $headers, $code) = @$c;
    it "credential: $what" => sub {
        return problem(api(POST => '/messages/send-text', headers => $headers, body => body()), 401, $code,
            challenge => $code eq 'unauthorized' ? 'Bearer realm="mod_whatsapp"'
                : 'Bearer realm="mod_whatsapp", error="invalid_token"');
    };
}

# --- what is no JSON --------------------------------------------------------

my $deep = sub { '{"text":' . '[' x $_[0] . ']' x $_[0] . '}' };
my @JSON = (
    ['a word',              'hello'],
    ['half an object',      '{"recipient": "+49'],
    ['a comma too many',    '{"recipient": "+491701234567", "text": "x",}'],
    ['two objects',         '{} {}'],
    ['an array',            '[]'],
    ['a string',            '"text"'],
    ['null',                'null'],
    ['white space',         " \n"],
    ['a comment',           '{/* */}'],
    ['a byte order mark',   "\xef\xbb\xbf{}"],
    ['the same name twice', '{"recipient":"+491701234567","text":"a","text":"b"}'],
    ['the same name twice, once escaped', '{"recipient":"+491701234567","text":"a","\u0074ext":"b"}'],
    ['NUL, escaped',        '{"recipient":"+491701234567","text":"a\u0000b"}'],
    ['NUL as a byte',       "{\"recipient\":\"+491701234567\",\"text\":\"a\0b\"}"],
    ['NUL in a name',       '{"te\u0000xt":"a"}'],
    ['a line break in a string', "{\"text\":\"a\nb\"}"],
    ['half a surrogate pair', '{"text":"\ud83d"}'],
    ['bytes that are no UTF-8', "{\"text\":\"\xff\xfe\"}"],
    ['an overlong form',    "{\"text\":\"\xc0\xaf\"}"],
    ['a surrogate in UTF-8', "{\"text\":\"\xed\xa0\x80\"}"],
    ['40 levels',           $deep->(40)],
    ['100,000 levels',      $deep->(100000)],
    ['a number without end', '{"text":' . '9' x 400 . '}'],
);
for my $j (@JSON) {
    my ($what, $text) = @$j;
    it "JSON: $what" => sub { return problem(send_($text), 400, 'malformed_json') };
}
it 'JSON: 30 levels are read, and the field is of the wrong type' => sub {
    return problem(send_($deep->(30)), 422, 'validation_failed',
        errors => [['/recipient', 'required'], ['/text', 'type']]);
};

# --- fields -----------------------------------------------------------------

my @FIELDS = (
    ['nothing',           {},                          [['/recipient', 'required'], ['/text', 'required']]],
    ['null for absent',   { recipient => undef, text => undef }, [['/recipient', 'required'], ['/text', 'required']]],
    ['no text',           { recipient => '+491701234567' }, [['/text', 'required']]],
    ['an empty text',     { recipient => '+491701234567', text => '' }, [['/text', 'length']]],
    ['a text too long',   { recipient => '+491701234567', text => 'a' x ($BIG + 1) }, [['/text', 'length']]],
    ['too many emoji',    { recipient => '+491701234567', text => $EMOJI x ($BIG + 1) }, [['/text', 'length']]],
    ['a number as text',  { recipient => '+491701234567', text => 1 }, [['/text', 'type']]],
    ['a list as text',    { recipient => '+491701234567', text => ['x'] }, [['/text', 'type']]],
    ['true as recipient', { recipient => true, text => 'x' }, [['/recipient', 'type']]],
    ['an unknown field',  { recipient => '+491701234567', text => 'x', urgent => true }, [['/urgent', 'unknown']]],
    ['a name that needs escaping', { recipient => '+491701234567', text => 'x', 'a/b~c' => 1 }, [['/a~1b~0c', 'unknown']]],
    ['three at once',     { recipient => 1, text => '', more => 2 },
        [['/recipient', 'type'], ['/text', 'length'], ['/more', 'unknown']]],
);
for my $f (@FIELDS) {
    my ($what, $body, $errors) = @$f;
    it "field: $what" => sub { return problem(send_($body), 422, 'validation_failed', errors => $errors) };
}
it 'no body is an object without fields' => sub {
    return problem(api(POST => '/messages/send-text', key => $user->{key}), 422, 'validation_failed',
        errors => [['/recipient', 'required'], ['/text', 'required']]);
};
it 'a hundred unknown fields do not make a hundred errors' => sub {
    my $r = send_({ map { ("field$_" => 1) } 1 .. 100 });
    return (scalar @{ $r->{json}{errors} }, 32);
};

# --- recipients -------------------------------------------------------------

my @NO_PHONES = (
    'a', '+', '0', '12345', '+123456', '+1234567890123456', '0170 1234567', '+0491701234567', '004917012345678',
    '+49 170 12345x7', '++491701234567', '491701234567+', '+49,1701234567', '+49/1701234567', "+4917012345\x{0661}7",
    ' ', '+49 170 1234567; DROP TABLE users', '@s.whatsapp.net', 'abc@s.whatsapp.net', '1234@s.whatsapp.net',
    '491701234567@', '491701234567@example.org', '491701234567@s.whatsapp.net@g.us', '49170:1@s.whatsapp.net',
    '+491701234567@s.whatsapp.net',
);
for my $recipient (@NO_PHONES) {
    it 'recipient: ' . json($recipient) => sub {
        return problem(send_(body(recipient => $recipient)), 422, 'invalid_recipient',
            errors => [['/recipient', 'format']]);
    };
}
# The same wherever something is sent.
my @SEND = (
    ['send-text', sub { send_(body(recipient => $_[0])) }],
    ['send-media', sub { api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $_[0], url => 'https://example.org/a.png' }) }],
    ['send-media by a form', sub {
        my ($type, $form) = form([recipient => $_[0]], ['file', "hello\n", 'a.txt', 'text/plain']);
        api(POST => '/messages/send-media', key => $user->{key}, body => $form, headers => { 'Content-Type' => $type });
    }],
);
for (['a group', '120363041234567890@g.us'], ['an old group', '491701234567-1500000000@g.us'], ['the status', 'status@broadcast'],
    ['a channel', '120363041234567890@newsletter'], ['an id that hides the phone number', '123456789012345@lid']) {
    my ($what, $recipient) = @$_;
    my $why = $what eq 'an old group' ? 'a group' : $what;
    it "$what is no recipient anywhere, and that is said" => sub {
        my @got = map { my $r = $_->[1]->($recipient)->{json}; [$_->[0], $r->{code}, map { "$_->{pointer} $_->{detail}" } @{ $r->{errors} }] } @SEND;
        my $bulk = api(POST => '/messages/bulk', key => $user->{key}, body => { messages => [body(recipient => $recipient)] })->{json}{data}[0];
        push @got, ['bulk', $bulk->{problem}{code}, map { "$_->{pointer} $_->{detail}" } @{ $bulk->{problem}{errors} }];
        return (\@got, [map({ [$_->[0], 'invalid_recipient', qr{^/recipient is \Q$why\E\b}] } @SEND),
            ['bulk', 'invalid_recipient', qr{^/messages/0/recipient is \Q$why\E\b}]]);
    };
}
it 'nor is any of them kept as a file' => sub { return (api(GET => '/media', key => $user->{key})->{json}{data}, []) };
it 'a recipient of 65 characters' => sub {
    return problem(send_(body(recipient => '1' x 65)), 422, 'validation_failed', errors => [['/recipient', 'length']]);
};

it 'nothing of all this was stored' => sub { return (rows($user), '0 0 1') };

it 'no phone linked: 409' => sub {
    return problem(api(POST => '/messages/send-text', key => $unlinked->{key}, body => body()), 409, 'session_not_linked');
};
it 'and nothing stored' => sub { return (rows($unlinked), '0 0 0') };

# A message that WhatsApp has no recipient for was accepted and has failed: it
# is there as a whole, with its reason, and nothing waits.
my $failed;
it 'a number that is not on WhatsApp: 422' => sub {
    my $r = send_(body(recipient => '+49 (30) 000-0001'));
    ($failed) = header($r, 'Location') =~ m{^/api/messages/(.*)};
    return problem($r, 422, 'not_on_whatsapp');
};
it 'that message is there, as failed' => sub {
    return (pick(message($user, $failed), qw(status recipient content error_code error_message attempts sent_at)),
        { status => 'failed', recipient => '+49300000001', content => 'hello', error_code => 'not_on_whatsapp',
            error_message => qr/\w/, attempts => 1, sent_at => undef });
};
it 'and not in the outbox' => sub { return (rows($user), '1 0 1') };

it 'refused by WhatsApp: 422' => sub {
    my $to = phone('Refuser');
    sandbox(POST => '/faults', { reject => { to => $to->{number}, code => 479 } });
    my $r = send_(body(recipient => $to->{number}));
    call(DELETE => "$ENV{WA_TEST_SANDBOX_URL}/faults");
    return problem($r, 422, 'rejected');
};
it 'and not in the outbox either' => sub { return (rows($user), '2 0 1') };

# --- bodies -----------------------------------------------------------------

my $chunks = sub { my @parts = @_; return sub { return shift @parts } };
it 'a body over its bound, by Content-Length: 413' => sub {
    return problem(post('/session/disconnect', '{"session":"' . 'a' x 20000 . '"}'), 413, 'body_too_large');
};
it 'a body over its bound, in chunks: 413' => sub {
    return problem(post('/session/disconnect', $chunks->('{"session":"', ('a' x 5000) x 4, '"}'),
        headers => { 'Content-Type' => 'application/json' }), 413, 'body_too_large');
};
it 'a megabyte for a text: 413' => sub {
    return problem(send_('{"recipient":"+491701234567","text":"' . 'a' x 1048576 . '"}'), 413, 'body_too_large');
};
it 'a body within its bound, in chunks' => sub {
    return problem(send_($chunks->('{"reci', 'pient":"x', '","text":"y"}'),
        headers => { 'Content-Type' => 'application/json' }), 422, 'invalid_recipient');
};
it 'a length that is announced and too large is refused before the body comes' => sub {
    my $answer = raw("POST /api/messages/send-text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Authorization: Bearer $user->{key}\r\nContent-Type: application/json\r\n"
        . "Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n", 5);
    return ($answer, qr{^HTTP/1\.1 413 .*"code":\s*"body_too_large"}s);
};
# Broken framing and escapes are refused by httpd itself, before the module.
it 'a broken chunk: 400, once, and the connection is closed' => sub {
    my $answer = raw("POST /api/messages/send-text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Authorization: Bearer $user->{key}\r\nContent-Type: application/json\r\n"
        . "Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 5);
    return ([scalar(() = $answer =~ m{HTTP/1\.1 }g), $answer], [1, qr{^HTTP/1\.1 400 .*\nConnection: close}s]);
};
for my $type ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx',
    'application/xml', 'json') {
    it "media type $type: 415" => sub {
        return problem(send_(json(body()), headers => { 'Content-Type' => $type }), 415, 'unsupported_media_type');
    };
}
it 'no media type: 415' => sub {
    my $json = json(body());
    my $answer = raw("POST /api/messages/send-text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        . "Authorization: Bearer $user->{key}\r\nContent-Length: " . length($json) . "\r\n\r\n$json", 5);
    return ($answer, qr{^HTTP/1\.1 415 .*"code":\s*"unsupported_media_type"}s);
};
it 'media type with a charset, in capitals, is fine' => sub {
    return problem(send_(json(body(recipient => 'x')), headers => { 'Content-Type' => 'Application/JSON; charset=utf-8' }),
        422, 'invalid_recipient');
};

# --- paths and methods ------------------------------------------------------

my @METHODS = (
    [GET    => '/auth/login',          'POST'],
    [PUT    => '/auth/login',          'POST'],
    [HEAD   => '/auth/login',          'POST'],
    [OPTIONS => '/auth/login',         'POST'],
    [FOO    => '/auth/login',          'POST'],
    [DELETE => '/users',               'GET, HEAD, POST'],
    [POST   => '/health/live',         'GET, HEAD'],
    [POST   => '/session/status',      'GET, HEAD'],
    [GET    => '/session/init',        'POST'],
    [PATCH  => '/session/qr',          'GET, HEAD'],
    [PUT => '/messages/send-text',  'POST, GET, HEAD, DELETE'],
    [PUT => '/messages/0',          'GET, HEAD, DELETE'],
);
for my $m (@METHODS) {
    my ($method, $path, $allow) = @$m;
    it "$method $path: 405" => sub {
        my $r = api($method, $path);
        return ([$r->{status}, header($r, 'Allow'), $r->{content}], [405, $allow, '']) if $method eq 'HEAD';
        return problem($r, 405, 'method_not_allowed', allow => $allow);
    };
}
for my $path ('/', '/nothing', '/users/', '/users/x/keys/y', '/session', '/v1', '/v2/health/live', '/health/live/',
    '/Health/live', '/messages/send-text/x', '/messages/../nothing') {
    it "GET $path: 404" => sub { return problem(api(GET => $path), 404, 'not_found') };
}
it 'NUL in a path: 404' => sub { return (api(GET => '/messages/a%00b', key => $user->{key})->{status}, 404) };
it 'a broken escape in a path: 400' => sub {
    return (api(GET => '/messages/%zz', key => $user->{key})->{status}, 400);
};
it 'bytes in a path that are no UTF-8: 400' => sub {
    return problem(api(GET => '/messages/%ff', key => $user->{key}), 400, 'malformed_request');
};
it '/v1 is the same table' => sub { return (api(GET => '/v1/health/live')->{status}, 200) };

# --- lists ------------------------------------------------------------------

my $ID = '01900000-0000-7000-8000-000000000000';
for my $query ('limit=0', 'limit=201', 'limit=-1', 'limit=abc', 'limit=', 'limit=1.5', 'limit=5x', 'limit=1e2',
    'limit=99999999999999999999', 'limit=%00', 'limit=%ff', 'cursor=', 'cursor=x', 'cursor=.', "cursor=.$ID",
    "cursor=-5.$ID", "cursor=0.$ID", 'cursor=5.', 'cursor=5.x', "cursor=5.$ID.", "cursor=5$ID", "cursor=zz.$ID",
    "limit=5&cursor=%",
    "cursor=7fffffffffffffff.$ID", "cursor=1.$ID", "cursor=ffffffffffffffffffffff.$ID", 'cursor=' . 'x' x 4000) {
    it "list with $query: 400" => sub {
        return problem(api(GET => "/users?$query", key => admin_token()), 400, 'bad_parameter');
    };
}
for my $query ('limit=1', 'limit=200') {
    it "list with $query is answered" => sub {
        my $r = api(GET => "/users?$query", key => admin_token());
        return ([$r->{status}, ref $r->{json}{data}], [200, 'ARRAY']);
    };
}
for my $id ('0', 'x', "$ID ", "{$ID}", '%27%20OR%201=1') {
    it "a message by the id '$id': 404" => sub {
        return problem(api(GET => '/messages/' . $id =~ s/ /%20/gr, key => $user->{key}), 404, 'not_found');
    };
}

# --- the request's id -------------------------------------------------------

it 'a good X-Request-ID is taken over' => sub {
    my $id = unique('my.request_');
    my $r = api(GET => '/nothing', headers => { 'X-Request-ID' => $id });
    return ([header($r, 'X-Request-ID'), $r->{json}{request_id}], [$id, $id]);
};
for my $id ('', 'a b', 'x' x 129, 'a"b', 'a;b', '../x', '<script>') {
    it 'a bad X-Request-ID is replaced: ' . json($id) => sub {
        return (header(api(GET => '/health/live', headers => { 'X-Request-ID' => $id }), 'X-Request-ID'), UUID);
    };
}

# --- what is just not too much ----------------------------------------------

it 'of all refused requests nothing was stored' => sub { return (rows($user), '2 0 1') };

my @FIT = (
    ['65,536 letters',        'a' x $BIG, 0],
    ['65,536 emoji',          $EMOJI x $BIG, 0],
    ['65,536 emoji, escaped', $EMOJI x $BIG, 1],
    ['one letter',            'x', 0],
    ['what looks like markup', q(<b>"it's"</b> \ \n {{x}} %s ; DROP TABLE messages;--), 0],
    ['all kinds of white space', "\ta\r\n b\x{2028}\x{a0}", 0],
    ['right to left, combining, unassigned', "\x{202e}\x{5d0}e\x{301}\x{378}\x{10ffff}", 0],
);
for my $f (@FIT) {
    my ($what, $text, $escaped) = @$f;
    it "text: $what arrives as it was" => sub {
        my $body = json({ recipient => $friend->{number}, text => $text });
        if ($escaped) { $body = JSON::PP->new->ascii->encode({ recipient => $friend->{number}, text => $text }) }
        my $r = send_($body);
        my $got = wait_until { (grep { $_->{id} eq ($r->{json}{whatsapp_id} // '') } inbox($friend))[0] } 20, 'the text';
        return ([$r->{json}{status}, $got->{text} eq $text ? 'as it was' : substr($got->{text}, 0, 100),
                length $r->{json}{content}], ['sent', 'as it was', length $text]);
    };
}
my @PHONES = (
    ['without +',   sub { substr $_[0], 1 }],
    ['with spaces', sub { $_[0] =~ s/(\d\d)(\d\d\d)/$1 $2 /r }],
    ['with all',    sub { $_[0] =~ s/(\d\d)(\d\d\d)(\d\d)(\d)/$1 ($2) $3-$4./r }],
    ['as an id',    sub { substr($_[0], 1) . '@s.whatsapp.net' }],
    ['as an old id', sub { substr($_[0], 1) . '@c.us' }],
);
for my $p (@PHONES) {
    my ($what, $write) = @$p;
    it "recipient $what" => sub {
        my $r = send_(body(recipient => $write->($friend->{number})));
        return ([$r->{json}{status}, $r->{json}{recipient}], ['sent', $friend->{number}]);
    };
}

run_tests;
