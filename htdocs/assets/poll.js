/* SPDX-License-Identifier: Apache-2.0 */
/* Asking again and again, only while somebody looks. */

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}

function visible(signal) {
  if (!document.hidden) return undefined;
  return new Promise((resolve) => {
    document.addEventListener('visibilitychange', resolve, { once: true, signal });
    signal.addEventListener('abort', resolve, { once: true });
  });
}

/** Call step until it gives no pause any more or the signal says stop.
 * @param step gives the milliseconds until the next call; 0 ends it */
export async function poll(signal, step) {
  while (!signal.aborted) {
    const pause = await step();
    if (!pause) return;
    await sleep(pause, signal);
    await visible(signal);
  }
}
