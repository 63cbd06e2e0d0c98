#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The C code is as clang-format leaves it with the project's .clang-format.
. "$(dirname "$0")/guard.inc"

tool=${CLANG_FORMAT:-clang-format}
files=$(c_files; find t/unit -name '*.[ch]' 2>/dev/null | sort)
some 'there are files to look at' 50 "$files"
if [ ! -f .clang-format ]; then
    none 'the style is written down' '.clang-format is missing'
elif ! command -v "$tool" >/dev/null; then
    none 'clang-format is installed' "$tool is not (package clang-format)"
else
    none 'every file is formatted' "$(for file in $files; do
        "$tool" --style=file "$file" | cmp -s - "$file" || echo "$file"
    done)"
fi
none 'no tab and no space at a line'\''s end' "$(grep -nE '	|[ ]+$' $files /dev/null | cut -c1-100)"
none 'every file ends with a newline' "$(for file in $files; do
    [ -z "$(tail -c 1 "$file")" ] || echo "$file"
done)"
finish
