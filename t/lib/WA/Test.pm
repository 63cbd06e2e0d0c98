# How the tests of the API are written. A file lists its tests:
#
#     it 'live answers 200' => sub { (api(GET => '/health/live')->{status}, 200) };
#     run_tests;
#
# Each test returns what it got and what was expected; expected may be a regular
# expression, and structures are compared as a whole. The list makes the plan.
package WA::Test;

use strict;
use warnings FATAL => 'all';

use Exporter ();
use Test::More ();
use Apache::Test qw(-withtestmore);
use Apache::TestUtil qw(t_cmp t_debug);
use Digest::SHA qw(sha256_hex);
use Time::HiRes qw(time sleep);
use WA::HTTP;
use WA::Stack;

our @ISA = qw(Exporter);
our @EXPORT = (qw(it step run_tests show wait_until problem pick admin_token
    admin new_user new_key phone texts inbox link_phone file_on send_text message form upload
    session_of steady_minute steady_day rows unique wait_ready UUID TIME),
    @WA::HTTP::EXPORT, @WA::Stack::EXPORT);

my $id = '[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}';
sub UUID { return qr/\A$id\z/ }
sub TIME { return qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\z/ }

# --- the list of tests ------------------------------------------------------

my @tests;

# it NAME => CODE
sub it { my ($name, $code) = @_; push @tests, [$name, $code, 0]; return }
# The same; when it fails, the tests after it make no sense and are failed at
# once, so that a broken stack doesn't cost a time-out for each.
sub step { my ($name, $code) = @_; push @tests, [$name, $code, 1]; return }

sub run_tests {
    Apache::Test::plan(tests => scalar @tests,
        Apache::Test::need_module('mod_dbd.c', 'mod_whatsapp.c'));
    my $broken;
    for my $t (@tests) {
        my ($name, $code, $essential) = @$t;
        my $good = 0;
        if ($broken) {
            t_debug("not tried, for this failed: $broken");
        }
        else {
            my @r = eval { $code->() };
            if (my $why = $@) { t_debug("died: $why"); Test::More::diag("died: $why") }
            elsif (@r != 2) { t_debug('a test returns what it got and what was expected, not '
                . @r . ' values') }
            else { $good = t_cmp($r[0], $r[1], $name) }
        }
        Test::More::ok($good, $name);
        $broken = $name if !$good && $essential && !$broken;
    }
    return;
}

# Onto the screen.
sub show { Test::More::diag(@_); return }

# wait_until { condition } $seconds, 'what': its value once it is true. From ten seconds
# on that is no demand, but when it is given up: on a machine that has other work, later.
sub wait_until(&$$) {
    my ($code, $seconds, $what) = @_;
    $seconds *= 3 if $seconds >= 10;
    my $until = time + $seconds;
    my $pause = 0.02;
    while (1) {
        my $value = $code->();
        return $value if $value;
        die "not within $seconds s: $what\n" if time > $until;
        sleep $pause;
        $pause = 0.1 if ($pause *= 1.5) > 0.1;
    }
}

# pick($json, @names): those members alone; an absent one stands out.
sub pick {
    my ($j, @names) = @_;
    return $j if ref $j ne 'HASH';
    return { map { $_ => exists $j->{$_} ? $j->{$_} : '(absent)' } @names };
}

# problem($res, $status, $code, %more): got and expected of a problem answer.
# more: errors => [[pointer, code]…], retry_after, allow, challenge.
sub problem {
    my ($res, $status, $code, %more) = @_;
    my $j = ref $res->{json} eq 'HASH' ? $res->{json} : { body => $res->{content} };
    my %got = (
        http => $res->{status}, type => header($res, 'Content-Type'),
        cache => header($res, 'Cache-Control'), sniff => header($res, 'X-Content-Type-Options'),
        id => $j->{request_id}, json => { %$j });
    my %want = (
        http => $status, type => 'application/problem+json', cache => 'no-store', sniff => 'nosniff',
        id => header($res, 'X-Request-ID') // 'a header X-Request-ID',
        json => { type => "/api/docs/problems#$code", title => qr/\w.*\w/, status => $status,
            code => $code, request_id => qr/\A[\w.-]{1,128}\z/ });
    $want{json}{detail} = qr/\w.*\w/ if exists $j->{detail};
    if ($more{errors}) {
        $got{json}{errors} = [sort map { "$_->{pointer} $_->{code}" } @{ $j->{errors} || [] }];
        $want{json}{errors} = [sort map { "@$_" } @{ $more{errors} }];
    }
    elsif (exists $j->{errors}) {
        $got{json}{errors} = ref $j->{errors};
        $want{json}{errors} = 'ARRAY';
    }
    my %by = (retry_after => 'Retry-After', allow => 'Allow', challenge => 'WWW-Authenticate');
    for my $name (grep { exists $more{$_} } sort keys %by) {
        $got{$name} = header($res, $by{$name});
        $want{$name} = $more{$name};
    }
    return (\%got, \%want);
}

# --- users and keys ---------------------------------------------------------

my $token;
my $count = 0;

# Something no other test uses.
sub unique { return sprintf '%s%x%x', $_[0] || 't', $$, int(time * 1000) % 0xffffff * 64 + $count++ }

sub admin_token {
    return $token if $token;
    my $res = api(POST => '/auth/login', body => {
        username => $ENV{WA_TEST_ADMIN_USER}, password => secret('admin_password') });
    die "login: $res->{status} $res->{content}\n" if $res->{status} != 200;
    return $token = $res->{json}{access_token};
}

