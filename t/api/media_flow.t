# Files on their way: from the API through the bridge onto a phone, and back.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET ();
use WA::Test;

my ($user, $other, $phone);
my $PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";
my $PDF = "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n";
my $OGG = "OggS\0\2" . ("\0" x 8) . "abcd\0\0\0\0efgh\1\x13OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0" . ("\0" x 64);

# send-media by a form: fields, then the file.
sub send_form {
    my ($fields, $file, %headers) = @_;
    my ($type, $body) = form(map({ [$_, $fields->{$_}] } sort keys %$fields), $file ? ['file', @$file] : ());
    return api(POST => '/messages/send-media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type, %headers });
}
sub send_json {
    my ($body, %headers) = @_;
    return api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $phone->{number}, %$body }, headers => \%headers);
}

sub on_phone { my ($message) = @_; return file_on($phone, $message->{whatsapp_id}) }
sub done { my ($id, $seconds) = @_; my $m; wait_until { $m = message($user, $id); $m->{status} ne 'pending' } $seconds || 60, 'the message is sent or failed'; return $m }

step 'a phone is linked' => sub {
    $user = new_user();
    $other = new_user();
    link_phone($user);
    $phone = phone('Recipient');
    return (session_of($user)->{status}, 'connected');
};

# --- out ---------------------------------------------------------------------

