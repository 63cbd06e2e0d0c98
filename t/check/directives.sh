#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The directives of the module, the settings of whatsappd, the variables of
# bridge and sandbox: each is explained in conf/ and docs/configuration.md, and
# nothing is explained that isn't there.
. "$(dirname "$0")/guard.inc"
reference=docs/configuration.md
app=mod_whatsapp/core/wa_app.c

directives=$(sed -nE 's/^ *(VALUE|SECRET|LIST|AP_INIT_[A-Z0-9]+)\("(WhatsApp[A-Za-z]+)".*/\2/p' \
    mod_whatsapp/apache/mod_whatsapp_config.c | sort)
settings=$(sed -nE 's/^ *\{ *"(WhatsApp[A-Za-z]+)", *SET_.*/\1/p' "$app" | sort)
# In a file of examples a setting stands at the start of a line, perhaps
# commented out, with its value.
explained() { sed -nE 's/^ *#? ?(WhatsApp[A-Z][A-Za-z]+) +[^ ].*/\1/p' "$1" | sort -u; }
in_module=$(explained conf/whatsapp.conf)
in_daemon=$(explained conf/whatsappd.conf)
sections=$(sed -nE 's/^### `(WhatsApp[A-Za-z]+)`.*/\1/p' "$reference" | sort)

some 'the module has directives' 5 "$directives"
some 'wa_app.c has settings' 5 "$settings"
none 'every directive is a setting' "$(only_in "$directives" "$settings")"
none 'every setting but WhatsAppDB is a directive' \
    "$(only_in "$(printf '%s\n' "$settings" | grep -vx WhatsAppDB)" "$directives")"
none 'every directive is in conf/whatsapp.conf' "$(only_in "$directives" "$in_module")"
none 'conf/whatsapp.conf has no other' "$(only_in "$in_module" "$directives")"
none 'every setting is in conf/whatsappd.conf' "$(only_in "$settings" "$in_daemon")"
none 'conf/whatsappd.conf has no other' "$(only_in "$in_daemon" "$settings")"
none "every setting has a section in $reference" "$(only_in "$settings" "$sections")"
none "$reference has no other" "$(only_in "$sections" "$settings")"

# Defaults: "name value" by the code, and by the line "Default: `value`".
defaults=$(awk '
    /wa_settings_make\(/ { make = 1 } make && /^}/ { make = 0 }
    make && /s->[a-z_]+ = / {
        field = $1; sub(/^s->/, "", field)
        value = $0; sub(/^[^=]*= */, "", value); sub(/;.*/, "", value)
        gsub(/apr_time_from_sec\(|\)|"/, "", value); by[field] = value
    }
    /\{ *"WhatsApp/ { match($0, /WhatsApp[A-Za-z]+/); name = substr($0, RSTART, RLENGTH) }
    /APR_OFFSETOF\(wa_settings, / {
        field = $0; sub(/.*APR_OFFSETOF\(wa_settings, */, "", field); sub(/\).*/, "", field)
        of[name] = field
    }
    END { for (n in of) if (of[n] in by) print n, by[of[n]] }' "$app" | sort)
told=$(awk '/^### `WhatsApp/ { name = $2; gsub(/`/, "", name) }
    /^### / && !/WhatsApp/ { name = "" }
    /^- Default: `/ && name { value = $3; gsub(/`[.,;]?/, "", value); print name, value }' "$reference" | sort)
some 'the code has defaults' 5 "$defaults"
none 'the reference tells the defaults' "$(only_in "$defaults" "$told")"
none 'the reference tells no other default' "$(only_in "$told" "$defaults")"

variables=$(cat bridge/src/env.js bridge/src/server.js bridge/sandbox/server.js |
    grep -oE '\b(BRIDGE|SANDBOX)_[A-Z_]+\b|\bLOG_LEVEL\b' | sort -u)
described=$(sed -nE 's/^\| `((BRIDGE|SANDBOX)_[A-Z_]+|LOG_LEVEL)`.*/\1/p' "$reference" | sort -u)
some 'bridge and sandbox read variables' 8 "$variables"
none "every variable is in $reference" "$(only_in "$variables" "$described")"
none "$reference has no other variable" "$(only_in "$described" "$variables")"
finish
