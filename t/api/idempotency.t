# Idempotency-Key: the same request again is the same request.
use strict;
use warnings FATAL => 'all';

use POSIX qw(strftime);
use WA::Test;

my ($user, $friend);

sub post { my ($path, $body, $key, @o) = @_; return api(POST => $path, key => $user->{key}, body => $body, headers => { 'Idempotency-Key' => $key, @o }) }
sub text { my ($text, $key, @o) = @_; return post('/messages/send-text', { recipient => $friend->{number}, text => $text }, $key, @o) }
sub create_key { my ($name, $key, @o) = @_; return api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => $name }, headers => { 'Idempotency-Key' => $key, @o }) }
sub count { my ($text) = @_; return db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND content = '$text'") }

step 'a user with a phone' => sub {
    $user = new_user(max_messages_per_minute => 5000, max_messages_per_day => 50000);
    link_phone($user);
    $friend = phone('Recipient');
    return (send_text($user, $friend, 'first')->{status}, 200);
};

# --- sends --------------------------------------------------------------------

it 'a repeat gets the first answer, and sends nothing' => sub {
    my $key = unique('key-');
    my ($first, $again) = (text('once', $key), text('once', $key));
    wait_until { texts($friend) >= 2 } 20, 'the text';
    return ([$first->{status}, header($first, 'Idempotency-Replayed'), $again->{status}, header($again, 'Idempotency-Replayed'),
            $again->{content}, header($again, 'Location'), count('once'), scalar grep { $_ eq 'once' } texts($friend)],
        [200, undef, 200, 'true', $first->{content}, header($first, 'Location'), 1, 1]);
};
it 'in quotes, as the draft has it, it is the same key' => sub {
    my $key = unique('key-');
    return ([map { $_->{json}{id} } text('quoted', $key), text('quoted', qq{"$key"})], [(UUID) x 2]);
};
it 'accepted without waiting: the repeat is told what the first was' => sub {
    my $key = unique('key-');
    my @async = (Prefer => 'respond-async');
    my $first = text('async', $key, @async);
    wait_until { message($user, $first->{json}{id})->{status} eq 'delivered' } 20, 'delivered';
    my $again = text('async', $key, @async);
    return ([$first->{status}, $again->{status}, header($again, 'Idempotency-Replayed'), header($again, 'Location'), $again->{json}, count('async')],
        [202, 202, 'true', header($first, 'Location'), $first->{json}, 1]);
};
it 'waited for: the repeat is told what the first was, whatever came of it since' => sub {
    my $key = unique('key-');
    my $first = text('waited for', $key);
    my $id = $first->{json}{id};
    wait_until { message($user, $id)->{status} eq 'delivered' } 20, 'delivered';
    my $kept = db("SELECT status, answer IS NULL FROM idempotency_keys WHERE key = '$key'");
    db("UPDATE messages SET content = NULL, deleted_at = now(), edited_at = now(), attempts = 3 WHERE id = '$id'");
    my $again = text('waited for', $key);
    return ([$first->{status}, $again->{status}, header($again, 'Idempotency-Replayed'), header($again, 'Location'), $again->{content},
            $kept, message($user, $id)->{sent_at}],
        [200, 200, 'true', header($first, 'Location'), $first->{content}, '200|t', $first->{json}{sent_at}]);
};
it 'scheduled: so is a repeat when its time has come and gone' => sub {
    my $key = unique('key-');
    my %body = (recipient => $friend->{number}, text => 'in a moment', scheduled_at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 5)));
    my $first = post('/messages/send-text', \%body, $key);
    wait_until { message($user, $first->{json}{id})->{status} eq 'delivered' } 30, 'delivered';
    my ($again, $new) = map { post('/messages/send-text', \%body, $_) } $key, unique('key-');
    return ([$first->{status}, $again->{status}, header($again, 'Idempotency-Replayed'), $again->{json}, count('in a moment'), $new->{status}],
        [202, 202, 'true', $first->{json}, 1, 422]);
};
it 'another body with the key: 422, nothing sent' => sub {
    my $key = unique('key-');
    text('this', $key);
    my $r = text('that', $key);
    return ([$r->{status}, $r->{json}{code}, count('that')], [422, 'idempotency_key_reused', 0]);
};
it 'the key with another path: 422' => sub {
    my $key = unique('key-');
    text('a path', $key);
    my $r = api(POST => '/session/disconnect', key => $user->{key}, body => {}, headers => { 'Idempotency-Key' => $key });
    return ([$r->{status}, $r->{json}{code}, session_of($user)->{status}], [422, 'idempotency_key_reused', 'connected']);
};
it "another user's key of the same name is another key" => sub {
    my $other = new_user();
    link_phone($other);
    my $key = unique('key-');
    my $mine = text('mine', $key);
    my $theirs = api(POST => '/messages/send-text', key => $other->{key}, headers => { 'Idempotency-Key' => $key },
        body => { recipient => $friend->{number}, text => 'mine' });
    return ([$theirs->{status}, $theirs->{json}{id} ne $mine->{json}{id} ? 'another' : 'the same'], [200, 'another']);
};
it 'a hundred equal ones at a time make one message' => sub {
    my $key = unique('key-');
    my @r = at_once(sub { my $r = text('a hundred', $key); [$r->{status}, $r->{json}{id} // $r->{json}{code}] }, 1 .. 100);
    my %ids = map { $_->[1] => 1 } grep { $_->[0] < 300 } @r;
    my @other = grep { !($_->[0] < 300 || ($_->[0] == 409 && $_->[1] eq 'idempotency_in_progress')) } @r;
    wait_until { grep { $_ eq 'a hundred' } texts($friend) } 20, 'the text';
    return ([scalar keys %ids, \@other, count('a hundred'), scalar grep { $_ eq 'a hundred' } texts($friend)], [1, [], 1, 1]);
};
it 'a refusal is an answer too' => sub {
    my $key = unique('key-');
    my @r = map { post('/messages/send-text', { recipient => '+4915200000001', text => 'nobody' }, $key) } 1, 2;
    return ([map({ "$_->{status} $_->{json}{code}" } @r), $r[1]{content} eq $r[0]{content} ? 'the same' : 'another', count('nobody')],
        ['422 not_on_whatsapp', '422 not_on_whatsapp', 'the same', 1]);
};
it 'over the quota the repeat of what was sent is still answered' => sub {
    my $other = new_user(max_messages_per_minute => 1, max_messages_per_day => 10);
    link_phone($other);
    my $send = sub { api(POST => '/messages/send-text', key => $other->{key}, headers => { 'Idempotency-Key' => $_[0] },
        body => { recipient => $friend->{number}, text => 'the only one' }) };
    steady_minute(15);
    my ($first, $again, $next) = ($send->('one'), $send->('one'), $send->('two'));
    return ([$first->{status}, $again->{status}, $again->{json}{id}, $next->{status}], [200, 200, $first->{json}{id}, 429]);
};
it 'a process that died before it answered: the repeat finds the message' => sub {
    my $key = unique('key-');
    my $first = text('died', $key, Prefer => 'respond-async');
    db("UPDATE idempotency_keys SET status = NULL, answer = NULL, lease_until = now() - interval '1 s' WHERE key = '$key'");
    my $again = text('died', $key, Prefer => 'respond-async');
    return ([$again->{status} =~ /^20[02]$/ ? 'fine' : $again->{status}, $again->{json}{id}, count('died')], ['fine', $first->{json}{id}, 1]);
};
it 'its message went with its session: that is told, not 404' => sub {
    my $key = unique('key-');
    my $first = text('gone', $key);
    db("DELETE FROM messages WHERE id = '$first->{json}{id}'");
    my $again = text('gone', $key);
    return ([$first->{status}, $again->{status}, $again->{json}{code}, $again->{json}{detail}, count('gone')],
        [200, 409, 'idempotency_in_progress', qr/deleted since/, 0]);
};
it 'one that is at work still: 409, with Retry-After' => sub {
    my $key = unique('key-');
    text('at work', $key);
    db("UPDATE idempotency_keys SET status = NULL, answer = NULL, lease_until = now() + interval '1 min' WHERE key = '$key'");
    return problem(text('at work', $key), 409, 'idempotency_in_progress', retry_after => qr/\A\d+\z/);
};
it 'after a day it is forgotten' => sub {
    my $key = unique('key-');
    my $first = text('a day', $key);
    db("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = '$key'");
    my $again = text('a day', $key);
    return ([$again->{status}, $again->{json}{id} ne $first->{json}{id} ? 'another' : 'the same', header($again, 'Idempotency-Replayed')], [200, 'another', undef]);
};

# --- everything else ------------------------------------------------------------

it 'a user is made once' => sub {
    my $name = unique('once-');
    my @r = map { api(POST => '/users', key => admin_token(), headers => { 'Idempotency-Key' => $name },
        body => { username => $name, email => "$name\@example.org" }) } 1, 2;
    return ([map({ $_->{status} } @r), $r[1]{content} eq $r[0]{content} ? 'the same' : 'another', header($r[1], 'Location')],
        [201, 201, 'the same', header($r[0], 'Location')]);
};
it 'a key is shown again to who repeats, and lies nowhere in the clear' => sub {
    my $key = unique('key-');
    my @r = map { create_key('shown twice', $key) } 1, 2;
    my $shown = $r[0]{json}{key};
    return ([$r[1]{json}{key}, db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}' AND name = 'shown twice'"),
            db("SELECT count(*) FROM idempotency_keys WHERE position('$shown' in convert_from(decode(encode(answer, 'hex'), 'escape'), 'LATIN1')) > 0")],
        [$shown, 1, 0]);
};
it 'ten at a time: one is made, nobody is told wrong' => sub {
    my $key = unique('key-');
    my @r = parallel(10, sub { my $r = create_key('ten', $key); [$r->{status}, $r->{json}{id} // $r->{json}{code}] }, 1 .. 10);
    my %ids = map { $_->[1] => 1 } grep { $_->[0] == 201 } @r;
    my @other = grep { $_->[0] != 201 && $_->[1] ne 'idempotency_in_progress' } @r;
    return ([scalar keys %ids, \@other, db("SELECT count(*) FROM api_keys WHERE user_id = '$user->{id}' AND name = 'ten'")], [1, [], 1]);
};
it 'a webhook is made once, and its secret shown again to who repeats' => sub {
    my $key = unique('key-');
    my @r = map { api(POST => '/webhooks', key => $user->{key}, headers => { 'Idempotency-Key' => $key }, body => { url => 'https://example.org/hook' }) } 1, 2;
    return ([map({ $_->{status} } @r), $r[1]{json}, header($r[1], 'Idempotency-Replayed'), db("SELECT count(*) FROM webhooks WHERE user_id = '$user->{id}'")],
        [201, 201, $r[0]{json}, 'true', 1]);
};
it 'what was refused for its fields is refused alike' => sub {
    my $key = unique('key-');
    my @r = map { api(POST => "/users/$user->{id}/keys", key => admin_token(), body => { name => 'x', scopes => ['everything'] }, headers => { 'Idempotency-Key' => $key }) } 1, 2;
    return ([map { $_->{status} } @r], [422, 422]);
};

# --- files ------------------------------------------------------------------------

# Other bytes each time, so that no two tests share a file.
sub put_file {
    my ($bytes, $key, %o) = @_;
    my ($type, $body) = form(['file', $bytes, $o{name} || 'a.txt', $o{type} || 'text/plain']);
    return api(POST => '/media', key => ($o{user} || $user)->{key}, body => $body, headers => { 'Content-Type' => $type, 'Idempotency-Key' => $key });
}
sub stored { return join ' ', map { db("SELECT count(*) FROM $_ WHERE user_id = '$user->{id}'") } 'media', 'media_files' }

it 'a file is kept once: the repeat, of another boundary, gets the first answer' => sub {
    my ($key, $bytes) = (unique('key-'), unique('a file '));
    my $before = stored();
    my @r = map { put_file($bytes, $key) } 1 .. 3;
    my ($media, $files) = split / /, $before;
    return ([map({ $_->{status} } @r), map({ header($_, 'Idempotency-Replayed') } @r), $r[2]{content}, header($r[2], 'Location'), stored()],
        [201, 201, 201, undef, 'true', 'true', $r[0]{content}, "/api/media/$r[0]{json}{id}", join ' ', $media + 1, $files + 1]);
};
for (['another content', { }, 1], ['another name', { name => 'b.txt' }], ['another type', { type => 'text/csv' }]) {
    my ($what, $other, $content) = @$_;
    it "$what under the key: 422, and nothing is kept" => sub {
        my ($key, $bytes) = (unique('key-'), unique('the first '));
        put_file($bytes, $key);
        my $before = stored();
        my @got = problem(put_file($bytes . ($content ? 'x' : ''), $key, %$other), 422, 'idempotency_key_reused');
        return ([$got[0], stored(), [glob "$ENV{WA_TEST_DIR}/media/tmp/*"]], [$got[1], $before, []]);
    };
}
it 'the key of a file with another path: 422' => sub {
    my $key = unique('key-');
    put_file(unique('path '), $key);
    return problem(text('the key of a file', $key), 422, 'idempotency_key_reused');
};
it "another user's file under a key of the same name is another file" => sub {
    my ($key, $bytes) = (unique('key-'), unique('two users '));
    my $other = new_user();
    my @r = (put_file($bytes, $key), put_file($bytes, $key, user => $other));
    return ([$r[1]{status}, header($r[1], 'Idempotency-Replayed'), $r[1]{json}{id} ne $r[0]{json}{id} ? 'another' : 'the same'], [201, undef, 'another']);
};
it 'twenty equal uploads at a time make one file' => sub {
    my ($key, $bytes) = (unique('key-'), unique('at a time '));
    my ($media, $files) = split / /, stored();
    my @r = parallel(10, sub { my $r = put_file($bytes, $key); [$r->{status}, $r->{json}{id} // $r->{json}{code}] }, 1 .. 20);
    my %ids = map { $_->[1] => 1 } @r;
    return ([[grep { $_->[0] != 201 } @r], scalar keys %ids, stored()], [[], 1, join ' ', $media + 1, $files + 1]);
};
# The files on disk of all users. whatsappd may take away some of those that a test left.
sub on_disk { return map { $_ => 1 } grep { -f } glob "$ENV{WA_TEST_DIR}/media/??/??/*" }
it 'twenty different uploads at a time under one key: one is kept, the files of the others are gone at once' => sub {
    my ($key, $bytes) = (unique('key-'), unique('which of '));
    my ($media, $files) = split / /, stored();
    my %before = on_disk();
    # Two of each content: of such, too, the last one to lose takes the file away.
    my @r = at_once(sub { my $r = put_file("$bytes " . int($_[0] / 2), $key); $r->{json}{code} // $r->{status} }, 2 .. 21);
    my %n;
    $n{$_}++ for @r;
    my $same = delete $n{201}; # whose content is the first one's gets its answer
    my %after = on_disk();
    return ([\%n, $same, stored(), scalar grep { !$before{$_} } keys %after],
        [{ idempotency_key_reused => 20 - $same }, qr/\A[12]\z/, join(' ', $media + 1, $files + 1), 1]);
};
it 'a file that is refused leaves its key free' => sub {
    my $key = unique('key-');
    my @r = (put_file('', $key), put_file(unique('at last '), $key));
    return ([map { $_->{json}{code} // $_->{status} } @r], ['media_empty', 201]);
};
it 'after a day the file may come again' => sub {
    my ($key, $bytes) = (unique('key-'), unique('a day '));
    my $first = put_file($bytes, $key);
    db("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = '$key'");
    my $again = put_file($bytes, $key);
    return ([$again->{status}, header($again, 'Idempotency-Replayed'), $again->{json}{id} ne $first->{json}{id} ? 'another' : 'the same'], [201, undef, 'another']);
};
it 'a message with a file: its repeat needs the file no more, and makes none' => sub {
    my $id = put_file(unique('deleted since '), unique('key-'))->{json}{id};
    my ($key, @r) = (unique('key-'));
    push @r, post('/messages/send-media', { recipient => $friend->{number}, media_id => $id }, $key);
    wait_until { message($user, $r[0]{json}{id})->{status} =~ /sent|delivered|read/ } 30, 'the file is sent';
    my $delete = api(DELETE => "/media/$id", key => $user->{key});
    my $before = stored();
    push @r, post('/messages/send-media', { recipient => $friend->{number}, media_id => $id }, $key);
    return ([$delete->{status}, $r[1]{status}, $r[1]{content}, stored()], [204, $r[0]{status}, $r[0]{content}, $before]);
};
it 'accepted without waiting: the same' => sub {
    my ($key, $bytes) = (unique('key-'), unique('not waited for '));
    my $before = stored();
    my @r = map {
        my ($type, $body) = form([recipient => $friend->{number}], [type => 'document'], ['file', $bytes, 'a.txt', 'text/plain']);
        my $r = api(POST => '/messages/send-media', key => $user->{key}, body => $body, headers => { 'Content-Type' => $type, 'Idempotency-Key' => $key, Prefer => 'respond-async' });
        wait_until { message($user, $r->{json}{id} || die "$r->{status} $r->{content}\n")->{status} eq 'delivered' } 30, 'delivered';
        $r;
    } 1, 2;
    my ($media, $files) = split / /, $before;
    return ([$r[0]{status}, $r[1]{status}, header($r[1], 'Idempotency-Replayed'), $r[1]{json}, stored()], [202, 202, 'true', $r[0]{json}, join ' ', $media + 1, $files + 1]);
};

# --- keys that are none ------------------------------------------------------------

for my $bad ('', ' ', 'two words', 'x' x 256, '""', 'a"b', 'a\\b') {
    it 'no key: ' . substr($bad, 0, 12) => sub {
        my $r = text('no key', $bad);
        return ([$r->{status}, $r->{json}{code}, count('no key')], [400, 'invalid_idempotency_key', 0]);
    };
}
it 'a GET takes no notice of it' => sub {
    return (api(GET => '/usage', key => $user->{key}, headers => { 'Idempotency-Key' => 'two words' })->{status}, 200);
};

run_tests;
