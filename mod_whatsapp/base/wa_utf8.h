/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_utf8.h @brief What is UTF-8, and how long it is. */
#ifndef WA_UTF8_H
#define WA_UTF8_H

#include <apr_pools.h>

/** The bytes of the one valid character that a text begins with, or 0.
 * @param left bytes of the text, at least 1 */
apr_size_t wa_utf8_char(const char *text, apr_size_t left);

/** Is it valid UTF-8 (no overlong form, no surrogate, no NUL byte)? */
int wa_utf8_valid(const char *s, apr_size_t len);

/** Count Unicode characters of valid UTF-8. */
apr_size_t wa_utf8_length(const char *s);

#endif
