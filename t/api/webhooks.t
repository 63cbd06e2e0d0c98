# Webhooks: made, shown, changed, taken away; whose they are; what can't be one.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $other, $hook, $etag);
my $ABSENT = '01900000-0000-7000-8000-000000000000';
my $URL = 'https://shop.invalid/whatsapp';

sub ask { my ($method, $path, %o) = @_; return api($method, "/webhooks$path", key => $user->{key}, %o) }
sub make { my ($body) = @_; return ask(POST => '', body => $body) }
sub change { my ($body, %headers) = @_; return ask(PATCH => "/$hook->{id}", body => $body, headers => \%headers) }
sub count { return db("SELECT count(*) FROM webhooks WHERE user_id = '$user->{id}'") }
sub audited { my ($id) = @_; return [db("SELECT action FROM audit_log WHERE target_type = 'webhook' AND target_id = '$id' ORDER BY id")] }

step 'one is made' => sub {
    ($user, $other) = (new_user(), new_user());
    my $r = make({ url => $URL, events => ['message.received', 'session.*'], description => 'the shop' });
    ($hook, $etag) = ($r->{json}, header($r, 'ETag'));
    return ([$r->{status}, header($r, 'Location'), $etag, $hook],
        [201, "/api/webhooks/$hook->{id}", '"v1"', { id => UUID, url => $URL, events => ['message.received', 'session.*'],
            description => 'the shop', secret => qr{\Awhsec_[A-Za-z0-9+/]{43}=\z}, previous_secret_expires_at => undef,
            is_active => true, disabled_reason => undef, failing_since => undef, created_at => TIME, updated_at => TIME }]);
};
it 'it is shown without its secret' => sub {
    my $r = ask(GET => "/$hook->{id}");
    my %shown = %$hook;
    delete $shown{secret};
    return ([$r->{status}, header($r, 'ETag'), $r->{json}], [200, $etag, \%shown]);
};
it 'the list has it' => sub {
    my $r = ask(GET => '');
    return ([$r->{status}, [map { $_->{id} } @{ $r->{json}{data} }], (grep { exists $_->{secret} } @{ $r->{json}{data} }) + 0], [200, [$hook->{id}], 0]);
};
it 'events and description may be absent' => sub {
    my $r = make({ url => $URL });
    ask(DELETE => "/$r->{json}{id}");
    return ([$r->{status}, pick($r->{json}, qw(events description))], [201, { events => [], description => undef }]);
};

# --- changes ----------------------------------------------------------------

it 'a change of one member leaves the others' => sub {
    my $r = change({ events => [] });
    return ([$r->{status}, header($r, 'ETag'), pick($r->{json}, qw(url events description is_active secret))],
        [200, '"v2"', { url => $URL, events => [], description => 'the shop', is_active => true, secret => '(absent)' }]);
};
it 'an empty description takes it away' => sub { return (change({ description => '' })->{json}{description}, undef) };
it 'with the ETag of an older one: 412' => sub { return problem(change({ url => 'https://other.invalid/' }, 'If-Match' => $etag), 412, 'precondition_failed') };
it 'with what is no ETag: 412' => sub { return problem(change({ url => 'https://other.invalid/' }, 'If-Match' => 'W/"x"'), 412, 'precondition_failed') };
it 'with the right one it is changed' => sub {
    my $r = change({ url => 'https://other.invalid/' }, 'If-Match' => header(ask(GET => "/$hook->{id}"), 'ETag'));
    return ([$r->{status}, $r->{json}{url}], [200, 'https://other.invalid/']);
};
it 'off, by its user' => sub { return (pick(change({ is_active => false })->{json}, qw(is_active disabled_reason)), { is_active => false, disabled_reason => 'user' }) };
for my $path ('test', 'replay') {
    it "off, nothing is posted: $path" => sub {
        return problem(ask(POST => "/$hook->{id}/$path", body => $path eq 'replay' ? { after => 0 } : {}), 409, 'conflict');
    };
}
it 'on again' => sub { return (pick(change({ is_active => true })->{json}, qw(is_active disabled_reason)), { is_active => true, disabled_reason => undef }) };
it 'a new secret, the old one for a day' => sub {
    my $r = ask(POST => "/$hook->{id}/rotate-secret", body => {});
    my $left = db("SELECT extract(epoch FROM previous_until - now()) FROM webhooks WHERE id = '$hook->{id}'");
    return ([$r->{status}, $r->{json}{secret} =~ /\Awhsec_/ && $r->{json}{secret} ne $hook->{secret} ? 'new' : 'not new',
        $r->{json}{previous_secret_expires_at}, $left > 86000 && $left <= 86400 ? 'a day' : $left], [200, 'new', TIME, 'a day']);
};
it 'or for no time' => sub {
    my $r = ask(POST => "/$hook->{id}/rotate-secret", body => { overlap_seconds => 0 });
    return ([$r->{status}, $r->{json}{previous_secret_expires_at}], [200, undef]);
};
for my $overlap (-1, 604801, '5', 1.5) {
    it 'refused: an overlap of ' . json($overlap) => sub {
        my $r = ask(POST => "/$hook->{id}/rotate-secret", body => { overlap_seconds => $overlap });
        return ([$r->{status}, $r->{json}{code}], [422, 'validation_failed']);
    };
}

