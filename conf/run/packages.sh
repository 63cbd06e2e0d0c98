#!/usr/bin/env bash
# packages.sh PACKAGE…: installs Debian packages as root and leaves the machine
# as it was apart from them: no service is started or enabled for the next boot,
# no PostgreSQL cluster is made, no Apache module is enabled. What it changes for
# the time of the install it puts back, also on a failure and on Ctrl-C.
set -euo pipefail

POLICY=/usr/sbin/policy-rc.d
CLUSTER=/etc/postgresql-common/createcluster.conf
CLUSTER_DEFAULT=/usr/share/postgresql-common/createcluster.conf
SAVED=/var/lib/mod_whatsapp-packages # only there during an install
APACHE=/etc/apache2

export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 LC_ALL=C.UTF-8
export APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1

installed() {
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

apache_enabled() {
    find "$APACHE"/{mods,conf,sites}-enabled /var/lib/apache2 \
        \( -type l -o -type f \) 2>/dev/null | sort || true
}

# keep FILE: a copy with mode, owner and times, or a note that there was none.
keep() {
    if [[ -e $1 || -L $1 ]]; then
        cp -a -- "$1" "$SAVED/${1##*/}"
    else
        : >"$SAVED/${1##*/}.absent"
    fi
}

put_back() {
    local kept=$SAVED/${1##*/}
    if [[ -e $kept || -L $kept ]]; then
        rm -f -- "$1"
        cp -a -- "$kept" "$1"
    elif [[ -e $kept.absent ]]; then
        rm -f -- "$1"
    fi
}

close_doors() {
    mkdir -m 0700 "$SAVED"
    keep "$POLICY"
    keep "$CLUSTER"
    apache_enabled >"$SAVED/apache"
    installed redis-server || : >"$SAVED/redis.new"
    : >"$SAVED/complete"

    rm -f -- "$POLICY"
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 0755 "$POLICY"
    mkdir -p "${CLUSTER%/*}"
    rm -f -- "$CLUSTER"
    printf 'create_main_cluster = false\n' >"$CLUSTER"
    chmod 0644 "$CLUSTER"
}

open_doors() {
    local f
    [[ -d $SAVED ]] || return 0
    if [[ -e $SAVED/complete ]]; then
        put_back "$POLICY"
        put_back "$CLUSTER"
        # A machine that has just got postgresql-common has its own defaults.
        if [[ -e $SAVED/${CLUSTER##*/}.absent && -e $CLUSTER_DEFAULT ]]; then
            cp -- "$CLUSTER_DEFAULT" "$CLUSTER"
        fi
        rmdir -- "${CLUSTER%/*}" 2>/dev/null || true
        while IFS= read -r f; do
            rm -f -- "$f"
        done < <(comm -13 "$SAVED/apache" <(apache_enabled))
        if [[ -e $SAVED/redis.new ]] && installed redis-server; then
            update-rc.d redis-server disable >/dev/null 2>&1 || true
        fi
    fi
    rm -rf -- "$SAVED"
}

apt() {
    # dpkg's own children must not hold the lock of this script.
    apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
        -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" 9>&-
}

main() {
    local p missing=()
    ((EUID == 0)) || {
        echo 'packages.sh: only root can install packages' >&2
        exit 1
    }
    exec 9>/run/lock/mod_whatsapp-packages
    flock 9
    open_doors # of a run that was killed in the middle

    for p in "$@"; do installed "$p" || missing+=("$p"); done
    ((${#missing[@]})) || exit 0

    trap open_doors EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    close_doors

    if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
        apt update
    fi
    if ! apt install --no-install-recommends "${missing[@]}"; then
        dpkg --configure -a --force-confold
        apt update
        apt install --no-install-recommends "${missing[@]}"
    fi
    for p in "${missing[@]}"; do
        installed "$p" || {
            echo "packages.sh: $p is still not installed" >&2
            exit 1
        }
    done
}

main "$@"
