# The operations of docs/openapi.yaml, read by its indentation, so that tests of
# "every route" find new ones by themselves.
package WA::OpenAPI;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use WA::Stack qw(log_text);

our @EXPORT = qw(operations path_of ABSENT);

sub ABSENT { return '01900000-0000-7000-8000-000000000000' }

# Each: {route: "GET /x/{id}", method, path, caller, scope, cursor: has it such a
# parameter?, body: the media types it takes, or undef}.
sub operations {
    my (@found, $in, $path, $body);
    for my $line (split /\n/, log_text("$ENV{WA_TEST_SRC_DIR}/docs/openapi.yaml")) {
        if ($line =~ /^(\S[^:]*):/) { $in = $1 eq 'paths' }
        next if !$in;
        if ($line =~ m{^  (/\S*):$}) { $path = $1 }
        elsif ($line =~ /^    (get|put|post|delete|patch):$/) {
            push @found, { route => uc($1) . " $path", method => uc $1, path => $path, caller => '', scope => '', cursor => 0, body => undef };
        }
        elsif ($line =~ /^      (\S[^:]*):(?: (\S+))?/) {
            my ($name, $value) = ($1, $2);
            $body = $name eq 'requestBody';
            $found[-1]{$1} = $value if $name =~ /\Ax-(caller|scope)\z/;
        }
        elsif ($line =~ m{^        - name: cursor\b|parameters/Cursor\b}) { $found[-1]{cursor} = 1 }
        elsif ($body && $line =~ m{^          (\S+/\S+):}) { $found[-1]{body} = join ' ', grep { defined } $found[-1]{body}, $1 }
    }
    return grep { $_->{path} !~ m{\A/internal} } @found;
}

# A path with something in place of each {parameter}.
sub path_of {
    my ($op, $id) = @_;
    return $op->{path} =~ s/\{[^}]*\}/defined $id ? $id : ABSENT()/ger;
}

1;
