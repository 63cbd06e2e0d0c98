/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_receipts.h"

#include <apr_hash.h>
#include <apr_strings.h>

/* The columns of what is stored, in the statement's order. */
enum {
    COL_SESSION,
    COL_WHATSAPP_ID,
    COL_STATUS,
    COL_AT,
    COL_CODE,
    COLUMNS
};

/* How many of the list were said of the same message before each. One statement
 * can't move a message twice, so each makes a wave of its own.
 * @return how many waves there are */
static int count_waves(apr_pool_t *p, const wa_receipt *list, int n, int *wave)
{
    apr_hash_t *seen = apr_hash_make(p);
    int i, *before, most = 0;

    for (i = 0; i < n; i++) {
        const char *key = apr_pstrcat(p, list[i].session_id, " ",
                                      list[i].whatsapp_id, NULL);

        before = apr_hash_get(seen, key, APR_HASH_KEY_STRING);
        if (!before) {
            before = apr_pcalloc(p, sizeof(*before));
            apr_hash_set(seen, key, APR_HASH_KEY_STRING, before);
        }
        wave[i] = (*before)++;
        most = wave[i] >= most ? wave[i] + 1 : most;
    }
    return most;
}

/* Those that can't be noted now are so with the next. */
static apr_status_t note_activity(apr_pool_t *p, wa_db *db,
                                  const wa_receipt *list, int n)
{
    const char **ids = apr_palloc(p, (apr_size_t)n * sizeof(*ids));
    const char **times = apr_palloc(p, (apr_size_t)n * sizeof(*times));
    int i;

    for (i = 0; i < n; i++) {
        ids[i] = list[i].session_id;
        times[i] = wa_db_p_time(p, list[i].at);
    }
    return WA_DB_RUN(db, WA_SQL_SESSIONS_ACTIVE, NULL, wa_db_p_array(p, ids, n),
                     wa_db_p_array(p, times, n));
}

/* @param alone does nothing else in this transaction make events?
 * @param moved grows by how many messages were moved */
static apr_status_t store_wave(apr_pool_t *p, wa_db *db, const wa_receipt *list,
                               int n, const int *wave, int which, int alone,
                               apr_int64_t *moved)
{
    const char **values[COLUMNS];
    wa_db_rows *rows;
    apr_status_t rv;
    int i, c, count = 0;

    for (c = 0; c < COLUMNS; c++) {
        values[c] = apr_palloc(p, (apr_size_t)n * sizeof(*values[c]));
    }
    for (i = 0; i < n; i++) {
        if (wave[i] == which) {
            values[COL_SESSION][count] = list[i].session_id;
            values[COL_WHATSAPP_ID][count] = list[i].whatsapp_id;
            values[COL_STATUS][count] = list[i].status;
            values[COL_AT][count] = wa_db_p_time(p, list[i].at);
            values[COL_CODE][count++] = list[i].code;
        }
    }
    rv = WA_DB_RUN(db, WA_SQL_MESSAGE_RECEIPTS, &rows,
                   wa_db_p_array(p, values[COL_SESSION], count),
                   wa_db_p_array(p, values[COL_WHATSAPP_ID], count),
                   wa_db_p_array(p, values[COL_STATUS], count),
                   wa_db_p_array(p, values[COL_AT], count),
                   wa_db_p_array(p, values[COL_CODE], count),
                   wa_db_p_bool(alone));
    if (rv == APR_SUCCESS) {
        *moved += wa_db_int(rows, 0, 0, 0);
    }
    return rv;
}

apr_status_t wa_receipts_store(apr_pool_t *p, wa_db *db, const wa_receipt *list,
                               int n, int last)
{
    apr_int64_t moved = 0;
    int i, waves, *wave;
    apr_status_t rv;

    if (n < 1) {
        return APR_SUCCESS;
    }
    wave = apr_palloc(p, (apr_size_t)n * sizeof(*wave));
    waves = count_waves(p, list, n, wave);
    /* Sessions first: whoever changes one has it before the events. */
    rv = note_activity(p, db, list, n);
    for (i = 0; rv == APR_SUCCESS && i < waves; i++) {
        /* What moved before makes its events at the commit, in an order that
         * all keep; only without any may the last ones be made at once. */
        rv = store_wave(p, db, list, n, wave, i,
                        last && i + 1 == waves && !moved, &moved);
    }
    return rv;
}
