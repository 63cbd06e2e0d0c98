/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_usage.h @brief Statements about the request log and the usage.
 *
 * What was counted since the last fold stands in usage_delta and is added by
 * whoever reads (sql/003.do.usage.sql). */
#ifndef WA_SQL_USAGE_H
#define WA_SQL_USAGE_H

/* The columns of a wa_log_row. */
#define WA_SQL_LOG_COLUMNS                                                     \
    "l.id, " WA_SQL_TIME("l.at") ", l.user_id, l.key_id, l.method,"            \
                                 " l.endpoint, l.status, l.duration_us, "      \
                                 "l.bytes_in, l.bytes_out,"                    \
                                 " l.address, l.request_id"

/* Newest first, filtered by what is not NULL: $1 user, $2 key, $3 endpoint,
 * $4 method, $5 lowest status, $6 highest, $7 from, $8 until, $9 request id,
 * $10 and $11 time and id of the last row seen, $12 rows. What finds few rows
 * has a statement of its own: a plan made for any parameters can't use an
 * index for one that may be NULL. */
#define WA_SQL_LOG_ANY_USER "($1::uuid IS NULL OR l.user_id = $1::uuid)"
#define WA_SQL_LOG_ANY_REQUEST "($9::text IS NULL OR l.request_id = $9::text)"
#define WA_SQL_LOG_PAGE(user, request)                                         \
    "SELECT " WA_SQL_LOG_COLUMNS " FROM request_log l"                         \
    " WHERE " user " AND " request                                             \
    " AND ($2::uuid IS NULL OR l.key_id = $2::uuid)"                           \
    " AND ($3::text IS NULL OR l.endpoint = $3::text)"                         \
    " AND ($4::text IS NULL OR l.method = $4::text)"                           \
    " AND l.status BETWEEN $5::smallint AND $6::smallint"                      \
    " AND l.at >= coalesce($7::timestamptz, '-infinity')"                      \
    " AND l.at < coalesce($8::timestamptz, 'infinity')"                        \
    " AND (l.at, l.id) < (coalesce($10::timestamptz, 'infinity'),"             \
    "  coalesce($11::bigint, 0))"                                              \
    " ORDER BY l.at DESC, l.id DESC LIMIT $12"

/* What is counted, and its sums. */
#define WA_SQL_COUNTS                                                          \
    "api_requests, messages_sent, messages_failed, messages_received,"         \
    " media_sent"
#define WA_SQL_COUNT_SUMS                                                      \
    "sum(api_requests)::bigint, sum(messages_sent)::bigint,"                   \
    " sum(messages_failed)::bigint, sum(messages_received)::bigint,"           \
    " sum(media_sent)::bigint"
#define WA_SQL_COUNT_SUMS_OR_0                                                 \
    "coalesce(sum(api_requests), 0)::bigint,"                                  \
    " coalesce(sum(messages_sent), 0)::bigint,"                                \
    " coalesce(sum(messages_failed), 0)::bigint,"                              \
    " coalesce(sum(messages_received), 0)::bigint,"                            \
    " coalesce(sum(media_sent), 0)::bigint"
#define WA_SQL_COUNTED                                                         \
    " HAVING sum(api_requests) <> 0 OR sum(messages_sent) <> 0"                \
    " OR sum(messages_failed) <> 0 OR sum(messages_received) <> 0"             \
    " OR sum(media_sent) <> 0"
#define WA_SQL_COUNTS_ADDED(table)                                             \
    "api_requests = " table ".api_requests + excluded.api_requests,"           \
    " messages_sent = " table ".messages_sent + excluded.messages_sent,"       \
    " messages_failed = " table ".messages_failed + excluded.messages_failed," \
    " messages_received = " table ".messages_received"                         \
    "  + excluded.messages_received,"                                          \
    " media_sent = " table ".media_sent + excluded.media_sent"

#define WA_SQL_TODAY "usage_day(now())"

