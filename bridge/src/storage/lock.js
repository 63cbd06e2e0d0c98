/**
 * One bridge per data directory. Two would roll each other's Signal ratchets back.
 */
import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { createServer } from 'node:net';

/**
 * Takes the directory, or throws. The lock is an abstract Unix socket: the kernel lets go of it when the
 * process ends, however it ends, so no stale lock file can keep a bridge from starting after kill -9.
 * @param {string} dir
 * @returns {Promise<() => Promise<void>>} gives it back
 */
export async function lockDirectory(dir) {
  const id = createHash('sha256').update(await realpath(dir)).digest('hex').slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  await new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(error.code === 'EADDRINUSE' ? new Error(`another bridge is using the data directory ${dir}`) : error);
    });
    server.listen(`\0mod_whatsapp-bridge-${id}`, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
