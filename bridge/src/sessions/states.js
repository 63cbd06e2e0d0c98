/**
 * What a session's state consists of, and how links end.
 */

/** What is told in a session.status event; a change of one of these is an event. */
export const TOLD = ['status', 'reason', 'restricted', 'phone_number', 'push_name', 'connected_at'];
/** What is kept over a restart. */
export const KEPT = ['status', 'reason', 'restricted', 'phone_number', 'push_name', 'connected_at', 'last_active_at'];

/** A session that was never linked. */
export const EMPTY = {
  status: 'disconnected',
  reason: 'never_linked',
  restricted: false,
  phone_number: null,
  push_name: null,
  qr_code: null,
  qr_expires_at: null,
  pairing_code: null,
  pairing_code_expires_at: null,
  connected_at: null,
  last_active_at: null,
};

/** What goes when a session is no longer waiting for a phone. */
export const NO_CODE = { qr_code: null, qr_expires_at: null, pairing_code: null, pairing_code_expires_at: null };

/** How a socket's end changes the state: null means connect again. */
export const ENDS = {
  logged_out: { status: 'disconnected', reason: 'logged_out', restricted: false, erase: true },
  banned: { status: 'failed', reason: 'banned' },
  replaced: { status: 'disconnected', reason: 'replaced' },
  incompatible: { status: 'failed', reason: 'incompatible' },
  qr_timeout: { status: 'disconnected', reason: 'qr_timeout' },
  pairing_refused: { status: 'disconnected', reason: 'pairing_refused' },
  network: null,
  restart: null,
  memory: null,
};
