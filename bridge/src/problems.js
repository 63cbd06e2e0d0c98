/**
 * The table of errors, and how one becomes application/problem+json.
 */

const TABLE = {
  invalid_request: [400, 'The request is not valid'],
  unauthorized: [401, 'The bearer secret is missing or wrong'],
  not_found: [404, 'There is nothing here'],
  session_not_found: [404, 'There is no such session'],
  media_not_found: [404, 'There is no such file'],
  session_not_linked: [409, 'No phone is linked to the session'],
  conflict: [409, 'A phone is linked to the session by another engine'],
  media_gone: [410, 'WhatsApp no longer has the file'],
  body_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The body must be JSON'],
  unknown_engine: [422, 'There is no such engine'],
  invalid_recipient: [422, 'The recipient is not a WhatsApp id'],
  not_on_whatsapp: [422, 'The recipient is not on WhatsApp'],
  rejected: [422, 'WhatsApp refused the message'],
  media_refused: [422, 'WhatsApp refused the file'],
  media_too_large: [422, 'The file is larger than the engine can carry'],
  internal: [500, 'The bridge failed'],
  not_supported: [501, 'The engine of the session cannot do this'],
  bridge_full: [503, 'The bridge takes no further session'],
  media_unavailable: [503, 'The file can not be carried at the moment'],
  session_unavailable: [503, 'The session is not connected at the moment'],
  ack_timeout: [504, 'WhatsApp has not acknowledged the message yet'],
  outcome_unknown: [504, 'Whether the message was sent is not known'],
};

/** An error that is told to the caller. */
export class Problem extends Error {
  /**
   * @param {keyof typeof TABLE} code
   * @param {string} [detail]
   * @param {{retryAfter?: number, status?: number}} [options] `retryAfter` in seconds; `status` other than the table's
   */
  constructor(code, detail, { retryAfter, status } = {}) {
    super(detail ?? TABLE[code][1]);
    this.name = 'Problem';
    this.code = code;
    this.status = status ?? TABLE[code][0];
    this.title = TABLE[code][1];
    this.retryAfter = retryAfter;
  }
}

/** The body of a problem. */
export function problemBody(problem, requestId) {
  return {
    type: `urn:mod_whatsapp:bridge:${problem.code}`,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
  };
}

/** Whatever was thrown, as a problem; what is not ours to tell becomes `internal`. */
export function toProblem(error) {
  if (error instanceof Problem) {
    return error;
  }
  if (error.validation) {
    return new Problem('invalid_request', error.message);
  }
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new Problem('body_too_large');
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new Problem('unsupported_media_type');
    default:
  }
  if (error.statusCode >= 400 && error.statusCode < 500) {
    return new Problem('invalid_request', 'The request could not be read');
  }
  return new Problem('internal');
}
