# conf/whatsapp-tls.conf.example, as it is shipped: Apache takes it, pages go over
# to TLS and the API doesn't, the headers are there, and what it proposes for the
# admins' part keeps everybody else out of that part and of no other.
use strict;
use warnings FATAL => 'all';

use WA::Apache;
use WA::OpenAPI;
use WA::Test;

my $NAME = 'api.example.com';
my ($apache, $closed, %port, $user);

sub example { return log_text("$ENV{WA_TEST_SRC_DIR}/conf/whatsapp-tls.conf.example") }

# The example with its places and ports replaced by some of ours.
sub config {
    my ($edit) = @_;
    my $text = example();
    my %p = (http => free_port(), https => free_port());
    for ($text) {
        s/\*:80>/127.0.0.1:$p{http}>/;
        s/\*:443>/127.0.0.1:$p{https}>/;
        s{/etc/letsencrypt/live/\Q$NAME\E}{$ENV{WA_TEST_DIR}/tmp}g;
        s/\$\{APACHE_LOG_DIR\}/$ENV{WA_TEST_DIR}\/tmp/g;
        $edit->() if $edit;
    }
    my $config = apache_config(listen => 0, modules => [qw(ssl http2 socache_shmcb authz_host)],
        main => "Listen 127.0.0.1:$p{http}\nListen 127.0.0.1:$p{https}\n$text");
    @$config{'port', 'ports'} = ($p{http}, \%p);
    return $config;
}

# One request by curl: {status, version, name => value…}.
sub ask {
    my ($scheme, $path, @curl) = @_;
    my $a = $apache;
    ($a, @curl) = @curl if ref $curl[0];
    my $out = command('curl', '-s', '-D', '-', '-o', '/dev/null', '--max-time', 30, '--noproxy', '*', '-w', '%{http_version}',
        '--cacert', "$ENV{WA_TEST_DIR}/tmp/fullchain.pem", '--resolve', "$NAME:$a->{ports}{$scheme}:127.0.0.1", @curl,
        "$scheme://$NAME:$a->{ports}{$scheme}$path");
    my %r = map { /\A([\w-]+): (.*?)\r?\z/ ? (lc $1 => $2) : () } split /\n/, $out;
    @r{qw(status version)} = ($out =~ m{\AHTTP/[\d.]+ (\d+)}, $out =~ /([\d.]+)\z/);
    return \%r;
}

step 'a certificate' => sub {
    my $dir = "$ENV{WA_TEST_DIR}/tmp";
    command('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', 2, '-subj', "/CN=$NAME", '-addext', "subjectAltName=DNS:$NAME",
        '-keyout', "$dir/privkey.pem", '-out', "$dir/fullchain.pem");
    return (-s "$dir/fullchain.pem" ? 1 : 0, 1);
};
step 'Apache takes the example' => sub {
    $apache = config();
    return ([apache_check($apache)], [0, qr/Syntax OK/]);
};
step 'and starts with it' => sub {
    apache_start($apache);
    $user = new_user();
    return (ask(https => '/api/health/live')->{status}, 200);
};

# --- without TLS ------------------------------------------------------------

for my $path ('/', '/admin/', '/api', '/assets/pages.css?x=1') {
    it "http, $path: on to TLS" => sub {
        my $r = ask(http => $path);
        return ([$r->{status}, $r->{location}], [308, "https://$NAME$path"]);
    };
}
for my $path ('/api/health/live', '/api/auth/me', '/api/v1/auth/me', '/api/docs/', '/internal/v1/events', '//api/auth/me', '/x/../api/auth/me') {
    it "http, $path: neither answered nor sent on" => sub {
        my $r = ask(http => $path, '--path-as-is', '-H', "Authorization: Bearer $user->{key}");
        return ([$r->{status} =~ /\A40[34]\z/ ? 'refused' : $r->{status}, $r->{location}], ['refused', undef]);
    };
}

