/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_recipient.h"

#include <string.h>

#include <apr_strings.h>

#define E164_MIN 7
#define E164_MAX 15
#define ID_USER_MAX 40

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

static wa_code refuse(wa_result *r)
{
    wa_fail_field(r, "/recipient", "format",
                  "must be a phone number in E.164 form such as"
                  " +491701234567, or a WhatsApp id");
    r->code = WA_E_RECIPIENT; /* its own code, and the field beside it */
    return r->code;
}

wa_code wa_recipient_read(const char *text, const char **recipient,
                          const char **chat, wa_result *r)
{
    const char *at = strchr(text, '@');
    const char *digits, *server;
    int group;

    if (!at) {
        digits = number_digits(r->p, text);
    }
    else {
        server = at + 1;
        group = !strcmp(server, "g.us");
        if (group || !strcmp(server, "lid")) {
            if (!id_user_ok(text, (apr_size_t)(at - text), group)) {
                return refuse(r);
            }
            *recipient = *chat = apr_pstrdup(r->p, text);
            return WA_OK;
        }
        if (strcmp(server, "s.whatsapp.net") && strcmp(server, "c.us")) {
            return refuse(r);
        }
        digits = id_user_ok(text, (apr_size_t)(at - text), 0) ? number_digits(
                     r->p, apr_pstrmemdup(r->p, text, (apr_size_t)(at - text)))
                                                              : NULL;
    }
    if (!digits) {
        return refuse(r);
    }
    *recipient = apr_pstrcat(r->p, "+", digits, NULL);
    *chat = apr_pstrcat(r->p, digits, "@s.whatsapp.net", NULL);
    return WA_OK;
}
