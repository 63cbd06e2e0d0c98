# Users: made, refused, listed.
use strict;
use warnings FATAL => 'all';

use WA::Test;

my ($name, $user);

sub create { my ($body) = @_; return api(POST => '/users', key => admin_token(), body => $body) }
sub get { my ($path) = @_; return api(GET => $path, key => admin_token()) }
sub user { my $n = unique('u-'); return { username => $n, email => "$n\@example.org", @_ } }
sub count { return db('SELECT count(*) FROM users') }

step 'a user with the defaults' => sub {
    $name = unique('u-');
    my $r = create({ username => $name, email => "$name\@example.org" });
    $user = $r->{json};
    my $want = { id => UUID, username => $name, email => "$name\@example.org", role => 'user', is_active => true,
        max_messages_per_minute => 600, max_messages_per_day => 10000, max_requests_per_minute => 600,
        max_sessions => 1, created_at => TIME, updated_at => TIME };
    return ([$r->{status}, header($r, 'Location'), pick($user, keys %$want)], [201, "/api/users/$user->{id}", $want]);
};
it 'it is found by its id' => sub {
    my $r = get("/users/$user->{id}");
    return ([$r->{status}, $r->{json}], [200, $user]);
};
it 'the id in capitals is the same id' => sub { return (get('/users/' . uc $user->{id})->{json}{id}, $user->{id}) };
for my $id ('01900000-0000-7000-8000-000000000000', 'x', "'", '%20') {
    it "the user '$id': 404" => sub { return problem(get("/users/$id"), 404, 'not_found') };
}
it 'no password or hash in any answer' => sub {
    my $r = create(user(password => 'never to be seen'));
    my $all = join ' ', $r->{content}, map { get($_)->{content} } "/users/$r->{json}{id}", '/users?limit=200';
    return ([$r->{status}, $all =~ /(password|hash|argon|never to be seen)/ ? $1 : 'none'], [201, 'none']);
};
it 'every field as given' => sub {
    my %fields = (role => 'admin', max_messages_per_minute => 1, max_messages_per_day => 1000000,
        max_requests_per_minute => 77, max_sessions => 1000);
    return (pick(create(user(%fields))->{json}, sort keys %fields), \%fields);
};
it 'null is as absent' => sub {
    my $r = create(user(role => undef, password => undef, max_sessions => undef));
    return ([$r->{status}, pick($r->{json}, qw(role max_sessions))], [201, { role => 'user', max_sessions => 1 }]);
};

# --- refused ----------------------------------------------------------------

my $before;
step 'counting' => sub { $before = count(); return ($before, qr/\A[1-9]\d*\z/) };

my @BAD = (
    [{ username => undef },           '/username required'],
    [{ username => '' },              '/username length'],
    [{ username => 'ab' },            '/username length'],
    [{ username => 'x' x 65 },        '/username length'],
    [{ username => 'with space' },    '/username format'],
    [{ username => "m\x{fc}ller" },   '/username format'],
    [{ username => 'a|b|c' },         '/username format'],
    [{ username => 5 },               '/username type'],
    [{ email => undef },              '/email required'],
    [{ email => 'nothing' },          '/email format'],
    [{ email => '@example.org' },     '/email format'],
    [{ email => 'a@b' },              '/email format'],
    [{ email => 'a@.org' },           '/email format'],
    [{ email => 'a@b.' },             '/email format'],
    [{ email => 'a@b@example.org' },  '/email format'],
    [{ email => 'a b@example.org' },  '/email format'],
    [{ email => "a\r\nBcc: x\@example.org" }, '/email format'],
    [{ email => ('x' x 65) . '@example.org' }, '/email format'],
    [{ email => 'a@' . 'x' x 250 . '.org' }, '/email length'],
    [{ password => 'short' },         '/password length'],
    [{ password => '' },              '/password length'],
    [{ password => 'x' x 257 },       '/password length'],
    [{ password => "\x{1f600}" x 100 }, '/password length'],
    [{ password => 12345678 },        '/password type'],
    [{ role => 'root' },              '/role value'],
    [{ role => '' },                  '/role length'],
    [{ role => 'Admin' },             '/role value'],
    [{ max_messages_per_minute => 0 },       '/max_messages_per_minute range'],
    [{ max_messages_per_minute => -1 },      '/max_messages_per_minute range'],
    [{ max_messages_per_minute => 1000001 }, '/max_messages_per_minute range'],
    [{ max_messages_per_minute => '5' },     '/max_messages_per_minute type'],
    [{ max_messages_per_minute => 1.5 },     '/max_messages_per_minute type'],
    [{ max_messages_per_day => 0 },          '/max_messages_per_day range'],
    [{ max_requests_per_minute => 0 },       '/max_requests_per_minute range'],
    [{ max_sessions => 0 },                  '/max_sessions range'],
    [{ max_sessions => 1001 },               '/max_sessions range'],
    [{ id => '01900000-0000-7000-8000-000000000000' }, '/id unknown'],
    [{ is_active => false },                 '/is_active unknown'],
    [{ username => 'a', email => 'b' }, '/email format', '/username length'],
);
for my $b (@BAD) {
    my ($fields, @errors) = @$b;
    it 'refused: ' . substr(json($fields), 0, 60) => sub {
        return problem(create(user(%$fields)), 422, 'validation_failed', errors => [map { [split] } @errors]);
    };
}
it 'a name that is taken: 409' => sub {
    return problem(create(user(username => $name)), 409, 'username_taken');
};
it 'in other letters too: 409' => sub {
    return problem(create(user(username => uc $name)), 409, 'username_taken');
};
it 'an address that is taken, in other letters: 409' => sub {
    return problem(create(user(email => uc "$name\@example.org")), 409, 'email_taken');
};
it 'none of these was made' => sub { return (count(), $before) };

