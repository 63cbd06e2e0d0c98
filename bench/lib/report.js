/** Medians, tables and goals. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Lines of columns, the first one left and the others right. */
export function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  for (const row of rows) {
    console.log(`  ${row.map((cell, i) => (i ? String(cell).padStart(widths[i]) : String(cell).padEnd(widths[i]))).join('  ')}`);
  }
}

const shown = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** Says whether a figure reaches its goal. `least` or `most` is the goal. */
export function goal(what, value, { least, most, unit = '' }) {
  const met = least === undefined ? value <= most : value >= least;
  const bound = least === undefined ? `≤ ${shown(most)}${unit}` : `≥ ${shown(least)}${unit}`;
  const off = least === undefined ? value - most : least - value;
  console.log(`  ${met ? 'met   ' : 'missed'}  ${what}: ${shown(value)}${unit}, goal ${bound}${met ? '' : `, missed by ${shown(off)}${unit}`}`);
  return met;
}

/**
 * Runs targets in turn, round after round, each slice beside the reference of the same round.
 * @param {Record<string, (round: number) => Promise<object>>} targets
 * @returns the slices of each, by name
 */
export async function alternate(targets, rounds) {
  const slices = Object.fromEntries(Object.keys(targets).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, measure] of Object.entries(targets)) {
      slices[name].push(await measure(round));
    }
  }
  return slices;
}

/** The median over the rounds of a figure, or of its ratio to the reference's in the same round. */
export function over(slices, pick, reference) {
  return median(slices.map((s, i) => pick(s) / (reference ? pick(reference[i]) : 1)));
}
