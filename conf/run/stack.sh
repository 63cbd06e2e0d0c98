#!/usr/bin/env bash
# stack.sh run|start|stop: the servers of one stack, as the run user. apxs-build.sh
# and test.sh call it with WA_ROOT, WA_OUT, WA_BASE, WA_MODE, WA_PORT_BASE, WA_NODE,
# WA_COMPONENTS and WA_DETACH set; `start` is `run` without Apache and the closing
# screen, for the tests.
set -euo pipefail
umask 077
cd "$WA_ROOT"
# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"

verb=${1:?run, start or stop}
if [[ $verb == stop && -e $WA_BASE/run/env ]]; then
    # shellcheck source=/dev/null
    . "$WA_BASE/run/env"
fi
: "${WA_PORT_BASE:=8080}" "${WA_MODE:=sandbox}" "${WA_NODE:=node}"
# shellcheck source=conf/run/components.sh
. "$WA_ROOT/conf/run/components.sh"
# shellcheck source=conf/run/config.sh
. "$WA_ROOT/conf/run/config.sh"

READY_SECONDS=30

has() { [[ " $WA_COMPONENTS " == *" $1 "* ]]; }

# ---- up --------------------------------------------------------------------

take_lock() {
    exec 5>>"$WA_BASE/run/lock"
    flock -n 5 || die 'it is already running' "Stop it: $(shown "$WA_ROOT")/apxs-build.sh stop"
}

# What an earlier run left; apxs-build.sh has ended what was still alive.
clear_traces() {
    take_down
    rm -f -- "$WA_BASE"/run/hold/*
}

start_supervisor() {
    local c watching=$$
    for c in $WA_COMPONENTS; do hold "$c"; done
    # fd 4 is where it tells what happens to whoever watches.
    if ((WA_DETACH)); then
        watching=0
        exec 4>/dev/null
    else
        exec 4>&1
    fi
    exec 6>>"$WA_BASE/log/supervisor.log"
    setsid "$BASH" "$WA_ROOT/conf/run/supervise.sh" "$watching" \
        </dev/null >&6 2>&1 6>&- &
    supervisor=$!
    exec 6>&-
    for ((c = 0; c < 50; c++)); do
        [[ -z $(live_pid supervisor) ]] || return 0
        sleep 0.05
    done
    die 'the supervisor did not start' "See $(shown "$WA_BASE")/log/supervisor.log"
}

# bring NAME TEXT [SECONDS]: one step of the start.
bring() {
    has "$1" || return 0
    step_begin "$2"
    if ! start_component "$1" "${3:-$READY_SECONDS}"; then
        step_end failed
        tail_log "$(component_log "$1")"
        die "$2 did not get ready" "Its log: $(shown "$(component_log "$1")")"
    fi
    step_end
}

new_cluster() {
    rm -rf -- "$WA_BASE/pg.new"
    LC_ALL=C.UTF-8 "$(pg_bin)/initdb" -D "$WA_BASE/pg.new" -U postgres \
        --auth=peer --encoding=UTF8 --locale=C.UTF-8 --data-checksums
    mv -- "$WA_BASE/pg.new" "$WA_BASE/pg"
}

database() {
    "$(pg_bin)/psql" -X -q -v ON_ERROR_STOP=1 -h "$WA_SOCKETS" -U postgres -d postgres <<SQL
SELECT 'CREATE ROLE whatsapp LOGIN' WHERE NOT EXISTS
    (SELECT FROM pg_roles WHERE rolname = 'whatsapp') \gexec
ALTER ROLE whatsapp PASSWORD '$(<"$SECRETS/pg_password")';
SELECT 'CREATE DATABASE whatsapp OWNER whatsapp' WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = 'whatsapp') \gexec
SQL
    PATH=$(pg_bin):$PATH "$BASH" "$WA_ROOT/sql/migrate.sh" up "$WA_CONNINFO"
}

first_admin() {
    "$WA_ROOT/build/whatsappd" -c "$WA_BASE/whatsappd.conf" --create-admin admin \
        --password-file "$SECRETS/admin_password"
}

bring_all() {
    if has postgresql; then
        if [[ ! -e $WA_BASE/pg/PG_VERSION ]]; then
            step 'New PostgreSQL cluster' "$WA_BASE/log/setup.log" new_cluster
        fi
        bring postgresql PostgreSQL
        step 'Database and migrations' "$WA_BASE/log/setup.log" database
    fi
    bring redis Redis
    bring sandbox Sandbox
    bring bridge Bridge
    if has whatsappd; then
        step 'First administrator' "$WA_BASE/log/setup.log" first_admin
    fi
    bring whatsappd whatsappd
    bring apache 'Apache with mod_whatsapp'
}

# ---- ready -----------------------------------------------------------------

# The failing checks of /api/health/ready, one a line.
failing_checks() {
    # shellcheck disable=SC2016 # JavaScript
    "$WA_NODE" -e '
        let text = require("fs").readFileSync(0, "utf8");
        try {
            const checks = JSON.parse(text).checks ?? {};
            const list = Array.isArray(checks) ? checks
                : Object.entries(checks).map(([name, c]) => ({ name, ...c }));
            const bad = list.filter((c) => !["ok", "up", "pass"].includes(c.status));
            if (bad.length)
                text = bad.map((c) => `${c.name}: ${c.status} ${c.reason ?? ""}`).join("\n");
        } catch { /* as it came */ }
        console.log(text);'
}

