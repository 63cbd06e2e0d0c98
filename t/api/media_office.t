# Office files as a real office program writes them (t/files/README): each is
# taken as what it is, and as nothing else.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use WA::Test;

my $OOXML = 'application/vnd.openxmlformats-officedocument';
my $ODF = 'application/vnd.oasis.opendocument';
my %TYPE = (
    'letter.docx' => "$OOXML.wordprocessingml.document", 'table.xlsx' => "$OOXML.spreadsheetml.sheet",
    'letter.odt' => "$ODF.text", 'table.ods' => "$ODF.spreadsheet", 'slides.odp' => "$ODF.presentation",
    'slides.pptx' => "$OOXML.presentationml.presentation",
    'letter.pdf' => 'application/pdf',
);
my @OTHERS = (sort(values %TYPE), 'image/png', 'text/plain', 'application/zip');
my %bytes = map { $_ => log_text("$ENV{WA_TEST_SRC_DIR}/t/files/$_") } keys %TYPE;
my ($user, $phone);

step 'a linked phone, and the files' => sub {
    $user = new_user(max_messages_per_minute => 1000);
    link_phone($user);
    $phone = phone('Recipient');
    return ([grep { length $bytes{$_} < 1000 } keys %bytes], []);
};
for my $file (sort keys %TYPE) {
    my $type = $TYPE{$file};
    it "$file is kept as what it is" => sub {
        my @got = map { my $r = upload($user, $bytes{$file}, $file, $_); [$r->{status}, pick($r->{json}, qw(mime_type size sha256 file_name))] }
            $type, 'application/octet-stream', undef;
        return (\@got, [([201, { mime_type => $type, size => length $bytes{$file}, sha256 => sha256_hex($bytes{$file}), file_name => $file }]) x 3]);
    };
    it "$file is refused as anything else" => sub {
        # An office file is an archive, too.
        my @wrong = grep { $_ ne $type && ($_ ne 'application/zip' || $file =~ /pdf/) } @OTHERS;
        my @got = map { my $r = upload($user, $bytes{$file}, $file, $_); "$_: $r->{status} " . ($r->{json}{code} // 'kept') } @wrong;
        return (\@got, [map { "$_: 422 media_type_mismatch" } @wrong]);
    };
    it "$file reaches a phone as it is" => sub {
        my $id = upload($user, $bytes{$file}, $file, $type)->{json}{id};
        my $r = api(POST => '/messages/send-media', key => $user->{key}, body => { recipient => $phone->{number}, media_id => $id, caption => $file });
        return ([$r->{status}, file_on($phone, $r->{json}{whatsapp_id})], [qr/\A20[02]\z/, ['document', $file, $file, sha256_hex($bytes{$file})]]);
    };
}
it 'one that ends early is refused' => sub {
    my @got = map { upload($user, substr($bytes{$_}, 0, length($bytes{$_}) - 100), $_, $TYPE{$_})->{json}{code} } grep { !/pdf/ } sort keys %TYPE;
    return (\@got, [('media_type_mismatch') x 6]);
};

run_tests;
