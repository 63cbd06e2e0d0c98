#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# wa_routes_api and docs/openapi.yaml have the same endpoints, both ways, open
# to the same callers and the same scope of a key.
. "$(dirname "$0")/guard.inc"
table=mod_whatsapp/flow/wa_routes.c
scopes=mod_whatsapp/core/wa_scope.h
document=docs/openapi.yaml

# "METHOD path caller scope" of each row of wa_routes_api; no scope is "none".
rows=$(awk '
    match($0, /X\(WA_SCOPE_[A-Z_]+,.*"[a-z:]+",/) {
        split($0, f, "\""); symbol = $0
        sub(/.*X\(/, "", symbol); sub(/,.*/, "", symbol); name[symbol] = f[2]
    }
    /wa_routes_api\[\]/ { on = 1; next }
    on && /^}/ { on = 0 }
    on && match($0, /\{ *"[A-Z]+", *"[^"]*", *WA_CALLER_[A-Z]+, *[A-Z0-9_]+,/) {
        split(substr($0, RSTART, RLENGTH), f, "\"")
        rest = f[5]; gsub(/[ ]/, "", rest); split(rest, g, ",")
        caller = tolower(g[2]); sub(/^wa_caller_/, "", caller)
        scope = g[3] == "0" ? "none" : (g[3] in name ? name[g[3]] : g[3])
        print f[2], f[4], caller, scope; next
    }
    on && /\{ *"/ { print "a row that this guard cannot read: " $0 }' "$scopes" "$table")

# The same of the document, whose paths stand two spaces in.
documented=$(awk '/^paths:/ { on = 1; next } on && /^[^ #]/ { on = 0 }
    !on { next }
    /^  \// { path = $1; sub(/:$/, "", path); next }
    /^    (get|put|post|delete|patch|head|options):/ {
        method = toupper($1); sub(/:$/, "", method)
        order[++n] = method " " path; caller[n] = "?"; scope[n] = "none"
    }
    /^      x-caller:/ { caller[n] = $2 }
    /^      x-scope:/ { scope[n] = $2 }
    END { for (i = 1; i <= n; i++) print order[i], caller[i], scope[i] }' "$document")

some 'the table has rows' 10 "$rows"
some 'the document has operations' 10 "$documented"
none 'every route is documented, for its callers' "$(only_in "$rows" "$documented")"
none 'every documented operation is a route' "$(only_in "$documented" "$rows")"
none 'each row stands once' "$(printf '%s\n' "$rows" | cut -d' ' -f1,2 | sort | uniq -d)"
finish