for (
    [image => [$PNG, 'a.png', 'image/png'], undef, 'look at this'], [document => [$PDF, 'offer.pdf', 'application/pdf'], undef, 'our offer'],
    [audio => [$OGG, 'a.ogg', 'audio/ogg'], undef, undef], [voice => [$OGG, 'a.ogg', 'audio/ogg'], 'voice', undef],
    [document => [$PNG, 'plan.png', 'image/png'], 'document', undef],
  ) {
    my ($type, $file, $wanted, $caption) = @$_;
    it "a form: $file->[1] as $type reaches the phone as it is" => sub {
        my $r = send_form({ recipient => $phone->{number}, $wanted ? (type => $wanted) : (), $caption ? (caption => $caption) : () }, $file);
        return ([$r->{status}], [qr/200|202/]) if $r->{status} !~ /^20[02]$/;
        my $m = done($r->{json}{id});
        my $got = on_phone($m);
        return ([$m->{status} =~ s/delivered|read|played/sent/r, $m->{type}, $m->{content}, $m->{media}{mime_type}, $m->{media}{sha256}, $m->{media}{url}, $got->[0], $got->[3]],
            ['sent', $type, $caption, $file->[2], sha256_hex($file->[0]), "/api/media/$m->{media}{id}", $type, sha256_hex($file->[0])]);
    };
}
it 'one upload, two messages; the caption and the name go along' => sub {
    my $id = upload($user, $PDF, 'rates.pdf', 'application/pdf')->{json}{id};
    my @got = map { on_phone(done(send_json({ media_id => $id, caption => $_ })->{json}{id})) } 'first', 'second';
    return (\@got, [map { ['document', $_, 'rates.pdf', sha256_hex($PDF)] } 'first', 'second']);
};
it 'a form sent twice with an Idempotency-Key is one message, whatever its boundary' => sub {
    my @r = map { send_form({ recipient => $phone->{number} }, [$PDF, 'once.pdf', 'application/pdf'], 'Idempotency-Key' => 'once') } 1, 2;
    my $other = send_form({ recipient => $phone->{number} }, [$PNG, 'once.png', 'image/png'], 'Idempotency-Key' => 'once');
    my $rows = db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND media_id IS NOT NULL AND id = '$r[0]{json}{id}'");
    return ([$r[1]{json}{id}, $rows, "$other->{status} $other->{json}{code}"], [$r[0]{json}{id}, 1, '422 idempotency_key_reused']);
};
for (
    ['neither media_id nor url', {}, 422, 'validation_failed'], ['both', { media_id => '01900000-0000-7000-8000-000000000000', url => 'https://example.org/a.png' }, 422, 'validation_failed'],
    ['a media_id that is not there', { media_id => '01900000-0000-7000-8000-000000000000' }, 422, 'media_not_found'],
    ['a type nobody knows', { media_id => '01900000-0000-7000-8000-000000000000', type => 'sticker' }, 422, 'validation_failed'],
    ['a URL that is none', { url => 'nowhere' }, 422, 'validation_failed'], ['a file', { url => 'file:///etc/passwd' }, 422, 'validation_failed'],
    ['an address inside', { url => 'http://10.0.0.1/a.png' }, 422, 'validation_failed'],
    ['the metadata service', { url => 'http://169.254.169.254/latest/meta-data/' }, 422, 'validation_failed'],
    ['an address in another spelling', { url => 'http://0x0a000001/a.png' }, 422, 'validation_failed'],
    ['a URL with a password', { url => 'http://a:b@example.org/' }, 422, 'validation_failed'],
  ) {
    my ($what, $body, $status, $code) = @$_;
    it "$what: $status $code" => sub { return problem(send_json($body), $status, $code) };
}
it "another's file is none" => sub {
    my $id = upload($other, $PDF, 'a.pdf', 'application/pdf')->{json}{id};
    return problem(send_json({ media_id => $id }), 422, 'media_not_found');
};
it 'a type that the file is not, and a caption of a voice note' => sub {
    my $pdf = upload($user, $PDF, 'a.pdf', 'application/pdf')->{json}{id};
    my $ogg = upload($user, $OGG, 'a.ogg', 'audio/ogg')->{json}{id};
    my @got = map { my $r = send_json($_); join ' ', $r->{status}, map { "$_->{pointer} $_->{code}" } @{ $r->{json}{errors} || [] } }
        { media_id => $pdf, type => 'image' }, { media_id => $pdf, type => 'voice' }, { media_id => $ogg, type => 'voice', caption => 'x' };
    return (\@got, ['422 /type value', '422 /type value', '422 /caption value']);
};
it 'a refused form leaves no file behind' => sub {
    my $count = sub { db("SELECT count(*) FROM media WHERE user_id = '$user->{id}'") };
    my $before = $count->();
    my @got = map { "$_->{status} $_->{json}{code}" } send_form({ recipient => 'nobody' }, [$PDF, 'a.pdf', 'application/pdf']),
        send_form({}, [$PDF, 'a.pdf', 'application/pdf']), send_form({ recipient => $phone->{number}, colour => 'red' }, [$PDF, 'a.pdf', 'application/pdf']),
        send_form({ recipient => $phone->{number}, type => 'image' }, [$PDF, 'a.pdf', 'application/pdf']);
    return ([@got, $count->()], ['422 invalid_recipient', ('422 validation_failed') x 3, $before]);
};
it 'a file that a waiting message needs is not deleted' => sub {
    ctl(stop => 'bridge');
    my $r = send_form({ recipient => $phone->{number} }, [$PDF, 'needed.pdf', 'application/pdf'], Prefer => 'respond-async');
    my $delete = api(DELETE => "/media/$r->{json}{media}{id}", key => $user->{key});
    ctl(start => 'bridge');
    my $m = done($r->{json}{id});
    my $after = api(DELETE => "/media/$r->{json}{media}{id}", key => $user->{key});
    return ([$r->{status}, "$delete->{status} $delete->{json}{code}", $m->{status} =~ s/delivered|read/sent/r, on_phone($m)->[3], $after->{status}],
        [202, '409 media_in_use', 'sent', sha256_hex($PDF), 204]);
};
it 'the bridge alone reads files by id, with its secret' => sub {
    my $m = upload($user, $PDF, 'a.pdf', 'application/pdf')->{json};
    my $url = "$ENV{WA_TEST_INTERNAL_URL}/internal/v1/media/$m->{id}";
    my $with = call(GET => $url, key => secret('internal_secret'));
    my $absent = call(GET => "$ENV{WA_TEST_INTERNAL_URL}/internal/v1/media/01900000-0000-7000-8000-000000000000", key => secret('internal_secret'));
    return ([$with->{status}, sha256_hex($with->{content}), header($with, 'Content-Length'), call(GET => $url)->{status}, call(GET => $url, key => $user->{key})->{status}, $absent->{status}],
        [200, $m->{sha256}, $m->{size}, 401, 401, 404]);
};

# --- from a URL -----------------------------------------------------------------

my ($port, $server);
# Answers by the path; ends with the file that started it.
sub serve {
    my (%answer) = @_;
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 50, ReuseAddr => 1) or die "listen: $!\n";
    $port = $listen->sockport;
    $server = fork // die "fork: $!\n";
    return if $server;
    my %asked;
    while (my $c = $listen->accept) {
        my $head = '';
        while ($head !~ /\r\n\r\n/ && sysread $c, $head, 8192, length $head) { }
        my ($path) = $head =~ m{^GET (\S+)};
        my $how = $answer{ $path // '' } // ['404 Not Found', [], 'nothing'];
        $how = $how->($asked{$path}++) if ref $how eq 'CODE';
        my ($status, $headers, $body) = @$how;
        my $length = (grep { /^(?:Content-Length|Transfer-Encoding):/ } @$headers) ? '' : 'Content-Length: ' . length($body) . "\r\n";
        print $c "HTTP/1.1 $status\r\n", map({ "$_\r\n" } @$headers), $length, "Connection: close\r\n\r\n", $body;
        close $c;
    }
    require POSIX;
    POSIX::_exit(0);
}
END { my $status = $?; kill TERM => $server if $server; $? = $status }

