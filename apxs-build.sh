#!/usr/bin/env bash
# The one entry point of mod_whatsapp: builds it, runs it, tests it.
# `./apxs-build.sh help` lists the commands; conf/run/ has the parts.
set -euo pipefail
umask 022

WA_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
[[ -n ${WA_MOVED:-} ]] || WA_OUT=$WA_ROOT
export WA_ROOT WA_OUT

# shellcheck source=conf/run/common.sh
. "$WA_ROOT/conf/run/common.sh"
# shellcheck source=conf/run/preflight.sh
. "$WA_ROOT/conf/run/preflight.sh"
# shellcheck source=conf/run/node.sh
. "$WA_ROOT/conf/run/node.sh"
# shellcheck source=conf/run/build.sh
. "$WA_ROOT/conf/run/build.sh"

usage() {
    cat <<'TEXT'
usage: ./apxs-build.sh COMMAND

  run [--detach] [--live] [--port N]
            installs what is missing, builds, and starts everything on loopback
            with its state in ./var; Ctrl-C stops all of it
              --detach  comes back when all is ready; `stop` ends it
              --live    against the real WhatsApp instead of the sandbox
              --port N  uses the ports N to N+3 (8080; or WA_PORT_BASE)
  stop      stops what `run` started
  test [PATTERN…]
            builds with warnings as errors, starts servers of its own on free
            ports and runs every test, or those whose path has a PATTERN
  bench [NAME…]
            measures with servers of its own: all of bench/, or those named
  build     libwa.a, mod_whatsapp.so and whatsappd into ./build
  install   the module, whatsappd and their files (DESTDIR is kept to)
  clean [--data]
            removes ./build; with --data also ./var, and what is stored there
  help      this text
TEXT
}

# One `run` at a time per base, as one stack of servers.
cmd_run() {
    local arguments=("$@") detach=0 only=''
    WA_MODE=sandbox
    WA_PORT_BASE=${WA_PORT_BASE:-8080}
    while (($#)); do
        case $1 in
        --detach) detach=1 ;;
        --live) WA_MODE=live ;;
        --port)
            WA_PORT_BASE=${2:-}
            shift
            ;;
        --only)
            only=${2:-}
            shift
            ;;
        *) die "run does not know $1" 'See: ./apxs-build.sh help' ;;
        esac
        shift
    done
    if [[ ! $WA_PORT_BASE =~ ^[1-9][0-9]{3,4}$ ]] ||
        ((WA_PORT_BASE < 1024 || WA_PORT_BASE > 65532)); then
        die "not a port to start from: $WA_PORT_BASE" 'Give one from 1024 to 65532.'
    fi
    WA_BASE=$WA_ROOT/var
    [[ $WA_MODE != live ]] || WA_BASE=$WA_ROOT/var/live
    WA_COMPONENTS='postgresql redis sandbox bridge whatsappd apache'
    [[ $WA_MODE != live ]] || WA_COMPONENTS=${WA_COMPONENTS/sandbox /}
    [[ -z $only ]] || WA_COMPONENTS=$only # for work on this script

    check_machine
    check_not_running "$WA_BASE"
    reach_or_move run "${arguments[@]}"
    end_leftovers
    check_ports "$WA_PORT_BASE" $((WA_PORT_BASE + 1)) $((WA_PORT_BASE + 2)) \
        $((WA_PORT_BASE + 3))

    say "${c_bold}mod_whatsapp${c_off}, $WA_MODE mode"
    ensure_packages "${RUN_PACKAGES[@]}"
    ensure_user
    ensure_var
    ensure_node prod
    [[ -n $only && ! -e $WA_ROOT/mod_whatsapp/Makefile ]] ||
        build_c 'Module, library and daemon' all
    WA_DETACH=$detach
    export WA_BASE WA_MODE WA_PORT_BASE WA_COMPONENTS WA_DETACH
    exec_as_user "$BASH" "$WA_ROOT/conf/run/stack.sh" run
}

# What a supervisor that was killed has left running, with its ports.
end_leftovers() {
    [[ -n $(ls -A "$WA_BASE/run/pids" 2>/dev/null) ]] || return 0
    export WA_BASE
    as_user "$BASH" "$WA_ROOT/conf/run/stack.sh" stop
}

cmd_stop() {
    local base found=0
    for base in "$WA_ROOT/var" "$WA_ROOT/var/live" "$WA_ROOT/var/test" "$WA_ROOT/var/bench"; do
        [[ $base != */@(test|bench) || ${1:-} == --test ]] || continue
        [[ -d $base/run ]] || continue
        if [[ ! -x $base/run ]]; then
            die "$base belongs to $(stat -c %U "$base")" 'Stop it as that user, or by sudo.'
        fi
        [[ -n $(ls -A "$base/run/pids" 2>/dev/null) ]] || continue
        found=1
        reach_or_move stop
        WA_BASE=$base
        export WA_BASE
        as_user "$BASH" "$WA_ROOT/conf/run/stack.sh" stop
    done
    ((found)) || say 'nothing runs'
}

cmd_test() {
    check_machine
    WA_BASE=$WA_ROOT/var/test
    check_not_running "$WA_BASE"
    reach_or_move test "$@"
    # shellcheck source=conf/run/test.sh
    . "$WA_ROOT/conf/run/test.sh"
    test_all "$@"
}

cmd_build() {
    check_machine
    ensure_packages "${RUN_PACKAGES[@]}"
    build_c 'Module, library and daemon' all
}

cmd_install() {
    cmd_build
    # Straight to the screen: it tells where the files went.
    make -C "$WA_ROOT/mod_whatsapp" install DESTDIR="${DESTDIR:-}"
}

cmd_bench() {
    check_machine
    WA_BASE=$WA_ROOT/var/bench
    check_not_running "$WA_BASE"
    reach_or_move bench "$@"
    say "${c_bold}mod_whatsapp${c_off}, benchmarks"
    ensure_packages "${RUN_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
    ensure_user
    ensure_var
    ensure_node prod
    build_c 'Module, library and daemon' all
    step 'What it is compared with' "$WA_ROOT/build/log/build.log" build_bench
    WA_MODE=sandbox
    WA_COMPONENTS='postgresql redis sandbox bridge whatsappd apache'
    export WA_BASE WA_MODE WA_COMPONENTS
    exec_as_user "$BASH" "$WA_ROOT/bench/run.sh" "$@"
}

cmd_clean() {
    local base
    for base in "$WA_ROOT"/var "$WA_ROOT"/var/live "$WA_ROOT"/var/{test,bench}; do
        check_not_running "$base"
    done
    rm -rf -- "$WA_ROOT/build"
    if [[ ${1:-} == --data ]]; then
        rm -rf -- "${WA_ROOT:?}/var"
        say 'removed ./build and ./var'
    else
        say 'removed ./build (what is stored in ./var was kept)'
    fi
}

command=${1:-help}
(($# == 0)) || shift
case $command in
run | stop | test | bench | build | install | clean) "cmd_$command" "$@" ;;
help | -h | --help) usage ;;
*)
    usage >&2
    die "there is no command $command"
    ;;
esac
