/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_events.h @brief Statements about the feed of events. */
#ifndef WA_SQL_EVENTS_H
#define WA_SQL_EVENTS_H

// clang-format off
#define WA_SQL_EVENTS(X)                                                      \
    /* What comes after a number, in order, with the feed's newest and oldest \
     * number of the same moment. $1 user, $2 number or NULL (the newest),    \
     * $3 rows, $4 types or NULL, $5 session's name or NULL, $6 numbers to    \
     * look through at most; no row when there is no such user                \
     * -> newest, oldest kept, seq (NULL: none), id, type, occurred at, data, \
     * id of the request that the message was sent with */                    \
    X(EVENTS_READ,                                                            \
      "SELECT h.last_seq, h.first_seq, e.seq, e.id, e.type, "                 \
      WA_SQL_TIME("e.occurred_at") ", e.data, m.request_id"                   \
      " FROM event_heads h LEFT JOIN LATERAL (SELECT x.* FROM events x"       \
      "  WHERE x.user_id = h.user_id"                                         \
      "  AND x.seq > greatest(coalesce($2::bigint, h.last_seq),"              \
      "   h.first_seq - 1)"                                                   \
      "  AND x.seq <= greatest(coalesce($2::bigint, h.last_seq),"             \
      "   h.first_seq - 1) + $6::bigint"                                      \
      "  AND ($4::text[] IS NULL OR x.type = ANY ($4::text[]))"               \
      "  AND ($5::text IS NULL OR x.data->>'session' = $5::text)"             \
      "  ORDER BY x.seq LIMIT $3::integer) e ON true"                         \
      " LEFT JOIN messages m ON m.id = e.message_id"                          \
      " WHERE h.user_id = $1::uuid ORDER BY e.seq")                           \
    /* Somebody waits for events of these users: they are to be notified for  \
     * a minute. Heads are locked in the order in which writers do it.        \
     * $1 users */                                                            \
    X(EVENTS_WATCH,                                                           \
      "WITH h AS (SELECT user_id FROM event_heads"                            \
      "  WHERE user_id = ANY ($1::uuid[])"                                    \
      "  AND watched_until < now() + interval '30 s'"                         \
      "  ORDER BY user_id FOR UPDATE)"                                        \
      " UPDATE event_heads t SET watched_until = now() + interval '60 s'"     \
      " FROM h WHERE t.user_id = h.user_id")                                  \
    /* $1 users -> user, newest number */                                     \
    X(EVENTS_NEWEST,                                                          \
      "SELECT user_id, last_seq FROM event_heads"                             \
      " WHERE user_id = ANY ($1::uuid[])")                                    \
    X(EVENTS_LISTEN, "LISTEN wa_events")                                      \
    /* Users whose oldest event is older than $1 days, $2 at most -> user */  \
    X(EVENTS_OLD,                                                             \
      "SELECT h.user_id FROM event_heads h JOIN events e"                     \
      " ON e.user_id = h.user_id AND e.seq = h.first_seq"                     \
      " WHERE e.written_at < now() - $1::integer * interval '1 day'"          \
      " LIMIT $2::integer")                                                   \
    /* Take the oldest of a user's events away, up to the first one that is   \
     * not older than $2 days, $3 at most; under the lock of the head, so     \
     * that a reader sees either none of it or all. $1 user */                \
    X(EVENTS_PURGE,                                                           \
      "WITH h AS MATERIALIZED (SELECT user_id, first_seq FROM event_heads"    \
      "  WHERE user_id = $1::uuid FOR UPDATE),"                               \
      " o AS (SELECT e.seq, bool_and(e.written_at"                            \
      "   < now() - $2::integer * interval '1 day') OVER (ORDER BY e.seq)"    \
      "   AS old FROM h JOIN events e ON e.user_id = h.user_id"               \
      "   AND e.seq >= h.first_seq AND e.seq < h.first_seq + $3::integer),"   \
      " d AS (DELETE FROM events e USING h, o WHERE e.user_id = h.user_id"    \
      "  AND e.seq = o.seq AND o.old RETURNING e.seq)"                        \
      " UPDATE event_heads t SET first_seq = t.first_seq"                     \
      "  + (SELECT count(*) FROM d)"                                          \
      " FROM h WHERE t.user_id = h.user_id")
// clang-format on

#endif
