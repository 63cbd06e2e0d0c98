/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_media_store.h
 * @brief Files on disk: below WhatsAppMediaDir, under random names.
 *
 * A file is written into tmp/, and moved to ab/cd/<name> when it is whole and
 * known to the database. Files are their owner's alone (0600, folders 0700);
 * where the directory itself lets its group write (2770), the group may.
 */
#ifndef WA_MEDIA_STORE_H
#define WA_MEDIA_STORE_H

#include <apr_file_io.h>

#include "wa_app.h"

/** A file that is being written. */
typedef struct wa_spool {
    apr_file_t *file;
    const char *path; /* where it is now */
    const char *name; /* where it will be, 32 hex digits */
    apr_off_t size, max;
    unsigned char sha256[32]; /* once finished */
    struct wa_sha256_state *hash;
} wa_spool;

/** Begin a file. It is removed at the pool's cleanup unless it was kept.
 * @param max bytes it may have
 * @return WA_OK; WA_E_STORAGE, WA_E_STORAGE_FULL */
wa_code wa_spool_make(wa_spool **spool, const wa_app *app, apr_pool_t *p,
                      apr_off_t max, wa_result *r);
/** @return also WA_E_MEDIA_TOO_LARGE when it would go over max */
wa_code wa_spool_write(wa_spool *s, const char *data, apr_size_t len,
                       wa_result *r);
/** It is whole: computes the hash, and has it on disk. */
wa_code wa_spool_finish(wa_spool *s, wa_result *r);
/** Move it to its place, for good. */
wa_code wa_spool_keep(wa_spool *s, const wa_app *app, apr_pool_t *p,
                      wa_result *r);
/** Remove it now rather than at the pool's cleanup. */
void wa_spool_drop(wa_spool *s);

/** Open a kept file for reading.
 * @return WA_OK; WA_E_MEDIA_GONE when it isn't there; WA_E_STORAGE */
wa_code wa_media_file_open(apr_file_t **file, const wa_app *app, apr_pool_t *p,
                           const char *name, wa_result *r);

/** Remove a kept file. @return APR_SUCCESS also when it isn't there */
apr_status_t wa_media_file_remove(const wa_app *app, apr_pool_t *p,
                                  const char *name);

/** Remove what was begun before a time and never kept. */
void wa_media_sweep(const wa_app *app, apr_pool_t *p, apr_time_t before);

#endif
