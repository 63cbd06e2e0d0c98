/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_webhooks.h @brief Statements about webhooks and deliveries. */
#ifndef WA_SQL_WEBHOOKS_H
#define WA_SQL_WEBHOOKS_H

// clang-format off
/* The columns of a wa_webhook. */
#define WA_SQL_WEBHOOK_COLUMNS                                                \
    "h.id, h.user_id, h.url, array_to_string(h.events, ' '), h.description,"  \
    " h.is_active, h.disabled_reason, h.version, "                            \
    WA_SQL_TIME("h.failing_since") ", "                                       \
    WA_SQL_TIME("CASE WHEN h.previous_until > now()"                          \
      " THEN h.previous_until END") ", "                                      \
    WA_SQL_TIME("h.created_at") ", " WA_SQL_TIME("h.updated_at")

/* The columns of a wa_webhook_delivery. */
#define WA_SQL_DELIVERY_COLUMNS                                               \
    "d.id, d.event_id, d.seq, d.type, d.state, d.attempts, "                  \
    WA_SQL_TIME("CASE WHEN d.state = 'pending'"                               \
      " THEN d.next_attempt_at END") ", "                                     \
    WA_SQL_TIME("d.created_at") ", " WA_SQL_TIME("d.ended_at")

/* $1 and $2 of statements on a user's own webhook. */
#define WA_SQL_WEBHOOK_OWN "h.id = $1 AND h.user_id = $2"

