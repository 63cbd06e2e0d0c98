#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What cppcheck (3 s on two cores) and clang-tidy (40 s) find in the C code.
. "$(dirname "$0")/guard.inc"

analyse() { # TOOL TARGET
    if ! command -v "$1" >/dev/null; then
        none "$1 is installed" "$1 is not"
    elif out=$(make -s -C mod_whatsapp "$2" 2>&1); then
        none "$1 finds nothing" ''
    else
        findings=$(printf '%s\n' "$out" | grep -E '(error|warning|style|performance|portability):')
        none "$1 finds nothing" "${findings:-$out}"
    fi
}
analyse "${CPPCHECK:-cppcheck}" cppcheck
analyse "${CLANG_TIDY:-clang-tidy}" tidy
finish
