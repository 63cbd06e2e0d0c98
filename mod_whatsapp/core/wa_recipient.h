/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_recipient.h @brief Phone numbers and WhatsApp ids, normalised. */
#ifndef WA_RECIPIENT_H
#define WA_RECIPIENT_H

#include <apr_pools.h>

#include "../base/wa_result.h"

/** Normalise what a client calls a recipient.
 *
 * Takes an E.164 number (ITU-T E.164: 7 to 15 digits, no leading zero) with or
 * without "+", with spaces, "-", ".", "(", ")" between digits, or its WhatsApp
 * id, which ends in @s.whatsapp.net or @c.us. Groups, the status, channels and
 * hidden ids (LID) are no recipients here, and the field's error says so.
 * @param recipient "+491701234567"
 * @param chat the WhatsApp id of the chat
 * @return WA_OK or WA_E_RECIPIENT */
wa_code wa_recipient_read(const char *text, const char **recipient,
                          const char **chat, wa_result *r);

/** Is it an id that hides its owner's number, such as 123456789012@lid? Only
 * who wrote to a session is answered by it (wa_chats_known). */
int wa_recipient_is_hidden(const char *text);

/** The chat that a client means when it looks for messages: also that of a
 * group or a hidden id, for such come in.
 * @return as above */
wa_code wa_recipient_read_chat(const char *text, const char **chat,
                               wa_result *r);

#endif
