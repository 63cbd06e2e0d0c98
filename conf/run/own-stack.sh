# shellcheck shell=bash
# A stack that `test` or `bench` starts for itself, on free ports and with fresh
# data below WA_BASE. Sourced by the scripts that run as the run user. A function
# before_stack, where there is one, may put files there before the servers start.

# Four free ports in a row, below the range that the kernel gives out by itself.
choose_ports() {
    local try p
    for ((try = 0; try < 200; try++)); do
        WA_PORT_BASE=$((20000 + (RANDOM % 1200) * 10))
        for ((p = WA_PORT_BASE; p < WA_PORT_BASE + 4; p++)); do
            port_free "$p" || continue 2
        done
        return 0
    done
    die 'no four free ports in a row from 20000 to 32000'
}

start_stack() {
    if [[ -e $WA_BASE/run/env ]]; then stop_stack; fi
    rm -rf -- "$WA_BASE"
    mkdir -m 0711 "$WA_BASE"
    if declare -F before_stack >/dev/null; then before_stack; fi
    choose_ports
    # All of it comes from one address.
    export WA_PORT_BASE WA_DETACH=1 WA_ANONYMOUS=1000000
    "$BASH" "$WA_ROOT/conf/run/stack.sh" start || die 'the servers did not start'
    # shellcheck source=/dev/null
    . "$WA_BASE/run/env"
    # shellcheck source=conf/run/components.sh
    . "$WA_ROOT/conf/run/components.sh"
}

stop_stack() {
    [[ -e $WA_BASE/run/env ]] || return 0
    "$BASH" "$WA_ROOT/conf/run/stack.sh" stop
}

# A script of one line, so that a test may call it by one word.
wrapper() {
    printf '#!/bin/sh\nexec "%s" "%s" "%s" "$@"\n' "$BASH" \
        "$WA_ROOT/conf/run/$2" "$WA_BASE" >"$WA_BASE/$1"
    chmod 0700 "$WA_BASE/$1"
}

# What tests and benchmarks may know of the stack; the one list of these names.
export_addresses() {
    wrapper ctl ctl.sh
    wrapper pg_ctl pg_ctl.sh
    export WA_TEST_DOCUMENT_ROOT=$WA_ROOT/htdocs
    export WA_TEST_SRC_DIR=$WA_ROOT WA_TEST_BUILD_DIR=$WA_ROOT/build
    export WA_TEST_DIR=$WA_BASE WA_TEST_LOG_DIR=$WA_BASE/log
    export WA_TEST_SECRETS_DIR=$SECRETS
    export WA_TEST_ADMIN_USER=admin
    export WA_TEST_ADMIN_PASSWORD_FILE=$SECRETS/admin_password
    export WA_TEST_DB=$WA_CONNINFO
    export WA_TEST_PGHOST=$WA_SOCKETS WA_TEST_PG_DIR=$WA_BASE/pg
    export WA_TEST_PG_BIN WA_TEST_PG_CTL=$WA_BASE/pg_ctl
    WA_TEST_PG_BIN=$(pg_bin)
    export WA_TEST_PG_PID_FILE=$WA_BASE/run/pids/postgresql
    export WA_TEST_REDIS_SOCKET=$REDIS_SOCKET WA_TEST_REDIS=unix:$REDIS_SOCKET
    export WA_TEST_REDIS_START="$WA_BASE/ctl start redis"
    export WA_TEST_REDIS_PID_FILE=$WA_BASE/run/pids/redis
    export WA_TEST_PORT=$PUBLIC_PORT
    export WA_TEST_BASE_URL=http://127.0.0.1:$PUBLIC_PORT
    export WA_TEST_INTERNAL_PORT=$INTERNAL_PORT
    export WA_TEST_INTERNAL_URL=http://127.0.0.1:$INTERNAL_PORT
    export WA_TEST_BRIDGE_URL=http://127.0.0.1:$BRIDGE_PORT
    export WA_TEST_BRIDGE_PID_FILE=$WA_BASE/run/pids/bridge
    export WA_TEST_BRIDGE_DIR=$WA_BASE/bridge
    export WA_TEST_SANDBOX_URL=http://127.0.0.1:$SANDBOX_PORT
    export WA_TEST_SANDBOX_PID_FILE=$WA_BASE/run/pids/sandbox
    export WA_TEST_WHATSAPPD_PID_FILE=$WA_BASE/run/pids/whatsappd
    export WA_TEST_WHATSAPPD_CONF=$WA_BASE/whatsappd.conf
    export WA_TEST_HTTPD_CONF=$WA_BASE/apache/whatsapp.conf
    export WA_TEST_HTTPD_PID_FILE=$WA_BASE/t/logs/httpd.pid
    export WA_TEST_HTTPD_LOG=$WA_BASE/t/logs/error_log
    export WA_TEST_NODE=$WA_NODE
    export WA_TEST_CTL=$WA_BASE/ctl
    export HOME=$WA_BASE/tmp TMPDIR=$WA_BASE/tmp
}
