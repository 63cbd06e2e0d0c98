/* SPDX-License-Identifier: Apache-2.0 */
/* A request_rec becomes a wa_req, a wa_resp becomes httpd's answer. */
#include "mod_whatsapp.h"

#include <apr_strings.h>
#include <http_core.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "../base/wa_id.h"
#include "../base/wa_trace.h"
#include "../flow/wa_flow.h"

static const char *header(const wa_req *req, const char *name)
{
    const request_rec *r = req->baton;

    return apr_table_get(r->headers_in, name);
}

/* The brigade a body is read from, and what was left over of it. */
typedef struct body_source {
    request_rec *r;
    apr_bucket_brigade *bb;
    int ended;
} body_source;

static apr_status_t fill(body_source *b, apr_size_t want)
{
    apr_status_t rv;

    apr_brigade_cleanup(b->bb);
    rv = ap_get_brigade(b->r->input_filters, b->bb, AP_MODE_READBYTES,
                        APR_BLOCK_READ, (apr_off_t)want);
    if (rv == AP_FILTER_ERROR) {
        /* A filter answered: LimitRequestBody, or a broken chunk. */
        return b->r->status == HTTP_REQUEST_ENTITY_TOO_LARGE ? APR_ENOSPC
                                                             : APR_EGENERAL;
    }
    return rv;
}

static apr_status_t read_body(void *baton, char *buf, apr_size_t *len)
{
    body_source *b = baton;
    apr_size_t got = 0;
    apr_status_t rv;

    if (b->ended) {
        return APR_EOF;
    }
    while (!got && !b->ended) {
        rv = fill(b, *len);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        if (!APR_BRIGADE_EMPTY(b->bb)
            && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(b->bb))) {
            b->ended = 1;
        }
        got = *len;
        rv = apr_brigade_flatten(b->bb, buf, &got);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    *len = got;
    return got ? APR_SUCCESS : APR_EOF;
}

static const char *request_id(request_rec *r)
{
    const char *theirs = apr_table_get(r->headers_in, "X-Request-ID");

    return theirs && wa_id_is_request_id(theirs) ? theirs : wa_id_uuid(r->pool);
}

static apr_off_t declared_length(request_rec *r)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t n;
    char *end;

    if (!text || apr_strtoff(&n, text, &end, 10) != APR_SUCCESS || *end) {
        return -1;
    }
    return n;
}

/* For the access log: %{WHATSAPP_REQUEST_ID}e and %{WHATSAPP_TRACE_ID}e; for
 * what other modules log of the request: %L of ErrorLogFormat, unless one has
 * made an id before. */
static void note_ids(request_rec *r, const char *id, const wa_trace *trace)
{
    apr_table_setn(r->subprocess_env, "WHATSAPP_REQUEST_ID", id);
    apr_table_setn(r->subprocess_env, "WHATSAPP_TRACE_ID", trace->id);
    if (!r->log_id) {
        r->log_id = id;
    }
}

/* The path below the mount, or NULL when the mount is not in it. */
static const char *below(request_rec *r, const char *mount)
{
    const char *path = r->parsed_uri.path;
    const char *at = path ? strstr(path, mount) : NULL;

    if (!at || (at[strlen(mount)] && at[strlen(mount)] != '/')) {
        return NULL;
    }
    return at + strlen(mount);
}

static void adapt(request_rec *r, const char *path, wa_req *req)
{
    body_source *b = apr_pcalloc(r->pool, sizeof(*b));

    b->r = r;
    b->bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    req->pool = r->pool;
    req->head = r->header_only;
    req->method = r->header_only ? "GET" : r->method;
    req->path = *path ? path : "/";
    req->query = r->parsed_uri.query;
    req->request_id = request_id(r);
    req->peer = r->useragent_ip;
    req->received = r->request_time;
    req->header = header;
    req->baton = r;
    req->body.read = read_body;
    req->body.baton = b;
    req->body.declared = declared_length(r);
}

/* What a streamed body goes through; sent counts its bytes. */
typedef struct stream {
    wa_sink sink;
    request_rec *r;
    apr_off_t sent;
} stream;

static apr_status_t sink_state(const request_rec *r, int rc)
{
    return rc < 0 || r->connection->aborted ? APR_ECONNABORTED : APR_SUCCESS;
}

