/** pgbench with the product's own statements. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

import { run } from './load.js';

const env = process.env;

/** The text of a statement by its name, with an expression or a literal for each parameter. */
export function statement(id, parameters) {
  const text = execFileSync(`${env.WA_TEST_BUILD_DIR}/bench/print_sql`, [id], { encoding: 'utf8' }).trim();
  return text.replace(/\$(\d+)/g, (_, n) => {
    const value = parameters[n - 1];
    if (value === undefined) {
      throw new Error(`${id}: nothing for $${n}`);
    }
    return value;
  });
}

/** @returns transactions a second of a script, by 32 clients that have prepared it */
export async function pgbench(name, script, { clients = 32, seconds = 2 } = {}) {
  const file = `${env.WA_TEST_DIR}/bench/${name}.sql`;
  writeFileSync(file, `${script};\n`);
  const args = ['-n', '-M', 'prepared', '-c', String(clients), '-j', '1', '-T', String(seconds), '-f', file, env.WA_TEST_DB];
  const out = await run(`${env.WA_TEST_PG_BIN}/pgbench`, args);
  const failed = /number of failed transactions: (\d+)/.exec(out)?.[1] ?? '0';
  const tps = /tps = ([\d.]+)/.exec(out)?.[1];
  if (!tps || failed !== '0') {
    throw new Error(`pgbench: ${out}`);
  }
  return { rps: Number(tps) };
}
