#!/usr/bin/env bash
# pg_ctl.sh BASE start|stop|restart [-m fast|immediate]: PostgreSQL of a stack, in
# the words of pg_ctl, by way of the supervisor.
set -euo pipefail
base=$1 verb=${2:?start, stop or restart} mode=fast
[[ ${3:-} != -m ]] || mode=${4:?a mode}
WA_STOP_MODE=$mode exec "$BASH" "${0%/*}/ctl.sh" "$base" "$verb" postgresql
