/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_recipient.h"

#include <string.h>

#include <apr_strings.h>

#define E164_MIN 7
#define E164_MAX 15
#define ID_USER_MAX 40
#define NUMBER_WANTED                                                          \
    "must be a phone number in E.164 form such as +491701234567, or its"       \
    " WhatsApp id (@s.whatsapp.net, @c.us)"

/* A number as people write it, reduced to its digits; NULL if it is none. */
static const char *number_digits(apr_pool_t *p, const char *s)
{
    char *digits;
    apr_size_t n = 0;

    if (strlen(s) > 40) {
        return NULL;
    }
    digits = apr_palloc(p, strlen(s) + 1);
    if (*s == '+') {
        s++;
    }
    for (; *s; s++) {
        if (*s >= '0' && *s <= '9') {
            digits[n++] = *s;
        }
        else if (!strchr(" -.()", *s)) {
            return NULL;
        }
    }
    digits[n] = '\0';
    if (n < E164_MIN || n > E164_MAX || digits[0] == '0') {
        return NULL;
    }
    return digits;
}

/* The part of a WhatsApp id before the @: digits, and '-' in old group ids. */
static int id_user_ok(const char *s, apr_size_t len, int group)
{
    apr_size_t i;

    if (len < 5 || len > ID_USER_MAX) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if ((s[i] < '0' || s[i] > '9') && !(group && s[i] == '-' && i)) {
            return 0;
        }
    }
    return 1;
}

static wa_code refuse(wa_result *r, const char *code, const char *why)
{
    wa_fail_field(r, "/recipient", code, "%s", why);
    r->code = WA_E_RECIPIENT; /* its own code, and the field beside it */
    return r->code;
}

/* What is none, but something that people copy from elsewhere. */
static const struct {
    const char *server, *why;
} others[] = {
    { "g.us", "is a group; messages are sent to phone numbers only" },
    { "broadcast", "is the status or a broadcast list; messages are sent to"
                   " phone numbers only" },
    { "newsletter", "is a channel; messages are sent to phone numbers only" },
    { "lid",
      "is an id that hides the phone number (LID), of nobody who wrote to"
      " this session; the number itself is needed" },
};

static wa_code refuse_server(wa_result *r, const char *server)
{
    apr_size_t i;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (!strcasecmp(server, others[i].server)) {
            return refuse(r, "value", others[i].why);
        }
    }
    return refuse(r, "format", NUMBER_WANTED);
}

wa_code wa_recipient_read(const char *text, const char **recipient,
                          const char **chat, wa_result *r)
{
    const char *at = strchr(text, '@');
    apr_size_t len = at ? (apr_size_t)(at - text) : 0;
    const char *digits = NULL;

    if (at && strcmp(at + 1, "s.whatsapp.net") && strcmp(at + 1, "c.us")) {
        return refuse_server(r, at + 1);
    }
    if (!at) {
        digits = number_digits(r->p, text);
    }
    else if (id_user_ok(text, len, 0)) {
        digits = number_digits(r->p, apr_pstrmemdup(r->p, text, len));
    }
    if (!digits) {
        return refuse(r, "format", NUMBER_WANTED);
    }
    *recipient = apr_pstrcat(r->p, "+", digits, NULL);
    *chat = apr_pstrcat(r->p, digits, "@s.whatsapp.net", NULL);
    return WA_OK;
}

int wa_recipient_is_hidden(const char *text)
{
    const char *at = strchr(text, '@');

    return at && !strcmp(at, "@lid")
           && id_user_ok(text, (apr_size_t)(at - text), 0);
}

wa_code wa_recipient_read_chat(const char *text, const char **chat,
                               wa_result *r)
{
    const char *at = strchr(text, '@'), *number;
    int group = at && !strcmp(at, "@g.us");

    if (wa_recipient_is_hidden(text)
        || (group && id_user_ok(text, (apr_size_t)(at - text), 1))) {
        *chat = apr_pstrdup(r->p, text);
        return WA_OK;
    }
    return wa_recipient_read(text, &number, chat, r);
}
