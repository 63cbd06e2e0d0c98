/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libzxcvbn, whose dictionaries are constants of its own: any
 * thread may ask at any time. */
#include "wa_zxcvbn.h"

#include <zxcvbn.h>

double wa_zxcvbn_bits(const char *password, const char *const *words)
{
    double bits = *password ? ZxcvbnMatch(password, (const char **)words, NULL)
                            : 0;

    return bits > 0 ? bits : 0;
}
