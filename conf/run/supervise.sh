#!/usr/bin/env bash
# supervise.sh: keeps the components of one stack alive. Starts each that is not
# on hold, starts it again when it ends, later each time that it ends soon; on
# TERM, or when the process that it was started for is gone, stops all of them in
# order. Only files under run/ tell it what to do, so that anything may ask.
#   $1  pid of the watching process, or 0
#   fd 4 where what happens is said, fd 5 the lock of the base
set -uo pipefail
# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"
# shellcheck source=conf/run/components.sh
. "$WA_ROOT/conf/run/components.sh"

watching=$1
watching_since=''
((watching == 0)) || watching_since=$(proc_start "$watching")
stopping=0 turn=0
trap 'stopping=1' TERM INT HUP
trap '' PIPE

declare -A pid_of next_at soon started_at

exec {tick}<> <(:) # never has anything: reading from it is a pause without a fork

note() { TZ=UTC printf '%(%FT%TZ)T %s\n' -1 "$*"; }

tell() {
    note "$*"
    printf '  %(%T)T  %s\n' -1 "$*" >&4 2>/dev/null || true
}

rotate() {
    local size
    size=$(stat -c %s "$1" 2>/dev/null || echo 0)
    ((size < 20971520)) || mv -f -- "$1" "$1.1"
}

launch() {
    local log
    log=$(component_log "$1")
    rotate "$log"
    component "$1" || return
    (
        cd "$CWD" || exit 127
        exec setsid env -i "${ENVV[@]}" "${CMD[@]}"
    ) >>"$log" 2>&1 </dev/null 4>&- 5>&- {tick}>&- &
    pid_of[$1]=$!
    remember_pid "$1" "$!"
    started_at[$1]=$(now_ms)
}

# ended NAME: says so, and when it may start again.
ended() {
    local c=$1 pid=${pid_of[$1]} rc how delay=0 now
    wait "$pid" 2>/dev/null
    rc=$?
    sweep "$pid"
    unset "pid_of[$c]"
    now=$(now_ms)
    if asked "$c" "$pid"; then
        soon[$c]=0
        next_at[$c]=$now
        return
    fi
    how="status $rc"
    ((rc <= 128)) || how="signal $((rc - 128))"
    if ((now - started_at[$c] < 3000)); then
        soon[$c]=$((${soon[$c]:-0} + 1))
    else
        soon[$c]=1
    fi
    # At once, then 0.5, 1, 2, … at most 15 seconds.
    ((soon[$c] == 1)) || delay=$((250 << (soon[$c] < 8 ? soon[$c] - 1 : 6)))
    ((delay <= 15000)) || delay=15000
    next_at[$c]=$((now + delay))
    if ((delay)); then
        tell "$c ended ($how); starting it again in $(seconds "$delay") s"
    else
        tell "$c ended ($how); starting it again"
    fi
}

tend() {
    local c=$1
    if [[ -n ${pid_of[$c]:-} ]]; then
        # bash reaps its children as they end: a pid that is gone has ended.
        if kill -0 "${pid_of[$c]}" 2>/dev/null; then return; fi
        ended "$c"
    fi
    if held "$c" || (($(now_ms) < ${next_at[$c]:-0})); then return; fi
    launch "$c"
    # The first start is a step on the screen of whoever asked for it.
    if [[ -n ${soon[$c]+x} ]]; then
        tell "$c started, pid ${pid_of[$c]:-none}"
    else
        soon[$c]=0
        note "$c started, pid ${pid_of[$c]:-none}"
    fi
}

pause() { read -rt 0.2 -u "$tick" _ || true; }

read -ra components <<<"$WA_COMPONENTS"
remember_pid supervisor $$
note "supervisor started, pid $$"
while ((!stopping)); do
    for c in "${components[@]}"; do tend "$c"; done
    if ((++turn % 5 == 0)) && [[ -n $watching_since &&
        $(proc_start "$watching") != "$watching_since" ]]; then
        tell 'the process that this was started for is gone'
        break
    fi
    pause
done

for c in $(reversed "${components[@]}"); do
    [[ -z $(live_pid "$c") ]] || tell "stopping $c"
    stop_component "$c"
done
note 'supervisor ends'
forget_pid supervisor
