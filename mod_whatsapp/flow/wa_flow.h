/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_flow.h @brief A request, as one straight line to its response. */
#ifndef WA_FLOW_H
#define WA_FLOW_H

#include "wa_route.h"

/** Route, authenticate and count, authorise, read and check the body, handle.
 * The first stage that fails ends it; resp always comes back complete.
 * @param table wa_routes_api or wa_routes_internal */
void wa_flow_run(wa_app *app, const wa_route *table, wa_req *req,
                 wa_resp *resp);

/** Put the answered request into the log; nobody waits for that.
 * @param method as the client sent it @param bytes of the answer's body */
void wa_flow_log(wa_app *app, const wa_req *req, const wa_resp *resp,
                 const char *method, apr_off_t bytes);

#endif
