/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <string.h>

#include <apr_strings.h>

#include "../base/wa_csv.h"
#include "../base/wa_log.h"
#include "../core/wa_audit.h"
#include "negotiate.h"
#include "page.h"

#define EXPORT_PAGE 1000
#define ID_SIZE 64
/* Bytes that a page and a row of it take, as a rule. */
#define PAGE_ROOM 256
#define ROW_ROOM 800
#define QUERY_TOLD 500 /* characters of the query that the audit keeps */

static const void *element(const apr_array_header_t *rows, int i)
{
    return rows->elts + (apr_size_t)i * (apr_size_t)rows->elt_size;
}

/* --- a page ----------------------------------------------------------------*/

static wa_code answer_page(wa_app *app, wa_req *req, wa_resp *resp,
                           const wa_list *list, const void *query, wa_result *r)
{
    apr_array_header_t *rows;
    wa_list_place from, last;
    wa_json_text *t;
    wa_page page;
    int i, shown;
    wa_code code = wa_page_read(app, req, list->name, &page, r);

    if (code != WA_OK) {
        return code;
    }
    from.at = page.after_time;
    from.id = page.after_id;
    /* One more than asked for tells whether there is a next page. */
    from.limit = page.limit + 1;
    code = list->page(app, req->pool, req->request_id, query, &from, &rows, r);
    if (code != WA_OK) {
        return code;
    }
    shown = rows->nelts > page.limit ? page.limit : rows->nelts;
    t = wa_json_text_make(req->pool, PAGE_ROOM + ROW_ROOM * (apr_size_t)shown);
    wa_json_text_open(t, NULL, '{');
    wa_json_text_open(t, "data", '[');
    for (i = 0; i < shown; i++) {
        list->json(req->pool, element(rows, i), t);
    }
    wa_json_text_end(t, ']');
    if (rows->nelts > page.limit) {
        list->place(element(rows, shown - 1), &last);
        page.next = wa_page_cursor_time(app, req->pool, list->name, last.at,
                                        last.id);
    }
    wa_page_answer_text(req, resp, &page, t);
    return WA_OK;
}

/* --- all of it -------------------------------------------------------------*/

typedef struct export_run {
    wa_app *app;
    const wa_list *list;
    const void *query;
    wa_list_format format;
    apr_pool_t *pool; /* of a page; emptied before the next one */
    apr_array_header_t *rows;
    wa_list_place from; /* the next page's */
    char from_id[ID_SIZE];
} export_run;

static wa_code read_rows(export_run *run, const wa_req *req, wa_result *r)
{
    wa_list_place last;
    wa_code code;

    apr_pool_clear(run->pool);
    code = run->list->page(run->app, run->pool, req->request_id, run->query,
                           &run->from, &run->rows, r);
    if (code == WA_OK && run->rows->nelts) {
        run->list->place(element(run->rows, run->rows->nelts - 1), &last);
        run->from.at = last.at;
        apr_cpystrn(run->from_id, last.id, ID_SIZE);
        run->from.id = run->from_id;
    }
    return code;
}

static apr_status_t write_csv(const export_run *run, wa_sink *sink,
                              const char *const *values)
{
    apr_size_t len;
    const char *line = wa_csv_line(run->pool, values, run->list->count, &len);

    return sink->write(sink, line, len);
}

static apr_status_t write_json(const export_run *run, wa_sink *sink,
                               wa_json_text *t, const void *row)
{
    apr_status_t rv;

    t->len = 0;
    run->list->json(run->pool, row, t);
    rv = sink->write(sink, t->text, t->len);
    return rv == APR_SUCCESS ? sink->write(sink, "\n", 1) : rv;
}

static apr_status_t write_rows(const export_run *run, wa_sink *sink)
{
    apr_size_t size = sizeof(const char *) * (apr_size_t)run->list->count;
    const char **values = apr_palloc(run->pool, size);
    wa_json_text *t = wa_json_text_make(run->pool, ROW_ROOM);
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < run->rows->nelts && rv == APR_SUCCESS; i++) {
        if (run->format == WA_LIST_NDJSON) {
            rv = write_json(run, sink, t, element(run->rows, i));
        }
        else {
            run->list->values(run->pool, element(run->rows, i), values);
            rv = write_csv(run, sink, values);
        }
    }
    return rv == APR_SUCCESS ? sink->flush(sink) : rv;
}

static apr_status_t produce(const wa_req *req, wa_sink *sink, void *baton)
{
    export_run *run = baton;
    wa_result *r = wa_result_make(req->pool);
    apr_status_t rv = APR_SUCCESS;

    if (run->format == WA_LIST_CSV) {
        rv = write_csv(run, sink, run->list->columns);
    }
    while (rv == APR_SUCCESS) {
        rv = write_rows(run, sink);
        if (rv != APR_SUCCESS || run->rows->nelts < EXPORT_PAGE) {
            break;
        }
        if (read_rows(run, req, r) != WA_OK) {
            wa_log(WA_LOG_WARNING, req->request_id,
                   "WA0311: an export breaks off: %s", wa_code_name(r->code));
            rv = APR_EGENERAL;
        }
    }
    return rv;
}

static apr_status_t give_place(void *app)
{
    wa_place_give(app);
    return APR_SUCCESS;
}

static void note(const export_run *run, wa_req *req)
{
    apr_pool_t *p = req->pool;
    json_t *detail = wa_json_own(p, json_object());
    wa_audit_entry e;

    wa_json_set_str(detail, "format",
                    run->format == WA_LIST_CSV ? "csv" : "ndjson");
    wa_json_set_str(detail, "query",
                    req->query ? apr_pstrndup(p, req->query, QUERY_TOLD) : "");
    e = wa_audit_of(req, apr_pstrcat(p, "export.", run->list->name, NULL), NULL,
                    NULL, detail);
    wa_audit_note(run->app, p, &e);
}

static wa_code answer_export(wa_app *app, wa_req *req, wa_resp *resp,
                             const wa_list *list, const void *query,
                             wa_list_format format, wa_result *r)
{
    export_run *run = apr_pcalloc(req->pool, sizeof(*run));
    int csv = format == WA_LIST_CSV;
    wa_code code;

    /* A slow client keeps its thread, so exports may not take them all. */
    if (!wa_place_take(app)) {
        return wa_fail_retry(r, WA_E_NOT_READY, 5,
                             "Too many requests wait or are read slowly");
    }
    apr_pool_cleanup_register(req->pool, app, give_place,
                              apr_pool_cleanup_null);
    run->app = app;
    run->list = list;
    run->query = query;
    run->format = format;
    run->from.limit = EXPORT_PAGE;
    apr_pool_create(&run->pool, req->pool);
    code = read_rows(run, req, r);
    if (code != WA_OK) {
        return code;
    }
    note(run, req);
    apr_table_setn(resp->headers, "Content-Disposition",
                   apr_psprintf(req->pool, "attachment; filename=\"%s.%s\"",
                                list->name, csv ? "csv" : "ndjson"));
    wa_resp_stream(resp, csv ? WA_CSV_TYPE : "application/x-ndjson", produce,
                   run);
    return WA_OK;
}

wa_code wa_list_answer(wa_app *app, wa_req *req, wa_resp *resp,
                       const wa_list *list, const void *query, wa_result *r)
{
    wa_list_format format;
    wa_code code = wa_negotiate_list(req, &format, r);

    if (code != WA_OK) {
        return code;
    }
    apr_table_setn(resp->headers, "Vary", "Accept");
    if (format == WA_LIST_JSON) {
        return answer_page(app, req, resp, list, query, r);
    }
    return answer_export(app, req, resp, list, query, format, r);
}
