# The migrations: up, again, down, up again; refused where they must be.
use strict;
use warnings FATAL => 'all';

use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use WA::Test;

my $NAME = "whatsapp_migrate_$$";
my $CONNINFO = $ENV{WA_TEST_DB} =~ s/\bdbname=\S+/dbname=$NAME/r;
my $SQL = "$ENV{WA_TEST_SRC_DIR}/sql";
my $COPY = "$ENV{WA_TEST_DIR}/tmp/sql.$$";
my @FILES = map { m{([^/]+)\z} } sort glob "$SQL/*.do.*.sql";

sub as_postgres { return command("$ENV{WA_TEST_PG_BIN}/psql", '-XAtq', '-v', 'ON_ERROR_STOP=1', '-h', $ENV{WA_TEST_PGHOST},
    '-U', 'postgres', '-d', 'postgres', '-c', $_[0]) }
# What migrate.sh says; "failed: …" when it ends with another status than 0.
sub migrate {
    my ($folder, @args) = @_;
    local $ENV{PATH} = "$ENV{WA_TEST_PG_BIN}:$ENV{PATH}";
    my $out = eval { command('bash', "$folder/migrate.sh", @args, $CONNINFO) };
    return defined $out ? $out : "failed: $@";
}
sub schema {
    my $dump = command("$ENV{WA_TEST_PG_BIN}/pg_dump", '--schema-only', '--no-owner', '-d', $CONNINFO);
    return join "\n", grep { !/^(--|\\|\s*$)/ } split /\n/, $dump;
}
sub applied { return [map { "$_" } db('SELECT version FROM schema_migrations ORDER BY version', $CONNINFO)] }
# What there is besides migrate.sh's own table.
sub objects { return [db("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'schema_migrations%'"
    . " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    . " UNION ALL SELECT typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd')", $CONNINFO)] }

END {
    my $status = $?;
    eval { as_postgres("DROP DATABASE IF EXISTS $NAME WITH (FORCE)") } or 1;
    remove_tree($COPY);
    $? = $status;
}

my $first;
step 'a new database' => sub {
    as_postgres("CREATE DATABASE $NAME OWNER whatsapp");
    make_path($COPY);
    copy($_, $COPY) or die "$_: $!\n" for glob("$SQL/*.sql"), "$SQL/migrate.sh";
    return (scalar @FILES > 0 ? 'migrations' : 'none', 'migrations');
};
it 'status before: nothing is applied, and the database stays as it is' => sub {
    my @lines = split /\n/, migrate($SQL, 'status');
    return ([scalar(@lines), [grep { !/not applied/ } @lines], objects()], [scalar(@FILES), [], []]);
};
step 'up applies each, in order' => sub {
    my $out = migrate($SQL, 'up');
    $first = schema();
    return ([$out =~ /^applied (\d+)/mg], [map { /^(\d+)/ } @FILES]);
};
it 'up again changes nothing' => sub {
    my $out = migrate($SQL, 'up');
    return ([$out, schema() eq $first ? 'the same' : schema()], ['', 'the same']);
};
it 'status: all are applied' => sub {
    return ([grep { !/applied 20/ } split /\n/, migrate($SQL, 'status')], []);
};
it 'the schema is that of the database the servers use' => sub {
    my $columns = "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        . " WHERE table_schema = 'public' ORDER BY 1, 2";
    return ([db($columns, $CONNINFO)], [db($columns)]);
};
it 'down undoes the last one only' => sub {
    my $out = migrate($SQL, 'down');
    my @left = map { $_ + 0 } map { /^(\d+)/ } @FILES;
    pop @left;
    return ([$out, applied()], [qr/\Aundone \d+ \S+\n?\z/, \@left]);
};
it 'down of all leaves nothing' => sub {
    migrate($SQL, 'down', 1000);
    return ([applied(), objects()], [[], []]);
};
it 'down of nothing is harmless' => sub { return (migrate($SQL, 'down', 5), '') };
step 'up after that is as the first time' => sub {
    migrate($SQL, 'up');
    return (schema() eq $first ? 'the same' : schema(), 'the same');
};
it 'one down, one up: the same, with the data' => sub {
    db("INSERT INTO users (id, username, email, role, max_messages_per_minute, max_messages_per_day, max_requests_per_minute)"
        . " VALUES ('01900000-0000-7000-8000-000000000001', 'kept', 'kept\@example.org', 'user', 1, 1, 1)", $CONNINFO);
    my $steps = @FILES - 1;
    migrate($SQL, 'down', $steps) if $steps;
    migrate($SQL, 'up');
    return ([db("SELECT username FROM users", $CONNINFO), schema() eq $first ? 'the same' : schema()], ['kept', 'the same']);
};
it 'four at the same time: each migration is applied once' => sub {
    migrate($SQL, 'down', 1000);
    my @out = parallel(4, sub { migrate($SQL, 'up') }, 1 .. 4);
    return ([[sort map { /^applied (\d+)/mg } @out], [grep { /failed/ } @out], schema() eq $first ? 'the same' : schema()],
        [[map { /^(\d+)/ } @FILES], [], 'the same']);
};

# --- refused ----------------------------------------------------------------

sub write_to { my ($file, $text) = @_; open my $out, '>', "$COPY/$file" or die "$file: $!\n"; print $out $text; close $out; return }

it 'a migration that fails is undone as a whole' => sub {
    write_to('900.do.broken.sql', "CREATE TABLE half (id integer);\nSELECT 1 / 0;\n");
    write_to('900.undo.broken.sql', "DROP TABLE half;\n");
    my $out = migrate($COPY, 'up');
    return ([$out, db("SELECT to_regclass('half') IS NULL", $CONNINFO), scalar grep { $_ == 900 } @{ applied() }],
        [qr/\Afailed: .*division by zero/s, 't', 0]);
};
it 'one that makes its own transaction is refused before anything runs' => sub {
    write_to('900.do.broken.sql', "CREATE TABLE half (id integer);\nCOMMIT;\n");
    return ([migrate($COPY, 'up'), db("SELECT to_regclass('half') IS NULL", $CONNINFO)], [qr/\Afailed: .*transaction/s, 't']);
};
it 'one without its undo is refused' => sub {
    write_to('900.do.broken.sql', "SELECT 1;\n");
    unlink "$COPY/900.undo.broken.sql";
    return (migrate($COPY, 'up'), qr/\Afailed: .*has no 900\.undo/s);
};
it 'two of one number are refused' => sub {
    write_to("900.$_.broken.sql", "SELECT 1;\n") for 'do', 'undo';
    write_to("900.$_.again.sql", "SELECT 1;\n") for 'do', 'undo';
    my $out = migrate($COPY, 'up');
    unlink glob "$COPY/900.*";
    return ($out, qr/\Afailed: .*two migrations have the number 900/s);
};
it 'one that was changed after it was applied is refused' => sub {
    open my $out, '>>', "$COPY/$FILES[0]" or die $!;
    print $out "-- changed\n";
    close $out;
    my $said = migrate($COPY, 'up');
    copy("$SQL/$FILES[0]", $COPY);
    return ($said, qr/\Afailed: .*was changed after it had been applied/s);
};
it 'a database that is newer than the programs is refused' => sub {
    unlink glob "$COPY/" . ($FILES[-1] =~ /^(\d+)/)[0] . '.*';
    return (migrate($COPY, 'up'), qr/\Afailed: .*programs are older than the database/s);
};
it 'after all of this the schema is as it was' => sub {
    return (schema() eq $first ? 'the same' : schema(), 'the same');
};

run_tests;
