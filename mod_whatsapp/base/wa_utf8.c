/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_utf8.h"

/* How many bytes a character has by its first one, or 0. */
static apr_size_t utf8_size(unsigned char first)
{
    if (first < 0x80) {
        return first != 0;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Second bytes that would make an overlong form, a surrogate or a number over
 * U+10FFFF. */
static int utf8_forbidden(unsigned char first, unsigned char second)
{
    return (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)
           || (first == 0xf0 && second < 0x90)
           || (first == 0xf4 && second > 0x8f);
}

apr_size_t wa_utf8_char(const char *text, apr_size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    apr_size_t n = utf8_size(s[0]), i;

    if (n > left || (n > 1 && utf8_forbidden(s[0], s[1]))) {
        return 0;
    }
    for (i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return n;
}

int wa_utf8_valid(const char *s, apr_size_t len)
{
    while (len) {
        apr_size_t n = wa_utf8_char(s, len);
        if (!n) {
            return 0;
        }
        s += n;
        len -= n;
    }
    return 1;
}

apr_size_t wa_utf8_length(const char *s)
{
    apr_size_t n = 0;

    for (; *s; s++) {
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}
