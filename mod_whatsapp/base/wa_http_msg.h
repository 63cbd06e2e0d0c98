/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_http_msg.h
 * @brief A request and its response, as every layer sees them: no httpd here.
 */
#ifndef WA_HTTP_MSG_H
#define WA_HTTP_MSG_H

#include <apr_file_io.h>
#include <apr_pools.h>
#include <apr_tables.h>
#include <apr_time.h>

#include "wa_json.h"
#include "wa_result.h"

struct wa_principal;
struct wa_route;
struct wa_limit_state;
struct wa_idem;

#define WA_MAX_PATH_PARAMS 3

/** Where a body comes from. */
typedef struct wa_body {
    /** Read up to *len bytes. @return APR_SUCCESS with *len > 0, APR_EOF at
     * the end, APR_TIMEUP, APR_ENOSPC (over the server's own limit), else
     * broken */
    apr_status_t (*read)(void *baton, char *buf, apr_size_t *len);
    void *baton;
    apr_off_t declared; /* Content-Length, or -1 */
    apr_off_t taken;    /* bytes read so far */
} wa_body;

typedef struct wa_req {
    apr_pool_t *pool;
    const char *method;     /* GET, …; HEAD comes as GET with head set */
    int head;               /* no body in the answer */
    const char *path;       /* below the mount, still percent-encoded */
    const char *query;      /* without '?', or NULL */
    const char *request_id; /* ours or the client's acceptable one */
    const char *peer;       /* client's address, after mod_remoteip */
    apr_time_t received;    /* when the request came in */
    /** A request header, or NULL. */
    const char *(*header)(const struct wa_req *req, const char *name);
    void *baton; /* the adapter's */
    wa_body body;

    /* filled on the way through flow/ */
    const struct wa_route *route;
    const char *params[WA_MAX_PATH_PARAMS]; /* decoded, in path order */
    struct wa_principal *principal;         /* NULL on public routes */
    struct wa_limit_state *limits;          /* NULL on public routes */
    json_t *json;                           /* the checked body, or NULL */
    const char *text;                       /* the body as it came, or NULL */
    apr_size_t text_len;
    struct wa_idem *idem;         /* of an Idempotency-Key, or NULL */
    struct wa_session_peek *peek; /* its session in Redis, where it asks */
} wa_req;

/** Where a body goes that is made while it is sent (wa_resp_stream). */
typedef struct wa_sink {
    /** Send bytes; they may wait in a buffer until flush. A slow client makes
     * this wait, so no connection to the database may be held meanwhile.
     * @return APR_SUCCESS, or APR_ECONNABORTED when the client has gone */
    apr_status_t (*write)(struct wa_sink *sink, const char *data,
                          apr_size_t len);
    /** Send on what was written so far. @return as write */
    apr_status_t (*flush)(struct wa_sink *sink);
    /** Has the client gone? Noticed at the latest by a write or flush. */
    int (*gone)(const struct wa_sink *sink);
    /** Has this process been told to end? What has no end of its own should
     * end now; what has may go on. */
    int (*stopping)(const struct wa_sink *sink);
    void *baton; /* the adapter's */
} wa_sink;

/** Makes a body, piece by piece, in the request's thread.
 * @param req the request; its pool lives until the answer was sent
 * @return APR_SUCCESS when it is whole; else the client is shown, by a broken
 *         connection, that something is missing */
typedef apr_status_t wa_produce_fn(const struct wa_req *req, wa_sink *sink,
                                   void *baton);

typedef struct wa_resp {
    int status;
    apr_table_t *headers;     /* besides Content-Type and Content-Length */
    const char *content_type; /* NULL: no body */
    const char *body;
    apr_size_t body_len;
    wa_produce_fn *produce; /* makes the body instead, or NULL */
    void *producer;         /* its baton */
    apr_file_t *file;       /* is the body instead, or NULL */
    apr_off_t file_len;
} wa_resp;

/** An empty 200 answer in p. */
wa_resp *wa_resp_make(apr_pool_t *p);

/** Answer with JSON (application/json). Takes over the reference to j. */
void wa_resp_json(wa_resp *resp, apr_pool_t *p, int status, json_t *j);

/** The same with what was written. */
void wa_resp_json_text(wa_resp *resp, int status, const wa_json_text *t);

/** Answer with what produce makes; status and headers are sent before its first
 * bytes. It isn't called for HEAD. @param baton must live as long as the
 * request */
void wa_resp_stream(wa_resp *resp, const char *content_type,
                    wa_produce_fn *produce, void *baton);

/** Answer with a file, from its beginning; ranges of it when asked for. */
void wa_resp_file(wa_resp *resp, const char *content_type, apr_file_t *file,
                  apr_off_t len);

/** Answer with the problem in r (application/problem+json, RFC 9457), with
 * Retry-After, Allow and WWW-Authenticate where they belong. */
void wa_resp_problem(wa_resp *resp, const wa_req *req, const wa_result *r);

/** The problem alone, for an answer that tells of several. */
json_t *wa_problem_json(const wa_req *req, const wa_result *r);

/** A query parameter, percent-decoded, or NULL; the first one counts.
 * @return WA_OK, or WA_E_BAD_PARAMETER for a broken encoding or NUL */
wa_code wa_req_query(const wa_req *req, const char *name, const char **value,
                     wa_result *r);

/** Percent-decode (RFC 3986); refuses NUL, broken escapes and
 * what is not UTF-8 when decoded.
 * @param plus_is_space as in a query string
 * @return NULL when refused */
const char *wa_percent_decode(apr_pool_t *p, const char *s, apr_size_t len,
                              int plus_is_space);

#endif
