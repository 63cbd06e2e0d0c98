# The audit: what stands in it, how it is read, and that a change of it shows.
use strict;
use warnings FATAL => 'all';

use JSON::PP ();
use Sys::Hostname ();
use WA::Apache;
use WA::Test;

my ($user, $key);
my $HOST = Sys::Hostname::hostname();

sub audit { my ($query, %o) = @_; return api(GET => '/audit' . ($query || ''), key => admin_token(), %o) }
sub rows_of { return @{ audit(@_)->{json}{data} } }
sub actions { return [map { $_->{action} } rows_of(@_)] }
# What whatsappd says of the chain: (its output, its status).
sub verify {
    my $out = eval { command("$ENV{WA_TEST_BUILD_DIR}/whatsappd", '-c', $ENV{WA_TEST_WHATSAPPD_CONF}, '--verify-audit') };
    return ($out, 0) if defined $out;
    return $@ =~ /status (\d+): (.*)/s ? ($2, $1) : ($@, -1);
}

step 'something to be found' => sub {
    wait_ready(20);
    $user = new_user();
    $key = new_key($user->{id}, name => 'audited');
    api(DELETE => "/keys/$key->{id}", key => admin_token());
    return (audit('?limit=1')->{status}, 200);
};
it 'a row, in full' => sub {
    my ($row) = rows_of("?target_id=$key->{id}&action=key.revoke");
    return ($row, { id => qr/\A[1-9]\d*\z/, at => TIME, actor_id => UUID, actor => $ENV{WA_TEST_ADMIN_USER}, address => '127.0.0.1',
        action => 'key.revoke', target_type => 'key', target_id => $key->{id}, request_id => qr/\A[\w.-]+\z/,
        detail => { user_id => $user->{id}, name => 'audited', hint => qr/\Awak_/ } });
};
it 'newest first' => sub { return (actions("?target_id=$key->{id}"), ['key.revoke', 'key.create']) };
it 'all actions of a kind' => sub {
    my @other = grep { !/\Akey\./ } @{ actions('?action=key&limit=200') };
    return ([\@other, scalar @{ actions('?action=key') } > 0], [[], 1]);
};
it 'the beginning of a kind is no kind' => sub { return (actions('?action=ke'), []) };
it 'what one user did' => sub {
    my ($me) = rows_of('?limit=1');
    my @other = grep { $_->{actor_id} ne $me->{actor_id} } rows_of("?actor_id=$me->{actor_id}&limit=200");
    return (\@other, []);
};
it 'by time' => sub {
    return ([actions('?to=2020-01-01T00:00:00Z'), actions("?from=2020-01-01T00:00:00Z&target_id=$key->{id}&action=key.create")],
        [[], ['key.create']]);
};
it 'a walk over the pages: the numbers without a gap' => sub {
    api(POST => '/auth/login', body => { username => 'nobody', password => "x$_" }) for 1 .. 3;
    my ($query, @ids) = ('?limit=2');
    while ($query && @ids < 20) {
        my $r = audit($query);
        push @ids, map { $_->{id} } @{ $r->{json}{data} };
        $query = $r->{json}{next_cursor} ? "?limit=2&cursor=$r->{json}{next_cursor}" : undef;
    }
    my @gaps = grep { $ids[$_] != $ids[$_ - 1] - 1 } 1 .. $#ids;
    return ([scalar(@ids) > 5 ? 'some' : scalar @ids, \@gaps], ['some', []]);
};
it 'NDJSON and CSV' => sub {
    my $all = db('SELECT count(*) FROM audit_log');
    my $json = audit('?format=ndjson');
    my $csv = audit('?format=csv');
    my ($head) = split /\r\n/, $csv->{content};
    return ([($json->{content} =~ tr/\n//) >= $all ? 'all' : 'not', header($json, 'Content-Disposition'), $head],
        ['all', 'attachment; filename="audit.ndjson"',
            '"id","at","actor_id","actor","address","action","target_type","target_id","detail","request_id"']);
};
it 'reading it whole is written down' => sub { return (actions('?action=export&limit=2'), ['export.audit', 'export.audit']) };
for my $query ('actor_id=x', 'action=', 'action=' . 'x' x 65, 'target_id=', 'from=x', 'to=0000-00-00T00:00:00Z', 'limit=0', 'cursor=1', 'format=svg') {
    it 'audit?' . substr($query, 0, 40) . ': 400' => sub { return problem(audit("?$query"), 400, 'bad_parameter') };
}
it 'a user may not: 403' => sub { return problem(api(GET => '/audit', key => $user->{key}), 403, 'forbidden') };
it 'nobody may: 401' => sub { return problem(api(GET => '/audit'), 401, 'unauthorized') };

# --- the chain --------------------------------------------------------------

it 'what Apache and whatsappd were configured with stands in it, without passwords' => sub {
    my @rows = map { JSON::PP->new->decode($_) } db("SELECT json_build_object('program', target_id, 'detail', detail::json) FROM audit_log WHERE action = 'config.change' ORDER BY target_id");
    my $port = $ENV{WA_TEST_PORT} < $ENV{WA_TEST_INTERNAL_PORT} ? $ENV{WA_TEST_PORT} : $ENV{WA_TEST_INTERNAL_PORT};
    my ($apache, $daemon) = ("apache\@$HOST:$port", "whatsappd\@$HOST");
    my %by = map { $_->{program} => $_->{detail} } @rows;
    return ([sort(keys %by), $by{$apache}{WhatsAppMode}, $by{$daemon}{WhatsAppDB}, $#rows + 1], [$apache, $daemon, 'sandbox', '(set)', 2]);
};
it 'two Apaches with one database and other settings: each has its rows, and a restart alone makes none' => sub {
    my $rows = sub { return [db("SELECT target_id || ' ' || coalesce(detail::json->>'WhatsAppSendWait', '-') FROM audit_log WHERE action = 'config.change' AND target_id LIKE 'apache%' ORDER BY id")] };
    my ($before) = @{ $rows->() };
    my $second = apache_start(apache_config(main => 'LogLevel whatsapp:debug', edit => sub { $_ .= "\nWhatsAppSendWait 7\n" }));
    wait_until { @{ $rows->() } > 1 } 30, 'the row of the second';
    my $noted = sub { my ($log) = @_; return () = log_text($log) =~ /WA0005: /g };
    for my $one ([httpd_pid(), $ENV{WA_TEST_HTTPD_LOG}], [log_text("$second->{dir}/run/httpd.pid") =~ /^(\d+)/, $second->{log}]) {
        my $seen = $noted->($one->[1]);
        kill USR1 => $one->[0];
        wait_until { $noted->($one->[1]) > $seen } 30, 'a new child has looked';
    }
    my $rows_then = $rows->();
    my $port = (sort { $a <=> $b } $second->{port}, $second->{internal})[0];
    return ($rows_then, [$before, "apache\@$HOST:$port 7"]);
};
it 'the chain is unbroken' => sub { return ([verify()], [qr/\A\S*\s*\d+ rows, unbroken\s*\z/, 0]) };
it 'rows can\'t be changed by mistake' => sub {
    my @bad = grep { eval { db($_); 1 } } 'UPDATE audit_log SET actor = NULL', 'DELETE FROM audit_log', 'TRUNCATE audit_log';
    return (\@bad, []);
};

# Whoever owns the table can; then it shows.
sub forced { db("ALTER TABLE audit_log DISABLE TRIGGER ALL; $_[0]; ALTER TABLE audit_log ENABLE TRIGGER ALL"); return }
it 'an altered row is named' => sub {
    my $id = db('SELECT max(id) - 2 FROM audit_log');
    my $was = db("SELECT actor FROM audit_log WHERE id = $id");
    forced("UPDATE audit_log SET actor = 'somebody else' WHERE id = $id");
    my @got = verify();
    forced("UPDATE audit_log SET actor = '$was' WHERE id = $id");
    return ([@got], [qr/\b$id\b/, 1]);
};
it 'put back it is unbroken again' => sub { return ((verify())[1], 0) };
it 'a row that is missing is named' => sub {
    my $id = db('SELECT max(id) - 1 FROM audit_log');
    forced("CREATE TABLE audit_kept AS SELECT * FROM audit_log WHERE id = $id; DELETE FROM audit_log WHERE id = $id");
    my @got = verify();
    forced('INSERT INTO audit_log SELECT * FROM audit_kept; DROP TABLE audit_kept');
    return ([@got, (verify())[1]], [qr/\b$id\b/, 1, 0]);
};
it 'last rows that are cut off show' => sub {
    my $id = db('SELECT max(id) FROM audit_log');
    forced("CREATE TABLE audit_kept AS SELECT * FROM audit_log WHERE id = $id; DELETE FROM audit_log WHERE id = $id");
    my @got = verify();
    forced('INSERT INTO audit_log SELECT * FROM audit_kept; DROP TABLE audit_kept');
    return ([@got, (verify())[1]], [qr/\b$id\b/, 1, 0]);
};

run_tests;
