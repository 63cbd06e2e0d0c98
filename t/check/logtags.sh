#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every log line of the C code starts with a tag of its own, "WA0001: ", so that
# a line in a log leads to one place in the source.
. "$(dirname "$0")/guard.inc"

code=$(c_files | xargs sh -c '. t/check/guard.inc; c_code "$@"' t/check/x)
tags=$(printf '%s\n' "$code" | grep -E '"WA[0-9]{4}: ')
some 'there are tags' 10 "$tags"
none 'each tag stands once' "$(printf '%s\n' "$tags" | grep -oE 'WA[0-9]{4}' | sort | uniq -d |
    while read -r tag; do
        printf '%s\n' "$tags" | grep "\"$tag: " | sed 's/^\([^:]*:[0-9]*\):.*/'"$tag"' \1/'
    done)"

# Each call's first literal has to be a tag. The sinks pass on what has one.
none 'each call that logs has a tag' "$(printf '%s\n' "$code" | awk '
    {
        file = $0; sub(/:.*/, "", file)
        number = substr($0, length(file) + 2); sub(/:.*/, "", number)
        text = substr($0, length(file) + length(number) + 3)
        if (file ~ /base\/wa_log\.[ch]$|apache\/mod_whatsapp_log\.c$/) next
        if (file != last) { open = 0; last = file }
        if (match(text, /(^|[^a-z_])(wa_log|ap_log_[a-z]*error)\(/)) {
            text = substr(text, RSTART + RLENGTH); open = 1; where = file ":" number
        }
        if (open && (at = index(text, "\""))) {
            if (substr(text, at) !~ /^"WA[0-9][0-9][0-9][0-9]: /) print where
            open = 0
        }
    }')"
finish
