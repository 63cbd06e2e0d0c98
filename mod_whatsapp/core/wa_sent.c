/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_sent.h"

#include <string.h>

/* Arrays of one length, as parameters. */
typedef struct columns {
    const char *ids, *times, *users, *keys;
} columns;

static columns columns_of(apr_pool_t *p, const wa_sent *list, int n,
                          int of_sessions)
{
    const char *ids[WA_SENT_MOST], *times[WA_SENT_MOST];
    const char *users[WA_SENT_MOST], *keys[WA_SENT_MOST];
    columns c;
    int i;

    for (i = 0; i < n; i++) {
        ids[i] = of_sessions ? list[i].session_id : list[i].message_id;
        times[i] = wa_db_p_time(p, list[i].at);
        users[i] = list[i].key ? list[i].user_id : NULL;
        keys[i] = list[i].key;
    }
    c.ids = wa_db_p_array(p, ids, n);
    c.times = wa_db_p_array(p, times, n);
    c.users = of_sessions ? NULL : wa_db_p_array(p, users, n);
    c.keys = of_sessions ? NULL : wa_db_p_array(p, keys, n);
    return c;
}

/* Columns from first on: sent at, is its session's activity older?, is its
 * request answered? */
static void stored(wa_sent *s, const wa_db_rows *rows, int row, int first,
                   int *active)
{
    s->stored = 1;
    s->at = wa_db_time(rows, row, first);
    *active = wa_db_bool(rows, row, first + 1);
    s->answered = wa_db_bool(rows, row, first + 2);
}

/* @param active of each that is stored: is its session's activity older? */
static apr_status_t store_many(apr_pool_t *p, wa_db *db, wa_sent *list, int n,
                               int *active)
{
    columns c = columns_of(p, list, n, 0);
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_OUTBOX_SENT_MANY, &rows, c.ids,
                                c.times, c.users, c.keys);
    int i, j;

    for (i = 0; rv == APR_SUCCESS && i < wa_db_count(rows); i++) {
        const char *id = wa_db_str(rows, i, 0);

        for (j = 0; j < n; j++) {
            if (!strcmp(list[j].message_id, id)) {
                stored(&list[j], rows, i, 1, &active[j]);
            }
        }
    }
    return rv;
}

/* @param active is its session's activity older? */
static apr_status_t store_one(apr_pool_t *p, wa_db *db, wa_sent *s, int *active)
{
    wa_db_rows *rows;
    apr_status_t rv = WA_DB_RUN(db, WA_SQL_OUTBOX_SENT, &rows, s->message_id,
                                wa_db_p_time(p, s->at),
                                s->key ? s->user_id : NULL, s->key);

    if (rv == APR_SUCCESS) {
        s->stored = 1;
        *active = 0;
        /* None: a message that is gone. */
        if (wa_db_count(rows)) {
            stored(s, rows, 0, 0, active);
        }
    }
    return rv;
}

/* In a transaction of its own: with the session's row locked beside the
 * message's it would meet the bridge's events, which lock them in another
 * order. */
static apr_status_t note_activity(apr_pool_t *p, wa_db *db, const wa_sent *list,
                                  int n)
{
    columns c = columns_of(p, list, n, 1);
    wa_db_rows *rows;
    apr_status_t rv;
    int i, j;

    if (n == 1) {
        return WA_DB_RUN(db, WA_SQL_SESSION_ACTIVE, NULL, list->session_id,
                         wa_db_p_time(p, list->at));
    }
    rv = WA_DB_RUN(db, WA_SQL_SESSIONS_ACTIVE, &rows, c.ids, c.times);
    for (i = 0; rv == APR_SUCCESS && i < wa_db_count(rows); i++) {
        for (j = 0; rv == APR_SUCCESS && j < n; j++) {
            if (!strcmp(list[j].session_id, wa_db_str(rows, i, 0))) {
                rv = WA_DB_RUN(db, WA_SQL_SESSION_ACTIVE, NULL,
                               list[j].session_id, wa_db_p_time(p, list[j].at));
            }
        }
    }
    return rv;
}

apr_status_t wa_sent_store(apr_pool_t *p, wa_db *db, wa_sent *list, int n)
{
    apr_status_t rv = APR_SUCCESS, one;
    wa_sent due[WA_SENT_MOST];
    int active[WA_SENT_MOST];
    int i, count = 0;

    if (n < 1 || n > WA_SENT_MOST) {
        return n ? APR_EINVAL : APR_SUCCESS;
    }
    for (i = 0; i < n; i++) {
        list[i].stored = list[i].answered = 0;
        active[i] = 1;
    }
    if (n > 1) {
        rv = store_many(p, db, list, n, active);
    }
    /* An error of SQL may be that of one message alone. */
    if (rv == APR_SUCCESS || rv == APR_EGENERAL) {
        rv = APR_SUCCESS;
        for (i = 0; i < n; i++) {
            if (!list[i].stored) {
                one = store_one(p, db, &list[i], &active[i]);
                rv = rv == APR_SUCCESS ? one : rv;
            }
        }
    }
    for (i = 0; i < n; i++) {
        if (active[i]) {
            due[count++] = list[i];
        }
    }
    if (count) {
        /* Not worth an error: the next message notes it again. */
        (void)note_activity(p, db, due, count);
    }
    return rv;
}
