#!/usr/bin/env bash
# run.sh [NAME…]: the benchmarks that need servers, as the run user: starts a
# stack of its own below var/bench, runs bench/NAME.js or bench/NAME.sh, all of
# them or those named, and stops everything. Each prints its figures and, for
# each goal, "met" or "missed"; a goal that is missed is no failure of the run.
set -euo pipefail
umask 077
# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"
# shellcheck source=conf/run/own-stack.sh
. "$WA_ROOT/conf/run/own-stack.sh"

BENCH=$WA_ROOT/bench
# In the order of the document; scripts that are not listed follow by name.
ORDER=(status connections send deliver webhooks slow list baileys)

# What is measured beside the module, in the same Apache.
before_stack() {
    local dir=$WA_BASE/apache/extra
    mkdir -p "$dir" "$WA_BASE/bench"
    printf '%0200d' 0 >"$WA_BASE/bench/static.json"
    cat >"$dir/bench.conf" <<CONF
LoadModule noop_module $WA_ROOT/build/bench/mod_noop.so
Alias "/bench/static.json" "$WA_BASE/bench/static.json"
<Directory "$WA_BASE/bench">
    Require all granted
</Directory>
<Location "/bench/noop">
    SetHandler noop
    Require all granted
</Location>
CONF
}

script_of() {
    local ext
    for ext in js sh; do
        if [[ $1 != run && -e $BENCH/$1.$ext ]]; then
            printf '%s' "$BENCH/$1.$ext"
            return 0
        fi
    done
    return 1
}

all_names() {
    local f name
    {
        for name in "${ORDER[@]}"; do script_of "$name" >/dev/null && printf '%s\n' "$name"; done
        for f in "$BENCH"/*.js "$BENCH"/*.sh; do
            name=${f##*/}
            name=${name%.*}
            if [[ $name != run && $name != eslint.config ]]; then printf '%s\n' "$name"; fi
        done
    } | awk '!seen[$0]++'
}

names=("$@")
(($#)) || mapfile -t names < <(all_names)
for name in "${names[@]}"; do
    script_of "$name" >/dev/null ||
        die "there is no benchmark $name" "There are: $(all_names | tr '\n' ' ')"
done

job=''
closing() {
    local rc=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n $job ]]; then
        kill -s TERM -- "-$job" 2>/dev/null || true
        wait "$job" 2>/dev/null || true
    fi
    stop_stack
    exit "$rc"
}
trap closing EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

start_stack
export_addresses
failed=0
set -m # each benchmark leads a process group, so that none of it is left over
for name in "${names[@]}"; do
    say
    say "${c_bold}$name${c_off}   load average $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) processors"
    script=$(script_of "$name")
    if [[ $script == *.js ]]; then
        "$WA_NODE" "$script" </dev/null &
    else
        "$BASH" "$script" </dev/null &
    fi
    job=$!
    rc=0
    wait "$job" || rc=$?
    kill -s KILL -- "-$job" 2>/dev/null || true
    job=''
    if ((rc)); then
        warn "$name ended with status $rc"
        failed=1
    fi
done
((!failed))
