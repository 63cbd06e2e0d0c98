#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The packages of bridge, pages and tests are pinned, each with its checksum, and the
# scripts of bridge, benchmarks and API tests pass eslint.
. "$(dirname "$0")/guard.inc"

node=${WA_NODE:-$(command -v node)}
if [ -z "$node" ] || [ ! -x "$node" ]; then
    none 'Node.js is there' 'set WA_NODE or install Node.js'
    finish
fi
# ask FOLDER SCRIPT: with its package.json as pkg, its lock file as lock.
ask() { "$node" -e "const fs = require('node:fs'); const read = (f) => JSON.parse(fs.readFileSync(f, 'utf8'));
    const pkg = read('$1/package.json'), lock = read('$1/package-lock.json'); $2" 2>&1; }

for folder in bridge htdocs t/openapi conf/run/node; do
    [ "$folder" = bridge ] || [ -f "$folder/package.json" ] || continue
    # An override may name a version, or packages below one package.
    none "$folder: package.json names exact versions" "$(ask $folder '
        const look = (kind, list) => { for (const [name, version] of Object.entries(list ?? {}))
            if (typeof version === "object") look(`${kind} ${name}`, version);
            else if (!/^(\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?|\$[@a-z./-]+)$/.test(version)) console.log(kind, name, version); };
        for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "overrides"]) look(kind, pkg[kind]);')"
    # npm counts the optional ones among the others, there and in the lock.
    none "$folder: the lock file is of this package.json" "$(ask $folder '
        const all = (p) => ({ ...p.dependencies, ...p.optionalDependencies, ...p.devDependencies });
        const ours = all(pkg), theirs = all(lock.packages[""]);
        for (const name of new Set([...Object.keys(ours), ...Object.keys(theirs)]))
            if (ours[name] !== theirs[name] || lock.packages[`node_modules/${name}`]?.version !== ours[name])
                console.log(name, ours[name], theirs[name]);')"
    none "$folder: each locked package has a version and a checksum" "$(ask $folder '
        for (const [path, p] of Object.entries(lock.packages))
            if (path && (p.link || !p.version || !/^sha512-/.test(p.integrity ?? ""))) console.log(path);')"
done
none 'baileys is 7.0.0-rc14' "$(ask bridge '
    const locked = lock.packages["node_modules/baileys"]?.version;
    if (pkg.dependencies.baileys !== "7.0.0-rc14" || locked !== "7.0.0-rc14")
        console.log("package.json", pkg.dependencies.baileys, "lock", locked);')"
none 'licences: all are on the list of t/check/licenses.js' "$("$node" t/check/licenses.js --check 2>&1)"
none 'docs/licenses.md is what t/check/licenses.js makes' \
    "$("$node" t/check/licenses.js 2>&1 | diff docs/licenses.md - | head -n 5)"
if [ -f bridge/node_modules/lockfile-lint/bin/lockfile-lint.js ]; then
    for folder in bridge htdocs t/openapi conf/run/node; do
        # The lock names no host but npm's own, or none at all.
        if out=$("$node" bridge/node_modules/lockfile-lint/bin/lockfile-lint.js --path $folder/package-lock.json \
            --type npm --allowed-hosts npm --empty-hostname true --validate-https --validate-integrity 2>&1); then
            none "$folder: lockfile-lint finds nothing" ''
        else
            none "$folder: lockfile-lint finds nothing" "${out:-it failed without a word}"
        fi
    done
else
    none 'lockfile-lint finds nothing' 'it is not installed: npm ci --ignore-scripts in bridge/'
fi
none 'Node.js 20 is enough' "$(ask bridge 'if (pkg.engines.node !== ">=20") console.log(pkg.engines.node);')"
none 'no package runs a script at its install but by --ignore-scripts' \
    "$(grep -rnE '\bnpm( +-[^ ]+)* +(ci|install|i)\b' apxs-build.sh conf/run 2>/dev/null |
        grep -vE '^[^:]*:[0-9]+: *#' | grep -v -- '--ignore-scripts')"

if [ -f bridge/eslint.config.js ]; then
    if [ -f bridge/node_modules/eslint/bin/eslint.js ]; then
        eslint=$(pwd)/bridge/node_modules/eslint/bin/eslint.js
        for folder in bridge bench t/openapi; do
            if out=$(cd $folder && "$node" "$eslint" --max-warnings 0 . 2>&1); then
                none "$folder: eslint passes" ''
            else
                none "$folder: eslint passes" "${out:-it failed without a word}"
            fi
        done
    else
        none 'eslint passes' 'eslint is not installed: npm ci --ignore-scripts in bridge/'
    fi
fi
finish
