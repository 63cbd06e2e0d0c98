# Files over time: they age, are swept up, get lost, find no room, and are
# fetched at once or when they are asked for.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);
use WA::Test;

my ($user, $phone, $friend, $me, %id, %file, %message);
my $PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";
my $DIR = "$ENV{WA_TEST_DIR}/media";
END { my $status = $?; chmod 0700, "$DIR/tmp"; $? = $status }

sub path_of { my ($name) = @_; return join '/', $DIR, substr($name, 0, 2), substr($name, 2, 2), $name }
sub keep {
    my ($what, $bytes) = @_;
    $id{$what} = upload($user, $bytes, "$what.txt", 'text/plain')->{json}{id};
    $file{$what} = path_of(db("SELECT file FROM media WHERE id = '$id{$what}'"));
    return $id{$what};
}
sub unused { my ($days, @what) = @_; db("UPDATE media SET last_used_at = now() - interval '$days days' WHERE id = '$id{$_}'") for @what; return }
sub get { my ($what) = @_; my $r = api(GET => "/media/$id{$what}", key => $user->{key}); return $r->{status} . ($r->{json} ? " $r->{json}{code}" : '') }
sub send_file {
    my ($what, %more) = @_;
    my $r = api(POST => '/messages/send-media', key => $user->{key}, headers => { Prefer => 'respond-async' },
        body => { recipient => $friend->{number}, media_id => $id{$what}, %more });
    $message{$what} = $r->{json}{id};
    return $r->{json}{code} // "$r->{status} $r->{json}{status}";
}
sub write_file {
    my ($path, $days) = @_;
    open my $out, '>', $path or die "$path: $!\n";
    print {$out} 'left';
    close $out or die "$path: $!\n";
    utime time - $days * 86400, time - $days * 86400, $path or die "$path: $!\n";
    return $path;
}
# As the list has it.
sub listed {
    my ($what) = @_;
    my ($m) = grep { $_->{id} eq $id{$what} } @{ api(GET => '/media?limit=100', key => $user->{key})->{json}{data} };
    return pick($m, qw(state url size file_name));
}
sub there { return [map { -e $_ ? 1 : 0 } @_] }

# --- ageing and sweeping --------------------------------------------------------

my (@spools, $known);
step 'old files and young ones, some of them needed' => sub {
    $user = new_user(max_messages_per_minute => 1000);
    $phone = link_phone($user);
    $friend = phone('Friend');
    $me = session_of($user)->{phone_number};
    my $same = unique('twice ');
    keep($_, unique("$_ ")) for qw(old young scheduled pending forgotten remembered);
    keep($_, $same) for qw(copy original);
    my $sent = send_file('scheduled', scheduled_at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 86400)));
    stop_it('bridge');
    my $pending = send_file('pending');
    stop_it('whatsappd');
    unused(31, qw(old scheduled pending copy));
    unused(29, qw(young original));
    unused(61, 'forgotten');
    unused(59, 'remembered');
    # Once with a row that nobody has, once with one that an upload may want.
    $known = keep('abandoned', unique('abandoned '));
    keep('claimed', unique('claimed '));
    db("DELETE FROM media WHERE id IN ('$id{abandoned}', '$id{claimed}')");
    db("UPDATE media_files SET touched_at = now() - interval '2 hours' WHERE user_id = '$user->{id}'
        AND NOT EXISTS (SELECT 1 FROM media WHERE file = name AND id = '$id{young}') AND name <> '" . ($file{claimed} =~ s{.*/}{}r) . "'");
    @spools = (write_file("$DIR/tmp/" . ('a' x 32), 1.1), write_file("$DIR/tmp/" . ('b' x 32), 0.9), write_file("$DIR/tmp/no-file-of-ours", 9));
    return ([$sent, $pending, there(values %file)], ['202 scheduled', '202 pending', [(1) x keys %file]]);
};
step 'whatsappd comes back' => sub {
    start_it('whatsappd');
    # The tmp folder is the last thing that this step of the cleanup sees to; the files go a little later.
    wait_until { !-e $spools[0] } 30, 'the cleanup';
    wait_until { !-e $file{old} && !-e $file{abandoned} } 30, 'the files are removed';
    return (there(@file{qw(old abandoned)}), [0, 0]);
};
it 'what was not used for 30 days is gone, and says so' => sub {
    return ([get('old'), listed('old')], ['410 media_gone', { state => 'gone', url => undef, size => qr/\A\d+\z/, file_name => 'old.txt' }]);
};
it 'it is not sent any more' => sub { return (send_file('old'), 'media_not_found') };
it 'what is younger stays' => sub { return ([get('young'), there($file{young})], ['200', [1]]) };
it 'what a message is still to be sent with stays' => sub {
    return ([map({ get($_) } qw(scheduled pending)), there(@file{qw(scheduled pending)})], ['200', '200', [1, 1]]);
};
it 'and is sent with it' => sub {
    start_it('bridge');
    wait_until { message($user, $message{pending})->{whatsapp_id} && message($user, $message{pending})->{status} =~ /sent|delivered|read/ } 60, 'the message is sent';
    my $got = file_on($friend, message($user, $message{pending})->{whatsapp_id});
    return ([@$got[0, 2]], ['document', 'pending.txt']);
};
it 'a content that another file has stays on disk' => sub {
    return ([get('copy'), get('original'), there($file{original})], ['410 media_gone', '200', [1]]);
};
it 'after as long again it is forgotten' => sub { return ([get('forgotten'), get('remembered')], ['404 not_found', '410 media_gone']) };
it 'files that nobody has go when no upload can want them any more' => sub { return (there(@file{qw(abandoned claimed)}), [0, 1]) };
it 'of what was being written goes what is a day old, and nothing else' => sub {
    my $there = there(@spools);
    unlink @spools;
    return ($there, [0, 1, 1]);
};

