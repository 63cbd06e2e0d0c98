#!/usr/bin/env bash
# ctl.sh BASE stop|start|restart|kill9|pid COMPONENT: one component of a stack
# that runs. stop keeps it stopped until start; kill9 leaves its return to the
# supervisor. Comes back when it is gone, or ready.
set -euo pipefail
base=$1
# shellcheck source=/dev/null
. "$base/run/env"
# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"
# shellcheck source=conf/run/components.sh
. "$WA_ROOT/conf/run/components.sh"

name=$(component_name "${3:?a component}")
component "$name"
case ${2:-} in
stop) stop_component "$name" ;;
start) start_component "$name" 30 || die "$name did not get ready" ;;
restart)
    stop_component "$name"
    start_component "$name" 30 || die "$name did not get ready"
    ;;
kill9)
    pid=$(live_pid "$name")
    [[ -n $pid ]] || die "$name does not run"
    signal "$name" KILL
    while [[ -n $(live_pid "$name") && $(live_pid "$name") == "$pid" ]]; do sleep 0.02; done
    ;;
pid) live_pid "$name" && echo ;;
*) die "not a verb: ${2:-}" 'One of stop, start, restart, kill9, pid.' ;;
esac
