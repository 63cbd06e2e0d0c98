# Files by the engine webjs (a browser): sent and received through the same API.
use strict;
use warnings FATAL => 'all';

use Compress::Zlib qw(compress crc32);
use Digest::SHA qw(sha256_hex);
use WA::Test;

my ($user, $phone, $friend);

# A picture of one pixel that a browser can show, of its own each time.
sub png {
    my ($grey, $text) = @_;
    my $chunk = sub { my ($type, $data) = @_; pack('N', length $data) . $type . $data . pack('N', crc32($type . $data)) };
    return "\x89PNG\r\n\x1a\n" . $chunk->(IHDR => pack 'NNC5', 1, 1, 8, 0, 0, 0, 0) . $chunk->(tEXt => "Comment\0$text")
        . $chunk->(IDAT => compress("\0" . chr $grey)) . $chunk->(IEND => '');
}

step 'a session by webjs, linked' => sub {
    $user = new_user(max_messages_per_minute => 1000);
    ($phone, $friend) = (phone('Sender'), phone('Recipient'));
    link_phone($user, $phone, engine => 'webjs');
    return (pick(session_of($user), qw(engine phone_number)), { engine => 'webjs', phone_number => $phone->{number} });
};
it 'an image with its caption is on the phone, byte by byte' => sub {
    my $bytes = png(200, unique('out '));
    my $id = upload($user, $bytes, 'out.png', 'image/png')->{json}{id};
    my $r = api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $friend->{number}, media_id => $id, caption => 'by a browser' });
    my $m = wait_until { my $m = message($user, $r->{json}{id}); $m->{status} =~ /\A(?:sent|delivered|read|failed)\z/ ? $m : undef } 60, 'sent or failed';
    return ([$r->{status}, $m->{status} =~ s/delivered|read/sent/r, $m->{error_code}, @{ file_on($friend, $m->{whatsapp_id}) }[0, 1, 3]],
        [qr/\A20[02]\z/, 'sent', undef, 'image', 'by a browser', sha256_hex($bytes)]);
};
it 'an image that comes in is read by its id' => sub {
    my $bytes = png(50, unique('in '));
    my $sent = call(POST => "$ENV{WA_TEST_SANDBOX_URL}/phones/$friend->{id}/files?to=" . ($phone->{number} =~ s/\+/%2B/r)
            . '&type=image&file_name=in.png&caption=look', body => $bytes, headers => { 'Content-Type' => 'image/png' });
    die "sandbox: $sent->{status} $sent->{content}\n" if $sent->{status} != 201;
    my $row = wait_until { db("SELECT id FROM messages WHERE user_id = '$user->{id}' AND direction = 'in' AND whatsapp_id = '$sent->{json}{id}'") } 60, 'the message came in';
    my $m = wait_until { my $m = message($user, $row); ($m->{media}{state} // '') eq 'stored' ? $m : undef } 60, 'the file is fetched';
    my $get = api(GET => "/media/$m->{media}{id}", key => $user->{key});
    return ([pick($m, qw(type content)), pick($m->{media}, qw(mime_type size sha256)), $get->{status}, header($get, 'Content-Type'), sha256_hex($get->{content})],
        [{ type => 'image', content => 'look' }, { mime_type => 'image/png', size => length $bytes, sha256 => sha256_hex($bytes) },
            200, 'image/png', sha256_hex($bytes)]);
};

run_tests;