# As the administrator; death unless it goes well.
sub admin {
    my ($method, $path, $body) = @_;
    my $res = api($method, $path, key => admin_token(), $body ? (body => $body) : ());
    die "$method $path: $res->{status} $res->{content}\n" if $res->{status} >= 300;
    return $res->{json};
}

sub new_key {
    my ($user_id, %fields) = @_;
    return admin(POST => "/users/$user_id/keys", { name => 'test', %fields });
}

# A user with a key: {id, username, email, key, key_id, …}. The request limit is
# out of the way, for the tests ask again and again.
sub new_user {
    my %fields = @_;
    my $name = unique('user-');
    my $user = admin(POST => '/users', { username => $name, email => "$name\@example.org",
        max_requests_per_minute => 100000, %fields });
    my $key = new_key($user->{id});
    return { %$user, key => $key->{key}, key_id => $key->{id} };
}

# How many rows of a user there are: "messages outbox sessions".
sub rows {
    my ($user) = @_;
    return join ' ', map { db("SELECT count(*) FROM $_") }
        "messages WHERE user_id = '$user->{id}'",
        "outbox o JOIN messages m ON m.id = o.message_id WHERE m.user_id = '$user->{id}'",
        "sessions WHERE user_id = '$user->{id}'";
}

# --- phones -----------------------------------------------------------------

# A new virtual phone: {id, number, …}.
sub phone {
    my ($name) = @_;
    my $number = sprintf '+4917%04d%05d', int(rand 10000), int(rand 100000);
    return sandbox(POST => '/phones', { number => $number, name => $name || 'Test' });
}

# What the phone shows of what came in.
sub inbox { return grep { $_->{direction} eq 'in' } @{ sandbox(GET => "/phones/$_[0]{id}/messages") } }
sub texts { return map { $_->{text} } inbox($_[0]) }

sub session_of {
    my ($user) = @_;
    my $res = api(GET => '/session/status', key => $user->{key});
    return $res->{json} if $res->{status} == 200;
    return { status => "HTTP $res->{status}" };
}

# Link a phone to a user: init, QR code, scan, connected. The phone. engine: by
# that one, and not by the default; seconds: for the code, and for the connection.
sub link_phone {
    my ($user, $phone, %o) = @_;
    $phone ||= phone('Sender');
    my $seconds = $o{seconds} || (($o{engine} || '') eq 'webjs' ? 90 : 15);
    my $res = api(POST => '/session/init', key => $user->{key}, body => { $o{engine} ? (engine => $o{engine}) : () });
    die "init: $res->{status} $res->{content}\n" if $res->{status} != 202;
    my $qr = wait_until {
        my $r = api(GET => '/session/qr?format=raw', key => $user->{key});
        $r->{status} == 200 ? $r->{content} : undef;
    } $seconds, 'a QR code';
    sandbox(POST => "/phones/$phone->{id}/scan", { qr => $qr });
    wait_until { session_of($user)->{status} eq 'connected' } $seconds, 'connected after the scan';
    return $phone;
}

# A file that came to a phone, once it has it: [type, text, name, SHA-256 of its bytes].
sub file_on {
    my ($phone, $whatsapp_id) = @_;
    my $got = wait_until {
        my ($m) = grep { $_->{id} eq $whatsapp_id } inbox($phone);
        $m && $m->{media} && $m->{media}{sha256} && $m->{media}{state} ne 'waiting' && $m;
    } 60, 'the file is on the phone';
    my $file;
    wait_until {
        $file = call(GET => "$ENV{WA_TEST_SANDBOX_URL}/phones/$phone->{id}/messages/$got->{id}/file");
        $file->{status} == 200;
    } 60, 'the phone shows the file';
    return [$got->{type}, $got->{text}, $got->{media}{file_name}, sha256_hex($file->{content})];
}

sub send_text {
    my ($user, $phone, $text, %headers) = @_;
    return api(POST => '/messages/send-text', key => $user->{key}, headers => \%headers,
        body => { recipient => ref $phone ? $phone->{number} : $phone, text => $text });
}

# A form: [name, value] of each field, [name, bytes, file name, type] of a file.
# (content type, body)
sub form {
    my (@parts) = @_;
    my $boundary = 'test' . unique();
    my $body = '';
    for (@parts) {
        my ($name, $bytes, $file, $type) = @$_;
        $body .= "--$boundary\r\nContent-Disposition: form-data; name=\"$name\""
            . (defined $file ? "; filename=\"$file\"" : '')
            . (defined $type ? "\r\nContent-Type: $type" : '') . "\r\n\r\n$bytes\r\n";
    }
    return ("multipart/form-data; boundary=$boundary", "$body--$boundary--\r\n");
}

sub upload {
    my ($user, $bytes, $name, $type) = @_;
    my ($content_type, $body) = form(['file', $bytes, $name, $type]);
    return api(POST => '/media', key => $user->{key}, body => $body,
        headers => { 'Content-Type' => $content_type });
}

sub message {
    my ($user, $id) = @_;
    return api(GET => "/messages/$id", key => $user->{key})->{json};
}

# --- the clock --------------------------------------------------------------

# Limits count in minutes of the clock: begin where $seconds of it are left.
sub steady_minute {
    my ($seconds) = @_;
    wait_until { 60 - time % 60 > $seconds } $seconds + 1, 'the next minute';
    return;
}

sub steady_day { my ($seconds) = @_; wait_until { 86400 - time % 86400 > $seconds } $seconds + 1, 'the next day'; return }

# Until every part says that it is well.
sub wait_ready {
    my ($seconds) = @_;
    wait_until {
        my $r = api(GET => '/health/ready', timeout => 5);
        $r->{status} == 200 && $r->{json}{status} eq 'ok';
    } $seconds || 20, 'everything ready';
    return;
}

1;