// clang-format off
#define WA_SQL_USAGE(X)                                                       \
    /* A batch of answered requests, as arrays: $1 times, $2 users, $3 keys,  \
     * $4 methods, $5 endpoints, $6 statuses, $7 microseconds, $8 bytes in,   \
     * $9 out, $10 addresses, $11 request ids. Keys are locked in the order   \
     * of their ids, so that two batches don't wait for each other. */        \
    X(USAGE_FLUSH,                                                            \
      "WITH r AS MATERIALIZED (SELECT * FROM unnest($1::timestamptz[],"       \
      "  $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::smallint[],"     \
      "  $7::integer[], $8::bigint[], $9::bigint[], $10::text[], $11::text[])"\
      "  AS r (at, user_id, key_id, method, endpoint, status, duration_us,"   \
      "  bytes_in, bytes_out, address, request_id)),"                         \
      " l AS (INSERT INTO request_log (at, user_id, key_id, method,"          \
      "  endpoint, status, duration_us, bytes_in, bytes_out, address,"        \
      "  request_id) SELECT * FROM r),"                                       \
      " d AS (INSERT INTO usage_delta (user_id, hour, api_requests)"          \
      "  SELECT user_id, usage_hour(at), count(*) FROM r GROUP BY 1, 2),"     \
      " k AS (SELECT DISTINCT ON (key_id) key_id, at, address FROM r"         \
      "  WHERE key_id IS NOT NULL ORDER BY key_id, at DESC),"                 \
      " locked AS MATERIALIZED (SELECT a.id FROM api_keys a"                  \
      "  WHERE a.id IN (SELECT key_id FROM k)"                                \
      "  ORDER BY a.id FOR NO KEY UPDATE)"                                    \
      " UPDATE api_keys a SET last_used_at = k.at,"                           \
      " last_used_ip = split_part(k.address, '%', 1)::inet"                   \
      " FROM locked, k WHERE a.id = locked.id AND k.key_id = locked.id"       \
      " AND (a.last_used_at IS NULL OR a.last_used_at < k.at)")               \
    X(LOG_PAGE,                                                               \
      WA_SQL_LOG_PAGE(WA_SQL_LOG_ANY_USER, WA_SQL_LOG_ANY_REQUEST))           \
    X(LOG_PAGE_OF_USER,                                                       \
      WA_SQL_LOG_PAGE("l.user_id = $1::uuid", WA_SQL_LOG_ANY_REQUEST))        \
    X(LOG_PAGE_OF_REQUEST,                                                    \
      WA_SQL_LOG_PAGE(WA_SQL_LOG_ANY_USER, "l.request_id = $9::text"))        \
    /* Take up to $2 rows away that are older than $1 days */                 \
    X(LOG_PURGE,                                                              \
      "DELETE FROM request_log WHERE ctid = ANY(ARRAY("                       \
      " SELECT ctid FROM request_log"                                         \
      " WHERE at < now() - $1::integer * interval '1 day'"                    \
      " ORDER BY at LIMIT $2))")                                              \
    /* The same of one user who is gone: $1 user, $2 rows */                  \
    X(LOG_PURGE_USER,                                                         \
      "DELETE FROM request_log WHERE ctid = ANY(ARRAY("                       \
      " SELECT ctid FROM request_log WHERE user_id = $1 LIMIT $2))")          \
    /* A user who is gone since a minute, so that nothing of it is in a       \
     * buffer any more -> id */                                               \
    X(USAGE_ERASURE_DUE,                                                      \
      "SELECT user_id FROM usage_erasures"                                    \
      " WHERE created_at < now() - interval '1 min'"                          \
      " ORDER BY created_at LIMIT 1")                                         \
    /* $1 user */                                                             \
    X(USAGE_ERASURE_DONE,                                                     \
      "DELETE FROM usage_erasures WHERE user_id = $1")                        \
    X(USAGE_HOURLY_PURGE,                                                     \
      "DELETE FROM usage_hourly WHERE hour < now() - interval '400 days'")    \
    /* Add up to $1 deltas to the sums; one daemon at a time, the others do   \
     * nothing -> deltas added */                                             \
    X(USAGE_FOLD,                                                             \
      "WITH d AS MATERIALIZED (DELETE FROM usage_delta"                       \
      "  WHERE ctid = ANY(ARRAY(SELECT ctid FROM usage_delta LIMIT $1))"      \
      "  AND (SELECT pg_try_advisory_xact_lock(7730113417142003))"            \
      "  RETURNING *),"                                                       \
      " u AS (INSERT INTO usage_daily (user_id, day, " WA_SQL_COUNTS ")"      \
      "  SELECT d.user_id, usage_day(d.hour), " WA_SQL_COUNT_SUMS             \
      "  FROM d JOIN users ON users.id = d.user_id"                           \
      "  GROUP BY 1, 2" WA_SQL_COUNTED                                        \
      "  ON CONFLICT (user_id, day) DO UPDATE SET "                           \
      WA_SQL_COUNTS_ADDED("usage_daily") "),"                                 \
      " h AS (INSERT INTO usage_hourly (hour, " WA_SQL_COUNTS ")"             \
      "  SELECT d.hour, " WA_SQL_COUNT_SUMS " FROM d GROUP BY 1"              \
      WA_SQL_COUNTED                                                          \
      "  ON CONFLICT (hour) DO UPDATE SET "                                   \
      WA_SQL_COUNTS_ADDED("usage_hourly") "),"                                \
      " s AS (INSERT INTO usage_status (day, status, messages)"               \
      "  SELECT day, status, sum(n) FROM"                                     \
      "   (SELECT day, is_now AS status, messages AS n FROM d"                \
      "     WHERE day IS NOT NULL"                                            \
      "    UNION ALL SELECT day, was, -messages FROM d"                       \
      "     WHERE was IS NOT NULL) x"                                         \
      "  GROUP BY 1, 2 HAVING sum(n) <> 0"                                    \
      "  ON CONFLICT (day, status) DO UPDATE SET"                             \
      "  messages = usage_status.messages + excluded.messages)"               \
      " SELECT count(*) FROM d")                                              \
    /* Each UTC day of a range: $1 user, $2 first day, $3 last day            \
     * -> day, then the counts */                                             \
    X(USAGE_DAYS,                                                             \
      "SELECT g.day::date, " WA_SQL_COUNT_SUMS_OR_0                           \
      " FROM generate_series($2::date, $3::date, interval '1 day') g (day)"   \
      " LEFT JOIN (SELECT day, " WA_SQL_COUNTS " FROM usage_daily"            \
      "  WHERE user_id = $1::uuid AND day BETWEEN $2::date AND $3::date"      \
      "  UNION ALL SELECT usage_day(hour), " WA_SQL_COUNTS                    \
      "  FROM usage_delta WHERE user_id = $1::uuid) x"                        \
      " ON x.day = g.day::date GROUP BY g.day ORDER BY g.day")                \
    /* $1 user -> requests a minute, messages a minute, a day */              \
    X(USAGE_LIMITS,                                                           \
      "SELECT max_requests_per_minute, max_messages_per_minute,"              \
      " max_messages_per_day FROM users WHERE id = $1")                       \
    /* The last 24 hours, this one included -> time, then the counts */       \
    X(OVERVIEW_HOURS,                                                         \
      "SELECT " WA_SQL_TIME("g.hour") ", " WA_SQL_COUNT_SUMS_OR_0             \
      " FROM generate_series(usage_hour(now()) - interval '23 hours',"        \
      "  usage_hour(now()), interval '1 hour') g (hour)"                      \
      " LEFT JOIN (SELECT hour, " WA_SQL_COUNTS " FROM usage_hourly"          \
      "  WHERE hour > now() - interval '25 hours'"                            \
      "  UNION ALL SELECT hour, " WA_SQL_COUNTS " FROM usage_delta) x"        \
      " ON x.hour = g.hour GROUP BY g.hour ORDER BY g.hour")                  \
    /* The last 30 UTC days, today included -> day, then the counts */        \
    X(OVERVIEW_DAYS,                                                          \
      "SELECT g.day::date, " WA_SQL_COUNT_SUMS_OR_0                           \
      " FROM generate_series(" WA_SQL_TODAY " - 29, " WA_SQL_TODAY ","        \
      "  interval '1 day') g (day)"                                           \
      " LEFT JOIN (SELECT usage_day(hour) AS day, " WA_SQL_COUNTS             \
      "  FROM usage_hourly WHERE hour > now() - interval '31 days'"           \
      "  UNION ALL SELECT usage_day(hour), " WA_SQL_COUNT_SUMS                \
      "  FROM usage_delta GROUP BY 1) x"                                      \
      " ON x.day = g.day::date GROUP BY g.day ORDER BY g.day")                \
    /* Outgoing messages accepted today and yesterday, by their status now    \
     * -> status, today, yesterday */                                         \
    X(OVERVIEW_STATUS,                                                        \
      "SELECT status,"                                                        \
      " coalesce(sum(n) FILTER (WHERE day = " WA_SQL_TODAY "), 0)::bigint,"   \
      " coalesce(sum(n) FILTER (WHERE day < " WA_SQL_TODAY "), 0)::bigint"    \
      " FROM (SELECT day, status, messages AS n FROM usage_status"            \
      "  WHERE day >= " WA_SQL_TODAY " - 1"                                   \
      "  UNION ALL SELECT day, is_now, messages FROM usage_delta"             \
      "  WHERE day IS NOT NULL"                                               \
      "  UNION ALL SELECT day, was, -messages FROM usage_delta"               \
      "  WHERE was IS NOT NULL) x"                                            \
      " WHERE day BETWEEN " WA_SQL_TODAY " - 1 AND " WA_SQL_TODAY             \
      " GROUP BY status ORDER BY status")                                     \
    /* -> users, active ones, both of those that were there yesterday,        \
     * messages in the outbox, when the oldest was accepted */                \
    X(OVERVIEW_NOW,                                                           \
      "SELECT u.*, (SELECT count(*) FROM outbox), "                           \
      WA_SQL_TIME("(SELECT m.created_at FROM outbox o"                        \
      "  JOIN messages m ON m.id = o.message_id ORDER BY o.id LIMIT 1)")      \
      " FROM (SELECT count(*), count(*) FILTER (WHERE is_active),"            \
      "  count(*) FILTER (WHERE usage_day(created_at) < " WA_SQL_TODAY "),"   \
      "  count(*) FILTER (WHERE is_active"                                    \
      "   AND usage_day(created_at) < " WA_SQL_TODAY ") FROM users) u")       \
    /* Sessions by status; what was connected by a bridge that is silent is   \
     * at best connecting. $1 seconds of silence -> status, sessions */       \
    X(OVERVIEW_SESSIONS,                                                      \
      "SELECT CASE WHEN s.wanted AND s.status IN ('connected', 'qr_pending')" \
      "  AND b.last_seen_at < now() - $1::integer * interval '1 s'"           \
      "  THEN 'connecting' ELSE s.status END AS shown, count(*)"              \
      " FROM sessions s LEFT JOIN bridges b ON b.id = s.bridge_id"            \
      " GROUP BY 1 ORDER BY 1")
// clang-format on

#endif
