#!/usr/bin/env bash
# mounted.sh CHECKOUT PLACE ARGUMENT…: in a private mount namespace, mounts each
# part of CHECKOUT below PLACE and starts apxs-build.sh again from there. The
# parts and not the whole, since CHECKOUT itself may be closed to others.
set -euo pipefail
root=$1 place=$2
shift 2

mount -t tmpfs -o mode=0755,size=64k,nosuid,nodev mod_whatsapp "$place"
shopt -s dotglob nullglob
for part in "$root"/*; do
    [[ ! -L $part ]] || continue
    if [[ -d $part ]]; then
        mkdir "$place/${part##*/}"
    else
        : >"$place/${part##*/}"
    fi
    mount --bind "$part" "$place/${part##*/}"
done
cd "$place"
exec "$BASH" "$place/apxs-build.sh" "$@"
