/**
 * Preloaded into the sandbox: its phones use the same JavaScript libsignal as the engine, and with it the fault
 * that a failed attempt steps a session's ratchet (see restoreFailedAttempts in the engine's hooks). WhatsApp's
 * own apps don't have it. Without this a phone may break a session that the bridge has kept whole.
 */
import { createRequire } from 'node:module';

const SessionCipher = createRequire(import.meta.url)('libsignal/src/session_cipher.js');
const attempt = SessionCipher.prototype.doDecryptWhisperMessage;

SessionCipher.prototype.doDecryptWhisperMessage = async function doDecryptWhisperMessage(message, session) {
  const before = session?.serialize();
  try {
    return await attempt.call(this, message, session);
  } catch (error) {
    if (before) {
      Object.assign(session, session.constructor.deserialize(before));
    }
    throw error;
  }
};
