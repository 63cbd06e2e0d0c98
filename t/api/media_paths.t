# A file of a user is had from the API by its owner, by no other path of a URL: it
# is below no document root, and Apache does not start where it would be.
use strict;
use warnings FATAL => 'all';

use Cwd qw(realpath);
use File::Path qw(make_path);
use WA::Apache;
use WA::Test;

my ($user, $other, $id, $place);
my $MEDIA = realpath("$ENV{WA_TEST_DIR}/media");
my $ROOT = realpath($ENV{WA_TEST_DOCUMENT_ROOT});
my $MARK = unique('seen by nobody ');

sub below { my ($path, $dir) = @_; return index("$path/", "$dir/") == 0 }

step 'a file' => sub {
    ($user, $other) = (new_user(), new_user());
    $id = upload($user, "$MARK\n", 'mine.txt', 'text/plain')->{json}{id};
    my $file = db("SELECT file FROM media WHERE id = '$id'");
    $place = join '/', substr($file, 0, 2), substr($file, 2, 2), $file;
    return ([api(GET => "/media/$id", key => $user->{key})->{content}, log_text("$MEDIA/$place")], [("$MARK\n") x 2]);
};
it 'its directory and the document root are not one below the other' => sub {
    return ([below($MEDIA, $ROOT) ? 1 : 0, below($ROOT, $MEDIA) ? 1 : 0], [0, 0]);
};
it 'no path has it' => sub {
    my $up = '../' x 12;
    my @found;
    my @paths = map { my $file = $_; ("/$file", "/media/$file", "/var/test/media/$file", "/admin/../media/$file", "/api/media/$file", "/api/media/../../media/$file",
            "/api/media/$id/../$file", map { "/$_$file" } "${up}media/", "../media/", "..//media/", "admin/../../media/") } $place, "$MEDIA/$place" =~ s{\A/}{}r;
    push @paths, "/$up" . substr("$MEDIA/$place", 1), "//$MEDIA/$place", "/file://$MEDIA/$place";
    for my $path (map { my $p = $_; ($p, $p =~ s{\.\.}{%2e%2e}gr, $p =~ s{\.\./}{..%2f}gr, $p =~ s{\.\./}{%2e%2e%2f}gr, $p =~ s{\.\.}{%252e%252e}gr, $p =~ s{\.\./}{..%5c}gr, $p =~ s{\.\./}{.%2e/}gr) } @paths) {
        for my $key (undef, $user->{key}) {
            my $r = raw(join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', ($key ? "Authorization: Bearer $key" : ()), 'Connection: close', '', '');
            push @found, $path if $r =~ /\Q$MARK\E/ || $r !~ m{\AHTTP/1\.1 4};
        }
    }
    return (\@found, []);
};
it 'nor has it another user, or nobody' => sub {
    return ([map { $_->{status} } api(GET => "/media/$id", key => $other->{key}), api(GET => "/media/$id")], [404, 401]);
};

# --- such a configuration ---------------------------------------------------

# What Apache says of these: [its status, its words].
sub judged {
    my ($media, $main) = @_;
    return [apache_check(apache_config(edit => sub { s/^WhatsAppMediaDir .*$/WhatsAppMediaDir "$media"/m }, main => $main // ''))];
}
my $REFUSED = [1, qr/WA0012: WhatsAppMediaDir/];
my $TAKEN = [0, qr/Syntax OK/];
my $dir = "$ENV{WA_TEST_DIR}/tmp/media_paths.$$";

it 'in the document root: Apache does not start, and says why' => sub {
    return ([map { judged($_) } $ROOT, "$ROOT/media", "$ROOT/not/there/yet", "$ROOT/", "$ROOT/../" . ($ROOT =~ s{.*/}{}r) . '/media'], [($REFUSED) x 5]);
};
it 'or with a document root in it' => sub { return (judged($ROOT =~ s{/[^/]*\z}{}r), $REFUSED) };
it 'or in that of a virtual host' => sub {
    make_path("$dir/site/files", "$dir/site-media");
    return (judged("$dir/site/files", "<VirtualHost *:1>\nDocumentRoot \"$dir/site\"\n</VirtualHost>"), $REFUSED);
};
it 'or there by a symbolic link' => sub {
    symlink "$dir/site", "$dir/elsewhere" or die "symlink: $!\n";
    return ([judged("$dir/elsewhere/files", "DocumentRoot \"$dir/site\""), judged("$dir/site/files", "DocumentRoot \"$dir/elsewhere\""),
        judged("$dir/elsewhere/not/there", "DocumentRoot \"$dir/site\"")], [($REFUSED) x 3]);
};
it 'beside it is fine, also when the name begins alike' => sub {
    return (judged("$dir/site-media", "DocumentRoot \"$dir/site\""), $TAKEN);
};
it 'and below / nothing is' => sub { return (judged("$dir/site-media", 'DocumentRoot "/"'), $REFUSED) };

run_tests;
