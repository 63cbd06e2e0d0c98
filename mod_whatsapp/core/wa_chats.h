/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_chats.h
 * @brief Chats whose phone number WhatsApp does not tell.
 *
 * Such a chat is known by an id alone (LID). It is a recipient only for the
 * session that it wrote to: so it can be answered, and nobody writes to an id
 * that was copied from elsewhere, or that another user's session has.
 */
#ifndef WA_CHATS_H
#define WA_CHATS_H

#include <apr_hash.h>

#include "../base/wa_http_msg.h"
#include "wa_app.h"

/** Those of many recipients that are such chats of the user's session.
 * @param session its name
 * @param recipients texts as clients wrote them; others are passed over, and
 *        without any the database is not asked
 * @param known the texts by themselves, in the request's pool
 * @return WA_OK, database errors */
wa_code wa_chats_known(wa_app *app, const wa_req *req, const char *session,
                       const apr_array_header_t *recipients, apr_hash_t **known,
                       wa_result *r);

#endif
