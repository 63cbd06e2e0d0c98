# How large a file may be is set by its kind, told by GET /limits, and kept to.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::Test;

my $MIB = 1024 * 1024;
my %MAX = (image => 1, video => 2, audio => 3, document => 4); # MiB
my %HEAD = (
    image => ["\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", 'a.jpg', 'image/jpeg'],
    video => ["\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41\0\0\0\x08free", 'a.mp4', 'video/mp4'],
    audio => ["ID3\3\0\0\0\0\0\0" . ("\xff\xfb\x90\x64" . ("\0" x 413)) x 4, 'a.mp3', 'audio/mpeg'],
    document => ["%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n", 'a.pdf', 'application/pdf'],
);
my ($user, $apache);

# A file of so many bytes; with its type told, or found in it.
sub put_file {
    my ($kind, $size, $untold) = @_;
    my ($head, $name, $type) = @{ $HEAD{$kind} };
    my ($form, $body) = form(['file', $head . ("\0" x ($size - length $head)), $name, $untold ? 'application/octet-stream' : $type]);
    return call(POST => "$apache->{url}/api/media", key => $user->{key}, body => $body, headers => { 'Content-Type' => $form });
}

step 'an Apache with other bounds' => sub {
    $user = new_user();
    $apache = apache_start(apache_config(main => join '', map { 'WhatsAppMedia' . ucfirst($_) . "Max $MAX{$_}\n" } sort keys %MAX));
    return (call(GET => "$apache->{url}/api/health/live")->{status}, 200);
};
it 'GET /limits tells them' => sub {
    my %max = map { $_->{mime_type} => $_->{max_bytes} } @{ call(GET => "$apache->{url}/api/limits", key => $user->{key})->{json}{media_types} };
    return ({ map { $_ => $max{ $HEAD{$_}[2] } } keys %MAX }, { map { $_ => $MAX{$_} * $MIB } keys %MAX });
};
for my $kind (sort keys %MAX) {
    my $max = $MAX{$kind} * $MIB;
    it "$HEAD{$kind}[2]: as much as that is taken" => sub { return ([map { $_->{status} } put_file($kind, $max), put_file($kind, $max, 1)], [201, 201]) };
    it "$HEAD{$kind}[2]: a byte more is 413, whether its type was told or not" => sub {
        my @r = map { my $r = put_file($kind, $max + 1, $_); "$r->{status} $r->{json}{code}" } 0, 1;
        return (\@r, [('413 media_too_large') x 2]);
    };
}
it 'the other Apache has its own' => sub {
    my %max = map { $_->{mime_type} => $_->{max_bytes} } @{ api(GET => '/limits', key => $user->{key})->{json}{media_types} };
    return ($max{'image/jpeg'}, 16 * $MIB);
};

run_tests;
