# shellcheck shell=bash
# What can be known in the first second: refuse here, with the cure, rather than
# in the middle. Sourced by apxs-build.sh.

MIN_FREE_MB=1024

check_machine() {
    case $(uname -s)-$(uname -m) in
    Linux-x86_64 | Linux-aarch64) ;;
    *)
        die "this runs on Linux on x86_64 or aarch64, not on $(uname -sm)" \
            'Use such a machine, or a container or virtual machine of that kind.'
        ;;
    esac
    case $WA_ROOT in
    *[!A-Za-z0-9/._+-]*)
        die "the path of this checkout has a character that build tools trip over: $WA_ROOT" \
            'Move it to a path of letters, digits and / . _ + - only.'
        ;;
    esac
    local dir
    for dir in "$WA_OUT" /var; do
        local free
        free=$(df -Pm -- "$dir" 2>/dev/null | awk 'NR == 2 { print $4 }')
        ((${free:-$MIN_FREE_MB} >= MIN_FREE_MB)) ||
            die "only $free MB are free on the disk of $dir; $MIN_FREE_MB MB are needed" \
                "Free some space there (df -h $dir), then try again."
    done
}

# check_ports PORT…: all free, or which is not and who has it.
check_ports() {
    local p taken=0
    for p in "$@"; do
        port_free "$p" || {
            warn "port $p on 127.0.0.1 is taken by $(port_owner "$p")"
            taken=1
        }
    done
    ((!taken)) ||
        die 'a port that this needs is taken' \
            'Stop what holds it, or choose four others: run --port 9080 (or WA_PORT_BASE=9080).'
}

# check_not_running BASE: a stack that runs holds its lock.
check_not_running() {
    local lock=$1/run/lock flag='' pid fd
    [[ $1 != */live ]] || flag=' --live'
    [[ -e $1 ]] || return 0
    if [[ -d $1/run && ! -x $1/run ]]; then
        die "$(shown "$1") belongs to $(stat -c %U "$1")" \
            'Use the same user (or sudo) as for the first run, or move it away.'
    fi
    [[ -e $lock ]] || return 0
    # Opened for reading: as root this must not write where others may.
    exec {fd}<"$lock"
    if ! flock -n -s "$fd"; then
        [[ $1 != */@(test|bench) ]] || die "a $(basename "$1") run is already under way in this checkout" \
            'Wait for it, or end it by its own Ctrl-C; stop --test ends its servers.'
        pid=$(cat "$1/run/pids/supervisor" 2>/dev/null || true)
        die "it is already running${pid:+ (supervisor: pid $pid)}" \
            "Stop it:   $(shown "$WA_ROOT")/apxs-build.sh stop$flag" \
            "Its state: $(shown "$1")/run.json and $(shown "$1")/log/"
    fi
    exec {fd}<&-
}

# others_reach DIR: can the run user get in and read?
others_reach() {
    local f who=("--reuid=65534" "--regid=65534" --clear-groups)
    if id -u "$WA_USER" >/dev/null 2>&1; then
        who=("--reuid=$WA_USER" "--regid=$WA_USER" --init-groups)
    fi
    for f in "$1" "$1"/apxs-build.sh "$1"/conf/run "$1"/conf/run/stack.sh \
        "$1"/bridge "$1"/bridge/package.json "$1"/sql/migrate.sh; do
        setpriv "${who[@]}" test -r "$f" || return 1
        [[ ! -d $f ]] || setpriv "${who[@]}" test -x "$f" || return 1
    done
}

# reach_or_move ARGUMENT…: root's servers run as another user, who must get into
# the checkout. Where that user can't (a clone under /root, or in a folder of
# mode 0700), this command is started again in a mount namespace of its own, in
# which the checkout's parts are also mounted below /run. Nothing that others
# see changes. Everything it starts lives in that namespace and ends with it.
reach_or_move() {
    ((EUID == 0)) || return 0
    if others_reach "$WA_ROOT"; then return 0; fi
    local parent=$WA_ROOT hint
    hint='Or clone it to a place that every user may enter, such as /opt or /srv.'
    [[ -z ${WA_MOVED:-} ]] ||
        die "the servers run as another user than root, who can't read $WA_OUT" \
            "Make its files readable: chmod -R go+rX $WA_OUT" "$hint"
    while [[ $parent != / ]] &&
        setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$parent"; do
        parent=${parent%/*}
        parent=${parent:-/}
    done
    unshare --mount --propagation private true 2>/dev/null ||
        die "the servers run as another user than root, who can't enter $WA_ROOT" \
            "Let others pass through it: chmod o+x on each folder of that path." "$hint"
    local at
    at=/run/mod_whatsapp/$(printf '%s' "$WA_ROOT" | sha256sum | cut -c1-12)
    mkdir -p "$at"
    mkdir -p "$WA_ROOT/build" "$WA_ROOT/var"
    exec env WA_MOVED=1 WA_OUT="$WA_ROOT" unshare --mount --propagation private \
        "$BASH" "$WA_ROOT/conf/run/mounted.sh" "$WA_ROOT" "$at" "$@"
}

# The system user that root's servers run as.
ensure_user() {
    ((EUID == 0)) || return 0
    id -u "$WA_USER" >/dev/null 2>&1 ||
        useradd --system --user-group --no-create-home --home-dir /nonexistent \
            --shell /usr/sbin/nologin "$WA_USER"
}

# ensure_var: ./var belongs to the run user; others may pass through it to
# run.json and no further.
ensure_var() {
    local var=$WA_ROOT/var owner me
    me=$(id -un)
    ((EUID != 0)) || me=$WA_USER
    if [[ ! -d $var ]]; then
        mkdir -m 0711 "$var"
    fi
    owner=$(stat -c %U "$var")
    if ((EUID == 0)) && [[ $owner == root && -z $(ls -A "$var") ]]; then
        chown "$WA_USER:$WA_USER" "$var"
        chmod 0711 "$var"
        owner=$WA_USER
    fi
    [[ $owner == "$me" ]] ||
        die "$(shown "$var") belongs to $owner, and the servers would run as $me" \
            "Start it the way it was started first (as ${owner/$WA_USER/root}), or move that folder away."
}
