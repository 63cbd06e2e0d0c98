#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Imports go one way: apache → flow → api → core → gateway → base, and
# daemon → core. Skipping down is fine, up is not; inside a layer there are no
# cycles. Each library behind one door.
. "$(dirname "$0")/guard.inc"

# "file including-what kind", kind being < or "
includes=$(c_files | xargs awk '
    /^[ \t]*#[ \t]*include/ {
        kind = index($0, "<") ? "<" : "\""
        if (!match($0, /[<"][^>"]+[>"]/)) next
        print FILENAME, substr($0, RSTART + 1, RLENGTH - 2), kind
    }')
some 'there are includes to look at' 50 "$includes"

# The project's own: resolved, as "file target".
own=$(printf '%s\n' "$includes" | awk '$3 == "\"" {
    n = split($1, part, "/"); dir = ""
    for (i = 1; i < n; i++) dir = dir part[i] "/"
    n = split(dir $2, part, "/"); m = 0
    for (i = 1; i <= n; i++) {
        if (part[i] == ".." && m) m--
        else if (part[i] != "." && part[i] != "") keep[++m] = part[i]
    }
    path = keep[1]
    for (i = 2; i <= m; i++) path = path "/" keep[i]
    print $1, path
}')

none 'what is included by quotes is there' "$(printf '%s\n' "$own" |
    while read -r file target; do
        [ -f "$target" ] || echo "$file: $target"
    done)"

none 'no include goes up' "$(printf '%s\n' "$own" | awk '
    BEGIN {
        rank["base"] = 0; rank["gateway"] = 1; rank["core"] = 2
        rank["daemon"] = 3; rank["api"] = 3; rank["flow"] = 4; rank["apache"] = 5
    }
    {
        split($1, a, "/"); split($2, b, "/"); from = a[2]; to = b[2]
        if (from == to) next
        if (!(from in rank)) print $1 ": folder " from " has no place in the order"
        else if (b[1] != "mod_whatsapp" || !(to in rank)) print $1 ": " $2 " is no layer"
        else if (rank[from] <= rank[to] || to == "daemon") print $1 ": " $2
    }')"

# A unit is a .c with its .h; x_private.h belongs to x. Units that reach each
# other by includes are a cycle.
none 'no cycle inside a layer' "$(printf '%s\n' "$own" | awk '
    function unit(path) {
        sub(/\.[ch]$/, "", path); sub(/_private$/, "", path)
        return path
    }
    function reach(from, to, seen,    list, n, i, found) {
        n = split(next_of[from], list, " ")
        for (i = 1; i <= n; i++) {
            if (list[i] == to) { way = list[i]; return 1 }
            if (list[i] in seen) continue
            seen[list[i]] = 1
            if (reach(list[i], to, seen)) { way = list[i] " → " way; return 1 }
        }
        return 0
    }
    {
        split($1, a, "/"); split($2, b, "/")
        if (a[2] != b[2]) next
        from = unit($1); to = unit($2)
        if (from == to || (from SUBSEP to) in edge) next
        edge[from, to] = 1; next_of[from] = next_of[from] " " to; units[from] = 1
    }
    END {
        for (u in units) {
            split("", seen)
            if (reach(u, u, seen)) print u " → " way
        }
    }' | sed 's|mod_whatsapp/||g' | sort)"

none 'the headers of httpd only in apache/' "$(printf '%s\n' "$includes" |
    awk '$2 ~ /^(httpd|http_[a-z]+|ap_[a-z_]+|mod_[a-z_]+|util_[a-z_]+|mpm_[a-z]+|scoreboard)\.h$/ &&
         $1 !~ /^mod_whatsapp\/apache\// && $2 !~ /^mod_whatsapp/ { print $1 ": " $2 }')"

# Everything else between angle brackets is APR, ISO C, POSIX, or has a door.
none 'each library only behind its own file' "$(printf '%s\n' "$includes" | awk '
    BEGIN {
        door["hiredis.h"] = "gateway/wa_redis.c"
        door["curl/curl.h"] = "gateway/wa_http(_private.h|.c)"
        door["libpq-fe.h"] = "gateway/wa_db[a-z_]*.c"
        door["jansson.h"] = "base/wa_json.h"
        door["sodium.h"] = "base/wa_crypto.c"
        door["jwt.h"] = "base/wa_jwt.c"
        door["qrencode.h"] = "base/wa_qr.c"
        door["magic.h"] = "gateway/wa_magic.c"
        door["zip.h"] = "gateway/wa_zip.c"
        door["zxcvbn.h"] = "gateway/wa_zxcvbn.c"
        door["png.h"] = "base/wa_qr.c"
        split("assert ctype errno fcntl inttypes limits locale math poll pthread semaphore setjmp signal " \
              "dirent stdarg stddef stdint stdio stdlib string strings time unistd netdb", c, " ")
        for (i in c) system_header[c[i] ".h"] = 1
    }
    $3 == "<" {
        if ($2 ~ /^apr[_u][a-z_0-9]*\.h$/ || $2 in system_header) next
        if ($2 ~ /^(sys|netinet|arpa)\//) next
        if ($1 ~ /^mod_whatsapp\/apache\// && $2 ~ /^(httpd|http_|ap_|mod_|mpm_|util_)/) next
        want = $2 ~ /^openssl\// ? "base/wa_crypto.c" : door[$2]
        if (want == "") print $1 ": " $2 " is not known to this guard"
        else if ($1 !~ ("^mod_whatsapp/" want "$")) print $1 ": " $2 " belongs into " want
    }')"

none 'nobody but wa_db includes wa_db_private.h' "$(printf '%s\n' "$own" |
    awk '$2 ~ /wa_db_private\.h$/ && $1 !~ /gateway\/wa_db[a-z_]*\.[ch]$/ { print $1 }')"
finish
