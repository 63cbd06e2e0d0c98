/* SPDX-License-Identifier: Apache-2.0 */
/* Removes from disk what nobody has any more: files of deleted users, files
 * that aged, files whose removal a crash cut off. */
#include "wad.h"

#include "../core/wa_media.h"

#define INTERVAL apr_time_from_sec(5)
#define BATCH 200

apr_interval_time_t wad_media_run(wa_app *app, void *state, apr_pool_t *p)
{
    return wa_media_remove_dropped(app, p, BATCH) == BATCH ? 0 : INTERVAL;
}