static apr_status_t sink_write(wa_sink *sink, const char *data, apr_size_t len)
{
    stream *s = sink->baton;
    apr_status_t rv = sink_state(s->r, ap_rwrite(data, (int)len, s->r));

    if (rv == APR_SUCCESS) {
        s->sent += (apr_off_t)len;
    }
    return rv;
}

static apr_status_t sink_flush(wa_sink *sink)
{
    stream *s = sink->baton;

    return sink_state(s->r, ap_rflush(s->r));
}

static int sink_gone(const wa_sink *sink)
{
    const stream *s = sink->baton;
    conn_rec *c = s->r->connection;
    apr_socket_t *socket = ap_get_conn_socket(c);
    int ended = 0;

    return c->aborted
           || (socket && apr_socket_atreadeof(socket, &ended) == APR_SUCCESS
               && ended);
}

static int sink_stopping(const wa_sink *sink)
{
    return mod_whatsapp_is_stopping();
}

/* The status line has gone out, so all that can tell the client of a body that
 * broke off is a connection that ends without the last chunk. */
static void break_off(request_rec *r)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);

    r->connection->keepalive = AP_CONN_CLOSE;
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_flush_create(alloc));
    APR_BRIGADE_INSERT_TAIL(
        bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
}

static apr_off_t send_stream(request_rec *r, const wa_req *req,
                             const wa_resp *resp)
{
    stream s = { { sink_write, sink_flush, sink_gone, sink_stopping, NULL },
                 r,
                 0 };

    s.sink.baton = &s;
    if (resp->produce(req, &s.sink, resp->producer) != APR_SUCCESS
        && !r->connection->aborted) {
        break_off(r);
    }
    return s.sent;
}

/* By httpd's own filters: ranges, sendfile where that is possible, and a
 * client that is slow costs no thread. Mapped, what was sent would count as
 * our memory. */
static apr_off_t send_file(request_rec *r, const wa_resp *resp)
{
    apr_bucket_alloc_t *alloc = r->connection->bucket_alloc;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, alloc);
    apr_bucket *b = apr_brigade_insert_file(bb, resp->file, 0, resp->file_len,
                                            r->pool);

    apr_bucket_file_enable_mmap(b, 0);
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(alloc));
    (void)ap_pass_brigade(r->output_filters, bb);
    return resp->file_len;
}

static int copy_header(void *out, const char *name, const char *value)
{
    apr_table_setn(out, name, value);
    return 1;
}

/* The one exit. @return bytes of the body */
static apr_off_t answer(request_rec *r, const wa_req *req, const wa_resp *resp)
{
    r->status = resp->status;
    apr_table_do(copy_header, r->headers_out, resp->headers, NULL);
    if (!resp->content_type) {
        return 0;
    }
    ap_set_content_type(r, resp->content_type);
    if (!resp->produce) {
        ap_set_content_length(r, resp->file ? resp->file_len
                                            : (apr_off_t)resp->body_len);
    }
    if (r->header_only) {
        return 0;
    }
    if (resp->produce) {
        return send_stream(r, req, resp);
    }
    if (resp->file) {
        return send_file(r, resp);
    }
    /* A client that went away is httpd's to notice and log. */
    (void)ap_rwrite(resp->body, (int)resp->body_len, r);
    return (apr_off_t)resp->body_len;
}

int mod_whatsapp_answer(request_rec *r, wa_app *app, const wa_route *table,
                        const char *mount)
{
    const char *path = below(r, mount);
    wa_req *req = apr_pcalloc(r->pool, sizeof(*req));
    wa_resp *resp = wa_resp_make(r->pool);
    const wa_trace *trace;
    apr_off_t bytes;

    if (!path) {
        return DECLINED;
    }
    adapt(r, path, req);
    trace = wa_trace_make(r->pool, header(req, "traceparent"), req->request_id);
    note_ids(r, req->request_id, trace);
    wa_trace_set(trace);
    if (app) {
        wa_flow_run(app, table, req, resp);
    }
    else {
        wa_result *res = wa_result_make(r->pool);

        wa_fail_retry(res, WA_E_NOT_READY, 5,
                      "The server could not start; its log says why");
        wa_resp_problem(resp, req, res);
    }
    bytes = answer(r, req, resp);
    if (app && table == wa_routes_api) {
        wa_flow_log(app, req, resp, r->method, bytes);
    }
    wa_trace_set(NULL);
    return OK;
}
