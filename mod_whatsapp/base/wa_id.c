/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_id.h"

#include <string.h>

#include <apr_lib.h>
#include <apr_strings.h>
#include <apr_time.h>

#include "wa_crypto.h"

const char *wa_id_uuid(apr_pool_t *p)
{
    apr_uint64_t ms = (apr_uint64_t)apr_time_as_msec(apr_time_now());
    unsigned char b[16];
    const char *h;
    int i;

    wa_random(b, sizeof(b));
    for (i = 0; i < 6; i++) {
        b[i] = (unsigned char)(ms >> (40 - 8 * i));
    }
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x70); /* version 7 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant 10 */
    h = wa_hex(p, b, sizeof(b));
    return apr_psprintf(p, "%.8s-%.4s-%.4s-%.4s-%.12s", h, h + 8, h + 12,
                        h + 16, h + 20);
}

int wa_id_is_uuid(const char *s)
{
    int i;

    if (!s) {
        return 0;
    }
    for (i = 0; i < 36; i++) {
        int dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? s[i] != '-' : !apr_isxdigit(s[i])) {
            return 0;
        }
    }
    return s[36] == '\0';
}

const char *wa_id_whatsapp(apr_pool_t *p)
{
    unsigned char b[9];
    char *id, *c;

    wa_random(b, sizeof(b));
    id = apr_pstrcat(p, "3EB0", wa_hex(p, b, sizeof(b)), NULL);
    for (c = id; *c; c++) {
        *c = (char)apr_toupper(*c);
    }
    return id;
}

int wa_id_is_request_id(const char *s)
{
    apr_size_t len = s ? strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "abcdefghijklmnopqrstuvwxyz"
                                   "0123456789._-")
                       : 0;

    return len >= 1 && len <= 128 && s[len] == '\0';
}
