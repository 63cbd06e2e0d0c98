#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A file over 600 lines does too much. What may be longer is listed here, with
# its bound and the reason.
. "$(dirname "$0")/guard.inc"
most=600

# "path bound"
allowed=''

files=$(find mod_whatsapp bridge bench htdocs sql conf apxs-build.sh \
    \( -name node_modules -o -name .git \) -prune -o -type f \
    \( -name '*.[ch]' -o -name '*.js' -o -name '*.css' -o -name '*.html' -o -name '*.sql' -o -name '*.sh' \) \
    -print 2>/dev/null | sort)
some 'there are files to look at' 80 "$files"
none "no file over $most lines" "$(printf '%s\n' "$files" | while IFS= read -r file; do
    bound=$(printf '%s\n' "$allowed" | sed -n "s|^$file ||p")
    lines=$(wc -l <"$file")
    [ "$lines" -le "${bound:-$most}" ] || echo "$file: $lines"
done)"
none 'nothing is allowed in vain' "$(printf '%s\n' "$allowed" | while read -r file bound; do
    [ -n "$file" ] || continue
    [ -f "$file" ] && [ "$(wc -l <"$file")" -gt "$most" ] || echo "$file $bound"
done)"
# A function is a page: from "{" to "}" at a line's start.
none 'no C function over 80 lines' "$(find mod_whatsapp -name '*.c' | sort | xargs awk '
    FNR == 1 { start = 0 }
    /^{/ { start = FNR; next }
    /^}/ && start { if (FNR - start - 1 > 80) print FILENAME ":" start ": " FNR - start - 1; start = 0 }')"
finish
