/**
 * Rejects when `promise` takes too long; what it does later is nobody's business.
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @param {string | (() => Error)} late what took so long, or makes the error
 * @returns {Promise<T>}
 */
export function within(ms, promise, late) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(typeof late === 'function' ? late() : new Error(`${late} took more than ${ms} ms`)), ms);
  });
  promise.catch(() => {});
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
