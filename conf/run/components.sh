# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# What each component of a stack is: how it is started, when it is ready, how it
# is stopped. Sourced by stack.sh, supervise.sh and ctl.sh, which run as the run
# user; WA_BASE, WA_MODE, WA_PORT_BASE and WA_NODE are set.

# The sockets' folder: a unix socket's path has 107 bytes at most, so a checkout
# with a long path gets a short folder of its own in /tmp.
WA_SOCKETS=$WA_BASE/run/sockets
if ((${#WA_SOCKETS} > 85)); then
    WA_SOCKETS=/tmp/mod_whatsapp-$(printf '%s' "$WA_BASE" | sha256sum | cut -c1-16)
fi

PUBLIC_PORT=$WA_PORT_BASE
INTERNAL_PORT=$((WA_PORT_BASE + 1))
BRIDGE_PORT=$((WA_PORT_BASE + 2))
SANDBOX_PORT=$((WA_PORT_BASE + 3))
SECRETS=$WA_BASE/secrets
REDIS_SOCKET=$WA_SOCKETS/redis.sock
WA_CONNINFO="host=$WA_SOCKETS dbname=whatsapp user=whatsapp passfile=$SECRETS/pgpass connect_timeout=2"

# Debian keeps the servers of each PostgreSQL version apart: take the version of
# an existing cluster, else the newest.
pg_bin() {
    local version dir
    if [[ -e $WA_BASE/pg/PG_VERSION ]]; then
        version=$(<"$WA_BASE/pg/PG_VERSION")
        dir=/usr/lib/postgresql/$version/bin
        [[ -x $dir/postgres ]] || die \
            "the data in $(shown "$WA_BASE")/pg are of PostgreSQL $version, which is not installed" \
            "Install postgresql-$version, or move that folder away to begin with none."
    else
        dir=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
        [[ -x $dir/postgres ]] || die 'no PostgreSQL server is installed' \
            'Install the package postgresql.'
    fi
    printf '%s' "$dir"
}

# component NAME: sets CMD, ENVV (the whole environment) and CWD.
component() {
    CWD=$WA_ROOT
    ENVV=("PATH=$PATH" LANG=C.UTF-8 HOME=/nonexistent TZ=UTC
        "TMPDIR=$WA_BASE/tmp")
    case $1 in
    postgresql)
        CMD=("$(pg_bin)/postgres" -D "$WA_BASE/pg"
            -c "config_file=$WA_BASE/etc/postgresql.conf")
        ;;
    redis)
        CMD=(redis-server "$WA_BASE/etc/redis.conf")
        ;;
    sandbox)
        CWD=$WA_ROOT/bridge
        CMD=("$WA_NODE" sandbox/server.js)
        ENVV+=("SANDBOX_LISTEN=127.0.0.1:$SANDBOX_PORT"
            "SANDBOX_DATA_DIR=$WA_BASE/sandbox" LOG_LEVEL=info NODE_ENV=production)
        ;;
    bridge)
        CWD=$WA_ROOT/bridge
        CMD=("$WA_NODE" src/server.js)
        ENVV+=("BRIDGE_LISTEN=127.0.0.1:$BRIDGE_PORT" "BRIDGE_MODE=$WA_MODE"
            "BRIDGE_SECRET_FILE=$SECRETS/bridge_secret"
            "BRIDGE_INTERNAL_URL=http://127.0.0.1:$INTERNAL_PORT/internal/v1"
            "BRIDGE_INTERNAL_SECRET_FILE=$SECRETS/internal_secret"
            "BRIDGE_MASTER_KEY_FILE=$SECRETS/master_key"
            "BRIDGE_DATA_DIR=$WA_BASE/bridge" LOG_LEVEL=info NODE_ENV=production)
        # The sandbox's media hosts speak TLS under an authority of its own; live,
        # the bridge refuses to trust one more.
        [[ $WA_MODE != sandbox ]] ||
            ENVV+=("BRIDGE_WA_URL=ws://127.0.0.1:$SANDBOX_PORT/ws/chat"
                "NODE_EXTRA_CA_CERTS=$WA_BASE/sandbox/ca.pem")
        ;;
    whatsappd)
        CMD=("$WA_ROOT/build/whatsappd" -f -c "$WA_BASE/whatsappd.conf")
        ;;
    apache)
        CMD=(/usr/sbin/apache2 -f "$WA_BASE/apache/httpd.conf" -DFOREGROUND)
        ;;
    *) die "there is no component $1" ;;
    esac
}

