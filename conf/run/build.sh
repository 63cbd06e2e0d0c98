# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# The packages of each command, and the C build. Sourced by apxs-build.sh.

RUN_PACKAGES=(apache2-bin apache2-dev libaprutil1-dbd-pgsql postgresql
    redis-server libpq-dev libhiredis-dev libjansson-dev libcurl4-openssl-dev
    libsodium-dev libqrencode-dev libpng-dev libjwt-dev libssl-dev libmagic-dev
    libzip-dev libzxcvbn-dev
    gcc libc6-dev make pkg-config curl ca-certificates)
TEST_PACKAGES=(libapache2-mod-perl2 libwww-perl libjson-perl perl clang-format
    clang-tidy cppcheck shellcheck git chromium)
# pgbench comes with PostgreSQL's server.
BENCH_PACKAGES=(wrk)

# missing_packages PACKAGE…
missing_packages() {
    local p state
    for p in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
        [[ $state == installed ]] || printf '%s\n' "$p"
    done
}

# ensure_packages PACKAGE…: installs those that are missing, and only those.
ensure_packages() {
    local missing as_root=() node
    command -v dpkg-query >/dev/null || die \
        'this system has no dpkg: packages are installed by their Debian names' \
        'Use Debian 12 or a system made from it.'
    mapfile -t node < <(node_packages)
    mapfile -t missing < <(missing_packages "$@" "${node[@]}")
    ((${#missing[@]})) || return 0
    if ((EUID != 0)); then
        command -v sudo >/dev/null || die \
            "packages are missing and there is no sudo: ${missing[*]}" \
            "As root: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo)
        sudo -v || die "packages are missing and sudo is not allowed: ${missing[*]}"
    fi
    CURE=("By hand, as root: apt-get update && apt-get install --no-install-recommends ${missing[*]}")
    step "Debian packages (${#missing[@]} missing)" "$WA_ROOT/build/log/packages.log" \
        "${as_root[@]}" "$BASH" "$WA_ROOT/conf/run/packages.sh" "${missing[@]}"
}

# make_c TARGET… VARIABLE=…
make_c() {
    make -C "$WA_ROOT/mod_whatsapp" -j"$(nproc)" "$@"
}

# build_c TEXT TARGET…
build_c() {
    local text=$1
    shift
    [[ -e $WA_ROOT/mod_whatsapp/Makefile ]] ||
        die 'mod_whatsapp/Makefile is missing' 'Is this checkout complete?'
    step "$text" "$WA_ROOT/build/log/build.log" make_c "$@"
}

# What only the benchmarks use: the module they are compared with, and a program
# that prints the product's statements for pgbench.
build_bench() {
    local out=$WA_ROOT/build/bench
    mkdir -p "$out"
    # shellcheck disable=SC2046 # options on purpose
    gcc -std=gnu11 -O2 -fPIC -shared -Wall -Wextra -Wno-unused-parameter -Werror \
        -I"$(apxs -q INCLUDEDIR)" $(pkg-config --cflags apr-1) -o "$out/mod_noop.so" "$WA_ROOT/bench/noop/mod_noop.c"
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -I"$WA_ROOT/mod_whatsapp" \
        -o "$out/print_sql" "$WA_ROOT/bench/sql/print_sql.c"
}
