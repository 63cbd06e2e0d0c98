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
};

/** @returns {Promise<any>} @throws with words for people */
export async function call(method, url, body) {
  const response = await fetch(url, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const data = text ? JSON.parse(text) : undefined;
  if (!response.ok) throw Object.assign(new Error(WORDS[data?.code] ?? data?.detail ?? data?.title ?? 'It did not work.'), { code: data?.code });
  return data;
}

/** The same, and failures are shown. @returns {Promise<any>} undefined on failure */
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
