/**
 * What processes have in memory. Browsers share most of theirs among their processes, so that only the
 * proportional set size (PSS) adds up.
 */
import { readFileSync, readdirSync } from 'node:fs';

const FRESH_MS = 5000;
const KIB = 1024;

const read = (pid, file) => readFileSync(`/proc/${pid}/${file}`, 'latin1');

/** @returns {Map<number, number>} parent of each process */
function parents() {
  const found = new Map();
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name)) {
      try {
        found.set(Number(name), Number(read(name, 'stat').split(') ').at(-1).split(' ')[1]));
      } catch {
        // gone meanwhile
      }
    }
  }
  return found;
}

/** @returns {number} bytes; 0 when the process is gone */
function pss(pid) {
  try {
    return Number(/^Pss:\s+(\d+)/m.exec(read(pid, 'smaps_rollup'))[1]) * KIB;
  } catch {
    return 0;
  }
}

/** @param {number} root @returns {number} bytes (PSS) of all processes that descend from it, without itself */
export function descendantsPss(root) {
  const of = parents();
  const below = (pid) => {
    for (let at = of.get(pid); at; at = of.get(at)) {
      if (at === root) {
        return true;
      }
    }
    return false;
  };
  return [...of.keys()].filter(below).reduce((sum, pid) => sum + pss(pid), 0);
}

let newest = { at: -Infinity };

/**
 * Memory by engine, measured at most every five seconds: the bridge's own process, in which all sessions of
 * baileys are, and the child processes and browsers of webjs.
 * @returns {{baileys: number, webjs: number}} bytes
 */
export function memoryByEngine(now = performance.now()) {
  if (now - newest.at >= FRESH_MS) {
    newest = { at: now, value: { baileys: process.memoryUsage.rss(), webjs: descendantsPss(process.pid) } };
  }
  return newest.value;
}
