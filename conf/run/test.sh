# shellcheck shell=bash
# shellcheck disable=SC2154 # colours: common.sh
# The part of `test` that is done by whoever typed it: packages, the build with
# warnings as errors, and the source guards. Then test-run.sh takes over as the
# run user. Sourced by apxs-build.sh.

# wanted PATH: is it meant by the patterns?
wanted() {
    local p
    ((${#WA_PATTERNS[@]})) || return 0
    for p in "${WA_PATTERNS[@]}"; do
        [[ $1 != *"$p"* ]] || return 0
    done
    return 1
}

# Each guard is one test: it passes when it ends with 0.
run_guards() {
    local guard name log=$WA_ROOT/build/log/guards.log out
    export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'
    export WA_NODE
    mkdir -p "${log%/*}"
    : >"$log"
    for guard in "$WA_ROOT"/t/check/*.sh; do
        name=t/check/${guard##*/}
        if [[ ! -e $guard ]] || ! wanted "$name"; then continue; fi
        step_begin "$name"
        if out=$(cd "$WA_ROOT" && "$BASH" "$guard" 2>&1 </dev/null); then
            step_end
            guards_passed=$((guards_passed + 1))
        else
            step_end failed
            printf '%s\n' "$out" | tail -n 40 | sed 's/^/    /'
            guards_failed+=("$name")
        fi
        printf '=== %s\n%s\n' "$name" "$out" >>"$log"
    done
}

test_all() {
    WA_PATTERNS=("$@")
    guards_passed=0 guards_failed=()
    # Whatever stops it early, the last line tells that it failed.
    trap 'printf "%d passed, %d failed\n" "$guards_passed" $((${#guards_failed[@]} + 1))' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP

    say "${c_bold}mod_whatsapp${c_off}, tests"
    ensure_packages "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
    ensure_user
    ensure_var
    ensure_node all
    build_c 'Module, daemon and unit tests (-Werror)' all unit WERROR=1
    run_guards

    WA_MODE=sandbox
    WA_COMPONENTS='postgresql redis sandbox bridge whatsappd apache'
    WA_GUARDS_PASSED=$guards_passed
    WA_GUARDS_FAILED=$(printf '%s\n' "${guards_failed[@]}")
    WA_GUARDS_ALL=$( (compgen -G "$WA_ROOT/t/check/*.sh" || true) | wc -l)
    export WA_BASE WA_MODE WA_COMPONENTS WA_GUARDS_PASSED WA_GUARDS_FAILED WA_GUARDS_ALL
    trap - EXIT INT TERM HUP
    exec_as_user "$BASH" "$WA_ROOT/conf/run/test-run.sh" "$@"
}
