/** The sandbox's JSON calls and its stream of changes. */
import { toast } from './dom.js';

const WORDS = {
  number_taken: 'This number already has a phone.',
  number_invalid: 'That is no phone number. Write it as +491701234567.',
  qr_invalid: 'That is no code of a WhatsApp device, or the device refused.',
  code_invalid: 'No device shows this code for this number.',
  qr_expired: 'This code has expired. Scan the one that is shown now.',
  already_linked: 'This device is linked already.',
  phone_offline: 'The phone is offline.',
  not_on_whatsapp: 'This number is not on WhatsApp.',
  not_yours: 'Only own messages can be changed.',
  message_not_found: 'This message is not there any more.',
  file_empty: 'This file is empty.',
  body_too_large: 'This file is too large.',
};

async function exchange(url, options) {
  const response = await fetch(url, options);
  const text = await response.text();
  const data = text ? JSON.parse(text) : undefined;
  if (!response.ok) throw Object.assign(new Error(WORDS[data?.code] ?? data?.detail ?? data?.title ?? 'It did not work.'), { code: data?.code });
  return data;
}

/** @returns {Promise<any>} @throws with words for people */
export function call(method, url, body) {
  return exchange(url, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
}

/** Sends a file from a phone; failures are shown. @returns {Promise<any>} undefined on failure */
export async function sendFile(phoneId, file, fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== '');
  try {
    return await exchange(`/phones/${phoneId}/files?${new URLSearchParams(given)}`, {
      method: 'POST', headers: { 'content-type': file.type || 'application/octet-stream' }, body: file,
    });
  } catch (err) {
    toast(err.message);
    return undefined;
  }
}

/** A call whose failures are shown. @returns {Promise<any>} undefined on failure */
export async function attempt(method, url, body) {
  try {
    return await call(method, url, body) ?? true;
  } catch (err) {
    toast(err.message);
    return undefined;
  }
}

/**
 * Follows the changes. The browser reconnects by itself; `onHello` is called every time, so that what was
 * missed can be read again.
 */
export function follow({ onHello, onLost, onEvent }) {
  const source = new EventSource('/events');
  source.addEventListener('hello', onHello);
  source.addEventListener('error', onLost);
  for (const type of ['phone', 'phone_removed', 'message']) {
    source.addEventListener(type, (e) => onEvent(JSON.parse(e.data)));
  }
}
