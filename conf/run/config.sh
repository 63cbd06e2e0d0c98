# shellcheck shell=bash
# The folders, secrets and configuration files of one stack, all below WA_BASE and
# owned by the run user. Sourced by stack.sh.

make_folders() {
    local d
    if [[ ! -d $WA_BASE ]]; then mkdir -m 0711 "$WA_BASE"; fi
    # Others pass through WA_BASE to run.json; every folder in it is closed.
    chmod 0711 "$WA_BASE"
    for d in log run etc tmp secrets redis sandbox bridge media apache apache/run; do
        if [[ ! -d $WA_BASE/$d ]]; then mkdir -m 0700 "$WA_BASE/$d"; fi
    done
    mkdir -p "$WA_BASE"/run/{pids,started,hold} # closed by run's own mode
}

make_sockets_folder() {
    mkdir -m 0700 "$WA_SOCKETS" 2>/dev/null || true
    [[ -d $WA_SOCKETS && ! -L $WA_SOCKETS && -O $WA_SOCKETS ]] ||
        die "$WA_SOCKETS is there and is not ours" 'Remove it.'
    chmod 0700 "$WA_SOCKETS"
}

# secret NAME COMMAND…: made once, by the kernel's random numbers, mode 0600.
secret() {
    local file=$SECRETS/$1
    shift
    [[ -s $file ]] || (
        umask 077
        write_file "$file" "$("$@")"
    )
}

random_hex() { od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# Four groups of six characters, 120 bits, to be typed by a person.
random_words() {
    head -c 15 /dev/urandom | base32 | tr '[:upper:]' '[:lower:]' |
        sed -E 's/(.{6})(.{6})(.{6})(.{6})/\1-\2-\3-\4/'
}

pgpass_line() { printf '*:*:*:whatsapp:%s' "$(<"$SECRETS/pg_password")"; }

make_secrets() {
    local name
    for name in bridge_secret internal_secret key_hmac_secret jwt_secret \
        master_key pg_password; do
        secret "$name" random_hex
    done
    secret admin_password random_words
    secret pgpass pgpass_line
}

# render TEMPLATE FILE NAME=VALUE…: replaces each @NAME@. A name that is left
# over is a mistake in the template or here.
render() {
    local text pair
    text=$(<"$WA_ROOT/conf/run/$1")
    for pair in "${@:3}"; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    if [[ $text =~ @[A-Z_]+@ ]]; then
        die "conf/run/$1: nothing replaces ${BASH_REMATCH[0]}"
    fi
    write_file "$2" "$text"
}

# The modules that Apache is to load, without those that are built into it.
module_lines() {
    local m static dir=/usr/lib/apache2/modules
    static=$(/usr/sbin/apache2 -l)
    for m in mpm_event authn_core authz_core mime alias dir dbd headers unixd log_config \
        setenvif reqtimeout remoteip filter deflate; do
        if [[ $static == *" mod_$m.c"* ]]; then continue; fi
        printf 'LoadModule %s_module %s/mod_%s.so\n' "$m" "$dir" "$m"
    done
    printf 'LoadModule whatsapp_module %s/build/mod_whatsapp.so\n' "$WA_ROOT"
}

make_config() {
    local me shm=posix values
    me=$(id -un)
    [[ -w /dev/shm ]] || shm=mmap
    values=("BASE=$WA_BASE" "ROOT=$WA_ROOT" "SOCKETS=$WA_SOCKETS" "USER=$me"
        "SECRETS=$SECRETS" "REDIS_SOCKET=$REDIS_SOCKET" "SHM=$shm"
        "CONNINFO=$WA_CONNINFO" "MODE=$WA_MODE" "PUBLIC_PORT=$PUBLIC_PORT"
        "INTERNAL_PORT=$INTERNAL_PORT" "BRIDGE_PORT=$BRIDGE_PORT"
        "HTDOCS=$WA_ROOT/htdocs" "DOCS=$WA_ROOT/docs")
    # Only the sandbox has virtual phones to show.
    if [[ $WA_MODE == sandbox ]]; then
        values+=("SANDBOX_LINK=Redirect 302 \"/sandbox\" \"http://127.0.0.1:$SANDBOX_PORT/\"")
        # Receivers of webhooks that are tried out are on this machine.
        values+=("FETCH=WhatsAppFetchAllow 127.0.0.0/8"$'\n''WhatsAppWebhookPlain On')
    else
        values+=("SANDBOX_LINK=# no sandbox in live mode")
        values+=('FETCH=# webhooks and media: https, public addresses only')
    fi
    values+=("ANONYMOUS=WhatsAppAnonymousRequestsPerMinute ${WA_ANONYMOUS:-600}")
    render postgresql.conf.in "$WA_BASE/etc/postgresql.conf" "${values[@]}"
    render pg_hba.conf.in "$WA_BASE/etc/pg_hba.conf" "${values[@]}"
    render pg_ident.conf.in "$WA_BASE/etc/pg_ident.conf" "${values[@]}"
    render redis.conf.in "$WA_BASE/etc/redis.conf" "${values[@]}"
    render whatsappd.conf.in "$WA_BASE/whatsappd.conf" "${values[@]}"
    module_lines >"$WA_BASE/apache/modules.conf"
    render whatsapp.conf.in "$WA_BASE/apache/whatsapp.conf" "${values[@]}"
    render ../pages.conf "$WA_BASE/apache/pages.conf" "${values[@]}"
    render httpd.conf.in "$WA_BASE/apache/httpd.conf" "${values[@]}"
}

# What ctl.sh and a later `stop` need to know of this stack.
save_env() {
    local v text=''
    for v in WA_ROOT WA_OUT WA_BASE WA_MODE WA_PORT_BASE WA_NODE \
        WA_COMPONENTS; do
        text+="$v=$(printf '%q' "${!v}"); export $v"$'\n'
    done
    write_file "$WA_BASE/run/env" "$text"
}
