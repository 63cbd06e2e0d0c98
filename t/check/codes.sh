#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The error codes of wa_result.h and of docs/openapi.yaml are the same: the enum
# of Problem.code, and the table of codes with their statuses.
. "$(dirname "$0")/guard.inc"
header=mod_whatsapp/base/wa_result.h
document=docs/openapi.yaml

# "code status"
listed=$(sed -nE 's/^ *X\(WA_E_[A-Z_]+, *([0-9]+), *"([a-z_]+)",.*/\2 \1/p' "$header")
rows=$(sed -nE 's/^ *\| `([a-z_]+)` \| ([0-9]+) \|.*/\1 \2/p' "$document")
# The list below "enum:" of "code:" in the schema Problem.
enum=$(awk '/^    Problem:/ { on = 1; next } on && /^    [^ ]/ { on = 0 }
    on && /^        code:/ { code = 1; next }
    on && code && /^        [^ ]/ { code = 0 }
    on && code && /enum:/ { list = 1; next }
    on && code && list && /^ *- / { print $2; next }
    list { list = 0 }' "$document")

some 'wa_result.h lists codes' 20 "$listed"
some 'the enum lists codes' 20 "$enum"
none 'every code is in the enum' "$(only_in "$(printf '%s\n' "$listed" | cut -d' ' -f1)" "$enum")"
none 'every code of the enum exists' "$(only_in "$enum" "$(printf '%s\n' "$listed" | cut -d' ' -f1)")"
none 'every code is in the table, with its status' "$(only_in "$listed" "$rows")"
none 'every code of the table exists' "$(only_in "$rows" "$listed")"
none 'each code stands once' "$(printf '%s\n' "$listed" | cut -d' ' -f1 | sort | uniq -d)"
finish
