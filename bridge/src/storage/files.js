/**
 * Small durable files: directories fsynced, content replaced by rename, optionally sealed.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, open as openFile, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { deriveKey, open, seal } from '../crypto.js';

const SALT_BYTES = 16;

/** Makes a rename or an unlink in this directory durable. */
export async function syncDirectory(dir) {
  const handle = await openFile(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a directory that only this user can look into. */
export async function makePrivateDirectory(dir) {
  await mkdir(dir, { recursive: true, mode: 0o700 });
}

/**
 * Replaces a file so that a crash leaves the old or the new content, never a mix.
 * @param {string} path
 * @param {Buffer|string} content
 * @param {{durable?: boolean}} [options] durable: also survive a power cut, at the price of two fsyncs
 */
export async function replaceFile(path, content, { durable = true } = {}) {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const handle = await openFile(temporary, 'wx', 0o600);
  try {
    try {
      await handle.writeFile(content);
      if (durable) {
        await handle.sync();
      }
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // On a full disk it is tried again and again, under another name each time.
    await unlink(temporary).catch(() => {});
    throw error;
  }
  if (durable) {
    await syncDirectory(dirname(path));
  }
}

/**
 * Writes a new file from a stream, chunk by chunk. When it fails the file may be there in part and is the
 * caller's to remove; nothing touches it any more by then. (A stream that is destroyed still opens its file,
 * a moment later: removed before that, the file would come again.)
 * @param {string} path of a file that is not there yet
 * @param {...*} stages the source and what changes its chunks, as of pipeline()
 */
export async function writeStream(path, ...stages) {
  const out = createWriteStream(path, { flags: 'wx', mode: 0o600 });
  try {
    await pipeline(...stages, out);
  } finally {
    if (!out.closed) {
      await once(out, 'close');
    }
  }
}

/** @returns {Promise<Buffer|null>} null when there is no such file */
export async function readIfThere(path) {
  try {
    return await readFile(path);
  } catch (error) {
    if (error.code === 'ENOENT') {
      return null;
    }
    throw error;
  }
}

/** Writes an object as sealed JSON; `name` binds it to its owner. */
export async function writeSealed(path, master, name, value) {
  const salt = randomBytes(SALT_BYTES);
  const sealed = seal(deriveKey(master, salt, name), name, Buffer.from(JSON.stringify(value)));
  await replaceFile(path, Buffer.concat([salt, sealed]));
}

/** Reads what writeSealed() wrote, or null when there is no such file. */
export async function readSealed(path, master, name) {
  const bytes = await readIfThere(path);
  if (!bytes) {
    return null;
  }
  const key = deriveKey(master, bytes.subarray(0, SALT_BYTES), name);
  return JSON.parse(open(key, name, bytes.subarray(SALT_BYTES)).toString());
}

/** The bridge's own id, made once. */
export async function permanentId(dir, make) {
  const path = join(dir, 'bridge-id');
  const known = (await readIfThere(path))?.toString().trim();
  if (known) {
    return known;
  }
  const id = make();
  await replaceFile(path, `${id}\n`);
  return id;
}
