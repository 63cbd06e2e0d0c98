# What httpd itself refuses is a problem (RFC 9457) where the path is the
# module's, and httpd's page elsewhere.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use WA::Apache;
use WA::Test;

my $HOST = "Host: 127.0.0.1\r\n";

# The answer to bytes: {status, headers, content, json, answers}.
sub asked {
    my ($bytes) = @_;
    my $text = raw($bytes, 20);
    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my ($line, @lines) = split /\r\n/, $head // '';
    my %r = (headers => { map { /\A([^:]+):\s*(.*)/s ? (lc $1 => $2) : () } @lines }, content => $body // '',
        answers => scalar(() = $text =~ m{^HTTP/1\.1 \d}mg));
    ($r{status}) = ($line // '') =~ m{\AHTTP/1\.\d (\d+)};
    my $type = $r{headers}{'content-type'} // '';
    $r{json} = $type eq 'application/problem+json' ? eval { JSON::PP->new->utf8->decode($r{content}) } : undef;
    return \%r;
}
# What every one of them has to be.
sub refused {
    my ($r, $status, $code) = @_;
    my ($got, $want) = problem($r, $status, $code);
    $got->{answers} = $r->{answers};
    $want->{answers} = 1;
    $got->{length} = $r->{headers}{'content-length'};
    $want->{length} = length $r->{content};
    return ($got, $want);
}

my $GET = 'GET /api/health/live HTTP/1.1';
my $POST = "POST /api/messages/send-text HTTP/1.1\r\n$HOST" . 'Content-Type: application/json';
my @REFUSED = (
    ['a line that is no header', "$GET\r\n${HOST}no header\r\n", 400, 'malformed_request'],
    ['a space before the colon', "$GET\r\n${HOST}X-Test : 1\r\n", 400, 'malformed_request'],
    ['a NUL in a header', "$GET\r\n${HOST}X-Test: a\0b\r\n", 400, 'malformed_request'],
    ['no Host', "$GET\r\n", 400, 'malformed_request'],
    ['two Hosts', "$GET\r\n${HOST}${HOST}", 400, 'malformed_request'],
    ['a Host with markup', "$GET\r\nHost: evil\"<x>\r\n", 400, 'malformed_request'],
    ['a header of 9,000 bytes', "$GET\r\n${HOST}X-Test: " . 'x' x 9000 . "\r\n", 400, 'malformed_request'],
    ['101 headers', "$GET\r\n$HOST" . join('', map { "X-$_: 1\r\n" } 1 .. 101), 400, 'malformed_request'],
    ['two lengths', "$POST\r\nContent-Length: 5\r\nContent-Length: 6\r\n", 400, 'malformed_request'],
    ['a list of lengths', "$POST\r\nContent-Length: 5, 5\r\n", 400, 'malformed_request'],
    ['a negative length', "$POST\r\nContent-Length: -1\r\n", 400, 'malformed_request'],
    ['a length of 20 digits', "$POST\r\nContent-Length: 99999999999999999999\r\n", 400, 'malformed_request'],
    ['a coding that nobody knows', "$POST\r\nTransfer-Encoding: xchunked\r\n", 400, 'malformed_request'],
    ['an expectation that nobody meets', "$GET\r\n${HOST}Expect: a-miracle\r\n", 417, 'malformed_request'],
    ['a broken escape', "GET /api/messages/%zz HTTP/1.1\r\n$HOST", 400, 'malformed_request'],
    ['an escaped slash', "GET /api/messages/%2f HTTP/1.1\r\n$HOST", 404, 'not_found'],
    ['a NUL in the path', "GET /api/messages/%00 HTTP/1.1\r\n$HOST", 404, 'not_found'],
    ['a path of 9,000 bytes', 'GET /api/' . 'x' x 9000 . " HTTP/1.1\r\n$HOST", 414, 'malformed_request'],
    ['an absolute form with a broken header', "GET http://127.0.0.1/api/health/live HTTP/1.1\r\n${HOST}no header\r\n", 400, 'malformed_request'],
);
for my $c (@REFUSED) {
    my ($what, $bytes, $status, $code) = @$c;
    it "$what: $status" => sub { return refused(asked("$bytes\r\n"), $status, $code) };
}
it 'HEAD: the headers of it and nothing else' => sub {
    my $r = asked("HEAD /api/messages/%2f HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n");
    return ([$r->{status}, $r->{headers}{'content-type'}, $r->{headers}{'x-request-id'}, $r->{content}],
        [404, 'application/problem+json', UUID, '']);
};
it 'a page keeps the page of httpd' => sub {
    my @r = map { asked("$_\r\n${HOST}no header\r\n\r\n") } 'GET / HTTP/1.1', 'GET /admin/ HTTP/1.1', 'GET /api/docs/ HTTP/1.1', 'GET /apix HTTP/1.1', 'GET /x/api/ HTTP/1.1';
    return ([map { "$_->{status} " . ($_->{headers}{'content-type'} =~ s/;.*//r) } @r], [('400 text/html') x 5]);
};
it 'a line that is no request, has no path, or is empty: httpd answers, once, and goes on' => sub {
    my @r = map { asked("$_\r\n\r\n") } 'nonsense', "\x16\x03\x01", 'GET', 'GET  ', "GET\t/api/health/live\tHTTP/1.1";
    return ([grep { ($_->{status} // 400) != 400 || $_->{answers} > 1 } @r], []);
};

# --- other configurations ------------------------------------------------------

my $second;
sub second { my ($path, %h) = @_; return call(GET => "$second->{url}$path", headers => \%h) }

step 'an Apache with a virtual host that the module has no part in, and with rules of its own' => sub {
    my $port = free_port();
    $second = apache_start(apache_config(modules => ['authz_host'], main => <<"TEXT"));
<Location "/api/audit">
    Require ip 192.0.2.1
</Location>
<Location "/api/usage">
    ErrorDocument 403 "a page of one's own"
    Require ip 192.0.2.1
</Location>
Listen 127.0.0.1:$port
<VirtualHost 127.0.0.1:$port>
    <Location "/api/">
        SetHandler none
    </Location>
</VirtualHost>
TEXT
    $second->{plain} = "http://127.0.0.1:$port";
    return (second('/api/health/live')->{status}, 200);
};
it 'an address that is kept out by Require ip: a problem' => sub { return problem(second('/api/audit'), 403, 'forbidden') };
it 'a page that somebody wrote for it stays' => sub {
    my $r = second('/api/usage');
    return ([$r->{status}, $r->{content}, $r->{json}], [403, "a page of one's own", undef]);
};
it 'a virtual host without the module keeps the pages of httpd' => sub {
    my $r = call(GET => "$second->{plain}/api/messages/%2f");
    return ([$r->{status}, header($r, 'Content-Type')], [404, qr{\Atext/html\b}]);
};

run_tests;
