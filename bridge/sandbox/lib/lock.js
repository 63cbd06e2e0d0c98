/** One sandbox per data directory. The lock is a socket's name in memory: it is gone when the process is. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * @param {string} dir an existing directory
 * @returns {Promise<{release: () => void}>}
 * @throws if another process has it
 */
export async function lockDirectory(dir) {
  const name = createHash('sha256').update(realpathSync(dir)).digest('hex').slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  await new Promise((resolve, reject) => {
    server.once('error', (err) => reject(err.code === 'EADDRINUSE' ? new Error(`another sandbox uses ${dir}`) : err));
    server.listen(`\0wa-sandbox-${name}`, resolve);
  });
  server.unref();
  return { release: () => server.close() };
}
