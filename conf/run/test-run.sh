#!/usr/bin/env bash
# test-run.sh [PATTERN…]: the tests that need servers, as the run user: starts a
# stack of its own below var/test, runs the C unit tests, the bridge's tests and
# those that talk to Apache, adds up, and stops everything.
set -euo pipefail
umask 077
# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"
# shellcheck source=conf/run/test.sh
. "$WA_ROOT/conf/run/test.sh"
# shellcheck source=conf/run/own-stack.sh
. "$WA_ROOT/conf/run/own-stack.sh"

WA_PATTERNS=("$@")
GROUP_SECONDS=1800
passed=$WA_GUARDS_PASSED failed=0 skipped=0
why=()

# ---- adding up -------------------------------------------------------------

fail() {
    failed=$((failed + 1))
    why+=("$1")
}

# add RESULTS GROUP: what WA::Harness wrote.
add() {
    local word rest n
    if [[ ! -s $1 ]]; then
        fail "$2: ended without a result"
        return
    fi
    n=0
    while read -r word rest; do
        case $word in
        passed) passed=$((passed + rest)) n=$((n + rest)) ;;
        failed) failed=$((failed + rest)) n=$((n + rest)) ;;
        skipped) skipped=$((skipped + rest)) n=$((n + rest)) ;;
        why) why+=("$rest") ;;
        esac
    done <"$1"
    ((n)) || fail "$2: no test was run"
}

# bounded COMMAND…: within GROUP_SECONDS, and so that a signal to this script is
# answered at once. What it leaves behind in its process group ends with it.
bounded() {
    local rc=0
    timeout -k 10 "$GROUP_SECONDS" "$@" </dev/null &
    job=$!
    wait "$job" || rc=$?
    sweep "$job"
    job=''
    return "$rc"
}

