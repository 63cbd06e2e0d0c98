/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_qr.h @brief QR codes by libqrencode, as SVG or PNG (libpng). */
#ifndef WA_QR_H
#define WA_QR_H

#include <apr_pools.h>

/** An SVG document with a quiet zone of 4 modules; rows are run-length
 * encoded into one path. @return APR_SUCCESS, APR_ENOSPC when text is too
 * long for a code */
apr_status_t wa_qr_svg(apr_pool_t *p, const char *text, const char **svg,
                       apr_size_t *len);

/** A 1-bit PNG. @param scale pixels per module, 1 to 32 */
apr_status_t wa_qr_png(apr_pool_t *p, const char *text, int scale,
                       const char **png, apr_size_t *len);

#endif
