/* SPDX-License-Identifier: Apache-2.0 */
/** @file filter.h @brief Query parameters that filter lists, checked. */
#ifndef WA_FILTER_H
#define WA_FILTER_H

#include "../base/wa_http_msg.h"

/* Each leaves NULL or 0 where the parameter is absent.
 * @return WA_OK, or WA_E_BAD_PARAMETER recorded in r */

/** At most max bytes, at least one. */
wa_code wa_filter_text(const wa_req *req, const char *name, apr_size_t max,
                       const char **value, wa_result *r);
/** A UUID. */
wa_code wa_filter_id(const wa_req *req, const char *name, const char **value,
                     wa_result *r);
/** A time as RFC 3339. */
wa_code wa_filter_time(const wa_req *req, const char *name, apr_time_t *value,
                       wa_result *r);
/** ?from= and ?to=: from this time on, and before that. */
wa_code wa_filter_range(const wa_req *req, apr_time_t *from, apr_time_t *until,
                        wa_result *r);

#endif