# --- with TLS ---------------------------------------------------------------

it 'https: the API works, over HTTP/2' => sub {
    my $r = ask(https => '/api/auth/me', '--http2', '-H', "Authorization: Bearer $user->{key}");
    return ([@$r{qw(status version)}], [200, 2]);
};
for my $path ('/', '/admin/', '/api/docs/', '/api/health/live', '/api/auth/me', '/api/nothing', '/nothing') {
    it "https, $path: the headers" => sub {
        my $r = ask(https => $path);
        return ([@$r{qw(x-content-type-options referrer-policy x-frame-options cross-origin-opener-policy cross-origin-resource-policy)},
            map { $r->{$_} // '(absent)' } qw(strict-transport-security content-security-policy permissions-policy server)],
            ['nosniff', 'no-referrer', 'DENY', 'same-origin', 'same-origin',
                qr/\Amax-age=(\d{8,}); includeSubDomains\z/, qr/\Adefault-src 'none';(?!.*unsafe).*frame-ancestors 'none'/, qr/camera=\(\)/, 'Apache']);
    };
}
it 'TLS 1.1 is refused' => sub {
    my $out = eval { command('curl', '-s', '--max-time', 30, '--noproxy', '*', '--tls-max', '1.1', '--ciphers', 'DEFAULT@SECLEVEL=0', '-k',
        "https://127.0.0.1:$apache->{ports}{https}/api/health/live") };
    return ([$out, $@], [undef, qr/status (35|4)\b/]);
};
it 'TRACE is refused' => sub { return (ask(https => '/api/health/live', '-X', 'TRACE')->{status}, 405) };
# --- the admins' part -------------------------------------------------------

it "the proposal names every admin's route, in both forms, and no other" => sub {
    my ($pattern) = example() =~ /^ *#<LocationMatch "([^"]+)">$/m;
    my @wrong;
    for my $o (operations()) {
        my ($path, $caller) = (path_of($o), $o->{caller});
        for my $at ("/api$path", "/api/v1$path") {
            push @wrong, "$caller $at" if ($at =~ m{$pattern} ? 1 : 0) != ($caller eq 'admin' ? 1 : 0);
        }
    }
    return ([scalar(operations()) > 30 ? 'many' : 'few', @wrong], ['many']);
};
step 'an Apache that has it, for another network' => sub {
    $closed = config(sub { s/^( *)#(<LocationMatch|<\/LocationMatch|    Require ip)/$1$2/mg });
    my @check = apache_check($closed);
    apache_start($closed) if !$check[0];
    return ([@check], [0, qr/Syntax OK/]);
};
for my $path ('/admin/', '/admin/app.js', '/api/users', '/api/v1/users', '/api/users/x/keys', '/api/audit', '/api/overview', '/api/sessions',
    '/api//users', '/api/%75sers', '/api/docs/../users', '/x/../api/users', '/api/users?x', '/api/./users') {
    it "from elsewhere, $path: no" => sub {
        my $r = ask(https => $path, $closed, '--path-as-is', '-H', 'Authorization: Bearer ' . admin_token());
        return ($r->{status}, 403);
    };
}
for my $path ('/', '/api/docs/', '/api/auth/me', '/api/session/status', '/api/usage') {
    it "from elsewhere, $path: yes" => sub {
        return (ask(https => $path, $closed, '-H', "Authorization: Bearer $user->{key}")->{status}, 200);
    };
}
it "from the admins' network: yes" => sub {
    apache_stop($closed);
    $closed = config(sub { s/^( *)#(<LocationMatch|<\/LocationMatch|    Require ip)/$1$2/mg; s{192\.0\.2\.0/24}{127.0.0.0/8} });
    apache_start($closed);
    return ([map { ask(https => $_, $closed, '-H', 'Authorization: Bearer ' . admin_token())->{status} } '/admin/', '/api/users', '/api/v1/audit'],
        [200, 200, 200]);
};

run_tests;
