/* SPDX-License-Identifier: Apache-2.0 */
/* GET /chats: a user's conversations, each with its newest message. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_time.h"
#include "../core/wa_messages.h"
#include "filter.h"
#include "list.h"

#define SUFFIX "@s.whatsapp.net"

/* The number of a chat with one person, or NULL: a group, or known by LID. */
static const char *number_of(apr_pool_t *p, const char *chat)
{
    apr_size_t len = strlen(chat);

    if (len <= sizeof(SUFFIX) - 1
        || strcmp(chat + len - (sizeof(SUFFIX) - 1), SUFFIX)) {
        return NULL;
    }
    return apr_pstrcat(p, "+", apr_pstrndup(p, chat, len - sizeof(SUFFIX) + 1),
                       NULL);
}

static json_t *row_json(apr_pool_t *p, const void *element)
{
    const wa_message *m = element;
    json_t *j = json_object();

    wa_json_set_str(j, "chat", m->chat);
    wa_json_set_str(j, "phone_number", number_of(p, m->chat));
    wa_json_set_time(j, "last_message_at", m->created_at);
    wa_json_set(j, "last_message", wa_api_message_json(m));
    return j;
}

static const char *const columns[] = {
    "chat",      "phone_number", "last_message_at", "last_message_id",
    "direction", "type",         "status",          "content",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void row_values(apr_pool_t *p, const void *element, const char **v)
{
    const wa_message *m = element;

    v[0] = m->chat;
    v[1] = number_of(p, m->chat);
    v[2] = wa_time_rfc3339(p, m->created_at);
    v[3] = m->id;
    v[4] = m->direction;
    v[5] = m->type;
    v[6] = m->status;
    v[7] = m->content;
}

static void place(const void *element, wa_list_place *at)
{
    const wa_message *m = element;

    at->at = m->created_at;
    at->id = m->id;
}

static wa_code page(wa_app *app, apr_pool_t *p, const char *request_id,
                    const void *query, const wa_list_place *from,
                    apr_array_header_t **rows, wa_result *r)
{
    wa_message_query q = *(const wa_message_query *)query;

    q.after_at = from->at;
    q.after_id = from->id;
    q.limit = from->limit;
    return wa_message_chats(app, p, request_id, &q, rows, r);
}

static const wa_list list = { "chats", columns,  (int)COLUMNS, page,
                              place,   row_json, row_values };

WA_API_HANDLER(wa_api_chats)
{
    wa_message_query *q = apr_pcalloc(req->pool, sizeof(*q));
    wa_code code = wa_filter_id(req, "session_id", &q->session_id, r);

    q->user_id = req->principal->user_id;
    return code == WA_OK ? wa_list_answer(app, req, resp, &list, q, r) : code;
}
