/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_sql_sending.h
 * @brief Statements about messages that are scheduled, cancelled, sent many at
 * a time or at a pace, and about what comes after a message.
 */
#ifndef WA_SQL_SENDING_H
#define WA_SQL_SENDING_H

// clang-format off
#define WA_SQL_SENDING(X)                                                     \
    /* Accept many messages, all or none; those of one chat keep their order. \
     * $1 user, $2 session's name, then arrays of one length: $3 ids,         \
     * $4 types, $5 recipients, $6 chats, $7 contents, $8 WhatsApp ids,       \
     * $9 clients' references, $10 times to send at, $11 media; $12 request   \
     * id, $13 seconds to live, $14 trace or NULL. No row when no phone is    \
     * linked.                                                                \
     * -> session id */                                                       \
    X(MESSAGES_ACCEPT,                                                        \
      "WITH s AS (SELECT id, user_id FROM sessions WHERE user_id = $1::uuid"  \
      "  AND name = $2 AND linked AND wanted),"                               \
      " i AS (SELECT * FROM unnest($3::uuid[], $4::text[], $5::text[],"       \
      "  $6::text[], $7::text[], $8::text[], $9::text[], $10::timestamptz[]," \
      "  $11::uuid[]) WITH ORDINALITY AS t (id, type, recipient, chat,"       \
      "  content, whatsapp_id, client_ref, scheduled_at, media_id, n)),"      \
      " m AS (INSERT INTO messages (id, user_id, session_id, direction,"      \
      "  type, status, recipient, chat, content, whatsapp_id, request_id,"    \
      "  trace, attempts, client_ref, scheduled_at, media_id)"                \
      "  SELECT i.id, s.user_id, s.id, 'out', i.type,"                        \
      "  CASE WHEN i.scheduled_at IS NULL THEN 'pending' ELSE 'scheduled'"    \
      "  END, i.recipient, i.chat, i.content, i.whatsapp_id, $12, $14,"       \
      "  0, i.client_ref, i.scheduled_at, i.media_id FROM s, i ORDER BY i.n),"\
      " o AS (INSERT INTO outbox (message_id, session_id, chat, expires_at)"  \
      "  SELECT i.id, s.id, i.chat, now() + $13::integer * interval '1 s'"    \
      "  FROM s, i WHERE i.scheduled_at IS NULL ORDER BY i.n RETURNING 1)"    \
      " SELECT s.id, CASE WHEN EXISTS (SELECT 1 FROM o)"                      \
      "  THEN pg_notify('wa_outbox', '')::text END FROM s")                   \
    /* Cancel what was not sent and is not being attempted. $1 user, $2 id    \
     * -> the message, when that was so */                                    \
    X(MESSAGE_CANCEL,                                                         \
      "WITH o AS (DELETE FROM outbox o USING messages m WHERE m.id = $2::uuid"\
      "  AND m.user_id = $1::uuid AND o.message_id = m.id"                    \
      "  AND o.lease_owner IS NULL AND NOT o.maybe_sent"                      \
      "  RETURNING o.message_id, o.session_id, o.chat),"                      \
      " m AS (UPDATE messages m SET status = 'cancelled',"                    \
      "  cancelled_at = now(), error_code = NULL, error_message = NULL"       \
      "  WHERE m.user_id = $1::uuid AND m.id = $2::uuid"                      \
      "  AND (m.status = 'scheduled'"                                         \
      "   OR (m.status = 'pending' AND EXISTS (SELECT 1 FROM o)))"            \
      "  RETURNING " WA_SQL_MESSAGE_COLUMNS ")"                               \
      " SELECT m.*, (SELECT pg_notify('wa_outbox', '')::text FROM o WHERE"    \
      "  EXISTS (SELECT 1 FROM outbox n WHERE n.session_id = o.session_id"    \
      "   AND n.chat = o.chat AND n.message_id <> o.message_id)) FROM m")     \
    /* What was scheduled for now goes into the outbox. $1 rows, $2 seconds   \
     * to live */                                                             \
    X(OUTBOX_PROMOTE,                                                         \
      "WITH m AS (UPDATE messages SET status = 'pending' WHERE id IN"         \
      "  (SELECT id FROM messages WHERE status = 'scheduled'"                 \
      "   AND scheduled_at <= now() ORDER BY scheduled_at, id"                \
      "   LIMIT $1::integer FOR UPDATE SKIP LOCKED)"                          \
      "  AND status = 'scheduled'"                                            \
      "  RETURNING id, session_id, chat, scheduled_at)"                       \
      " INSERT INTO outbox (message_id, session_id, chat, expires_at)"        \
      " SELECT id, session_id, chat, now() + $2::integer * interval '1 s'"    \
      " FROM m ORDER BY scheduled_at, id")                                    \
    /* OUTBOX_CLAIM where sessions keep a pace: one message of each whose turn\
     * it is. $1 to $3 as there, $4 milliseconds of the pause, $5 most new    \
     * chats a day or NULL. What that holds back ends with its time to live.  \
     * -> as there */                                                         \
    X(OUTBOX_CLAIM_PACED,                                                     \
      "WITH g AS (SELECT g.session_id, s.user_id,"                            \
      "  " WA_SQL_PACE_USED " AS used FROM session_paces g"                   \
      "  JOIN sessions s ON s.id = g.session_id"                              \
      "  JOIN users u ON u.id = s.user_id AND u.is_active"                    \
      "  WHERE g.next_at <= now() AND EXISTS (SELECT 1 FROM outbox o"         \
      "   WHERE o.session_id = g.session_id AND o.next_attempt_at <= now()"   \
      "   AND (o.lease_until IS NULL OR o.lease_until < now()))"              \
      "  ORDER BY g.next_at LIMIT $2::integer FOR UPDATE OF g SKIP LOCKED),"  \
      " k AS (SELECT g.session_id, g.used, x.id, x.fresh FROM g"              \
      "  CROSS JOIN LATERAL (SELECT o.id, o.attempts = 0"                     \
      "   AND o.expires_at >= now()"                                          \
      "   AND chat_is_new(o.session_id, g.user_id, o.chat) AS fresh"          \
      "   FROM outbox o WHERE o.session_id = g.session_id"                    \
      "   AND o.next_attempt_at <= now()"                                     \
      "   AND (o.lease_until IS NULL OR o.lease_until < now())"               \
      "   AND NOT EXISTS (SELECT 1 FROM outbox e"                             \
      "    WHERE e.session_id = o.session_id AND e.chat = o.chat"             \
      "    AND e.id < o.id AND NOT e.asking)"                                 \
      "   AND NOT EXISTS (SELECT 1 FROM messages w JOIN media d"              \
      "    ON d.id = w.media_id WHERE w.id = o.message_id"                    \
      "    AND d.state = 'fetching')"                                         \
      "   AND ($5::integer IS NULL OR g.used < $5::integer OR o.attempts > 0" \
      "    OR o.expires_at < now()"                                           \
      "    OR NOT chat_is_new(o.session_id, g.user_id, o.chat))"              \
      "   ORDER BY o.next_attempt_at, o.id LIMIT 1"                           \
      "   FOR UPDATE SKIP LOCKED) x),"                                        \
      " t AS (UPDATE session_paces p SET next_at = now()"                     \
      "  + $4::integer * (1 + random() / 2) * interval '1 ms',"               \
      "  day = usage_day(now()), new_chats = k.used + k.fresh::integer"       \
      "  FROM k WHERE p.session_id = k.session_id),"                          \
      " c AS (UPDATE outbox SET lease_owner = $1,"                            \
      "  lease_until = now() + $3::integer * interval '1 s',"                 \
      "  maybe_sent = maybe_sent OR lease_owner IS NOT NULL,"                 \
      "  attempts = attempts + 1 WHERE id IN (SELECT k.id FROM k)"            \
      "  RETURNING id, message_id, session_id, chat, attempts,"               \
      "  expires_at < now() AS expired, maybe_sent)"                          \
      " SELECT c.message_id, c.session_id, m.whatsapp_id, c.chat, m.type,"    \
      " m.content, c.attempts, c.expired, c.maybe_sent, "                     \
      WA_SQL_MEDIA_OF_MESSAGE ", m.request_id, m.trace"                       \
      " FROM c JOIN messages m ON m.id = c.message_id ORDER BY c.id")         \
    /* Milliseconds until something is due, NULL when nothing waits. $1 is    \
     * there a pace */                                                        \
    X(OUTBOX_NEXT_DUE,                                                        \
      "SELECT (extract(epoch FROM least("                                     \
      " CASE WHEN $1::boolean THEN (SELECT min(greatest(o.next_attempt_at,"   \
      "  coalesce(o.lease_until, o.next_attempt_at), g.next_at))"             \
      "  FROM outbox o JOIN session_paces g ON g.session_id = o.session_id)"  \
      " ELSE (SELECT min(greatest(o.next_attempt_at, o.lease_until))"         \
      "  FROM outbox o) END,"                                                 \
      " (SELECT min(scheduled_at) FROM messages WHERE status = 'scheduled'))" \
      " - now()) * 1000)::bigint")                                            \
    /* Attempts that ended well, many in one transaction. Others lock messages\
     * in any order, so this waits for none while it holds some: what another \
     * has locked, or is in the outbox no more, is left to OUTBOX_SENT.       \
     * It is a transaction by itself, and says so to the feed.                \
     * $1 messages, $2 sent at, $3 users and $4 keys of the requests that wait\
     * for them, or NULL; arrays of one length, which is hidden from the      \
     * planner: else it would plan anew for each call, which costs more than  \
     * that does. With a limit that it doesn't know it reckons with few, and  \
     * goes by indexes also where it plans while the tables are still small.  \
     * -> message written, sent at, is its session's activity to be noted, is \
     * its request answered */                                                \
    X(OUTBOX_SENT_MANY,                                                       \
      "WITH k AS (SELECT o.id, m.id AS message_id, i.at, i.users_id, i.key,"  \
      "  set_config('whatsapp.alone', 'on', true)"                            \
      "  FROM (SELECT * FROM unnest((SELECT $1::uuid[]),"                     \
      "   (SELECT $2::timestamptz[]), (SELECT $3::uuid[]),"                   \
      "   (SELECT $4::text[])) AS t (id, at, users_id, key)"                  \
      "   LIMIT (SELECT 1000)) i"                                             \
      "  JOIN outbox o ON o.message_id = i.id JOIN messages m ON m.id = i.id" \
      "  FOR UPDATE OF o SKIP LOCKED FOR NO KEY UPDATE OF m SKIP LOCKED),"    \
      " d AS (DELETE FROM outbox o USING k WHERE o.id = k.id"                 \
      "  RETURNING o.message_id, o.session_id, o.chat, o.attempts),"          \
      " a AS (" WA_SQL_IDEM_SENT "),"                                         \
      " u AS (UPDATE messages m SET"                                          \
      "  status = CASE WHEN message_rank(m.status) < message_rank('sent')"    \
      "   THEN 'sent' ELSE m.status END,"                                     \
      "  sent_at = coalesce(m.sent_at, greatest(k.at, m.created_at)),"        \
      "  attempts = greatest(m.attempts, d.attempts),"                        \
      "  error_code = NULL, error_message = NULL"                             \
      "  FROM k JOIN d ON d.message_id = k.message_id"                        \
      "  WHERE m.id = k.message_id RETURNING m.id, m.sent_at, k.at)"          \
      " SELECT u.id, " WA_SQL_TIME("u.sent_at") ","                           \
      " EXISTS (SELECT 1 FROM sessions s"                                     \
      "  WHERE s.id = d.session_id AND (s.last_active_at IS NULL"             \
      "   OR s.last_active_at < u.at - interval '1 s')),"                     \
      " EXISTS (SELECT 1 FROM a WHERE a.message_id = u.id),"                  \
      " CASE WHEN EXISTS (SELECT 1 FROM outbox n"                             \
      "  WHERE n.session_id = d.session_id AND n.chat = d.chat"               \
      "  AND n.message_id <> d.message_id)"                                   \
      "  THEN pg_notify('wa_outbox', '') END"                                 \
      " FROM u JOIN d ON d.message_id = u.id")                                \
    /* SESSION_ACTIVE of many, in the same way. $1 sessions, $2 at            \
     * -> sessions that are left to it */                                     \
    X(SESSIONS_ACTIVE,                                                        \
      "WITH i AS (SELECT s.id, max(t.at) AS at"                               \
      "  FROM unnest($1::uuid[], $2::timestamptz[]) AS t (id, at)"            \
      "  JOIN sessions s ON s.id = t.id WHERE s.last_active_at IS NULL"       \
      "  OR s.last_active_at < t.at - interval '1 s' GROUP BY s.id),"         \
      " k AS (SELECT s.id, i.at FROM i JOIN sessions s ON s.id = i.id"        \
      "  FOR NO KEY UPDATE OF s SKIP LOCKED),"                                \
      " u AS (UPDATE sessions s SET last_active_at ="                         \
      "  greatest(s.last_active_at, k.at) FROM k WHERE s.id = k.id)"          \
      " SELECT i.id FROM i WHERE NOT EXISTS"                                  \
      "  (SELECT 1 FROM k WHERE k.id = i.id)")                                \
    /* Somebody edited a message. $1 session, $2 chat, $3 WhatsApp id of it,  \
     * $4 who, $5 text, $6 at. What is older than what is known, or repeated, \
     * changes nothing; what comes before its message waits for it. */        \
    X(MESSAGE_EDIT,                                                           \
      "WITH t AS (SELECT message_to_change($1::uuid, $2, $3, $4, false) AS id),"\
      " m AS (UPDATE messages m SET content = $5, edited_at = $6::timestamptz"\
      "  FROM t WHERE m.id = t.id AND m.deleted_at IS NULL"                   \
      "  AND (m.edited_at IS NULL OR m.edited_at < $6::timestamptz))"         \
      " INSERT INTO message_changes AS c (session_id, target_id, chat,"       \
      "  sender, kind, content, at)"                                          \
      " SELECT s.id, $3, $2, $4, 'edit', $5, $6::timestamptz"                 \
      " FROM sessions s, t WHERE s.id = $1::uuid AND t.id IS NULL"            \
      " ON CONFLICT (session_id, target_id, chat, sender, kind) DO UPDATE SET"\
      "  content = excluded.content, at = excluded.at"                        \
      "  WHERE excluded.at > c.at")                                           \
    /* Somebody deleted a message for everyone: its text goes here too.       \
     * $1 to $4 as above, $5 at */                                            \
    X(MESSAGE_DELETION,                                                       \
      "WITH t AS (SELECT message_to_change($1::uuid, $2, $3, $4, true) AS id),"\
      " m AS (UPDATE messages m SET content = NULL,"                          \
      "  deleted_at = $5::timestamptz FROM t WHERE m.id = t.id"               \
      "  AND m.deleted_at IS NULL)"                                           \
      " INSERT INTO message_changes (session_id, target_id, chat, sender,"    \
      "  kind, at)"                                                           \
      " SELECT s.id, $3, $2, $4, 'deletion', $5::timestamptz"                 \
      " FROM sessions s, t WHERE s.id = $1::uuid AND t.id IS NULL"            \
      " ON CONFLICT DO NOTHING")                                              \
    /* What had come before its message. $1 session, $2 chat, $3 WhatsApp id  \
     * of it */                                                               \
    X(MESSAGE_CHANGES_DUE,                                                    \
      "WITH c AS (DELETE FROM message_changes WHERE session_id = $1::uuid"    \
      "  AND chat = $2 AND target_id = $3 AND message_to_change(session_id,"  \
      "   chat, target_id, sender, kind = 'deletion') IS NOT NULL"            \
      "  RETURNING kind, content, at)"                                        \
      " UPDATE messages m SET content = CASE WHEN d.at IS NULL"               \
      "  THEN e.content END, edited_at = e.at, deleted_at = d.at"             \
      " FROM (SELECT max(at) AS at FROM c WHERE kind = 'deletion') d,"        \
      "  (SELECT max(at) AS at, max(content) AS content FROM c"               \
      "   WHERE kind = 'edit') e"                                             \
      " WHERE m.session_id = $1::uuid AND m.chat = $2"                        \
      " AND m.whatsapp_id = $3 AND m.direction = 'in'"                        \
      " AND (d.at IS NOT NULL OR e.at IS NOT NULL)")                          \
    /* A reaction; without an emoji it is taken back. $1 session, $2 chat,    \
     * $3 WhatsApp id of what it is to, $4 who, $5 emoji, $6 at */            \
    X(REACTION_STORE,                                                         \
      "INSERT INTO message_reactions AS x (session_id, target_id, chat,"      \
      " sender, emoji, at) SELECT s.id, $3, $2, $4, $5, $6::timestamptz"      \
      " FROM sessions s WHERE s.id = $1::uuid"                                \
      " ON CONFLICT (session_id, target_id, chat, sender) DO UPDATE SET"      \
      "  emoji = excluded.emoji, at = excluded.at"                            \
      "  WHERE excluded.at > x.at")                                           \
    /* $1 session, $2 WhatsApp id, $3 chat -> sender, emoji, at */            \
    X(REACTIONS_OF,                                                           \
      "SELECT sender, emoji, " WA_SQL_TIME("at") " FROM message_reactions"    \
      " WHERE session_id = $1::uuid AND target_id = $2 AND chat = $3"         \
      " AND emoji IS NOT NULL ORDER BY at, sender LIMIT 1000")                \
    /* Changes whose message never came. $1 rows */                           \
    X(MESSAGE_CHANGES_EXPIRE,                                                 \
      "DELETE FROM message_changes WHERE (session_id, target_id, chat,"       \
      " sender, kind) IN (SELECT session_id, target_id, chat, sender, kind"   \
      "  FROM message_changes WHERE created_at < now() - interval '30 days'"  \
      "  LIMIT $1::integer)")
// clang-format on

#endif
