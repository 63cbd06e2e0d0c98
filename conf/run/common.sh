# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Sourced by apxs-build.sh and by every script of conf/run: where things are,
# what is said to the person watching, and which processes are ours.
#
#   WA_ROOT  the checkout, as the servers reach it
#   WA_OUT   the same folder as the person who typed the command sees it
#   WA_BASE  where a stack keeps its state: $WA_ROOT/var, var/live or var/test

# ---- what is said ----------------------------------------------------------

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
    c_bold=$'\e[1m' c_dim=$'\e[2m' c_red=$'\e[31m' c_green=$'\e[32m'
    c_yellow=$'\e[33m' c_off=$'\e[0m'
else
    c_bold='' c_dim='' c_red='' c_green='' c_yellow='' c_off=''
fi

say() { printf '%s\n' "$*"; }
warn() { printf '%s%s%s\n' "$c_yellow" "$*" "$c_off" >&2; }

# die CAUSE [CURE…]: the cause in one line, each cure on its own.
die() {
    printf '%serror:%s %s\n' "$c_red" "$c_off" "$1" >&2
    shift
    local line
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# A path as the person sees it.
shown() {
    local p=$1
    [[ ${WA_OUT:-$WA_ROOT} == "$WA_ROOT" ]] || p=${p/#"$WA_ROOT"/"$WA_OUT"}
    printf '%s' "$p"
}

now_ms() {
    local t=${EPOCHREALTIME/[.,]/}
    printf '%s' "${t%???}"
}

seconds() { printf '%d.%d' $(($1 / 1000)) $(($1 % 1000 / 100)); }

step_at=0
step_begin() {
    step_at=$(now_ms)
    step_name=$1
    [[ ! -t 1 ]] || printf '  %-44s …' "$step_name"
}

# step_end [WORD]: closes the line that step_begin opened.
step_end() {
    local word=${1:-ok} colour=$c_green took
    [[ $word == ok ]] || colour=$c_yellow
    [[ $word == failed ]] && colour=$c_red
    took=$(seconds $(($(now_ms) - step_at)))
    [[ ! -t 1 ]] || printf '\r\e[K'
    printf '  %-44s %s%-7s%s %6s s\n' "$step_name" "$colour" "$word" "$c_off" \
        "$took"
}

# step NAME LOG COMMAND…: one line on the screen, the details in LOG. COMMAND
# runs in a subshell under `set -e`. A failure shows the log's last lines and
# ends the script with the cures in CURE. Never call it in a condition: there
# the shell would ignore `set -e` in COMMAND too.
CURE=()
step() {
    local name=$1 log=$2 rc
    shift 2
    mkdir -p "${log%/*}"
    printf '\n=== %(%F %T)T %s\n' -1 "$name" >>"$log"
    step_begin "$name"
    set +e
    (
        set -e
        "$@"
    ) >>"$log" 2>&1 </dev/null
    rc=$?
    set -e
    if ((rc)); then
        step_end failed
        tail_log "$log"
        die "failed: $name" "${CURE[@]}" "The whole log: $(shown "$log")"
    fi
    step_end
    CURE=()
}

# The last lines of the log that explains a failure.
tail_log() {
    local log=$1 lines=${2:-20}
    [[ -s $log ]] || return 0
    printf '%s--- the end of %s%s\n' "$c_dim" "$(shown "$log")" "$c_off" >&2
    tail -n "$lines" -- "$log" | sed 's/^/    /' >&2
}

# ---- processes -------------------------------------------------------------

# proc_start PID: the time it was started, in the kernel's ticks; empty when
# there is no such process or only its zombie is left. A pid with the start
# time written beside it is never mistaken for a later process.
proc_start() {
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    stat=${stat##*) }
    # shellcheck disable=SC2086 # fields on purpose
    set -- $stat
    [[ $1 == Z || $1 == X ]] || printf '%s' "${20}"
}

# write_file FILE TEXT: in one piece or not at all.
write_file() {
    printf '%s\n' "$2" >"$1.$$"
    mv -f -- "$1.$$" "$1"
}

# remember_pid NAME PID: run/pids/NAME holds the pid alone.
remember_pid() {
    write_file "$WA_BASE/run/started/$1" "$2 $(proc_start "$2")"
    write_file "$WA_BASE/run/pids/$1" "$2"
}

forget_pid() { rm -f -- "$WA_BASE/run/pids/$1" "$WA_BASE/run/started/$1"; }

# live_pid NAME: its pid if that very process still runs, else nothing.
live_pid() {
    local pid started
    { read -r pid started <"$WA_BASE/run/started/$1"; } 2>/dev/null || return 0
    [[ -n $pid && -n $started && $(proc_start "$pid") == "$started" ]] || return 0
    printf '%s' "$pid"
}

# ---- ports -----------------------------------------------------------------

# listeners PORT: the inodes of the sockets that listen on it on an address
# that a loopback socket would collide with.
listeners() {
    local hex
    printf -v hex '%04X' "$1"
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        awk -v p=":$hex" '$4 == "0A" && substr($2, length($2) - 4) == p {
            a = substr($2, 1, length($2) - 5)
            if (a ~ /^0+$/ || a ~ /7F$/ || a ~ /0100007F$/ || a ~ /01000000$/)
                print $10 }'
}

port_free() { [[ -z $(listeners "$1") ]]; }

# port_owner PORT: "pid 123 (apache2)" where that can be seen.
port_owner() {
    local inode link pid
    for inode in $(listeners "$1"); do
        for link in /proc/[0-9]*/fd/*; do
            [[ $(readlink "$link" 2>/dev/null) == "socket:[$inode]" ]] || continue
            pid=${link#/proc/}
            pid=${pid%%/*}
            printf 'pid %s (%s)' "$pid" "$(cat "/proc/$pid/comm" 2>/dev/null)"
            return 0
        done
    done
    printf 'another process'
}

# ---- the run user ----------------------------------------------------------

# Root's servers run as this user; anybody else's run as oneself.
WA_USER=whatsapp

# user_prefix: sets PREFIX to what runs a command as the run user, without new
# privileges and with a clean environment: PATH, a UTF-8 locale, the WA_ ones.
user_prefix() {
    local v
    PREFIX=()
    ((EUID != 0)) ||
        PREFIX=(setpriv --reuid="$WA_USER" --regid="$WA_USER" --init-groups
            --inh-caps=-all --no-new-privs)
    PREFIX+=(env -i "PATH=$PATH" LANG=C.UTF-8 HOME=/nonexistent
        "TERM=${TERM:-dumb}")
    for v in "${!WA_@}" NO_COLOR NODE_EXTRA_CA_CERTS CI; do
        [[ -z ${!v+x} ]] || PREFIX+=("$v=${!v}")
    done
}

as_user() {
    user_prefix
    "${PREFIX[@]}" "$@"
}

# exec_as_user COMMAND…: the same, in this process's place.
exec_as_user() {
    user_prefix
    exec "${PREFIX[@]}" "$@"
}
