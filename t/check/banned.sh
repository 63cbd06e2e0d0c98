#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Calls that have no place in this code: without bounds, without errors, not
# safe with threads, or around APR's pools.
. "$(dirname "$0")/guard.inc"

code=$(c_files | STRINGS=0 xargs sh -c '. t/check/guard.inc; STRINGS=0 c_code "$@"' t/check/x)
some 'there is code to look at' 1000 "$code"
calls() { printf '%s\n' "$code" | grep -E "(^|[^A-Za-z0-9_>.])($1)[ ]*\(" | cut -c1-140; }

none 'no string call without bounds' \
    "$(calls 'strcpy|strcat|stpcpy|strncpy|strncat|sprintf|vsprintf|gets|alloca')"
none 'no number read without its end' \
    "$(calls 'atoi|atol|atoll|atof|scanf|sscanf|fscanf|vsscanf')"
none 'nothing that threads share' \
    "$(calls 'strtok|localtime|gmtime|ctime|asctime|strerror|rand|srand|random|setlocale|setenv|putenv|getpwnam|gethostbyname')"
# A process that is forked and starts no program has no other end.
none 'no program is started, nobody exits' \
    "$(calls 'system|popen|fork|vfork|execl|execlp|execv|execvp|exit|_exit|abort|tmpnam|tempnam|mktemp' |
        grep -v '^mod_whatsapp/apache/mod_whatsapp_hashing\.c:[0-9]*: *_exit(')"
# Data of ours lives in pools. What a library hands out is freed by its file.
none 'no heap but where a library asks for it' \
    "$(calls 'malloc|calloc|realloc|reallocarray|strdup|strndup|asprintf|free' |
        grep -vE '^mod_whatsapp/base/wa_jwt\.c:[0-9]+:.*\bfree\(')"
none 'no printing but in the daemon' \
    "$(calls 'printf|puts|putchar|fprintf|fputs|perror' | grep -v '^mod_whatsapp/daemon/')"

# web_files PATTERN: ours, of the folders with scripts and pages.
web_files() {
    find bridge/src bridge/sandbox htdocs -name node_modules -prune -o -type f -name "$1" -print 2>/dev/null
}
scripts=$(web_files '*.js')
some 'there are scripts to look at' 20 "$scripts"
none 'no text becomes code or markup in a script' "$( (web_files '*.js'; web_files '*.html') |
    xargs grep -nE '\b(eval|document\.write|insertAdjacentHTML)\(|new Function\(|\.(inner|outer)HTML *\+?=' /dev/null |
    cut -c1-140)"
# sandbox/web plays WhatsApp Web for engines that drive a browser: no page of ours.
none 'pages have no script or style inside' "$(web_files '*.html' | grep -v '^bridge/sandbox/web/' |
    xargs grep -nEi '<script([^>]*)>[^<]|<style|[ "](style|on[a-z]+)="|javascript:' /dev/null | cut -c1-140)"
none 'the bridge logs by its log only' "$(web_files '*.js' | grep '^bridge/src/' |
    xargs grep -nE '\bconsole\.(log|info|warn|error|debug)\(' /dev/null | cut -c1-140)"
finish