# --- what can't be called ---------------------------------------------------

my @BAD_URLS = (
    '', 'x', 'shop.example.com', '//shop.example.com/', 'https://', 'https:///x', 'https:shop.example.com',
    'ftp://example.com/', 'file:///etc/passwd', 'gopher://example.com/', 'javascript:alert(1)', 'data:text/plain,x',
    'https://user@example.com/', 'https://user:pass@example.com/', 'https://example.com@10.0.0.1/', 'https://example.com\\@10.0.0.1/',
    'https://example.com:22/', 'https://example.com:25/', 'https://example.com:6667/', 'https://example.com:0/', 'https://example.com:99999/',
    'https://10.0.0.1/', 'https://172.16.0.1/', 'https://192.168.1.1/', 'https://100.64.0.1/', 'https://169.254.169.254/latest/meta-data/',
    'https://0.0.0.0/', 'https://224.0.0.1/', 'https://255.255.255.255/', 'https://198.18.0.1/',
    'https://0x0a.1/', 'https://0x0a000001/', 'https://167772161/', 'https://012.0.0.1/', 'https://10.1/', 'https://10.0.1/', 'https://10.0.0.1./',
    'https://0x7f.1/', 'https://2130706433/', 'https://0177.0.0.1/', 'https://127.1/', 'https://%31%30.0.0.1/',
    'https://[::1]/', 'https://[::]/', 'https://[::ffff:10.0.0.1]/', 'https://[::ffff:127.0.0.1]/', 'https://[::10.0.0.1]/',
    'https://[64:ff9b::a00:1]/', 'https://[2002:a00:1::]/', 'https://[2001::1]/', 'https://[fe80::1]/', 'https://[fe80::1%25lo]/', 'https://[fd00::1]/', 'https://[ff02::1]/',
    "https://exa mple.com/", "https://example.com/\r\nX: y", "https://example.com/\x{e9}", "https://b\x{fc}cher.example/",
    'https://example.com/' . 'x' x 2048,
);
for my $url (@BAD_URLS) {
    it 'refused: ' . (substr($url, 0, 60) =~ s/[^ -~]/?/gr) => sub {
        my @r = (make({ url => $url }), change({ url => $url }));
        return ([map { [@$_{qw(status)}, $_->{json}{code}, map { $_->{pointer} } @{ $_->{json}{errors} }] } @r], [([422, 'validation_failed', '/url']) x 2]);
    };
}
my @BAD = (
    [{},                                              '/url required'],
    [{ url => 5 },                                    '/url type'],
    [{ url => $URL, events => 'message.sent' },       '/events type'],
    [{ url => $URL, events => ['message.sent', 'x'] }, '/events/1 value'],
    [{ url => $URL, events => ['*'] },                '/events/0 value'],
    [{ url => $URL, events => [5] },                  '/events/0 value'],
    [{ url => $URL, events => ['message.'] },         '/events/0 value'],
    [{ url => $URL, events => [('message.sent') x 51] }, '/events length'],
    [{ url => $URL, description => 'x' x 501 },       '/description length'],
    [{ url => $URL, secret => 'whsec_mine' },         '/secret unknown'],
    [{ url => $URL, is_active => false },             '/is_active unknown'],
);
for my $b (@BAD) {
    my ($body, $error) = @$b;
    it 'refused: ' . substr(json($body), 0, 70) => sub { return problem(make($body), 422, 'validation_failed', errors => [[split / /, $error]]) };
}
it 'none of these was made' => sub { return (count(), 1) };

# --- what was posted --------------------------------------------------------

