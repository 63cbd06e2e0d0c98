// The licences of the packages that the lock files list, without those that only
// the tests need: `node t/check/licenses.js >docs/licenses.md`. With --check it
// names those whose licence is not on the list below.
'use strict';
const { readFileSync } = require('node:fs');

const FOLDERS = ['bridge', 'htdocs'];
// What may be installed beside an Apache-2.0 program; a package of another
// licence is looked at by a person, and then stands here by name.
const LICENCES = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'Python-2.0']);
const PACKAGES = {
    libsignal: 'GPL-3.0',
    async: 'MIT',
    'node-webpmux': 'LGPL-3.0-or-later',
    '@img/sharp': 'LGPL-3.0-or-later',
};

function packages(folder) {
    const lock = JSON.parse(readFileSync(`${folder}/package-lock.json`, 'utf8'));
    return Object.entries(lock.packages)
        .filter(([path, p]) => path && !p.dev)
        .map(([path, p]) => ({ name: path.replace(/.*node_modules\//, ''), version: p.version, licence: p.license, optional: Boolean(p.optional) }));
}

const special = ({ name }) => PACKAGES[name] ?? (name.startsWith('@img/sharp') ? PACKAGES['@img/sharp'] : undefined);
const known = (p) => LICENCES.has(p.licence) || (special(p) !== undefined && (p.licence ?? special(p)).includes(special(p)));

if (process.argv[2] === '--check') {
    for (const folder of FOLDERS) {
        for (const p of packages(folder)) {
            if (!known(p)) console.log(folder, p.name, p.version, p.licence ?? 'no licence');
        }
    }
} else {
    const lines = ['# Licences of the npm packages', '',
        'Made by `node t/check/licenses.js` from the lock files; packages that only the tests need are left out. None of them',
        'is part of this repository: npm brings them.', '',
        '**libsignal is under the GPL-3.0**, and baileys can\'t do without it: whoever passes the bridge on together with its',
        'packages passes on a work that the GPL-3.0 covers. The C parts are another program: they speak to the bridge',
        'over HTTP and are linked with none of this. `node-webpmux` (of whatsapp-web.js, which is', 'optional) and `@img/sharp…` are under the LGPL-3.0.', ''];
    for (const folder of FOLDERS) {
        lines.push(`## ${folder}`, '', '| package | version | licence | |', '|---|---|---|---|');
        const seen = new Set();
        for (const p of packages(folder).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))) {
            const line = `| ${p.name} | ${p.version} | ${p.licence ?? `${special(p)} (by its file)`} | ${p.optional ? 'optional' : ''} |`;
            if (!seen.has(line)) lines.push(line);
            seen.add(line);
        }
        lines.push('');
    }
    process.stdout.write(`${lines.join('\n').trimEnd()}\n`);
}
