/* SPDX-License-Identifier: Apache-2.0 */
/* whatsappd --verify-audit: is the audit's chain as it was written? */
#include "wad.h"

#include <stdio.h>
#include <stdlib.h>

#include "../core/wa_audit.h"

int wad_verify_audit(wa_app *app, apr_pool_t *p)
{
    apr_int64_t bad, count;

    if (wa_audit_verify(app, p, &bad, &count) != APR_SUCCESS) {
        fputs("whatsappd: the audit can't be read\n", stderr);
        return EXIT_FAILURE;
    }
    if (bad) {
        printf("audit: broken at row %" APR_INT64_T_FMT
               ": it was altered, or a row before it is missing\n",
               bad);
        return EXIT_FAILURE;
    }
    printf("audit: %" APR_INT64_T_FMT " rows, unbroken\n", count);
    return EXIT_SUCCESS;
}
