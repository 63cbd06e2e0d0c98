# Lists in pages: Link (RFC 8288) names the next one, next_cursor says the same.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($user, $admin);

my %LISTS = (
    users => sub { $admin }, sessions => sub { $admin }, logs => sub { $admin }, audit => sub { $admin },
    messages => sub { $user->{key} }, chats => sub { $user->{key} }, media => sub { $user->{key} },
);

step 'of each list there is more than one' => sub {
    $admin = admin_token();
    $user = new_user();
    link_phone($_) for $user, new_user();
    send_text($user, phone(), 'hello') for 1, 2;
    upload($user, "text $_", "$_.txt", 'text/plain') for 1, 2;
    wait_until { db('SELECT count(*) FROM request_log') > 1 } 10, 'two rows of the log';
    my %short = map { my $r = api(GET => "/$_?limit=2", key => $LISTS{$_}->()); @{ $r->{json}{data} || [] } == 2 ? () : ($_ => $r->{content}) } sort keys %LISTS;
    return (\%short, {});
};
for my $list (sort keys %LISTS) {
    it "/$list: a next page is named by Link, parameters and all, and is another" => sub {
        my $ask = sub { return api(GET => $_[0], key => $LISTS{$list}->()) };
        my $first = $ask->("/$list?limit=1");
        my ($path, $cursor) = (header($first, 'Link') // '') =~ m{\A</api(/$list\?limit=1&cursor=([^>]+))>; rel="next"\z} or return (header($first, 'Link'), 'a Link');
        my $next = $ask->($path);
        my @ids = map { my $row = $_->{json}{data}[0]; $row->{id} // $row->{chat} // json($row) } $first, $next;
        return ([$cursor eq $first->{json}{next_cursor} ? 'the cursor' : $cursor, $next->{status}, $ids[0] ne $ids[1] ? 'another' : 'the same'],
            ['the cursor', 200, 'another']);
    };
}
it 'the last page has none' => sub {
    my $r = api(GET => '/media?limit=2', key => $user->{key});
    return ([$r->{status}, $r->{json}{next_cursor}, header($r, 'Link')], [200, undef, undef]);
};

run_tests;
