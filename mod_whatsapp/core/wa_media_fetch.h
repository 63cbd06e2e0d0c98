/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_media_fetch.h
 * @brief Files that are elsewhere: at a URL that a client gave, or at the
 *        bridge, as part of a message that came in.
 */
#ifndef WA_MEDIA_FETCH_H
#define WA_MEDIA_FETCH_H

#include "wa_media.h"

/** Seconds one attempt may take; a lease is a little longer. */
#define WA_MEDIA_FETCH_SECONDS 120

/** Claim up to max files that are to be fetched. @param found of wa_media */
apr_status_t wa_media_fetch_claim(wa_app *app, apr_pool_t *p, int max,
                                  apr_array_header_t **found);

/** Fetch one that was claimed, and write down what came of it: the file is
 * there and messages with it can go; or it is tried again; or it failed, and
 * so did the message that was to be sent with it.
 * @param stop ends it early when it says 1, or NULL */
void wa_media_fetch(wa_app *app, apr_pool_t *p, const wa_media *media,
                    int (*stop)(void *baton));

/** Fetch a file that came in, now, for a client that waits for it.
 * @param media in: what is known; out: what it became
 * @return WA_OK; WA_E_MEDIA_GONE, WA_E_BRIDGE_UNAVAILABLE, … */
wa_code wa_media_fetch_now(wa_app *app, apr_pool_t *p, const char *request_id,
                           wa_media **media, wa_result *r);

/** A message came in that has a file: note it, to be fetched at once or when
 * it is asked for. A repeat changes nothing.
 * @param data the event's, with media, chat and whatsapp_id
 * @param sender as the message is stored */
apr_status_t wa_media_inbound(const wa_settings *settings, wa_db *db,
                              apr_pool_t *p, const char *session,
                              const char *sender, const json_t *data);

#endif
