# A secret is replaced by a new first line: what was made under the old one goes
# on while its line is there, and ends with it.
use strict;
use warnings FATAL => 'all';

use MIME::Base64 qw(decode_base64url);
use WA::Apache;
use WA::Test;

my $PASSWORD = 'a password long enough';
my ($user, $both, $new, %old, %fresh);

# An Apache whose key and token secrets have these lines.
sub apache_with {
    my ($name, $lines) = @_;
    my $dir = "$ENV{WA_TEST_DIR}/tmp";
    for my $secret (qw(key_hmac_secret jwt_secret)) {
        open my $out, '>', "$dir/$name.$secret" or die $!;
        print $out map { "$_\n" } $lines->($secret);
        close $out or die $!;
    }
    return apache_start(apache_config(edit => sub { s{"?\Q$ENV{WA_TEST_SECRETS_DIR}\E/(key_hmac_secret|jwt_secret)"?}{$dir/$name.$1}g }));
}
sub at { my ($apache, $method, $path, @o) = @_; return call($method, ($apache ? $apache->{url} : $ENV{WA_TEST_BASE_URL}) . "/api$path", @o) }
sub login {
    my ($apache) = @_;
    my $r = at($apache, POST => '/auth/login', body => { username => $user->{username}, password => $PASSWORD });
    die "login: $r->{status} $r->{content}\n" if $r->{status} != 200;
    return $r->{json};
}
sub kid { my ($token) = @_; return JSON::PP->new->decode(decode_base64url((split /\./, $token)[0]))->{kid} }
sub works { my ($apache, $key) = @_; return at($apache, GET => '/auth/me', key => $key)->{status} }

step 'a key and a token under the old secrets' => sub {
    $user = new_user(password => $PASSWORD);
    %old = (key => $user->{key}, token => login()->{access_token});
    return ([map { works(undef, $_) } @old{qw(key token)}], [200, 200]);
};
my %line = map { $_ => join '', map { sprintf '%02x', int rand 256 } 1 .. 32 } qw(key_hmac_secret jwt_secret third);
step 'an Apache with a new first line of both' => sub {
    $both = apache_with('both', sub { ($line{ $_[0] }, secret($_[0])) });
    return (at($both, GET => '/health/live')->{status}, 200);
};
it 'what is old works there' => sub { return ([map { works($both, $_) } @old{qw(key token)}], [200, 200]) };
it 'a new token is signed by the new line, and says by which' => sub {
    $fresh{token} = login($both)->{access_token};
    return ([works($both, $fresh{token}), kid($fresh{token}) ne kid($old{token}) ? 'another' : 'the same'], [200, 'another']);
};
it 'a new key is hashed by the new line' => sub {
    my $r = at($both, POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'new' });
    $fresh{key} = $r->{json}{key};
    require Digest::SHA;
    return ([$r->{status}, works($both, $fresh{key}), db("SELECT encode(hash, 'hex') FROM api_keys WHERE id = '$r->{json}{id}'")],
        [201, 200, Digest::SHA::hmac_sha256_hex($fresh{key}, $line{key_hmac_secret})]);
};
it 'an old key that is rotated becomes one of the new line' => sub {
    my $key = new_key($user->{id});
    my $r = at($both, POST => "/keys/$key->{id}/rotate", key => admin_token(), body => {});
    require Digest::SHA;
    return ([$r->{status}, db("SELECT encode(hash, 'hex') FROM api_keys WHERE id = '$r->{json}{id}'")],
        [201, Digest::SHA::hmac_sha256_hex($r->{json}{key} // '', $line{key_hmac_secret})]);
};
it 'who does not have the new line does not know what was made under it' => sub {
    my @r = map { at(undef, GET => '/auth/me', key => $_) } @fresh{qw(key token)};
    return ([map { "$_->{status} $_->{json}{code}" } @r], ['401 invalid_api_key', '401 invalid_token']);
};
it 'the audit stays one chain: its key is that of the last line' => sub {
    my $out = command("$ENV{WA_TEST_BUILD_DIR}/whatsappd", '-c', $ENV{WA_TEST_WHATSAPPD_CONF}, '--verify-audit');
    return ($out, qr/unbroken/);
};
# The last line of the keys' secret stays, for it seals the audit.
step 'an Apache where the lines between are gone' => sub {
    $new = apache_with('new', sub { $_[0] eq 'jwt_secret' ? ($line{third}) : ($line{third}, secret($_[0])) });
    return (at($new, GET => '/health/live')->{status}, 200);
};
it 'it knows its own, and keys of the line that stayed' => sub {
    return ([map { works($new, $_) } login($new)->{access_token}, $old{key}], [200, 200]);
};
for my $token (qw(old fresh)) {
    it "the $token token is none" => sub {
        return problem(at($new, GET => '/auth/me', key => ($token eq 'old' ? \%old : \%fresh)->{token}), 401, 'invalid_token');
    };
}
it 'nor is the key of the line that is gone' => sub {
    return problem(at($new, GET => '/auth/me', key => $fresh{key}), 401, 'invalid_api_key');
};
it 'where the old lines are, all goes on' => sub {
    return ([map { works($both, $_) } @old{qw(key token)}, @fresh{qw(key token)}], [200, 200, 200, 200]);
};
for my $lines (['', 'empty'], ["short\n", 'short'], ["$line{jwt_secret}\nshort\n", 'a second line that is short']) {
    my ($text, $what) = @$lines;
    it "a secret's file that is $what: Apache does not start, and says why" => sub {
        my $file = "$ENV{WA_TEST_DIR}/tmp/bad.secret";
        open my $out, '>', $file or die $!;
        print $out $text;
        close $out or die $!;
        my $bad = apache_config(edit => sub { s{"?\Q$ENV{WA_TEST_SECRETS_DIR}\E/jwt_secret"?}{$file} });
        my $started = eval { apache_start($bad); 1 };
        return ([$started, log_text($bad->{log})], [undef, qr/WA0001: WhatsAppJWTSecretFile: .*bad\.secret/]);
    };
}

run_tests;
