/* SPDX-License-Identifier: Apache-2.0 */
/* GET /messages and GET /chats: a user's messages, filtered, and his
 * conversations, each by its newest message; newest first. */
#include "api.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_time.h"
#include "../core/wa_messages.h"
#include "../core/wa_recipient.h"
#include "filter.h"
#include "list.h"

#define WORD_MAX 32
#define REF_MAX 255
#define RECIPIENT_MAX 64
#define SUFFIX "@s.whatsapp.net"

static void row_json(apr_pool_t *p, const void *element, wa_json_text *t)
{
    wa_api_message_open(t, NULL, element);
    wa_json_text_end(t, '}');
}

static const char *const columns[] = {
    "id",           "direction",  "type",         "status",
    "recipient",    "sender",     "chat",         "content",
    "client_ref",   "created_at", "scheduled_at", "sent_at",
    "delivered_at", "read_at",    "error_code",   "whatsapp_id",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

static void row_values(apr_pool_t *p, const void *element, const char **v)
{
    const wa_message *m = element;

    v[0] = m->id;
    v[1] = m->direction;
    v[2] = m->type;
    v[3] = m->status;
    v[4] = m->recipient;
    v[5] = m->sender;
    v[6] = m->chat;
    v[7] = m->content;
    v[8] = m->client_ref;
    v[9] = wa_time_rfc3339(p, m->created_at);
    v[10] = m->scheduled_at ? wa_time_rfc3339(p, m->scheduled_at) : NULL;
    v[11] = m->sent_at ? wa_time_rfc3339(p, m->sent_at) : NULL;
    v[12] = m->delivered_at ? wa_time_rfc3339(p, m->delivered_at) : NULL;
    v[13] = m->read_at ? wa_time_rfc3339(p, m->read_at) : NULL;
    v[14] = m->error_code;
    v[15] = m->whatsapp_id;
}

static void place(const void *element, wa_list_place *at)
{
    const wa_message *m = element;

    at->at = m->created_at;
    at->id = m->id;
}

/* What is asked for, and the rule of core that answers it by pages. */
typedef struct asked {
    wa_message_query q;
    wa_code (*rows)(wa_app *app, apr_pool_t *p, const char *request_id,
                    const wa_message_query *q, apr_array_header_t **rows,
                    wa_result *r);
} asked;

/* The page that begins there. */
static wa_code page(wa_app *app, apr_pool_t *p, const char *request_id,
                    const void *query, const wa_list_place *from,
                    apr_array_header_t **rows, wa_result *r)
{
    const asked *a = query;
    wa_message_query q = a->q;

    q.after_at = from->at;
    q.after_id = from->id;
    q.limit = from->limit;
    return a->rows(app, p, request_id, &q, rows, r);
}

static const wa_list list = { "messages", columns,  (int)COLUMNS, page,
                              place,      row_json, row_values };

/* A parameter that is one of a few words. */
static wa_code read_word(const wa_req *req, const char *name,
                         const char *const *words, const char **value,
                         wa_result *r)
{
    wa_code code = wa_filter_text(req, name, WORD_MAX, value, r);
    int i;

    if (code != WA_OK || !*value) {
        return code;
    }
    for (i = 0; words[i]; i++) {
        if (!strcmp(words[i], *value)) {
            return WA_OK;
        }
    }
    return wa_fail(r, WA_E_BAD_PARAMETER, "%s is not one of the %s values",
                   name, name);
}

/* Whatever spelling of a number, or a WhatsApp id, means one chat. */
static wa_code read_recipient(const wa_req *req, wa_message_query *q,
                              wa_result *r)
{
    const char *text;
    wa_code code = wa_filter_text(req, "recipient", RECIPIENT_MAX, &text, r);

    if (code != WA_OK || !text) {
        return code;
    }
    if (wa_recipient_read_chat(text, &q->chat, wa_result_make(req->pool))
        != WA_OK) {
        return wa_fail(r, WA_E_BAD_PARAMETER,
                       "recipient is a phone number or a WhatsApp id");
    }
    return WA_OK;
}

static wa_code read_query(const wa_req *req, wa_message_query *q, wa_result *r)
{
    static const char *const directions[] = { "out", "in", NULL };
    wa_code code;

    q->user_id = req->principal->user_id;
    code = read_word(req, "status", wa_message_statuses, &q->status, r);
    if (code == WA_OK) {
        code = wa_filter_text(req, "type", WORD_MAX, &q->type, r);
    }
    if (code == WA_OK) {
        code = read_word(req, "direction", directions, &q->direction, r);
    }
    if (code == WA_OK) {
        code = read_recipient(req, q, r);
    }
    if (code == WA_OK) {
        code = wa_filter_id(req, "session_id", &q->session_id, r);
    }
    if (code == WA_OK) {
        code = wa_filter_text(req, "client_ref", REF_MAX, &q->client_ref, r);
    }
    return code == WA_OK ? wa_filter_range(req, &q->from, &q->until, r) : code;
}

WA_API_HANDLER(wa_api_messages_list)
{
    asked *a = apr_pcalloc(req->pool, sizeof(*a));
    wa_code code = read_query(req, &a->q, r);

    a->rows = wa_message_page;
    return code == WA_OK ? wa_list_answer(app, req, resp, &list, a, r) : code;
}

/* --- chats ----------------------------------------------------------------*/

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

static void chat_json(apr_pool_t *p, const void *element, wa_json_text *t)
{
    const wa_message *m = element;

    wa_json_text_open(t, NULL, '{');
    wa_json_text_str(t, "chat", m->chat);
    wa_json_text_str(t, "phone_number", number_of(p, m->chat));
    wa_json_text_time(t, "last_message_at", m->created_at);
    wa_api_message_open(t, "last_message", m);
    wa_json_text_end(t, '}');
    wa_json_text_end(t, '}');
}

static const char *const chat_columns[] = {
    "chat",      "phone_number", "last_message_at", "last_message_id",
    "direction", "type",         "status",          "content",
};

#define CHAT_COLUMNS (sizeof(chat_columns) / sizeof(chat_columns[0]))

static void chat_values(apr_pool_t *p, const void *element, const char **v)
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

static const wa_list chats = { "chats", chat_columns, (int)CHAT_COLUMNS, page,
                               place,   chat_json,    chat_values };

WA_API_HANDLER(wa_api_chats)
{
    asked *a = apr_pcalloc(req->pool, sizeof(*a));
    wa_code code = wa_filter_id(req, "session_id", &a->q.session_id, r);

    a->q.user_id = req->principal->user_id;
    a->rows = wa_message_chats;
    return code == WA_OK ? wa_list_answer(app, req, resp, &chats, a, r) : code;
}
