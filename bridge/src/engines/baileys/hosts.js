/**
 * WhatsApp's media hosts: where ciphertext is put and fetched. Their names come from WhatsApp's server, the
 * address of a file from whoever sent it, so that one is held against what hosts there are.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { mediaUnavailable } from '../../media/source.js';
import { Problem } from '../../problems.js';
import { writeStream } from '../../storage/files.js';

const ORIGIN = 'https://web.whatsapp.com';
const IDLE_MS = 30000;
const ANSWER_BYTES = 65536;
const DEFAULT_HOST = 'mmg.whatsapp.net';
const WHATSAPP = /(^|\.)whatsapp\.net$/;
const LOOPBACK = /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/;

/** Answers that say "not now" or "not with this word", not "never". */
const TEMPORARY = new Set([401, 403, 408, 425, 429]);

function exchange(url, options) {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(url, { ...options, headers: { origin: ORIGIN, ...options.headers } }, resolve);
    request.setTimeout(IDLE_MS, () => request.destroy(new Error('the media host is silent')));
    request.on('error', reject);
    options.body ? pipeline(options.body, request).catch(reject) : request.end();
  });
}

async function readAnswer(response) {
  let text = '';
  for await (const chunk of response.setEncoding('latin1')) {
    text += chunk;
    if (text.length > ANSWER_BYTES) {
      throw new Error('the answer of the media host is too long');
    }
  }
  return text;
}

async function uploadTo(hostname, { path, folder, name, auth }) {
  const url = `https://${hostname}${folder}/${name}?auth=${encodeURIComponent(auth)}&token=${name}`;
  const { size } = await stat(path);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': size };
  const response = await exchange(url, { method: 'POST', headers, body: createReadStream(path) });
  const text = await readAnswer(response);
  const status = response.statusCode;
  if (status === 200) {
    const { url: at, direct_path: directPath } = JSON.parse(text);
    if (at || directPath) {
      return { url: at, directPath };
    }
  }
  throw Object.assign(new Error(`the media host answered ${status}`), { status });
}

/**
 * Puts a file's ciphertext at one of the hosts.
 * @param {(fresh: boolean) => Promise<{auth: string, hosts: Array<{hostname: string}>}>} connection asks WhatsApp's server
 * @param {{path: string, folder: string, name: string}} file `name`: its hash
 * @returns {Promise<{url?: string, directPath?: string}>}
 * @throws {Problem} media_refused, media_unavailable
 */
export async function upload(connection, file, logger) {
  let failure = null;
  for (const fresh of [false, true]) {
    const { auth, hosts } = await connection(fresh).catch(() => ({ hosts: [] }));
    for (const { hostname } of hosts) {
      try {
        return await uploadTo(hostname, { ...file, auth });
      } catch (error) {
        failure = error;
        logger.warn({ reason: error.code ?? error.message }, 'a media host did not take a file');
      }
    }
    if (failure && !TEMPORARY.has(failure.status)) {
      break;
    }
  }
  const status = failure?.status;
  if (status >= 400 && status < 500 && !TEMPORARY.has(status)) {
    throw new Problem('media_refused', `WhatsApp's media host refused the file with ${status}`);
  }
  throw mediaUnavailable("WhatsApp's media hosts did not take the file");
}

/**
 * The address of a file. A sender could name any host: only WhatsApp's are asked, in sandbox mode only loopback.
 * @param {{url?: string, directPath?: string}} file
 * @param {boolean} sandbox
 * @returns {URL|null}
 */
export function addressOf({ url, directPath }, sandbox) {
  try {
    const given = url ? new URL(url) : null;
    const address = directPath ? new URL(directPath, `https://${sandbox ? given.host : DEFAULT_HOST}`) : given;
    const right = sandbox ? LOOPBACK : WHATSAPP;
    return address.protocol === 'https:' && right.test(address.hostname) && (sandbox || !address.port) ? address : null;
  } catch {
    return null;
  }
}

/**
 * Fetches a file's ciphertext.
 * @param {URL} address
 * @param {string} path must not exist
 * @param {number} size that it must have
 * @throws {Problem} media_gone (`lost`: the host has no such file), media_unavailable
 */
export async function download(address, path, size) {
  let response;
  try {
    response = await exchange(address, { method: 'GET' });
    const { statusCode } = response;
    if (statusCode !== 200) {
      response.destroy();
      throw [403, 404, 410].includes(statusCode)
        ? Object.assign(new Problem('media_gone', 'WhatsApp no longer has the file'), { lost: true })
        : mediaUnavailable(`WhatsApp's media host answered ${statusCode}`);
    }
    let read = 0;
    await writeStream(
      path,
      response,
      async function* bounded(chunks) {
        for await (const chunk of chunks) {
          read += chunk.length;
          if (read > size) {
            throw new Problem('media_gone', 'The file at WhatsApp is not the one that was sent');
          }
          yield chunk;
        }
      },
    );
  } catch (error) {
    throw error instanceof Problem ? error : mediaUnavailable("WhatsApp's media host could not be reached");
  }
}
