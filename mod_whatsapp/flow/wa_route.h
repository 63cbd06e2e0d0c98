/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_route.h
 * @brief What an endpoint is, and how a request finds it.
 */
#ifndef WA_ROUTE_H
#define WA_ROUTE_H

#include "../base/wa_http_msg.h"
#include "../core/wa_app.h"
#include "../core/wa_scope.h"

/** Who may call an endpoint. */
typedef enum wa_caller {
    WA_CALLER_PUBLIC,  /* anybody */
    WA_CALLER_USER,    /* any principal, for its own user's things */
    WA_CALLER_ADMIN,   /* a principal whose user is an admin */
    WA_CALLER_INTERNAL /* who shows the internal secret */
} wa_caller;

/** Answers a request that passed everything the route row asks for.
 * @return WA_OK with resp filled, or a failure recorded in r */
typedef wa_code wa_handler_fn(wa_app *app, wa_req *req, wa_resp *resp,
                              wa_result *r);

typedef struct wa_route {
    const char *method;
    const char *path; /* below the mount; {name} matches one segment */
    wa_caller caller;
    unsigned scope;         /* what a key needs (wa_scope); 0: nothing */
    apr_size_t body_max;    /* bytes; 0: no body is read */
    const wa_field *schema; /* of the body; NULL: any object */
    wa_handler_fn *handler;
    int form;      /* it may be a form, too, which the handler reads itself */
    int uncounted; /* by no limit: a load balancer must not be refused */
} wa_route;

/** THE table of endpoints, ended by a row without method. */
extern const wa_route wa_routes_api[];
extern const wa_route wa_routes_internal[];

/** Find the row for method and path; fills req->route and req->params.
 * A leading "/v1" is the same table.
 * @return WA_OK, WA_E_NOT_FOUND, WA_E_METHOD with r->allow,
 *         WA_E_MALFORMED for a path that can't be decoded */
wa_code wa_route_find(const wa_route *table, wa_req *req, wa_result *r);

#endif
