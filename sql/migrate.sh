#!/usr/bin/env bash
# migrate.sh up|down [N]|status [CONNINFO]: brings a database to the schema of
# this folder, or back.
#
#   up        applies each NNN.do.NAME.sql that is not applied yet, in order
#   down [N]  undoes the last N (1) by their NNN.undo.NAME.sql
#   status    lists what is applied and what is not
#
# The database is named by CONNINFO ("host=… dbname=… user=…", or a URL) or by
# libpq's variables (PGHOST, PGDATABASE, PGUSER, PGPASSFILE, …).
#
# Each file runs in one transaction together with its row in schema_migrations,
# so it is applied as a whole or not at all; several at the same time wait for
# each other; what is applied already is passed over. An applied file that was
# changed afterwards, and a database that is newer than this folder, are refused.
set -euo pipefail

HERE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
LOCK=7730113417142001 # the advisory lock of this script, any fixed number
LOCK_TIMEOUT=${MIGRATE_LOCK_TIMEOUT:-10s}

fail() {
    printf 'migrate: %s\n' "$*" >&2
    exit 1
}

usage() { sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }

psql_quiet() {
    # Words of its own: what is told to the person comes from \echo.
    PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning" \
        psql -X -q -A -t -v ON_ERROR_STOP=1 ${CONNINFO:+-d "$CONNINFO"} "$@"
}

# files do|undo: "VERSION NAME PATH" lines in order.
files() {
    local path name
    for path in "$HERE"/[0-9][0-9][0-9]."$1".*.sql; do
        [[ -e $path ]] || continue
        name=${path##*/}
        printf '%s %s %s\n' "${name%%.*}" "$(cut -d. -f3 <<<"$name")" "$path"
    done
}

checksum() { sha256sum <"$1" | cut -d' ' -f1; }

check_files() {
    local version name path last=''
    while read -r version name path; do
        [[ $name =~ ^[a-z0-9_-]+$ ]] || fail "$path: a name is of a-z, 0-9, _ and -"
        [[ $version != "$last" ]] || fail "two migrations have the number $version"
        last=$version
        [[ -e $HERE/$version.undo.$name.sql ]] || fail "$version.do.$name.sql has no $version.undo.$name.sql"
        if grep -nEi '^[[:space:]]*((BEGIN|COMMIT|ROLLBACK|END)([[:space:]]+(WORK|TRANSACTION))?|START[[:space:]]+TRANSACTION)[[:space:]]*;' \
            "$path" "$HERE/$version.undo.$name.sql" | grep -viE ':[[:space:]]*END[[:space:]]*;'; then
            fail "$version.$name: migrate.sh makes the transaction, the file must not"
        fi
    done < <(files 'do')
}

# The head of every session: one at a time, and no endless wait behind a
# long transaction of the running system.
preamble() {
    cat <<SQL
SET lock_timeout = '$LOCK_TIMEOUT';
SET statement_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SELECT 1 AS locked FROM pg_advisory_lock($LOCK) \\gset
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
SQL
}

# raise_if CONDITION-SUBQUERY TEXT
raise_if() {
    cat <<SQL
DO \$migrate\$ BEGIN
    IF $1 THEN
        RAISE EXCEPTION '%', '$2';
    END IF;
END \$migrate\$;
SQL
}

up_script() {
    local version name path sum number known=-1
    preamble
    while read -r version name path; do
        number=$((10#$version))
        sum=$(checksum "$path")
        known+=,$number
        raise_if "EXISTS (SELECT FROM schema_migrations WHERE version = $number AND checksum <> '$sum')" \
            "$version.do.$name.sql was changed after it had been applied: put it back, and write a new migration"
    done < <(files 'do')
    raise_if "EXISTS (SELECT FROM schema_migrations WHERE version NOT IN ($known))" \
        'the database has migrations that this folder does not: the programs are older than the database'
    while read -r version name path; do
        number=$((10#$version))
        sum=$(checksum "$path")
        cat <<SQL
SELECT NOT EXISTS (SELECT FROM schema_migrations WHERE version = $number) AS wanted \\gset
\\if :wanted
    BEGIN;
    \\i '$path'
    INSERT INTO schema_migrations (version, name, checksum) VALUES ($number, '$name', '$sum');
    COMMIT;
    \\echo applied $version $name
\\endif
SQL
    done < <(files 'do')
}

down_script() {
    local version name path left=$1
    preamble
    # Newest first; psql counts down what is left to undo.
    printf '\\set left %d\n' "$left"
    while read -r version name path; do
        cat <<SQL
SELECT :left > 0 AND EXISTS (SELECT FROM schema_migrations WHERE version = $((10#$version))) AS wanted \\gset
\\if :wanted
    BEGIN;
    \\i '$path'
    DELETE FROM schema_migrations WHERE version = $((10#$version));
    COMMIT;
    SELECT :left - 1 AS left \\gset
    \\echo undone $version $name
\\endif
SQL
    done < <(files undo | sort -r)
}

status() {
    local version name path have there
    there=$(psql_quiet -c "SELECT to_regclass('schema_migrations') IS NOT NULL")
    while read -r version name path; do
        have=''
        [[ $there != t ]] || have=$(psql_quiet -c "SELECT CASE WHEN checksum = '$(checksum "$path")'
            THEN 'applied ' ELSE 'CHANGED after ' END || to_char(applied_at AT TIME ZONE 'UTC',
            'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM schema_migrations WHERE version = $((10#$version))")
        printf '%s  %-24s %s\n' "$version" "$name" "${have:-not applied}"
    done < <(files 'do')
}

verb=${1:-help}
(($# == 0)) || shift
steps=1
if [[ $verb == down && ${1:-} =~ ^[0-9]+$ ]]; then
    steps=$1
    shift
fi
CONNINFO=${1:-}
check_files
case $verb in
up) up_script | psql_quiet ;;
down) down_script "$steps" | psql_quiet ;;
status) status ;;
help | -h | --help) usage ;;
*) fail "up, down [N] or status, not: $verb" ;;
esac