#define WA_SQL_WEBHOOKS(X)                                                    \
    /* So that two at a time don't exceed the number allowed; what follows    \
     * sees what the other one made. $1 user */                               \
    X(WEBHOOKS_LOCK,                                                          \
      "SELECT 1 FROM users u WHERE u.id = $1 FOR NO KEY UPDATE")              \
    /* $1 user */                                                             \
    X(WEBHOOKS_COUNT,                                                         \
      "SELECT count(*) FROM webhooks h WHERE h.user_id = $1")                 \
    /* Events from here on. $1 id, $2 user, $3 url, $4 events as array,       \
     * $5 description, $6 sealed secret as hex */                             \
    X(WEBHOOK_INSERT,                                                         \
      "INSERT INTO webhooks AS h (id, user_id, url, events, description,"     \
      " secret, seen_seq)"                                                    \
      " SELECT $1, x.user_id, $3, $4::text[], nullif($5, ''),"                \
      " decode($6, 'hex'), x.last_seq FROM event_heads x"                     \
      " WHERE x.user_id = $2"                                                 \
      " RETURNING " WA_SQL_WEBHOOK_COLUMNS)                                   \
    /* $1 user */                                                             \
    X(WEBHOOKS_OF_USER,                                                       \
      "SELECT " WA_SQL_WEBHOOK_COLUMNS " FROM webhooks h"                     \
      " WHERE h.user_id = $1 ORDER BY h.created_at DESC, h.id DESC")          \
    X(WEBHOOK_BY_ID,                                                          \
      "SELECT " WA_SQL_WEBHOOK_COLUMNS " FROM webhooks h"                     \
      " WHERE " WA_SQL_WEBHOOK_OWN)                                           \
    X(WEBHOOK_LOCK,                                                           \
      "SELECT " WA_SQL_WEBHOOK_COLUMNS " FROM webhooks h"                     \
      " WHERE " WA_SQL_WEBHOOK_OWN " FOR NO KEY UPDATE")                      \
    /* After WEBHOOK_LOCK. What is NULL stays; one that is switched on looks  \
     * at events from then on. $3 url, $4 events, $5 description, $6 active */\
    X(WEBHOOK_UPDATE,                                                         \
      "UPDATE webhooks h SET url = coalesce($3, h.url),"                      \
      " events = coalesce($4::text[], h.events),"                             \
      " description = nullif(coalesce($5, h.description), ''),"               \
      " is_active = coalesce($6::boolean, h.is_active),"                      \
      " disabled_reason = CASE WHEN $6::boolean THEN NULL"                    \
      "  WHEN NOT $6::boolean AND h.is_active THEN 'user'"                    \
      "  ELSE h.disabled_reason END,"                                         \
      " failing_since = CASE WHEN $6::boolean AND NOT h.is_active THEN NULL"  \
      "  ELSE h.failing_since END,"                                           \
      " seen_seq = CASE WHEN $6::boolean AND NOT h.is_active"                 \
      "  THEN (SELECT x.last_seq FROM event_heads x"                          \
      "   WHERE x.user_id = h.user_id) ELSE h.seen_seq END,"                  \
      " version = h.version + 1, updated_at = now()"                          \
      " WHERE " WA_SQL_WEBHOOK_OWN " RETURNING " WA_SQL_WEBHOOK_COLUMNS)      \
    X(WEBHOOK_DELETE,                                                         \
      "DELETE FROM webhooks h WHERE " WA_SQL_WEBHOOK_OWN                      \
      " RETURNING " WA_SQL_WEBHOOK_COLUMNS)                                   \
    /* $3 sealed secret as hex, $4 seconds the old one signs too */           \
    X(WEBHOOK_ROTATE,                                                         \
      "UPDATE webhooks h SET previous_secret = h.secret,"                     \
      " previous_until = now() + $4::integer * interval '1 s',"               \
      " secret = decode($3, 'hex'), version = h.version + 1,"                 \
      " updated_at = now()"                                                   \
      " WHERE " WA_SQL_WEBHOOK_OWN " RETURNING " WA_SQL_WEBHOOK_COLUMNS)      \
    /* Something to post that is no event of the feed. $1 webhook, $2 id,     \
     * $3 type, $4 data, $5 request id, $6 trace or NULL */                   \
    X(WEBHOOK_DELIVERY_INSERT,                                                \
      "INSERT INTO webhook_deliveries AS d (webhook_id, event_id, type, data,"\
      " request_id, trace) VALUES ($1, $2, $3, $4::jsonb, $5, $6)"            \
      " RETURNING " WA_SQL_DELIVERY_COLUMNS)                                  \
    /* $1 webhook, $2 state or NULL, $3 created_at and $4 id of the last one  \
     * seen or NULL, $5 limit */                                              \
    X(WEBHOOK_DELIVERIES,                                                     \
      "SELECT " WA_SQL_DELIVERY_COLUMNS " FROM webhook_deliveries d"          \
      " WHERE d.webhook_id = $1 AND ($2::text IS NULL OR d.state = $2)"       \
      " AND ($3::timestamptz IS NULL"                                         \
      "  OR (d.created_at, d.id) < ($3::timestamptz, $4::uuid))"              \
      " ORDER BY d.created_at DESC, d.id DESC LIMIT $5")                      \
    /* The newest ones first. $1 deliveries as array                          \
     * -> delivery, number, at, ms, status, error, response */                \
    X(WEBHOOK_ATTEMPTS,                                                       \
      "SELECT a.delivery_id, a.number, " WA_SQL_TIME("a.at") ", a.took_ms,"   \
      " a.status, a.error, a.response"                                        \
      " FROM unnest($1::uuid[]) WITH ORDINALITY AS w (id, place)"             \
      " CROSS JOIN LATERAL (SELECT * FROM webhook_attempts t"                 \
      "  WHERE t.delivery_id = w.id ORDER BY t.number DESC LIMIT 20) a"       \
      " ORDER BY w.place, a.number DESC")                                     \
    /* After WEBHOOK_LOCK. $1 webhook, $2 delivery */                         \
    X(WEBHOOK_RESEND,                                                         \
      "UPDATE webhook_deliveries d SET state = 'pending', tries = 0,"         \
      " next_attempt_at = now(), ended_at = NULL"                             \
      " WHERE d.webhook_id = $1 AND d.id = $2"                                \
      " RETURNING " WA_SQL_DELIVERY_COLUMNS)                                  \
    /* After WEBHOOK_LOCK: what was looked at, from there on, is posted once  \
     * more. $1 webhook, $2 since when or NULL, $3 after which number or NULL,\
     * $4 events at most -> how many, the last one's number */                \
    X(WEBHOOK_REPLAY,                                                         \
      "WITH e AS (SELECT n.seq, n.id, n.type FROM webhooks h"                 \
      "  JOIN events n ON n.user_id = h.user_id AND n.seq <= h.seen_seq"      \
      "  WHERE h.id = $1 AND n.seq > coalesce($3::bigint, 0)"                 \
      "  AND ($2::timestamptz IS NULL OR n.written_at >= $2::timestamptz)"    \
      "  AND webhook_wants(h.events, n.type) ORDER BY n.seq LIMIT $4),"       \
      " d AS (INSERT INTO webhook_deliveries AS d"                            \
      "  (webhook_id, event_id, seq, type)"                                   \
      "  SELECT $1, e.id, e.seq, e.type FROM e ORDER BY e.seq"                \
      "  ON CONFLICT (webhook_id, event_id) DO UPDATE SET state = 'pending'," \
      "  tries = 0, next_attempt_at = now(), ended_at = NULL RETURNING 1)"    \
      " SELECT (SELECT count(*) FROM d), (SELECT max(seq) FROM e)")           \
    /* Turn new events into deliveries: the webhook's place moves on in the   \
     * same statement, so none is missed and none is there twice. Where the   \
     * webhook was moved on by somebody else meanwhile, the events are those  \
     * of an older snapshot, and there are none behind its new place.         \
     * $1 webhooks, $2 events of each, at most -> events looked at */         \
    X(WEBHOOKS_SPREAD,                                                        \
      "WITH w AS (SELECT h.id, h.user_id, h.events, h.seen_seq, x.last_seq"   \
      "  FROM webhooks h JOIN event_heads x ON x.user_id = h.user_id"         \
      "  AND x.last_seq > h.seen_seq WHERE h.is_active"                       \
      "  LIMIT $1 FOR NO KEY UPDATE OF h SKIP LOCKED),"                       \
      " e AS (SELECT w.id AS webhook, w.events, n.seq, n.id, n.type"          \
      "  FROM w CROSS JOIN LATERAL (SELECT v.seq, v.id, v.type FROM events v" \
      "   WHERE v.user_id = w.user_id AND v.seq > w.seen_seq"                 \
      "   ORDER BY v.seq LIMIT $2::integer) n),"                              \
      " i AS (INSERT INTO webhook_deliveries (webhook_id, event_id, seq,"     \
      "  type) SELECT e.webhook, e.id, e.seq, e.type FROM e"                  \
      "  WHERE webhook_wants(e.events, e.type) ORDER BY e.seq"                \
      "  ON CONFLICT (webhook_id, event_id) DO NOTHING),"                     \
      " u AS (UPDATE webhooks h SET seen_seq = greatest(h.seen_seq,"          \
      "  CASE WHEN m.n = $2::integer THEN m.seq ELSE m.last_seq END)"         \
      "  FROM (SELECT w.id, w.last_seq, count(e.seq) AS n, max(e.seq) AS seq" \
      "   FROM w LEFT JOIN e ON e.webhook = w.id GROUP BY w.id, w.last_seq) m"\
      "  WHERE h.id = m.id)"                                                  \
      " SELECT count(*) FROM e")                                              \
    /* Webhooks with something due and room for another attempt: $1 those     \
     * that fail, or those that don't, $2 limit, $3 attempts at a time of     \
     * one that lags, which is one with $4 due, and that is among $5, those   \
     * that have answered lately: of one that hangs nobody knows yet */       \
    X(WEBHOOKS_DUE,                                                           \
      "SELECT h.id FROM webhooks h JOIN users u ON u.id = h.user_id"          \
      " WHERE h.is_active AND u.is_active"                                    \
      " AND (h.failing_since IS NOT NULL) = $1::boolean"                      \
      " AND EXISTS (SELECT 1 FROM webhook_deliveries d"                       \
      "  WHERE d.webhook_id = h.id AND d.state = 'pending'"                   \
      "  AND d.next_attempt_at <= now()"                                      \
      "  AND (d.lease_until IS NULL OR d.lease_until < now()))"               \
      " AND CASE WHEN NOT EXISTS (SELECT 1 FROM webhook_deliveries l"         \
      "   WHERE l.webhook_id = h.id AND l.lease_until > now()) THEN true"     \
      "  WHEN h.failing_since IS NOT NULL THEN false"                         \
      "  ELSE h.id = ANY ($5::uuid[])"                                        \
      "   AND (SELECT count(*) FROM webhook_deliveries l"                     \
      "   WHERE l.webhook_id = h.id AND l.lease_until > now()) < $3::integer" \
      "  AND (SELECT count(*) FROM (SELECT 1 FROM webhook_deliveries q"       \
      "   WHERE q.webhook_id = h.id AND q.state = 'pending'"                  \
      "   AND q.next_attempt_at <= now() LIMIT $4::integer) q) = $4::integer" \
      " END"                                                                  \
      " LIMIT $2 FOR NO KEY UPDATE OF h SKIP LOCKED")                         \
    /* After WEBHOOKS_DUE, in its transaction, with a snapshot of its own:    \
     * take what is due, the longest due first, one at a time; $4 at a time   \
     * of a webhook that doesn't fail, has $5 due and is among $6.            \
     * $1 owner, $2 webhooks as array, $3 seconds of the lease                \
     * -> delivery, webhook, url, event, type, seq, attempts, tries, fails,   \
     * data, occurred at, secret and previous one as hex, id and trace of the \
     * request that it follows from */                                        \
    X(WEBHOOKS_CLAIM,                                                         \
      "WITH c AS (SELECT t.id FROM webhooks h"                                \
      "  CROSS JOIN LATERAL (SELECT count(*) AS n FROM webhook_deliveries l"  \
      "   WHERE l.webhook_id = h.id AND l.lease_until > now()) busy"          \
      "  CROSS JOIN LATERAL (SELECT count(*) AS n FROM (SELECT 1"             \
      "   FROM webhook_deliveries q WHERE q.webhook_id = h.id"                \
      "   AND q.state = 'pending' AND q.next_attempt_at <= now()"             \
      "   LIMIT $5::integer) q) due"                                          \
      "  CROSS JOIN LATERAL (SELECT d.id FROM webhook_deliveries d"           \
      "   WHERE d.webhook_id = h.id AND d.state = 'pending'"                  \
      "   AND d.next_attempt_at <= now()"                                     \
      "   AND (d.lease_until IS NULL OR d.lease_until < now())"               \
      "   ORDER BY d.next_attempt_at, d.seq"                                  \
      "   LIMIT greatest(0, CASE WHEN h.failing_since IS NULL"                \
      "    AND due.n = $5::integer AND h.id = ANY ($6::uuid[])"               \
      "    THEN $4::integer ELSE 1 END - busy.n)) t"                          \
      "  WHERE h.id = ANY ($2::uuid[])),"                                     \
      " u AS (UPDATE webhook_deliveries d SET lease_owner = $1,"              \
      "  lease_until = now() + $3::integer * interval '1 s',"                 \
      "  attempts = d.attempts + 1, tries = d.tries + 1"                      \
      "  FROM c WHERE d.id = c.id RETURNING d.*)"                             \
      " SELECT u.id, u.webhook_id, h.url, u.event_id, u.type, u.seq,"         \
      " u.attempts, u.tries, h.failing_since IS NOT NULL,"                    \
      " coalesce(u.data, e.data), "                                           \
      WA_SQL_TIME("coalesce(e.occurred_at, u.created_at)") ","                \
      " encode(h.secret, 'hex'), CASE WHEN h.previous_until > now()"          \
      "  THEN encode(h.previous_secret, 'hex') END,"                          \
      " coalesce(u.request_id, m.request_id), coalesce(u.trace, m.trace)"     \
      " FROM u JOIN webhooks h ON h.id = u.webhook_id"                        \
      " LEFT JOIN events e ON e.user_id = h.user_id AND e.seq = u.seq"        \
      "  AND e.id = u.event_id"                                               \
      " LEFT JOIN messages m ON m.id = e.message_id"                          \
      " ORDER BY u.webhook_id, u.next_attempt_at, u.seq")                     \
    /* Attempts that were broken off are due again, and were none of those    \
     * they are given. $1 owner */                                            \
    X(WEBHOOKS_GIVE_BACK,                                                     \
      "UPDATE webhook_deliveries SET lease_owner = NULL, lease_until = NULL," \
      " tries = greatest(0, tries - 1) WHERE id IN (SELECT d.id"              \
      "  FROM webhook_deliveries d WHERE d.lease_until IS NOT NULL"           \
      "  AND d.lease_owner = $1 FOR UPDATE SKIP LOCKED)")                     \
    /* What came of an attempt; of one whose lease went to another nothing.   \
     * $1 webhook, $2 delivery, $3 owner, $4 attempt, $5 state, $6 ms to      \
     * the next one, $7 at, $8 ms it took, $9 status, $10 error,              \
     * $11 response. Touches the webhook only where it changes. */            \
    X(WEBHOOK_RECORD,                                                         \
      "WITH w AS (SELECT h.id, h.failing_since FROM webhooks h"               \
      "  WHERE h.id = $1 FOR NO KEY UPDATE),"                                 \
      " d AS (UPDATE webhook_deliveries d SET state = $5,"                    \
      "  lease_owner = NULL, lease_until = NULL,"                             \
      "  next_attempt_at = now() + $6::bigint * interval '1 ms',"             \
      "  ended_at = CASE WHEN $5 <> 'pending' THEN now() END"                 \
      "  FROM w WHERE d.id = $2 AND d.webhook_id = w.id"                      \
      "  AND d.lease_owner = $3 AND d.attempts = $4::integer"                 \
      "  RETURNING d.id),"                                                    \
      " a AS (INSERT INTO webhook_attempts (delivery_id, number, at, took_ms,"\
      "  status, error, response) SELECT d.id, $4::integer, $7::timestamptz," \
      "  $8::integer, $9::integer, $10, $11 FROM d)"                          \
      " UPDATE webhooks h SET failing_since ="                                \
      "  CASE WHEN $5 = 'delivered' THEN NULL ELSE now() END"                 \
      " FROM w, d WHERE h.id = w.id"                                          \
      " AND (w.failing_since IS NULL) <> ($5 = 'delivered')")                 \
    /* What came of many attempts, in one transaction. It waits for no webhook\
     * while it holds some: what is locked by another, lost its lease, or may \
     * be what its webhook is switched off for, is left to WEBHOOK_RECORD.    \
     * $1 owner, $2 seconds of failure allowed, then arrays of one length in  \
     * the order of the answers: $3 webhooks, $4 deliveries, $5 attempts,     \
     * $6 states, $7 ms to the next one, $8 at, $9 ms it took, $10 statuses,  \
     * $11 errors, $12 responses -> deliveries that are written */            \
    X(WEBHOOKS_RECORD,                                                        \
      "WITH i AS (SELECT * FROM unnest($3::uuid[], $4::uuid[], $5::integer[],"\
      "  $6::text[], $7::bigint[], $8::timestamptz[], $9::integer[],"         \
      "  $10::integer[], $11::text[], $12::text[]) WITH ORDINALITY"           \
      "  AS t (webhook, id, attempt, state, pause, at, took, status, error,"  \
      "  response, n)),"                                                      \
      " w AS (SELECT h.id, h.failing_since FROM webhooks h"                   \
      "  WHERE h.id = ANY ($3::uuid[]) FOR NO KEY UPDATE SKIP LOCKED),"       \
      " d AS (UPDATE webhook_deliveries d SET state = i.state,"               \
      "  lease_owner = NULL, lease_until = NULL,"                             \
      "  next_attempt_at = now() + i.pause * interval '1 ms',"                \
      "  ended_at = CASE WHEN i.state <> 'pending' THEN now() END"            \
      "  FROM i JOIN w ON w.id = i.webhook"                                   \
      "  WHERE d.id = i.id AND d.webhook_id = w.id"                           \
      "  AND d.lease_owner = $1 AND d.attempts = i.attempt"                   \
      "  AND (i.state = 'delivered' OR w.failing_since IS NULL"               \
      "   OR w.failing_since >= now() - $2::integer * interval '1 s')"        \
      "  RETURNING i.*),"                                                     \
      " a AS (INSERT INTO webhook_attempts (delivery_id, number, at, took_ms,"\
      "  status, error, response) SELECT d.id, d.attempt, d.at, d.took,"      \
      "  d.status, d.error, d.response FROM d),"                              \
      " u AS (UPDATE webhooks h SET failing_since ="                          \
      "  CASE WHEN l.state = 'delivered' THEN NULL ELSE now() END"            \
      "  FROM (SELECT DISTINCT ON (d.webhook) d.webhook, d.state FROM d"      \
      "   ORDER BY d.webhook, d.n DESC) l JOIN w ON w.id = l.webhook"         \
      "  WHERE h.id = w.id"                                                   \
      "  AND (w.failing_since IS NULL) <> (l.state = 'delivered'))"           \
      " SELECT d.id FROM d")                                                  \
    /* Switch off one that is gone, or failed for too long.                   \
     * $1 webhook, $2 is gone, $3 seconds of failure allowed                  \
     * -> user, url, reason; no row when it goes on */                        \
    X(WEBHOOK_DISABLE,                                                        \
      "UPDATE webhooks h SET is_active = false, disabled_reason ="            \
      " CASE WHEN $2::boolean THEN 'gone' ELSE 'failing' END,"                \
      " version = h.version + 1, updated_at = now()"                          \
      " WHERE h.id = $1 AND h.is_active AND ($2::boolean"                     \
      "  OR h.failing_since < now() - $3::integer * interval '1 s')"          \
      " RETURNING h.user_id, h.url, h.disabled_reason")                       \
    /* There is something to post: the payload is no user's id, so that       \
     * readers of feeds stay asleep */                                        \
    X(WEBHOOK_WAKE, "SELECT pg_notify('wa_events', '')")                      \
    /* Into the user's feed. $1 user, $2 type, $3 data */                     \
    X(EVENT_WRITE,                                                            \
      "SELECT event_write($1, $2, now(), NULL, NULL, $3::jsonb)")             \
    /* $1 days, $2 batch */                                                   \
    X(WEBHOOK_DELIVERIES_PURGE,                                               \
      "DELETE FROM webhook_deliveries WHERE id IN (SELECT d.id"               \
      "  FROM webhook_deliveries d WHERE d.created_at"                        \
      "   < now() - $1::integer * interval '1 day'"                           \
      "  AND d.lease_until IS NULL ORDER BY d.created_at LIMIT $2)")
// clang-format on

#endif