# --- files that are lost -----------------------------------------------------------

step 'a file that somebody removed from the disk' => sub {
    keep('lost', 'lost and found');
    return (unlink($file{lost}), 1);
};
it 'it is gone: 410, again and again' => sub { return ([map { get('lost') } 1, 2], [('410 media_gone') x 2]) };
it 'a message with it fails, and says why' => sub {
    send_file('lost');
    my $m = wait_until { my $m = message($user, $message{lost}); $m->{status} ne 'pending' && $m } 60, 'the message failed';
    return (pick($m, qw(status error_code)), { status => 'failed', error_code => 'media_not_found' });
};
it 'the same content, uploaded again, heals it' => sub {
    my $again = upload($user, 'lost and found', 'again.txt', 'text/plain')->{json}{id};
    return ([get('lost'), api(GET => "/media/$again", key => $user->{key})->{content}, there($file{lost})], ['200', 'lost and found', [1]]);
};

# --- a disk that takes nothing ------------------------------------------------------

it 'where nothing can be written uploads are told to come back: 503' => sub {
    my $before = db("SELECT count(*) FROM media WHERE user_id = '$user->{id}'");
    chmod 0500, "$DIR/tmp" or die "$DIR/tmp: $!\n";
    my $key = unique('key-');
    my $put = sub {
        my ($type, $body) = form(['file', 'no room for this', 'a.txt', 'text/plain']);
        return api(POST => '/media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type, 'Idempotency-Key' => $key });
    };
    my @got = problem($put->(), 503, 'storage_unavailable', retry_after => qr/\A\d+\z/);
    my $ready = api(GET => '/health/ready')->{status};
    chmod 0700, "$DIR/tmp" or die "$DIR/tmp: $!\n";
    my $again = $put->();
    return ([$got[0], $ready, $again->{status}, header($again, 'Idempotency-Replayed'), db("SELECT count(*) FROM media WHERE user_id = '$user->{id}'")],
        [$got[1], 200, 201, undef, $before + 1]);
};

# --- at once, or when it is asked for -------------------------------------------------

# A file that a friend's phone sends: the message it became.
sub comes_in {
    my ($bytes, $name, $type) = @_;
    my $res = call(POST => "$ENV{WA_TEST_SANDBOX_URL}/phones/$friend->{id}/files?to=" . ($me =~ s/\+/%2B/r) . "&type=document&file_name=$name",
        body => $bytes, headers => { 'Content-Type' => $type });
    die "sandbox: $res->{status} $res->{content}\n" if $res->{status} != 201;
    my $row;
    wait_until { $row = db("SELECT id FROM messages WHERE user_id = '$user->{id}' AND direction = 'in' AND whatsapp_id = '$res->{json}{id}'") } 60, 'the message came in';
    return message($user, $row);
}
sub fetched { my ($m) = @_; return wait_until { my $now = message($user, $m->{id}); $now->{media}{state} eq 'stored' && $now } 60, 'the file is fetched' }
my $BIG = ('0123456789abcdef' x 65536) . "and a little more\n"; # over 1 MiB
step 'at once, up to a MiB' => sub {
    httpd_with("WhatsAppInboundMedia at-once\nWhatsAppInboundMediaMax 1\n");
    return (api(GET => '/health/live')->{status}, 200);
};
it 'a larger one is left at WhatsApp, a smaller one fetched' => sub {
    my $large = comes_in($BIG, 'large.txt', 'text/plain');
    my $small = fetched(comes_in($PNG, 'small.png', 'image/png')); # later, and done
    $large = message($user, $large->{id});
    return ([pick($large->{media}, qw(state size sha256 url)), $small->{media}{sha256}],
        [{ state => 'on_demand', size => length $BIG, sha256 => undef, url => "/api/media/$large->{media}{id}" }, sha256_hex($PNG)]);
};
step 'on demand' => sub {
    httpd_with("WhatsAppInboundMedia on-demand\n");
    return (api(GET => '/health/live')->{status}, 200);
};
it 'what comes in is left at WhatsApp until it is asked for' => sub {
    my $bytes = unique('on demand ');
    my $m = comes_in($bytes, 'wanted.txt', 'text/plain');
    my $on_disk = sub { db("SELECT count(*) FROM media_files WHERE user_id = '$user->{id}' AND sha256 = decode('" . sha256_hex($bytes) . "', 'hex')") };
    my @before = ($m->{media}{state}, db("SELECT attempts FROM media WHERE id = '$m->{media}{id}'"), $on_disk->());
    my $r = api(GET => "/media/$m->{media}{id}", key => $user->{key});
    return ([@before, $r->{status}, $r->{content}, message($user, $m->{id})->{media}{state}, $on_disk->()],
        ['on_demand', 0, 0, 200, $bytes, 'stored', 1]);
};
it 'ten who ask for it at a time all get it' => sub {
    my $bytes = unique('for ten ');
    my $m = comes_in($bytes, 'ten.txt', 'text/plain');
    my @r = parallel(10, sub { my $r = api(GET => "/media/$m->{media}{id}", key => $user->{key}); [$r->{status}, $r->{content}] }, 1 .. 10);
    return (\@r, [map { [200, $bytes] } 1 .. 10]);
};
step 'at once, as it is without a word' => sub {
    httpd_with('');
    return (api(GET => '/health/live')->{status}, 200);
};
it 'large ones too, then' => sub { return (fetched(comes_in($BIG, 'large.txt', 'text/plain'))->{media}{sha256}, sha256_hex($BIG)) };

run_tests;