it 'of ten at a time with one name, one is made' => sub {
    my $new = user();
    my $key = admin_token();
    my @codes = parallel(10, sub { create({ %$new, email => "$_[0].$new->{email}" })->{status} }, 1 .. 10);
    return ([join(' ', sort @codes), count() - $before], [join(' ', 201, (409) x 9), 1]);
};

# --- the list ---------------------------------------------------------------

sub pages {
    my ($limit) = @_;
    my ($path, @ids, $pages) = ("/users?limit=$limit");
    while ($path && ++$pages < 500) {
        my $r = get($path);
        die "$path: $r->{status}\n" if $r->{status} != 200;
        push @ids, map { $_->{id} } @{ $r->{json}{data} };
        my $link = header($r, 'Link') // '';
        ($path) = $link =~ m{^</api(/users\?[^>]+)>; rel="next"$};
        die "Link and next_cursor differ\n" if ($path && $path =~ /cursor=(.*)/ ? $1 : '') ne ($r->{json}{next_cursor} // '');
    }
    return @ids;
}
it 'the list has {data, next_cursor}, newest first' => sub {
    my $r = get('/users?limit=3');
    my @times = map { $_->{created_at} } @{ $r->{json}{data} };
    return ([$r->{status}, [sort keys %{ $r->{json} }], \@times, $r->{json}{next_cursor}],
        [200, ['data', 'next_cursor'], [reverse sort @times], qr/\A[\w.~-]{20,}\z/]);
};
it 'a user of the list is as by its id' => sub {
    my ($first) = @{ get('/users?limit=1')->{json}{data} };
    my $user = get("/users/$first->{id}")->{json};
    return (pick($first, keys %$user), $user);
};
for my $limit (7, 200) {
    it "pages of $limit show each user once" => sub {
        my @ids = pages($limit);
        my %seen; $seen{$_}++ for @ids;
        return ([scalar @ids, scalar keys %seen], [count() + 0, count() + 0]);
    };
}
it 'also where many were made in one moment' => sub {
    db("UPDATE users SET created_at = '2020-01-01' WHERE username LIKE 'u-%'");
    my @ids = pages(5);
    my %seen; $seen{$_}++ for @ids;
    return ([scalar @ids, scalar keys %seen], [count() + 0, count() + 0]);
};
it 'the last page has no next' => sub {
    my $last = get('/users?limit=200');
    $last = get("/users?limit=200&cursor=$last->{json}{next_cursor}") while $last->{json}{next_cursor};
    return ([$last->{status}, scalar @{ $last->{json}{data} } > 0 ? 'some' : 'none', header($last, 'Link')], [200, 'some', undef]);
};
it 'a cursor with another letter is refused' => sub {
    my $cursor = get('/users?limit=1')->{json}{next_cursor};
    substr($cursor, 3, 1) = substr($cursor, 3, 1) eq 'A' ? 'B' : 'A';
    return problem(get("/users?limit=1&cursor=$cursor"), 400, 'bad_parameter');
};

run_tests;
