/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_zip.h
 * @brief The directory of a ZIP archive, by libzip: listed, never unpacked.
 */
#ifndef WA_ZIP_H
#define WA_ZIP_H

#include <apr_file_io.h>
#include <apr_pools.h>

/** Most entries an archive may have. */
#define WA_ZIP_ENTRIES_MAX 10000

/** Told of each entry.
 * @param content its bytes when it is stored uncompressed and has at most 128
 *        (with a NUL behind them), else NULL
 * @return 0 to end the listing */
typedef int wa_zip_entry_fn(void *baton, int index, const char *name,
                            const char *content);

/** Does the file end in a ZIP archive's directory? Whatever it begins with,
 * unpackers then take it for one. */
int wa_zip_at_end(apr_file_t *file, apr_off_t size);

/** List an archive that begins where the file begins and ends where it ends.
 * @param path of the same file
 * @return APR_SUCCESS; APR_EGENERAL when it is broken or says one thing here
 *         and another there; APR_ENOSPC when it has too many entries */
apr_status_t wa_zip_list(apr_pool_t *p, const char *path, apr_file_t *file,
                         apr_off_t size, wa_zip_entry_fn *fn, void *baton);

#endif
