# What the API answered in this run, kept below WA_TEST_ANSWERS_DIR for
# t/openapi/answers.js, which holds it against docs/openapi.yaml: a file for each
# process, with a line of JSON for each answer that is not the same as one before.
package WA::Answers;

use strict;
use warnings FATAL => 'all';

use Digest::MD5 qw(md5);
use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use JSON::PP ();

# A longer body is not kept; its line says so.
my $MOST = 256 * 1024;
my $JSON = JSON::PP->new->canonical; # bytes as they came
my (%out, %seen); # by process: a child has a file of its own

# record($method, $url, $res): of the server that the tests are about only; one that a
# test started for itself may be set up so that it can't answer as documented.
sub record {
    my ($method, $url, $res) = @_;
    my ($dir, $base) = @ENV{qw(WA_TEST_ANSWERS_DIR WA_TEST_BASE_URL)};
    return if !defined $dir || $res->{status} == 599;
    my ($path) = $url =~ m{\A\Q$base\E(/api(?![^/?#])[^?#]*)} or return;
    my $type = $res->{headers}{'content-type'};
    $type = $type->[0] if ref $type;
    my $body = $res->{content} // '';
    my %line = (method => $method, path => $path, status => $res->{status} + 0, type => $type, length => length $body);
    if (($type // '') !~ m{\Aapplication/(?:[\w.-]+\+)?json\b}) { $line{skipped} = 'not JSON' if $body ne '' }
    elsif (length $body > $MOST) { $line{skipped} = "longer than $MOST bytes" }
    else { $line{body} = $body }
    my $text = $JSON->encode(\%line) . "\n";
    utf8::downgrade($text, 1) or utf8::encode($text);
    return if $seen{ md5($text) }++;
    my $out = $out{$$} ||= _open("$dir/$$.ndjson");
    (syswrite($out, $text) // 0) == length $text or die "$dir/$$.ndjson: $!\n";
    return;
}

sub _open {
    my ($file) = @_;
    sysopen my $out, $file, O_WRONLY | O_APPEND | O_CREAT, 0600 or die "$file: $!\n";
    return $out;
}

1;