component_name() {
    case $1 in
    pg | postgres) printf postgresql ;;
    httpd | apache2) printf apache ;;
    *) printf '%s' "$1" ;;
    esac
}

component_log() {
    case $1 in
    apache) printf '%s' "$WA_BASE/log/apache-error.log" ;;
    *) printf '%s' "$WA_BASE/log/$1.log" ;;
    esac
}

http_ok() { curl -fsS --noproxy '*' -m 2 -o /dev/null "http://127.0.0.1:$1$2" 2>/dev/null; }

# component_ready NAME: does it serve?
component_ready() {
    case $1 in
    postgresql) "$(pg_bin)/pg_isready" -q -h "$WA_SOCKETS" -d postgres ;;
    redis) [[ $(redis-cli -s "$REDIS_SOCKET" ping 2>/dev/null) == PONG ]] ;;
    sandbox) http_ok "$SANDBOX_PORT" /health ;;
    bridge) http_ok "$BRIDGE_PORT" /v1/health/live ;;
    # It serves nobody; that it has not ended half a second later must do here,
    # and /api/health/ready asks for its heartbeat.
    whatsappd) sleep 0.5 && [[ -n $(live_pid whatsappd) ]] ;;
    apache) http_ok "$PUBLIC_PORT" /api/health/live ;;
    esac
}

# ---- starting and stopping, by pid -----------------------------------------

# A component on hold is not started, nor started again, by the supervisor.
hold() { : >"$WA_BASE/run/hold/$1"; }
release() { rm -f -- "$WA_BASE/run/hold/$1"; }
held() { [[ -e $WA_BASE/run/hold/$1 ]]; }

# asked NAME PID: was this process told to end? (It may be wanted again before
# the supervisor has seen that.)
asked() {
    local pid
    { read -r pid <"$WA_BASE/run/started/$1.asked"; } 2>/dev/null || return 1
    [[ $pid == "$2" ]]
}

# signal NAME SIGNAL: to that process if it still is that process.
signal() {
    local pid
    pid=$(live_pid "$1")
    [[ -z $pid ]] || kill -s "$2" "$pid" 2>/dev/null || true
}

# sweep PID: every component leads a process group of its own; what a dead
# leader left in it (Apache's children hold the port) is ended with it.
sweep() { kill -s KILL -- "-$1" 2>/dev/null || true; }

# stop_component NAME: asks, waits, insists.
stop_component() {
    local pid sig=TERM limit=100 i
    hold "$1"
    pid=$(live_pid "$1")
    if [[ -n $pid ]]; then
        # Fast shutdown: clients are sent away, what is committed stays.
        if [[ $1 == postgresql ]]; then sig=INT limit=300; fi
        if [[ ${WA_STOP_MODE:-} == immediate ]]; then sig=QUIT; fi
        write_file "$WA_BASE/run/started/$1.asked" "$pid"
        kill -s "$sig" "$pid" 2>/dev/null || true
        for ((i = 0; i < limit; i++)); do
            [[ $(live_pid "$1") == "$pid" ]] || break
            sleep 0.1
        done
        [[ $(live_pid "$1") != "$pid" ]] || kill -s KILL "$pid" 2>/dev/null || true
        sweep "$pid"
    fi
    forget_pid "$1"
}

# start_component NAME SECONDS: lets the supervisor start it, waits until it is
# ready; not so when it ends twice or the time is over.
start_component() {
    local seen='' deaths=-1 pid until
    until=$(($(now_ms) + $2 * 1000))
    release "$1"
    while (($(now_ms) < until)); do
        [[ -n $(live_pid supervisor) ]] || return 1
        pid=$(live_pid "$1")
        if [[ -n $pid && $pid != "$seen" ]]; then
            seen=$pid
            deaths=$((deaths + 1))
            ((deaths < 2)) || return 1
        fi
        if [[ -n $pid ]] && component_ready "$1"; then return 0; fi
        sleep 0.1
    done
    return 1
}

reversed() {
    local c out=''
    for c in "$@"; do out="$c $out"; done
    printf '%s' "$out"
}