my @BAD_REPLAYS = (
    [{},                                              '/since required'],
    [{ since => '2026-01-01T00:00:00Z', after => 1 }, '/after value'],
    [{ since => 'last monday, about noon' },          '/since format'],
    [{ after => -1 },                                 '/after range'],
    [{ after => 'x' },                                '/after type'],
);
for my $b (@BAD_REPLAYS) {
    my ($body, $error) = @$b;
    it 'no replay: ' . json($body) => sub { return problem(ask(POST => "/$hook->{id}/replay", body => $body), 422, 'validation_failed', errors => [[split / /, $error]]) };
}
it 'no such state' => sub { return problem(ask(GET => "/$hook->{id}/deliveries?state=lost"), 400, 'bad_parameter') };
it 'no such cursor' => sub { return problem(ask(GET => "/$hook->{id}/deliveries?cursor=x"), 400, 'bad_parameter') };
it 'the list comes in pages, newest first' => sub {
    db("UPDATE webhooks SET is_active = false WHERE id = '$hook->{id}'"); # nothing is to be posted
    db("INSERT INTO webhook_deliveries (webhook_id, event_id, seq, type) SELECT '$hook->{id}', gen_random_uuid(), n, 'message.sent' FROM generate_series(1, 25) n");
    my (@seen, $cursor);
    do {
        my $r = ask(GET => "/$hook->{id}/deliveries?limit=10&state=pending" . ($cursor ? "&cursor=$cursor" : ''));
        push @seen, map { $_->{seq} } @{ $r->{json}{data} };
        $cursor = $r->{json}{next_cursor};
    } while $cursor && @seen < 100;
    return ([\@seen, ask(GET => "/$hook->{id}/deliveries?state=failed")->{json}{data}], [[reverse 1 .. 25], []]);
};
it 'a delivery of another webhook can\'t be sent again' => sub {
    db("UPDATE webhooks SET is_active = true WHERE id = '$hook->{id}'");
    my $h = make({ url => $URL })->{json};
    my $id = db("SELECT id FROM webhook_deliveries WHERE webhook_id = '$hook->{id}' LIMIT 1");
    return problem(ask(POST => "/$h->{id}/deliveries/$id/resend"), 404, 'not_found');
};

# --- whose it is ------------------------------------------------------------

my @CALLS = (['GET', ''], ['PATCH', '', { events => [] }], ['POST', '/rotate-secret'], ['POST', '/test'], ['POST', '/replay', { after => 0 }],
    ['GET', '/deliveries'], ['POST', "/deliveries/$ABSENT/resend"], ['DELETE', '']);
for my $c (@CALLS) {
    my ($method, $path, $body) = @$c;
    for my $who ('another user', 'an admin') {
        it "$method …$path by $who: 404" => sub {
            my $key = $who eq 'an admin' ? admin_token() : $other->{key};
            return problem(api($method, "/webhooks/$hook->{id}$path", key => $key, $body ? (body => $body) : ()), 404, 'not_found');
        };
    }
    for my $id ($ABSENT, 'x') {
        it "$method of '$id'$path: 404" => sub { return problem(ask($method, "/$id$path", $body ? (body => $body) : ()), 404, 'not_found') };
    }
}
it 'a key without the scope: 403' => sub {
    my $key = new_key($user->{id}, scopes => ['messages:send'])->{key};
    return problem(api(GET => '/webhooks', key => $key), 403, 'insufficient_scope');
};
it 'twenty at most, also when they are made at once' => sub {
    my %got;
    $got{ $_->{status} }++ for parallel(8, sub { return { status => make({ url => $URL })->{status} } }, 1 .. 30);
    return ([\%got, count()], [{ 201 => 20 - 2, 409 => 30 - 18 }, 20]);
};
it 'the twenty-first is told so' => sub { return problem(make({ url => $URL }), 409, 'webhook_limit') };
it 'one that is taken away is gone, with what was posted' => sub {
    my $r = ask(DELETE => "/$hook->{id}");
    return ([$r->{status}, ask(GET => "/$hook->{id}")->{status}, db("SELECT count(*) FROM webhook_deliveries WHERE webhook_id = '$hook->{id}'")], [204, 404, 0]);
};
it 'the audit has all of it' => sub {
    return (audited($hook->{id}), ['webhook.create', ('webhook.update') x 5, ('webhook.rotate') x 2, 'webhook.delete']);
};
it 'no secret is in the audit or a log' => sub {
    my $secret = $hook->{secret} =~ s/whsec_//r;
    my @found = grep { index(log_text($_), $secret) >= 0 } glob "$ENV{WA_TEST_LOG_DIR}/*.log";
    return ([db("SELECT count(*) FROM audit_log WHERE position('$secret' IN detail) > 0"), \@found], [0, []]);
};
it 'with its user they go' => sub {
    db("DELETE FROM users WHERE id = '$user->{id}'");
    return (count(), 0);
};

run_tests;
