/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_trace.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include "wa_crypto.h"
#include "wa_id.h"

/* version "-" trace id "-" parent id "-" flags */
#define TRACE_AT 3
#define TRACE_LEN 32
#define PARENT_AT 36
#define PARENT_LEN 16
#define FLAGS_AT 53
#define LEN 55
/* What is kept: trace id "-" flags */
#define KEPT_LEN 35

static __thread const wa_trace *current;

static int is_hex(const char *s, apr_size_t len)
{
    return strspn(s, "0123456789abcdef") >= len;
}

static int is_id(const char *s, apr_size_t len)
{
    return is_hex(s, len) && strspn(s, "0") < len;
}

/* Versions to come may have more behind a further "-"; ff will be none. */
static int is_valid(const char *s)
{
    apr_size_t len = s ? strlen(s) : 0;

    return len >= LEN && is_hex(s, 2) && strncmp(s, "ff", 2)
           && (len == LEN || (strncmp(s, "00", 2) && s[LEN] == '-'))
           && s[TRACE_AT - 1] == '-' && is_id(s + TRACE_AT, TRACE_LEN)
           && s[PARENT_AT - 1] == '-' && is_id(s + PARENT_AT, PARENT_LEN)
           && s[FLAGS_AT - 1] == '-' && is_hex(s + FLAGS_AT, 2);
}

/* Bytes that aren't all 0, in hex. */
static const char *new_id(apr_pool_t *p, apr_size_t size)
{
    unsigned char b[TRACE_LEN / 2];

    wa_random(b, size);
    b[size - 1] |= 1;
    return wa_hex(p, b, size);
}

/* The digits of a UUID. @return NULL when it is none, or all 0 */
static const char *digits_of(apr_pool_t *p, const char *request_id)
{
    char *id;
    int i, n = 0;

    if (!wa_id_is_uuid(request_id)) {
        return NULL;
    }
    id = apr_pcalloc(p, TRACE_LEN + 1);
    for (i = 0; request_id[i]; i++) {
        if (request_id[i] != '-') {
            id[n++] = (char)apr_tolower(request_id[i]);
        }
    }
    return is_id(id, TRACE_LEN) ? id : NULL;
}

static int is_sampled(const char *flags)
{
    return strchr("13579bdf", flags[1]) != NULL;
}

const wa_trace *wa_trace_make(apr_pool_t *p, const char *traceparent,
                              const char *request_id)
{
    wa_trace *t = apr_pcalloc(p, sizeof(*t));

    if (is_valid(traceparent)) {
        t->id = apr_pstrmemdup(p, traceparent + TRACE_AT, TRACE_LEN);
        t->sampled = is_sampled(traceparent + FLAGS_AT);
        return t;
    }
    t->id = digits_of(p, request_id);
    if (!t->id) {
        t->id = new_id(p, TRACE_LEN / 2);
    }
    return t;
}

void wa_trace_set(const wa_trace *trace)
{
    current = trace;
}

static const char *flags_of(const wa_trace *trace)
{
    return trace->sampled ? "01" : "00";
}

const char *wa_trace_keep(apr_pool_t *p, const char *request_id)
{
    const char *digits = digits_of(p, request_id);

    if (!current
        || (!current->sampled && digits && !strcmp(current->id, digits))) {
        return NULL;
    }
    return apr_pstrcat(p, current->id, "-", flags_of(current), NULL);
}

const wa_trace *wa_trace_find(apr_pool_t *p, const char *kept,
                              const char *request_id, const char *event_id)
{
    wa_trace *t;

    if (!kept || strlen(kept) != KEPT_LEN || !is_id(kept, TRACE_LEN)
        || kept[TRACE_LEN] != '-' || !is_hex(kept + TRACE_LEN + 1, 2)) {
        return wa_trace_make(p, NULL,
                             wa_id_is_uuid(request_id) ? request_id : event_id);
    }
    t = apr_pcalloc(p, sizeof(*t));
    t->id = apr_pstrmemdup(p, kept, TRACE_LEN);
    t->sampled = is_sampled(kept + TRACE_LEN + 1);
    return t;
}

const char *wa_trace_header(apr_pool_t *p, const wa_trace *trace)
{
    return apr_psprintf(p, "00-%s-%s-%s", trace->id, new_id(p, PARENT_LEN / 2),
                        flags_of(trace));
}

const char *wa_trace_parent(apr_pool_t *p, const char *request_id)
{
    return wa_trace_header(p, current ? current
                                      : wa_trace_make(p, NULL, request_id));
}