step 'a server with files' => sub {
    serve('/a.png' => ['200 OK', ['Content-Type: image/png'], $PNG], '/offer%20one.pdf?x=1' => ['200 OK', ['Content-Type: application/octet-stream'], $PDF],
        '/page' => ['200 OK', ['Content-Type: text/html'], '<html>hello</html>'], '/lie.png' => ['200 OK', ['Content-Type: image/png'], $PDF],
        '/inside' => ['302 Found', ['Location: http://10.0.0.1/secret'], ''], '/moved' => ['302 Found', ['Location: /a.png'], ''],
        '/late.png' => sub { $_[0] < 1 ? ['503 Service Unavailable', [], ''] : ['200 OK', ['Content-Type: image/png'], $PNG] },
        '/huge.png' => ['200 OK', ['Content-Type: image/png', 'Content-Length: 999999999999'], $PNG],
        '/cut.png' => ['200 OK', ['Content-Type: image/png', 'Content-Length: ' . (length($PNG) + 10)], $PNG],
        '/empty.txt' => ['200 OK', ['Content-Type: text/plain'], '']);
    return ($port > 0, 1);
};
it 'a URL: accepted at once, fetched, sent' => sub {
    my $r = send_json({ url => "http://127.0.0.1:$port/a.png", caption => 'fetched' });
    my $m = done($r->{json}{id});
    return ([$r->{status}, $r->{json}{status}, pick($r->{json}{media}, qw(state mime_type url)), $m->{media}{state}, $m->{media}{mime_type}, on_phone($m)],
        [202, 'pending', { state => 'fetching', mime_type => undef, url => undef }, 'stored', 'image/png', ['image', 'fetched', undef, sha256_hex($PNG)]]); # WhatsApp's images have no names
};
it 'a URL of a server that knows no types, and a redirect' => sub {
    my @got = map { on_phone(done(send_json($_)->{json}{id})) } { url => "http://127.0.0.1:$port/offer%20one.pdf?x=1" },
        { url => "http://127.0.0.1:$port/moved", type => 'image', file_name => 'mine.png' };
    return ([map { [@$_[0, 2, 3]] } @got], [['document', 'offer one.pdf', sha256_hex($PDF)], ['image', undef, sha256_hex($PNG)]]);
};
it 'a server that is away for a moment' => sub {
    my $m = done(send_json({ url => "http://127.0.0.1:$port/late.png" })->{json}{id}, 90);
    return ([$m->{status} =~ s/delivered|read/sent/r, on_phone($m)->[3]], ['sent', sha256_hex($PNG)]);
};
for (
    ['a page', { url => '/page' }, 'media_type_refused'], ['what is not what its server says', { url => '/lie.png' }, 'media_type_mismatch'],
    ['a PDF as an image', { url => '/offer%20one.pdf?x=1', type => 'image' }, 'media_type_mismatch'],
    ['what is not there', { url => '/nothing.png' }, 'media_fetch_failed'], ['a redirect to an address inside', { url => '/inside' }, 'media_fetch_failed'],
    ['what says it is huge', { url => '/huge.png' }, 'media_too_large'], ['no bytes', { url => '/empty.txt' }, 'media_empty'],
  ) {
    my ($what, $body, $code) = @$_;
    it "$what: the message fails, and says why" => sub {
        my $r = send_json({ %$body, url => "http://127.0.0.1:$port$body->{url}" });
        my $m = done($r->{json}{id});
        return ([$r->{status}, $m->{status}, $m->{error_code}, $m->{media}{state}, $m->{media}{url}], [202, 'failed', $code, 'failed', undef]);
    };
}
it 'messages to the same chat wait for it, and come in their order' => sub {
    my $to = phone('Orderly');
    my $first = api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $to->{number}, url => "http://127.0.0.1:$port/a.png" });
    my $second = send_text($user, $to, 'second');
    wait_until { inbox($to) == 2 } 60, 'both are there';
    return ([$first->{status}, $second->{status}, map { $_->{type} } inbox($to)], [202, 202, 'image', 'text']);
};

# --- in ---------------------------------------------------------------------------

