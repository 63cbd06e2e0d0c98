/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_http_private.h @brief What the users of libcurl share. */
#ifndef WA_HTTP_PRIVATE_H
#define WA_HTTP_PRIVATE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <curl/curl.h>

/** A request's headers as libcurl wants them, without those it would add.
 * @param list to be freed by curl_slist_free_all, also on failure
 * @return APR_EINVAL when one can't be sent as it is */
apr_status_t wa_http_lines(struct curl_slist **list, apr_pool_t *p,
                           const apr_table_t *headers);

/** Set method and body, which must live until the call is over. */
void wa_http_set_method(CURL *curl, const char *method, const char *body,
                        apr_size_t len);

/** libcurl's outcome. @param sent bytes of the request went out */
apr_status_t wa_http_status(CURLcode code, int sent);

/** Split "Name: value" at its colon. @return the value, or NULL */
char *wa_http_header_value(char *line);

/** The seconds of a Retry-After, which may be a date; 0 when it has passed. */
int wa_http_seconds(const char *s);

#endif