# none GROUP: no file of it is there; that is a failure unless patterns chose.
none() { ((${#WA_PATTERNS[@]})) || fail "$1: no test was found"; }

closing() {
    local rc=$? line
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n $job ]]; then
        kill -s TERM "$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
        end_httpd
    fi
    stop_stack
    if ((rc && !finished)); then fail "the run was cut short (status $rc)"; fi
    if ((passed + failed == 0)); then fail 'no test was run'; fi
    if ((${#why[@]})); then
        say
        say "${c_red}Failed:${c_off}"
        for line in "${why[@]}"; do say "  $line"; done
        say "The logs: $(shown "$WA_BASE")/log/, $(shown "$WA_BASE")/t/logs/error_log"
    fi
    ((!skipped)) || say "($skipped skipped, as t/SKIPS allows)"
    say
    say "$passed passed, $failed failed"
    ((failed == 0)) || exit 1
    exit 0
}

# What npm knows of holes in the packages that are installed. A registry that
# can't be asked is no answer: that is said, and counts as nothing.
group_audit() {
    local folder found
    ((${#WA_PATTERNS[@]} == 0)) || return 0
    heading 'npm audit --omit=dev'
    for folder in bridge htdocs; do
        found=$(cd "$WA_ROOT/$folder" && npm_config_cache=$WA_BASE/tmp/npm timeout 60 \
            npm audit --omit=dev --json 2>/dev/null | "$WA_NODE" -e '
            let j = {}; try { j = JSON.parse(require("node:fs").readFileSync(0, "utf8")); } catch {}
            const n = j.metadata?.vulnerabilities?.total;
            console.log(typeof n === "number" ? n : "");') || found=''
        if [[ -z $found ]]; then
            say "  $folder: not run (the registry does not answer it)"
        elif ((found)); then
            say "  $folder: $found packages with known holes"
            fail "npm audit: $found packages of $folder have known holes: cd $folder && npm audit --omit=dev"
        else
            say "  $folder: nothing found"
            passed=$((passed + 1))
        fi
    done
}

# ---- the groups ------------------------------------------------------------

heading() {
    say
    say "${c_bold}$1${c_off}"
}

# The unit tests have a database of their own in the same cluster.
unit_database() {
    "$WA_TEST_PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$WA_SOCKETS" -U postgres \
        -d postgres -c 'CREATE DATABASE whatsapp_unit OWNER whatsapp'
    PATH=$WA_TEST_PG_BIN:$PATH "$BASH" "$WA_ROOT/sql/migrate.sh" up \
        "${WA_CONNINFO/dbname=whatsapp/dbname=whatsapp_unit}"
}

group_unit() {
    local f files=() results=$WA_BASE/log/unit.results
    for f in "$WA_ROOT"/build/unit/test_*; do
        if [[ -x $f && -e $WA_ROOT/t/unit/${f##*/}.c ]] && wanted "t/unit/${f##*/}"; then
            files+=("$f")
        fi
    done
    if ((!${#files[@]})); then
        none 'C unit tests'
        return 0
    fi
    heading 'C unit tests'
    step 'Database of the unit tests' "$WA_BASE/log/setup.log" unit_database
    # These end Redis themselves and say when they want it back.
    hold redis
    # shellcheck disable=SC2016 # Perl
    WA_TEST_DB=${WA_CONNINFO/dbname=whatsapp/dbname=whatsapp_unit} \
        bounded perl -I "$WA_ROOT/conf/run" -MWA::Harness -e '
        my ($log, $results, @files) = @ARGV;
        exit(WA::Harness::run({
            tests => [map { [$_, "t/unit/" . s{.*/}{}r] } @files], exec => [],
            log => $log, results => $results,
            skips => "$ENV{WA_TEST_SRC_DIR}/t/SKIPS" }) ? 0 : 1)' \
        "$WA_BASE/log/unit.tap" "$results" "${files[@]}" || true
    start_component redis 30 || fail 'Redis did not get ready after the C unit tests'
    add "$results" 'C unit tests'
}

# node_total WORD: from the totals that node's runner closes its TAP with.
node_total() { sed -n "s/^# $1 //p" "$tap" | tail -n 1; }

# node_lines RESULT: the names in its "ok" or "not ok" lines, at any depth.
node_lines() { grep -E "^ *$1 [0-9]+ - " "$tap" | sed -E "s/^ *$1 [0-9]+ - //" || true; }

# group_node NAME HEADING FOLDER: the *.test.js below a folder, one file at a time.
group_node() {
    local f files=() tap=$WA_BASE/log/$1.tap rc=0 name pass bad skip
    local options=(--test --test-timeout=600000 --test-concurrency=1)
    while IFS= read -r f; do
        if wanted "${f#"$WA_ROOT"/}"; then files+=("$f"); fi
    done < <(find "$WA_ROOT/$3" -name '*.test.js' 2>/dev/null | sort)
    if ((!${#files[@]})); then
        none "tests of $2"
        return 0
    fi
    heading "$2"
    step_begin "node --test, ${#files[@]} files"
    bounded env -C "$WA_ROOT/bridge" "$WA_NODE" "${options[@]}" --test-reporter=tap \
        --test-reporter-destination="$tap" "${files[@]}" \
        >"$WA_BASE/log/$1-tests.log" 2>&1 || rc=$?
    if ((rc)); then
        step_end failed
        grep -E -A 20 '^ *not ok ' "$tap" | head -n 120 | sed 's/^/    /' || true
    else
        step_end
    fi
    pass=$(node_total pass)
    if [[ -z $pass ]]; then
        tail_log "$WA_BASE/log/$1-tests.log"
        fail "$1: the runner ended without totals"
        return 0
    fi
    bad=$(($(node_total fail) + $(node_total cancelled)))
    skip=$(node_total skipped)
    while IFS= read -r name; do
        [[ $name == *' # TODO'* ]] || why+=("$1: $name")
    done < <(node_lines 'not ok')
    passed=$((passed + pass)) failed=$((failed + bad))
    # A listed skip is "bridge: NAME: REASON" (or browser), or without a reason.
    while IFS= read -r name; do
        [[ $name == *' # SKIP'* ]] || continue
        name="$1: ${name/ # SKIP/:}"
        if ! grep -qxF -- "${name%:}" "$WA_ROOT/t/SKIPS"; then
            fail "a skip that t/SKIPS does not list: $name"
            skip=$((skip - 1))
        fi
    done < <(node_lines ok)
    skipped=$((skipped + skip))
    say "  $pass passed, $bad failed, $skip skipped"
    if ((rc && !bad)); then fail "$1: the runner ended with status $rc"; fi
    if ((pass + bad == 0)); then fail "$1: no test was run"; fi
}

# Apache-Test writes into its tree, so it gets a copy of t/.
group_apache() {
    local f files=() results=$WA_BASE/log/apache-test.results log
    while IFS= read -r f; do
        f=${f#"$WA_ROOT"/t/}
        if wanted "t/$f"; then files+=("$f"); fi
    done < <(find "$WA_ROOT/t" -name node_modules -prune -o -name '*.t' -print | sort)
    if ((!${#files[@]})); then
        none 'tests of the API'
        return 0
    fi
    heading 'Apache with mod_whatsapp'
    [[ -e $WA_ROOT/build/mod_whatsapp.so ]] || {
        fail 'build/mod_whatsapp.so is missing'
        return
    }
    cp -R "$WA_ROOT/t" "$WA_BASE/t"
    chmod -R u+rwX "$WA_BASE/t"
    cp "$WA_BASE/apache/modules.conf" "$WA_BASE/t/conf/base.conf"
    export WA_TEST_RESULTS=$results APACHE_TEST_ULIMIT_SET=1
    bounded env -C "$WA_BASE" perl t/TEST -httpd /usr/sbin/apache2 \
        -httpd_conf "$WA_BASE/t/conf/base.conf" -port "$PUBLIC_PORT" \
        -servername 127.0.0.1 "${files[@]}" || true
    end_httpd
    add "$results" 'tests of the API'
    log=$WA_BASE/t/logs/error_log
    if [[ ! -s $results ]]; then tail_log "$log" 30; fi
    check_crashes "$log"
}

# What the tests before had the API answer, against its description. Patterns that choose
# this have it judge what the tests that they choose too were answered.
group_answers() {
    local name=t/openapi/answers.js results=$WA_BASE/log/answers.results
    wanted "$name" || return 0
    heading 'Answers of the API, by docs/openapi.yaml'
    # shellcheck disable=SC2016 # Perl
    WA_TEST_ALL=$((${#WA_PATTERNS[@]} == 0)) bounded perl -I "$WA_ROOT/conf/run" -MWA::Harness -e '
        my ($file, $name, $log, $results) = @ARGV;
        exit(WA::Harness::run({
            tests => [[$file, $name]], exec => [$ENV{WA_TEST_NODE}],
            log => $log, results => $results, skips => "$ENV{WA_TEST_SRC_DIR}/t/SKIPS" }) ? 0 : 1)' \
        "$WA_ROOT/$name" "$name" "$WA_BASE/log/answers.tap" "$results" || true
    sed -n 's/^# \([0-9]* answers, .*\)/    \1/p' "$WA_BASE/log/answers.tap"
    add "$results" 'answers of the API'
}

# The pages, in a browser, against the stack as `run` starts it.
group_browser() {
    if ! compgen -G "$WA_ROOT/t/browser/*.test.js" >/dev/null; then
        none 'tests of the pages'
        return 0
    fi
    if ! start_component apache 30; then
        fail 'Apache did not start for the tests of the pages'
        return 0
    fi
    group_node browser 'Pages, in a browser' t/browser
}

# An Apache that Apache-Test did not stop.
end_httpd() {
    local pid file=$WA_BASE/t/logs/httpd.pid
    [[ -s $file ]] || return 0
    pid=$(<"$file")
    [[ $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == *"$WA_BASE/t/conf/httpd.conf"* ]] || return 0
    kill -s TERM "$pid" 2>/dev/null || true
    for _ in {1..100}; do
        [[ -n $(proc_start "$pid") ]] || return 0
        sleep 0.1
    done
    kill -s KILL "$pid" 2>/dev/null || true
}

# A crash that no test noticed is a failure all the same.
check_crashes() {
    local pattern='exit signal (Seg|Abort|Bus|Illegal|Floating)|Assertion .* failed|pool concurrency check'
    local failed_before=$failed
    if grep -nE "$pattern" "$1" 2>/dev/null | tail -n 5; then
        fail 'a child of Apache crashed: see t/logs/error_log'
    fi
    if grep -nE '^[^ ]+ [a-z]+ ended \(signal (4|6|7|8|11)\)' "$WA_BASE/log/supervisor.log"; then
        fail 'a server crashed: see log/supervisor.log'
    fi
    ((failed == failed_before)) || tail_log "$1" 30
}

finished=0 job=''
trap closing EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
while IFS= read -r line; do
    [[ -z $line ]] || fail "$line"
done <<<"$WA_GUARDS_FAILED"
((WA_GUARDS_ALL)) || none 'source guards'

start_stack
export_addresses
export WA_TEST_ANSWERS_DIR=$WA_BASE/answers
mkdir -m 0700 "$WA_TEST_ANSWERS_DIR"
# All files of tests share the administrator, and many of them a minute.
"$WA_TEST_PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -h "$WA_SOCKETS" -U postgres -d whatsapp \
    -c "UPDATE users SET max_requests_per_minute = 100000 WHERE username = '$WA_TEST_ADMIN_USER'"
# Apache-Test starts one of its own on this port.
stop_component apache
group_unit
group_node bridge 'Bridge and sandbox' bridge/test
group_node openapi 'Judge of answers' t/openapi/test
group_apache
group_answers
group_browser
group_audit
finished=1