my $me;
sub send_in {
    my ($type, $bytes, $name, $mime) = @_;
    my $res = call(POST => "$ENV{WA_TEST_SANDBOX_URL}/phones/$phone->{id}/files?to=" . ($me =~ s/\+/%2B/r) . "&type=$type&file_name=$name&caption=hello",
        body => $bytes, headers => { 'Content-Type' => $mime });
    die "sandbox: $res->{status} $res->{content}\n" if $res->{status} != 201;
    return $res->{json};
}
sub came_in {
    my ($sent) = @_;
    my $id = $sent->{id};
    my $row;
    wait_until { $row = db("SELECT id FROM messages WHERE user_id = '$user->{id}' AND direction = 'in' AND whatsapp_id = '$id'") } 60, 'the message came in';
    return message($user, $row);
}
it 'a file that comes in is fetched and can be had' => sub {
    $me = session_of($user)->{phone_number};
    my $m = came_in(send_in('document', $PDF, 'invoice.pdf', 'application/pdf'));
    wait_until { $m = message($user, $m->{id}); ($m->{media}{state} // '') eq 'stored' } 60, 'the file is fetched';
    my $get = api(GET => $m->{media}{url} =~ s{^/api}{}r, key => $user->{key});
    return ([pick($m, qw(direction type content)), pick($m->{media}, qw(mime_type size sha256 file_name)), $get->{status}, sha256_hex($get->{content})],
        [{ direction => 'in', type => 'document', content => 'hello' },
            { mime_type => 'application/pdf', size => length $PDF, sha256 => sha256_hex($PDF), file_name => 'invoice.pdf' }, 200, sha256_hex($PDF)]);
};
it "what a sender says is PDF and is a page is kept as bytes" => sub {
    my $m = came_in(send_in('document', '<html>hello</html>', 'invoice.pdf', 'application/pdf'));
    wait_until { $m = message($user, $m->{id}); ($m->{media}{state} // '') eq 'stored' } 60, 'the file is fetched';
    my $get = api(GET => $m->{media}{url} =~ s{^/api}{}r, key => $user->{key});
    return ([$m->{media}{mime_type}, $m->{media}{file_name}, header($get, 'Content-Type'), header($get, 'Content-Disposition') =~ /^attachment;/ ? 1 : 0],
        ['application/octet-stream', 'invoice.pdf.bin', 'application/octet-stream', 1]);
};
it 'one that is left at WhatsApp is fetched when it is asked for' => sub {
    my $m = came_in(send_in('image', $PNG, 'a.png', 'image/png'));
    wait_until { message($user, $m->{id})->{media}{state} eq 'stored' } 60, 'the file is fetched';
    my $id = $m->{media}{id};
    db("UPDATE media SET state = 'on_demand', file = NULL, sha256 = NULL WHERE id = '$id'"); # as by WhatsAppInboundMedia on-demand
    my @urls = (message($user, $m->{id})->{media}{url});
    my $get = api(GET => "/media/$id", key => $user->{key});
    my $again = api(GET => "/media/$id", key => $user->{key});
    return ([@urls, $get->{status}, sha256_hex($get->{content}), $again->{status}, message($user, $m->{id})->{media}{state}],
        ["/api/media/$id", 200, sha256_hex($PNG), 200, 'stored']);
};
it 'one that WhatsApp has no more' => sub {
    my $m = came_in(send_in('image', $PNG, 'a.png', 'image/png'));
    wait_until { message($user, $m->{id})->{media}{state} eq 'stored' } 60, 'the file is fetched';
    my $id = $m->{media}{id};
    db("UPDATE media SET state = 'on_demand', file = NULL, whatsapp_id = '3EB0FFFFFFFFFFFFFFFFFF' WHERE id = '$id'");
    my @got = map { my $r = api(GET => "/media/$id", key => $user->{key}); "$r->{status} $r->{json}{code}" } 1, 2;
    return ([@got, message($user, $m->{id})->{media}{url}], [('410 media_gone') x 2, undef]);
};

# --- the bounds at a glance ---------------------------------------------------------

it 'GET /limits tells them' => sub {
    my $fresh = new_user(max_messages_per_minute => 7, max_messages_per_day => 70);
    my $l = api(GET => '/limits', key => $fresh->{key})->{json};
    my %max = map { $_->{mime_type} => $_->{max_bytes} / 1024 / 1024 } @{ $l->{media_types} };
    return ([map({ [$l->{$_}{limit}, $l->{$_}{remaining}] } qw(messages_per_minute messages_per_day)), $l->{requests_per_minute}{remaining} < $l->{requests_per_minute}{limit} ? 'counted' : 0,
            $max{'image/png'}, $max{'application/pdf'}, scalar keys %max, $l->{text_max_characters}, $l->{caption_max_characters}],
        [[7, 7], [70, 70], 'counted', 16, 100, 16, 65536, 4096]);
};

run_tests;
