/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_csv.h @brief CSV (RFC 4180) that spreadsheets may open. */
#ifndef WA_CSV_H
#define WA_CSV_H

#include <apr_pools.h>

/** The media type of what wa_csv_line makes, when a header line is the first.
 */
#define WA_CSV_TYPE "text/csv; charset=utf-8; header=present"

/** One line with its CRLF. Every value is quoted; one that a spreadsheet would
 * take for a formula (it begins with = + - @ TAB or CR) gets a ' before it.
 * @param values NULL is an empty value @param len bytes of the line */
const char *wa_csv_line(apr_pool_t *p, const char *const *values, int count,
                        apr_size_t *len);

#endif
