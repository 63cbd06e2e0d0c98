# shellcheck shell=bash
# shellcheck disable=SC2034 # variables for those who source this
# Node.js for bridge, sandbox and tests, and their npm packages. Sourced by
# apxs-build.sh; sets WA_NODE.

NODE_WANTED=20

# node_usable FILE: is it there, new enough, and may the run user start it?
node_usable() {
    local major
    [[ -n $1 && -x $1 ]] || return 1
    major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || return 1
    ((major >= NODE_WANTED)) || return 1
    ((EUID != 0)) ||
        setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$1"
}

node_brought() {
    local arch=x64
    [[ $(uname -m) != aarch64 ]] || arch=arm64
    printf '%s' "$WA_ROOT/build/node/node_modules/node-linux-$arch/bin/node"
}

# find_node: the machine's own, or the one that was brought earlier.
find_node() {
    local own
    own=$(command -v node || true)
    [[ -z $own ]] || own=$(readlink -f "$own")
    if node_usable "$own"; then
        WA_NODE=$own
    elif node_usable "$(node_brought)"; then
        WA_NODE=$(node_brought)
    else
        return 1
    fi
}

# node_packages: what apt must bring for it. npm of Debian depends on Debian's
# nodejs, which is too old for the bridge but can fetch a newer one.
node_packages() {
    command -v npm >/dev/null || printf 'npm\n'
    if ! find_node && ! command -v node >/dev/null; then printf 'nodejs\n'; fi
}

npm_ci() {
    npm ci --ignore-scripts --no-audit --no-fund --no-progress "$@" || {
        echo 'npm could not fetch the packages: is its registry reached from here?'
        return 1
    }
}

bring_node() {
    local dir=$WA_ROOT/build/node
    mkdir -p "$dir"
    cp "$WA_ROOT"/conf/run/node/package{,-lock}.json "$dir"/
    (cd "$dir" && npm_ci)
    node_usable "$(node_brought)"
}

# packages_stamp FOLDER KIND: what the installed packages were made from.
packages_stamp() {
    printf '%s %s' "$2" "$(sha256sum <"$WA_ROOT/$1/package-lock.json" | cut -d' ' -f1)"
}

# packages_current FOLDER KIND: all (with what the tests need) serves for prod too.
packages_current() {
    local have
    { read -r have <"$WA_ROOT/$1/node_modules/.mod_whatsapp"; } 2>/dev/null || return 1
    [[ $have == "$(packages_stamp "$1" all)" || $have == "$(packages_stamp "$1" "$2")" ]]
}

# The engine for a browser is optional: `run` goes without, the tests have it.
packages_install() {
    local omit=(--omit=dev --omit=optional)
    [[ $2 != all ]] || omit=()
    (cd "$WA_ROOT/$1" && npm_ci "${omit[@]}")
    printf "%s\n" "$(packages_stamp "$1" "$2")" >"$WA_ROOT/$1/node_modules/.mod_whatsapp"
}

# ensure_node KIND (prod or all)
ensure_node() {
    local log=$WA_ROOT/build/log/npm.log
    if ! find_node; then
        CURE=("Bridge and sandbox need Node.js $NODE_WANTED or newer: let npm reach its registry, or install one.")
        step 'Node.js (a newer one, as an npm package)' "$log" bring_node
        WA_NODE=$(node_brought)
    fi
    local folder folders=(bridge htdocs)
    [[ $1 != all ]] || folders+=(t/openapi)
    for folder in "${folders[@]}"; do
        if packages_current "$folder" "$1"; then continue; fi
        CURE=("npm must reach its registry for the packages that $folder/package-lock.json lists.")
        step "Node packages of $folder" "$log" packages_install "$folder" "$1"
    done
    export WA_NODE
}
