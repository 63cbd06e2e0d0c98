#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What belongs to the making of the project, not into it: notes to oneself,
# paths of one machine, hosts of one network, secrets.
. "$(dirname "$0")/guard.inc"

# Not this file, whose patterns would find themselves.
files=$(own_files | grep -vxE 't/check/leftovers\.sh|.*\.(png|jpg|ico|woff2)')
some 'there are files to look at' 100 "$files"
find_in() { printf '%s\n' "$files" | tr '\n' '\0' | xargs -0 grep -nHE "$@" | cut -c1-160; }

# "# TODO" is a word of TAP, where a runner reads it.
none 'nothing is left to do' "$(find_in '\b(TODO|FIXME|XXX|HACK)\b' |
    grep -v '^conf/run/.*# TODO' | grep -v '^CHANGES:')"
none 'no path of one machine' "$(find_in '(^|[^A-Za-z0-9_.@}-])(/work|/home/[a-z]+|/Users/[A-Za-z]+)(/|[^A-Za-z0-9_-]|$)')"
# A clone below /root is a case that is handled and told about, no more.
none 'no path below /root' "$(find_in '(^|[^A-Za-z0-9_.}*-])/root/[A-Za-z0-9]')"
none 'nothing of the workshop' "$(find_in -i 'shared/(facts|design|style)|\.\./shared|issues (show|list|close)\b')"
none 'no registry in a lock file' "$(printf '%s\n' "$files" | grep 'package-lock\.json$' |
    xargs grep -nHE '"resolved": *"[a-z+]*:' | cut -c1-160)"
none 'no .npmrc, no editor leftovers' "$(printf '%s\n' "$files" |
    grep -E '(^|/)\.npmrc$|~$|\.(orig|rej|swp|bak)$|(^|/)core(\.[0-9]+)?$')"
none 'no key in the clear' "$(find_in 'wak_[A-Za-z0-9_-]{49}|-----BEGIN [A-Z ]*PRIVATE KEY|eyJ[A-Za-z0-9_-]{20,}\.eyJ' |
    grep -vE '^(t|bridge/test|docs/openapi\.yaml)')"
none 'no file over 1 MiB' "$(printf '%s\n' "$files" | while IFS= read -r f; do
    [ "$(wc -c <"$f")" -le 1048576 ] || echo "$f"
done)"
finish
