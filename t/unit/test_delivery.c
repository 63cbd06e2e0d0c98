/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "base/wa_crypto.h"
#include "core/wa_delivery.h"

#define MANY 2000

static const struct {
    int attempts;
    int at_least; /* seconds */
    int seconds;  /* what the pause is, give or take a fifth */
} cases[] = {
    { 1, 0, 1 },   { 2, 0, 2 },   { 3, 0, 4 },           { 4, 0, 8 },
    { 5, 0, 16 },  { 6, 0, 32 },  { 7, 0, 60 },          { 8, 0, 60 },
    { 64, 0, 60 }, { 65, 0, 60 }, { 2147483647, 0, 60 }, { 0, 0, 1 },
    { -5, 0, 1 },  { 1, 30, 30 }, { 5, 3, 16 },          { 7, 120, 120 },
};

int main(void)
{
    apr_pool_t *p = tap_start();
    size_t i;

    (void)p;
    is_int(wa_crypto_init(), APR_SUCCESS, "libsodium starts");
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        apr_interval_time_t middle = apr_time_from_sec(cases[i].seconds);
        apr_interval_time_t least = 0, most = 0;
        int n;

        for (n = 0; n < MANY; n++) {
            apr_interval_time_t t = wa_delivery_pause(
                cases[i].attempts, apr_time_from_sec(cases[i].at_least));

            least = !n || t < least ? t : least;
            most = t > most ? t : most;
        }
        ok(least >= middle - middle / 5 && least < middle - middle / 10,
           "after %d attempts: not under %d s less a fifth (%ld ms)",
           cases[i].attempts, cases[i].seconds, (long)apr_time_as_msec(least));
        ok(most <= middle + middle / 5 && most > middle + middle / 10,
           "after %d attempts: not over %d s and a fifth (%ld ms)",
           cases[i].attempts, cases[i].seconds, (long)apr_time_as_msec(most));
    }
    return tap_done();
}
