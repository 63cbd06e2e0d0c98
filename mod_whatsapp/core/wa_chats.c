/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_chats.h"

#include <apr_strings.h>

#include "wa_auth.h"
#include "wa_recipient.h"
#include "wa_tx.h"

wa_code wa_chats_known(wa_app *app, const wa_req *req, const char *session,
                       const apr_array_header_t *recipients, apr_hash_t **known,
                       wa_result *r)
{
    const char **chats = apr_palloc(
        req->pool, ((apr_size_t)recipients->nelts + 1) * sizeof(const char *));
    wa_db_rows *rows;
    int i, n = 0;
    wa_code code;

    *known = apr_hash_make(req->pool);
    for (i = 0; i < recipients->nelts; i++) {
        const char *text = APR_ARRAY_IDX(recipients, i, const char *);

        if (wa_recipient_is_hidden(text)) {
            chats[n++] = text;
        }
    }
    if (!n) {
        return WA_OK;
    }
    code = WA_TX_QUERY(app, req->pool, req->request_id, WA_SQL_CHATS_KNOWN,
                       &rows, r, req->principal->user_id, session,
                       wa_db_p_array(req->pool, chats, n));
    for (i = 0; code == WA_OK && i < wa_db_count(rows); i++) {
        const char *chat = apr_pstrdup(req->pool, wa_db_str(rows, i, 0));

        apr_hash_set(*known, chat, APR_HASH_KEY_STRING, chat);
    }
    return code;
}
