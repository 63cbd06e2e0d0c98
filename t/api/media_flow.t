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

# The message as the phone has it, once its file is there: [type, text, name, SHA-256 of its bytes].
sub on_phone {
    my ($message) = @_;
    my $got = wait_until {
        my ($m) = grep { $_->{id} eq $message->{whatsapp_id} } inbox($phone);
        $m && $m->{media} && $m->{media}{sha256} && $m->{media}{state} ne 'waiting' && $m;
    } 60, 'the file is on the phone';
    my $file;
    wait_until {
        $file = call(GET => "$ENV{WA_TEST_SANDBOX_URL}/phones/$phone->{id}/messages/$got->{id}/file");
        $file->{status} == 200;
    } 60, 'the phone shows the file';
    return [$got->{type}, $got->{text}, $got->{media}{file_name}, sha256_hex($file->{content})];
}
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

run_tests;
