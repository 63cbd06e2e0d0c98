#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The bridge's packages are pinned, each with its checksum, and its scripts pass
# eslint.
. "$(dirname "$0")/guard.inc"

node=${WA_NODE:-$(command -v node)}
if [ -z "$node" ] || [ ! -x "$node" ]; then
    none 'Node.js is there' 'set WA_NODE or install Node.js'
    finish
fi
ask() { "$node" -e "const fs = require('node:fs'); const read = (f) => JSON.parse(fs.readFileSync(f, 'utf8'));
    const pkg = read('bridge/package.json'), lock = read('bridge/package-lock.json'); $1" 2>&1; }

none 'package.json names exact versions' "$(ask '
    for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "overrides"])
        for (const [name, version] of Object.entries(pkg[kind] ?? {}))
            if (typeof version !== "string" || !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
                console.log(kind, name, version);')"
none 'baileys is 7.0.0-rc14' "$(ask '
    const locked = lock.packages["node_modules/baileys"]?.version;
    if (pkg.dependencies.baileys !== "7.0.0-rc14" || locked !== "7.0.0-rc14")
        console.log("package.json", pkg.dependencies.baileys, "lock", locked);')"
none 'the lock file is of this package.json' "$(ask '
    const root = lock.packages[""];
    for (const kind of ["dependencies", "devDependencies"])
        for (const name of new Set([...Object.keys(pkg[kind] ?? {}), ...Object.keys(root[kind] ?? {})]))
            if (pkg[kind]?.[name] !== root[kind]?.[name] ||
                lock.packages[`node_modules/${name}`]?.version !== pkg[kind][name])
                console.log(kind, name);')"
none 'each locked package has a version and a checksum' "$(ask '
    for (const [path, p] of Object.entries(lock.packages))
        if (path && (p.link || !p.version || !/^sha512-/.test(p.integrity ?? ""))) console.log(path);')"
none 'Node.js 20 is enough' "$(ask 'if (pkg.engines.node !== ">=20") console.log(pkg.engines.node);')"
none 'no package runs a script at its install but by --ignore-scripts' \
    "$(grep -rnE '\bnpm( +-[^ ]+)* +(ci|install|i)\b' apxs-build.sh conf/run 2>/dev/null |
        grep -vE '^[^:]*:[0-9]+: *#' | grep -v -- '--ignore-scripts')"

if [ -f bridge/eslint.config.js ]; then
    if [ -f bridge/node_modules/eslint/bin/eslint.js ]; then
        if out=$(cd bridge && "$node" node_modules/eslint/bin/eslint.js --max-warnings 0 . 2>&1); then
            none 'eslint passes' ''
        else
            none 'eslint passes' "${out:-it failed without a word}"
        fi
    else
        none 'eslint passes' 'eslint is not installed: npm ci --ignore-scripts in bridge/'
    fi
fi
finish
