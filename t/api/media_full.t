# A full disk: 507, which says when to come again, and nothing is left of the
# upload, neither on disk nor in the database. An Apache beside the other one has
# it, by a library that fails calls below the folder of files (t/files/full.c).
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use Errno qw(ENOSPC EDQUOT);
use WA::Apache;
use WA::Test;

my $MEDIA = "$ENV{WA_TEST_DIR}/media";
my $CONF = "$ENV{WA_TEST_DIR}/tmp/full.$$";
my $PDF = "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n";
my ($user, $phone, $apache, $kept);

END { my $status = $?; unlink $CONF, "$CONF.so"; $? = $status }

# Calls fail from now on: "CALL ERRNO BYTES", or none any more.
sub fault {
    my ($text) = @_;
    if (!defined $text) { unlink $CONF; return }
    open my $out, '>', "$CONF.new" or die "$CONF.new: $!\n";
    print $out $text;
    close $out or die "$CONF.new: $!\n";
    rename "$CONF.new", $CONF or die "$CONF: $!\n";
    return;
}
sub here { my ($method, $path, @o) = @_; return call($method, "$apache->{url}/api$path", key => $user->{key}, @o) }
sub put_file {
    my ($bytes, %headers) = @_;
    my ($type, $body) = form(['file', $bytes, 'a.txt', 'text/plain']);
    return here(POST => '/media', body => $body, headers => { 'Content-Type' => $type, %headers });
}
# Text that no other test has, of so many bytes.
sub text_of { my ($length) = @_; return unique('full ') . ('.' x $length) }
# The files that came to disk since this was last asked, and the user's rows. whatsappd may take away some of another test's.
my %known;
sub all {
    my @on_disk = grep { -f } glob("$MEDIA/tmp/*"), glob "$MEDIA/??/??/*";
    my @new = grep { !$known{$_} } @on_disk;
    %known = map { $_ => 1 } @on_disk;
    return join ' ', (map { db("SELECT count(*) FROM $_ WHERE user_id = '$user->{id}'") } qw(media media_files messages)), @new;
}

step 'the library is built, an Apache runs with it' => sub {
    command('cc', '-shared', '-fPIC', '-O1', '-o', "$CONF.so", "$ENV{WA_TEST_SRC_DIR}/t/files/full.c", '-ldl');
    $user = new_user(max_messages_per_minute => 1000);
    link_phone($user);
    $phone = phone('Recipient');
    local @ENV{qw(LD_PRELOAD FULL_DIR FULL_CONF)} = ("$CONF.so", "$MEDIA/", $CONF);
    $apache = apache_start(apache_config());
    my $r = put_file($kept = text_of(10));
    $kept = $r->{json};
    return ([$r->{status}, $kept->{id}], [201, UUID]);
};
for (
    ['no file can be made', 'open ' . ENOSPC, 100], ['not a byte can be written', 'write ' . ENOSPC . ' 0', 100],
    ['it is full in the middle of a large one', 'write ' . ENOSPC . ' 3000000', 5_000_000], ['the quota is used up', 'write ' . EDQUOT . ' 0', 100],
    ['it is full when the file is brought to disk', 'fsync ' . ENOSPC, 100], ['no folder can be made for it', 'mkdir ' . ENOSPC, 100],
  ) {
    my ($what, $fault, $length) = @$_;
    it "$what: 507, and nothing is left" => sub {
        all();
        my $before = all();
        my $key = unique('key-');
        my $bytes = text_of($length);
        fault($fault);
        my @r = map { put_file($bytes, @$_) } [], ['Idempotency-Key' => $key];
        fault(undef);
        my $after = all();
        my @problems = map { [problem($_, 507, 'storage_full', retry_after => 60)] } @r;
        my $again = put_file($bytes, 'Idempotency-Key' => $key);
        return ([map({ $_->[0] } @problems), $after, $again->{status}, $again->{json}{sha256}],
            [map({ $_->[1] } @problems), $before, 201, sha256_hex($bytes)]);
    };
}
it 'a form that sends: 507, and there is neither a message nor a file' => sub {
    all();
    my $before = all();
    my ($type, $body) = form(['recipient', $phone->{number}], ['file', $PDF, 'a.pdf', 'application/pdf']);
    fault('write ' . ENOSPC . ' 0');
    my $r = here(POST => '/messages/send-media', body => $body, headers => { 'Content-Type' => $type });
    fault(undef);
    my $after = all();
    my ($got, $want) = problem($r, 507, 'storage_full', retry_after => 60);
    return ([$got, $after, [texts($phone)]], [$want, $before, []]);
};
it 'what is there already can be read and sent meanwhile, and texts go' => sub {
    fault('write ' . ENOSPC . ' 0');
    my $get = here(GET => "/media/$kept->{id}");
    my $media = here(POST => '/messages/send-media', body => { recipient => $phone->{number}, media_id => $kept->{id} });
    my $text = here(POST => '/messages/send-text', body => { recipient => $phone->{number}, text => 'a text' });
    fault(undef);
    my $file = file_on($phone, $media->{json}{whatsapp_id});
    wait_until { grep { ($_ // '') eq 'a text' } texts($phone) } 30, 'the text';
    return ([$get->{status}, sha256_hex($get->{content}), $media->{status}, $file->[3], $text->{status}],
        [200, $kept->{sha256}, qr/\A20[02]\z/, $kept->{sha256}, qr/\A20[02]\z/]);
};
it 'with room again the form is sent' => sub {
    my ($type, $body) = form(['recipient', $phone->{number}], ['file', $PDF, 'a.pdf', 'application/pdf']);
    my $r = here(POST => '/messages/send-media', body => $body, headers => { 'Content-Type' => $type });
    return ([$r->{status}, file_on($phone, $r->{json}{whatsapp_id})->[3]], [qr/\A20[02]\z/, sha256_hex($PDF)]);
};
it 'the log names the file and the reason' => sub {
    return (log_text($apache->{log}), qr/WA0611: \Q$MEDIA\E\S*: can't be written: No space left on device/);
};

run_tests;