wait_ready() {
    local url=http://127.0.0.1:$PUBLIC_PORT/api/health/ready body until
    has apache || return 0
    step_begin 'Everything ready'
    until=$(($(now_ms) + READY_SECONDS * 1000))
    while (($(now_ms) < until)); do
        if http_ok "$PUBLIC_PORT" /api/health/ready; then
            step_end
            return 0
        fi
        sleep 0.1
    done
    step_end failed
    body=$(curl -sS --noproxy '*' -m 5 "$url" 2>&1 | failing_checks || true)
    warn "$url says:"
    printf '%s\n' "$body" | sed 's/^/    /' >&2
    tail_log "$(component_log apache)"
    die "not ready within $READY_SECONDS seconds" "The logs: $(shown "$WA_BASE")/log/"
}

write_run_json() {
    local url=http://127.0.0.1:$PUBLIC_PORT sandbox=null
    [[ $WA_MODE == live ]] || sandbox="\"http://127.0.0.1:$SANDBOX_PORT\""
    write_file "$WA_BASE/run.json" "{
  \"base_url\": \"$url\",
  \"admin_url\": \"$url/admin/\",
  \"sandbox_url\": $sandbox,
  \"admin_user\": \"admin\",
  \"admin_password_file\": \"$(shown "$SECRETS/admin_password")\",
  \"mode\": \"$WA_MODE\",
  \"bridge_url\": \"http://127.0.0.1:$BRIDGE_PORT\",
  \"internal_url\": \"http://127.0.0.1:$INTERNAL_PORT\",
  \"logs\": \"$(shown "$WA_BASE/log")\"
}"
    chmod 0644 "$WA_BASE/run.json"
}

screen() {
    local url=http://127.0.0.1:$PUBLIC_PORT password took
    password=$(<"$SECRETS/admin_password")
    took=$(seconds $(($(now_ms) - started)))
    say
    say "${c_bold}mod_whatsapp is ready${c_off} (servers up in $took s)"
    say
    say "  API           $url/api/"
    say "  Admin pages   $url/admin/"
    if [[ $WA_MODE == live ]]; then
        say "  WhatsApp      ${c_yellow}live, unproven: never run against the real WhatsApp from our machines${c_off}"
    else
        say "  Sandbox       http://127.0.0.1:$SANDBOX_PORT/  (the virtual phones)"
    fi
    say "  Administrator admin / $password"
    say "                (first password: $(shown "$SECRETS/admin_password"))"
    say "  Logs          $(shown "$WA_BASE")/log/"
    say
    say "Log in, make a user, make its key:"
    say
    "$BASH" "$WA_ROOT/conf/run/first-lines.sh" "$url" \
        "$(shown "$SECRETS/admin_password")"
    say
    say "Then README.md, \"The first message\": link a phone, send a text."
}

# ---- down ------------------------------------------------------------------

# Through the supervisor if it lives, else by the pid files alone.
take_down() {
    local pid c i
    pid=$(live_pid supervisor)
    if [[ -n $pid ]]; then
        kill -s TERM "$pid" 2>/dev/null || true
        for ((i = 0; i < 600; i++)); do
            [[ $(live_pid supervisor) == "$pid" ]] || break
            sleep 0.1
        done
        [[ $(live_pid supervisor) != "$pid" ]] || kill -s KILL "$pid" 2>/dev/null || true
    fi
    for c in apache whatsappd bridge sandbox redis postgresql; do
        [[ -z $(live_pid "$c") ]] || stop_component "$c"
    done
    rm -f -- "$WA_BASE/run.json"
    rm -f -- "$WA_BASE"/run/{pids,started}/*
}

# The way out of `run` and `start`, whatever the reason.
leave() {
    local rc=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n ${supervisor:-} ]]; then
        [[ ! -t 1 ]] || printf '\r\e[K'
        say 'stopping'
        take_down
        say 'stopped'
    fi
    exit "$rc"
}

cmd_up() {
    started=$(now_ms)
    supervisor=''
    trap leave EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    trap '' PIPE
    make_folders
    take_lock
    clear_traces
    make_sockets_folder
    make_secrets
    make_config
    save_env
    start_supervisor
    bring_all
    wait_ready
}

cmd_run() {
    cmd_up
    write_run_json
    screen
    if ((WA_DETACH)); then
        trap - EXIT
        say "It runs in the background; ./apxs-build.sh stop ends it."
        exit 0
    fi
    say "${c_bold}Ctrl-C stops all of it.${c_off}"
    while [[ -n $(live_pid supervisor) ]]; do
        sleep 1 &
        wait $! || true
    done
    die 'the supervisor has ended' "See $(shown "$WA_BASE")/log/supervisor.log"
}

cmd_start() {
    WA_DETACH=1
    cmd_up
    trap - EXIT
}

cmd_stop() {
    step_begin "Stopping $(shown "$WA_BASE")"
    take_down
    step_end stopped
}

case $verb in
run) cmd_run ;;
start) cmd_start ;;
stop) cmd_stop ;;
*) die "stack.sh: no verb $verb" ;;
esac
