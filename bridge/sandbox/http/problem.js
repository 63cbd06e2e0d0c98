/** Errors as `application/problem+json` with a stable `code`. */
import { PhoneError } from '../phone/error.js';

const STATUS = {
  invalid_request: 400, forbidden: 403, not_found: 404, phone_not_found: 404, message_not_found: 404, device_not_found: 404,
  method_not_allowed: 405, number_taken: 409, already_linked: 409, phone_offline: 409, qr_expired: 410,
  body_too_large: 413, unsupported_media_type: 415, number_invalid: 422, file_empty: 422, qr_invalid: 422, code_invalid: 422, not_on_whatsapp: 422,
  text_invalid: 422, not_yours: 422, media_refused: 422, file_not_found: 404, rejected: 422, internal: 500,
};

const FASTIFY = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
};

/** @returns {object} the problem document */
export function problem(code, detail) {
  const status = STATUS[code] ?? 500;
  return { type: 'about:blank', title: code.replaceAll('_', ' '), status, code, ...(detail ? { detail } : {}) };
}

/** Sends one. */
export const sendProblem = (reply, code, detail) =>
  reply.code(STATUS[code] ?? 500).type('application/problem+json').send(problem(code, detail));

/** What an error means for the caller. @returns {[string, string | undefined]} */
export function toProblem(err) {
  if (err instanceof PhoneError) return [err.code in STATUS ? err.code : 'internal', err.message === err.code ? undefined : err.message];
  if (FASTIFY[err.code]) return [FASTIFY[err.code], undefined];
  if (err.validation || (err.statusCode >= 400 && err.statusCode < 500)) return ['invalid_request', err.message];
  return ['internal', undefined];
}
