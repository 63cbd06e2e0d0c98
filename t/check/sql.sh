#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All SQL of the C code is in mod_whatsapp/gateway/sql/, as constant texts whose
# values are bound.
. "$(dirname "$0")/guard.inc"

verbs='SELECT|INSERT|UPDATE|DELETE|TRUNCATE|LISTEN|NOTIFY|COPY|SAVEPOINT|BEGIN|COMMIT|ROLLBACK'
pattern="\"([^\"]*[^A-Za-z_\"])?($verbs)( |\")|\"[^\"]*([Ss]elect .* from |[Ii]nsert into |[Dd]elete from |[Uu]pdate .* set )"
# The HTTP method is no SQL, nor is what the server calls a finished COMMIT.
statements() { grep -E "$pattern" | grep -vE '"DELETE"|strcmp\(PQcmdStatus\('; }

code=$(c_files | grep -v '/gateway/sql/' |
    xargs sh -c '. t/check/guard.inc; c_code "$@"' t/check/x)
some 'there is code to look at' 1000 "$code"
none 'no SQL in a string outside gateway/sql/' "$(printf '%s\n' "$code" | statements)"

sql=$(find mod_whatsapp/gateway/sql -name '*.h')
some 'there are statements in gateway/sql/' 20 "$(cat $sql | grep -E '^ *X\(')"
# A format or a concatenation with something that is no constant of gateway/sql
# has no place in a statement.
none 'no statement is made by a format' "$(grep -nE '%[sdlu]|apr_psprintf|PRI[du]' $sql /dev/null)"
none 'each statement has one name' "$(cat $sql | sed -nE 's/^ *X\(([A-Z_]+),.*/\1/p' | sort | uniq -d)"
none 'each statement is used' "$(cat $sql | sed -nE 's/^ *X\(([A-Z_]+),.*/\1/p' | while read -r name; do
    { c_files | grep -v '/gateway/sql/'; find t/unit -name '*.c'; } |
        xargs grep -qw "WA_SQL_$name" || echo "$name"
done)"
finish
