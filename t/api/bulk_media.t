# Files by POST /messages/bulk: one for all, or one for each.
use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_hex);
use POSIX qw(strftime);
use WA::Test;

our $user;
my (@friends, %id);
my $PNG = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89\0\0\0\0IEND\xaeB`\x82";
my $PDF = "%PDF-1.4\n1 0 obj\n<</Type/Catalog>>\nendobj\ntrailer\n<</Root 1 0 R>>\n%%EOF\n";
my $OGG = "OggS\0\2" . ("\0" x 8) . "abcd\0\0\0\0efgh\1\x13OpusHead\1\1\x38\1\x80\xbb\0\0\0\0\0" . ("\0" x 64);
my $NONE = '01900000-0000-7000-8000-000000000000';

sub bulk {
    my ($body, %headers) = @_;
    return api(POST => '/messages/bulk', key => $user->{key}, headers => \%headers, body => $body);
}
sub to { my ($friend, %more) = @_; return { recipient => $friends[$friend]{number}, %more } }
sub outcomes {
    my ($r) = @_;
    return [map {
        my $p = $_->{problem};
        $p ? join(' ', $p->{code}, map { "$_->{pointer} $_->{code}" } @{ $p->{errors} || [] }) : $_->{status};
    } @{ $r->{json}{data} }];
}
# What the phones got of an answer's messages.
sub got {
    my ($r, @to) = @_;
    return map { file_on($friends[$to[$_]], message($user, $r->{json}{data}[$_]{id})->{whatsapp_id}) } 0 .. $#to;
}
sub stored { return db("SELECT count(*) FROM messages WHERE user_id = '$user->{id}' AND direction = 'out'") }

step 'a linked phone, and files' => sub {
    $user = new_user(max_messages_per_minute => 5000, max_messages_per_day => 50000);
    link_phone($user);
    @friends = map { phone("Recipient $_") } 0 .. 2;
    %id = map { $_->[0] => upload($user, @$_[1 .. 3])->{json}{id} } [png => $PNG, 'a.png', 'image/png'],
        [pdf => $PDF, 'offer.pdf', 'application/pdf'], [ogg => $OGG, 'a.ogg', 'audio/ogg'];
    return ([values %id], [(UUID) x 3]);
};
it 'one file for all, with one caption: each phone has it' => sub {
    my $r = bulk({ media_id => $id{png}, caption => 'for all', messages => [map { to($_) } 0 .. 2] });
    return ([$r->{status}, got($r, 0 .. 2)], [202, (['image', 'for all', undef, sha256_hex($PNG)]) x 3]);
};
it "a file and a caption of one's own go before those for all, a text goes without" => sub {
    my $r = bulk({ media_id => $id{png}, caption => 'for all', messages => [to(0, client_ref => 'a'), to(1, caption => 'mine'),
        to(2, media_id => $id{pdf}, caption => 'an offer'), to(0, text => 'only a text'), to(1, media_id => $id{pdf})] });
    wait_until { grep { $_ eq 'only a text' } map { $_ // '' } texts($friends[0]) } 60, 'the text';
    my $ref = message($user, $r->{json}{data}[0]{id});
    splice @{ $r->{json}{data} }, 3, 1;
    return ([$r->{status}, $ref->{client_ref}, $ref->{media}{id}, got($r, 0, 1, 2, 1)],
        [202, 'a', $id{png}, ['image', 'for all', undef, sha256_hex($PNG)], ['image', 'mine', undef, sha256_hex($PNG)],
            ['document', 'an offer', 'offer.pdf', sha256_hex($PDF)], ['document', 'for all', 'offer.pdf', sha256_hex($PDF)]]);
};
it 'what it is sent as: for all, or for one' => sub {
    my $r = bulk({ type => 'document', messages => [to(0, media_id => $id{png}), to(1, media_id => $id{ogg}, type => 'voice'), to(2, media_id => uc $id{pdf})] });
    return ([$r->{status}, map { [@$_[0, 3]] } got($r, 0 .. 2)],
        [202, ['document', sha256_hex($PNG)], ['voice', sha256_hex($OGG)], ['document', sha256_hex($PDF)]]);
};
it 'each is judged for itself: 207' => sub {
    my $theirs = upload(new_user(), $PDF, 'a.pdf', 'application/pdf')->{json}{id};
    my $r = bulk({ messages => [to(0, media_id => $id{pdf}, caption => 'the good one'), to(0), to(0, media_id => $NONE), to(0, media_id => $theirs),
        to(0, media_id => 'x'), to(0, media_id => 'x' x 36), to(0, text => 'x', media_id => $id{pdf}), to(0, text => 'x', caption => 'x'),
        to(0, media_id => $id{pdf}, type => 'image'), to(0, media_id => $id{ogg}, caption => 'x'), to(0, media_id => $id{pdf}, type => 'sticker'),
        to(0, media_id => $id{pdf}, caption => 'x' x 4097), { recipient => '12', media_id => $id{pdf} }] });
    my @good = got($r, 0);
    return ([$r->{status}, outcomes($r), @good],
        [207, ['pending', 'validation_failed /messages/1/text required', ('media_not_found') x 2, 'validation_failed /messages/4/media_id length',
            'media_not_found', 'validation_failed /messages/6/media_id unknown', 'validation_failed /messages/7/caption unknown',
            'validation_failed /messages/8/type value', 'validation_failed /messages/9/caption value', 'validation_failed /messages/10/type value',
            'validation_failed /messages/11/caption length', 'invalid_recipient /messages/12/recipient format'],
            ['document', 'the good one', 'offer.pdf', sha256_hex($PDF)]]);
};
it 'a file for all that is not there refuses those that need it' => sub {
    my $r = bulk({ media_id => $NONE, messages => [to(0), to(1, media_id => $id{png}), to(2, text => 'x')] });
    return (outcomes($r), ['media_not_found', 'pending', 'pending']);
};
it 'one that is fetched still: not yet' => sub {
    my $id = upload($user, $PNG, 'b.png', 'image/png')->{json}{id};
    db("UPDATE media SET state = 'fetching', file = NULL, next_attempt_at = now() + interval '1 day' WHERE id = '$id'");
    my $r = bulk({ messages => [to(0, media_id => $id)] });
    return (outcomes($r), ['media_not_ready']);
};
it 'fields for all that are wrong: 422' => sub {
    my $n = stored();
    my @got = problem(bulk({ media_id => 'x', type => 'sticker', caption => '', messages => [to(0)] }), 422, 'validation_failed',
        errors => [['/media_id', 'length'], ['/type', 'value'], ['/caption', 'length']]);
    return ([$got[0], stored()], [$got[1], $n]);
};
it 'a file that a waiting message needs is not deleted' => sub {
    my $id = upload($user, unique('needed '), 'a.txt', 'text/plain')->{json}{id};
    my $later = bulk({ media_id => $id, messages => [to(0, scheduled_at => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 3600)))] });
    my @delete = api(DELETE => "/media/$id", key => $user->{key});
    api(DELETE => "/messages/$later->{json}{data}[0]{id}", key => $user->{key});
    push @delete, api(DELETE => "/media/$id", key => $user->{key});
    return ([outcomes($later), map { $_->{json}{code} // $_->{status} } @delete], [['scheduled'], 'media_in_use', 204]);
};
it 'a repeat with its key: the same messages, also when the file is gone since' => sub {
    my $id = upload($user, unique('once '), 'once.txt', 'text/plain')->{json}{id};
    my $key = unique('bulk-');
    my $body = { media_id => $id, caption => 'once', messages => [to(0), to(1), to(2, media_id => $NONE)] };
    my @r = map { bulk($body, 'Idempotency-Key' => $key) } 1, 2;
    got($r[0], 0, 1);
    wait_until { (split / /, rows($user))[1] == 0 } 60, 'an empty outbox';
    my $n = stored();
    my $deleted = api(DELETE => "/media/$id", key => $user->{key});
    push @r, bulk($body, 'Idempotency-Key' => $key);
    my $other = bulk({ %$body, caption => 'twice' }, 'Idempotency-Key' => $key);
    return ([map({ $_->{status} } @r), $r[1]{content}, $r[2]{content}, $deleted->{status}, stored(), $other->{json}{code}],
        [207, 207, 207, $r[0]{content}, $r[0]{content}, 204, $n, 'idempotency_key_reused']);
};
it 'each counts against the quota' => sub {
    my $few = new_user(max_messages_per_minute => 3, max_messages_per_day => 5000);
    link_phone($few);
    my $file = upload($few, $PNG, 'a.png', 'image/png')->{json}{id};
    local $user = $few;
    steady_minute(15);
    my $r = bulk({ media_id => $file, messages => [to(0), to(0, media_id => $NONE), to(1), to(2), to(0)] });
    return ([outcomes($r), stored(), header($r, 'X-RateLimit-Remaining')],
        [['pending', 'media_not_found', 'pending', 'pending', 'message_quota_minute'], 3, 0]);
};

run_tests;
