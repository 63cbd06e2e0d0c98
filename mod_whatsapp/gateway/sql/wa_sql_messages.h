/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_messages.h @brief Statements about messages and the outbox. */
#ifndef WA_SQL_MESSAGES_H
#define WA_SQL_MESSAGES_H

#include "wa_sql_media.h"

// clang-format off
/* The columns of a wa_message that a list shows. */
#define WA_SQL_MESSAGE_SHOWN                                                  \
    "m.id, m.direction, m.type, m.status, m.recipient, m.sender, m.chat,"     \
    " m.content, m.whatsapp_id, m.attempts, m.error_code, m.error_message,"   \
    " m.client_ref, m.quoted_id, "                                            \
    WA_SQL_TIME("m.created_at") ", " WA_SQL_TIME("m.sent_at") ", "            \
    WA_SQL_TIME("m.delivered_at") ", " WA_SQL_TIME("m.read_at") ", "          \
    WA_SQL_TIME("m.played_at") ", " WA_SQL_TIME("m.scheduled_at") ", "        \
    WA_SQL_TIME("m.edited_at") ", " WA_SQL_TIME("m.deleted_at") ","           \
    " CASE WHEN m.media_id IS NOT NULL THEN " WA_SQL_MEDIA_OF_MESSAGE " END"
/* All of them. */
#define WA_SQL_MESSAGE_COLUMNS                                                \
    WA_SQL_MESSAGE_SHOWN ", m.session_id, m.media_id, m.target_id, "          \
    WA_SQL_TIME("m.failed_at") ", " WA_SQL_TIME("m.cancelled_at") ", "        \
    WA_SQL_TIME("m.unknown_at")
/* $1 to $5 of the statements for a page of messages l: before $2 time and $3
 * id, from $4 on and before $5, all of them given, so that they bound an index
 * also in a plan that is made once for all values. The number of rows, $6, is
 * hidden from the planner: else it would find that plan dearer than one for the
 * number at hand and make one for each call, which costs more than the page. */
#define WA_SQL_MESSAGE_PLACE                                                  \
    " AND (l.created_at, l.id) < ($2::timestamptz, $3::uuid)"                 \
    " AND l.created_at >= $4::timestamptz AND l.created_at < $5::timestamptz" \
    " ORDER BY l.created_at DESC, l.id DESC LIMIT (SELECT $6::integer)"
#define WA_SQL_MESSAGE_NEWEST " ORDER BY m.created_at DESC, m.id DESC"
/* Of a user's messages l, with what no index is for. $7 status, $8 type,
 * $9 direction, $10 session, each may be NULL */
#define WA_SQL_MESSAGE_FILTERS                                                \
    " AND ($7::text IS NULL OR l.status = $7)"                                \
    " AND ($8::text IS NULL OR l.type = $8)"                                  \
    " AND ($9::text IS NULL OR l.direction = $9)"                             \
    " AND ($10::uuid IS NULL OR l.session_id = $10::uuid)"

#define WA_SQL_MESSAGES(X)                                                    \
    /* Those of many chats that wrote to a user's session. $1 user,           \
     * $2 session's name, $3 array of chats -> chats */                       \
    X(CHATS_KNOWN,                                                            \
      "SELECT DISTINCT c FROM unnest($3::text[]) c"                           \
      " WHERE EXISTS (SELECT FROM messages m JOIN sessions s"                 \
      "  ON s.id = m.session_id AND s.name = $2 WHERE m.user_id = $1"         \
      "  AND m.chat = c AND m.direction = 'in')")                             \
    /* $1 user, $2 id */                                                      \
    X(MESSAGE_BY_ID,                                                          \
      "SELECT " WA_SQL_MESSAGE_COLUMNS " FROM messages m"                     \
      " WHERE m.user_id = $1 AND m.id = $2")                                  \
    /* Of a user, newest first. $1 user, $2 to $6 as above */                 \
    X(MESSAGES_PAGE,                                                          \
      "SELECT " WA_SQL_MESSAGE_SHOWN " FROM (SELECT * FROM messages l"        \
      " WHERE l.user_id = $1::uuid" WA_SQL_MESSAGE_PLACE ") m"                \
      WA_SQL_MESSAGE_NEWEST)                                                  \
    /* Of one chat, $11 */                                                    \
    X(MESSAGES_PAGE_CHAT,                                                     \
      "SELECT " WA_SQL_MESSAGE_SHOWN " FROM (SELECT * FROM messages l"        \
      " WHERE l.user_id = $1::uuid AND l.chat = $11::text"                    \
      WA_SQL_MESSAGE_FILTERS WA_SQL_MESSAGE_PLACE ") m"                       \
      WA_SQL_MESSAGE_NEWEST)                                                  \
    /* With a client's reference, $11, of a chat, $12, or any */              \
    X(MESSAGES_PAGE_REF,                                                      \
      "SELECT " WA_SQL_MESSAGE_SHOWN " FROM (SELECT * FROM messages l"        \
      " WHERE l.user_id = $1::uuid AND l.client_ref = $11::text"              \
      " AND ($12::text IS NULL OR l.chat = $12)"                              \
      WA_SQL_MESSAGE_FILTERS WA_SQL_MESSAGE_PLACE ") m"                       \
      WA_SQL_MESSAGE_NEWEST)                                                  \
    /* With a status, type, direction or session, however few have it. The    \
     * kinds there are, which are few, are found by jumps over an index, and  \
     * the newest of each that fits are put together. */                      \
    X(MESSAGES_PAGE_KIND,                                                     \
      "WITH RECURSIVE k AS (SELECT f.session_id, f.direction, f.type,"        \
      "  f.status FROM sessions s CROSS JOIN LATERAL (SELECT * FROM messages" \
      "   n WHERE n.session_id = s.id ORDER BY n.direction, n.type, n.status" \
      "   LIMIT 1) f WHERE s.user_id = $1::uuid"                              \
      "  AND ($10::uuid IS NULL OR s.id = $10::uuid)"                         \
      " UNION ALL SELECT f.session_id, f.direction, f.type, f.status"         \
      "  FROM k CROSS JOIN LATERAL (SELECT * FROM messages n"                 \
      "   WHERE n.session_id = k.session_id AND (n.direction, n.type,"        \
      "    n.status) > (k.direction, k.type, k.status)"                       \
      "   ORDER BY n.direction, n.type, n.status LIMIT 1) f)"                 \
      " SELECT " WA_SQL_MESSAGE_SHOWN " FROM k CROSS JOIN LATERAL"            \
      " (SELECT * FROM messages l WHERE l.session_id = k.session_id"          \
      "  AND l.direction = k.direction AND l.type = k.type"                   \
      "  AND l.status = k.status" WA_SQL_MESSAGE_PLACE ") m"                  \
      " WHERE ($7::text IS NULL OR k.status = $7)"                            \
      " AND ($8::text IS NULL OR k.type = $8)"                                \
      " AND ($9::text IS NULL OR k.direction = $9)"                           \
      WA_SQL_MESSAGE_NEWEST " LIMIT (SELECT $6::integer)")                    \
    /* The newest message of each chat of a user, newest chat first. $1 user, \
     * $2 session or NULL; $3 time and $4 id of the last row seen or NULL,    \
     * $5 rows. The chats are found by jumps over an index, so that the cost  \
     * goes by their number and not by that of the messages. */               \
    X(CHATS_PAGE,                                                             \
      "WITH RECURSIVE c AS ((SELECT chat FROM messages"                       \
      "  WHERE user_id = $1::uuid ORDER BY chat LIMIT 1)"                     \
      " UNION ALL SELECT (SELECT n.chat FROM messages n"                      \
      "  WHERE n.user_id = $1::uuid AND n.chat > c.chat"                      \
      "  ORDER BY n.chat LIMIT 1) FROM c WHERE c.chat IS NOT NULL)"           \
      " SELECT " WA_SQL_MESSAGE_SHOWN " FROM c CROSS JOIN LATERAL"            \
      "  (SELECT * FROM messages l WHERE l.user_id = $1::uuid"                \
      "   AND l.chat = c.chat AND ($2::uuid IS NULL"                          \
      "    OR l.session_id = $2::uuid)"                                       \
      "   ORDER BY l.created_at DESC, l.id DESC LIMIT 1) m"                   \
      " WHERE ($3::timestamptz IS NULL"                                       \
      "  OR (m.created_at, m.id) < ($3::timestamptz, $4::uuid))"              \
      " ORDER BY m.created_at DESC, m.id DESC LIMIT $5::integer")             \
    /* Messages of a user since UTC midnight, for the day's counter. $1 user */\
    X(MESSAGES_TODAY,                                                         \
      "SELECT count(*) FROM messages WHERE user_id = $1"                      \
      " AND direction = 'out' AND created_at >="                              \
      " date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")      \
    /* Take up to $2 due messages, the first of each chat only. $1 owner,     \
     * $3 seconds of the lease                                                \
     * -> message, session, WhatsApp id, chat, type, content, attempts,       \
     * expired, perhaps sent by an earlier attempt, its file as JSON, request \
     * id, trace. One whose file is still being fetched waits for it. */      \
    X(OUTBOX_CLAIM,                                                           \
      "WITH c AS (UPDATE outbox SET lease_owner = $1,"                        \
      "  lease_until = now() + $3::integer * interval '1 s',"                 \
      "  maybe_sent = maybe_sent OR lease_owner IS NOT NULL,"                 \
      "  attempts = attempts + 1 WHERE id IN (SELECT o.id FROM outbox o"      \
      "   WHERE greatest(o.next_attempt_at, o.lease_until) <= now()"          \
      "   AND EXISTS (SELECT 1 FROM sessions s JOIN users u"                  \
      "    ON u.id = s.user_id WHERE s.id = o.session_id AND u.is_active)"    \
      "   AND NOT EXISTS (SELECT 1 FROM outbox e"                             \
      "    WHERE e.session_id = o.session_id AND e.chat = o.chat"             \
      "    AND e.id < o.id AND NOT e.asking)"                                 \
      "   AND NOT EXISTS (SELECT 1 FROM messages w JOIN media d"              \
      "    ON d.id = w.media_id WHERE w.id = o.message_id"                    \
      "    AND d.state = 'fetching')"                                         \
      "   ORDER BY greatest(o.next_attempt_at, o.lease_until), o.id LIMIT $2" \
      "   FOR UPDATE SKIP LOCKED)"                                            \
      "  RETURNING id, message_id, session_id, chat, attempts,"               \
      "  expires_at < now() AS expired, maybe_sent)"                          \
      " SELECT c.message_id, c.session_id, m.whatsapp_id, c.chat, m.type,"    \
      " m.content, c.attempts, c.expired, c.maybe_sent, "                     \
      WA_SQL_MEDIA_OF_MESSAGE ", m.request_id, m.trace"                       \
      " FROM c JOIN messages m ON m.id = c.message_id ORDER BY c.id")         \
    /* The attempt ended well. $1 message, $2 sent at, $3 user and $4 key of  \
     * the request that waits for it, or NULL -> sent at, is its session's    \
     * activity older?, is the request answered?; no row when the message is  \
     * gone */                                                                \
    X(OUTBOX_SENT,                                                            \
      "WITH o AS (DELETE FROM outbox WHERE message_id = $1"                   \
      "  RETURNING message_id, session_id, chat, attempts),"                  \
      " k AS (SELECT $1::uuid AS message_id, $3::uuid AS users_id,"           \
      "  $4::text AS key),"                                                   \
      " a AS (" WA_SQL_IDEM_SENT "),"                                         \
      " m AS (UPDATE messages SET"                                            \
      "  status = CASE WHEN message_rank(status) < message_rank('sent')"      \
      "   THEN 'sent' ELSE status END,"                                       \
      "  sent_at = coalesce(sent_at,"                                         \
      "   greatest($2::timestamptz, created_at)),"                            \
      "  attempts = greatest(attempts, coalesce("                             \
      "   (SELECT o.attempts FROM o), attempts)),"                            \
      "  error_code = NULL, error_message = NULL WHERE id = $1"               \
      "  RETURNING session_id, sent_at)"                                      \
      " SELECT " WA_SQL_TIME("m.sent_at") ", EXISTS (SELECT 1 FROM sessions s"\
      "  WHERE s.id = m.session_id AND (s.last_active_at IS NULL"             \
      "   OR s.last_active_at < $2::timestamptz - interval '1 s')),"          \
      " EXISTS (SELECT 1 FROM a),"                                            \
      " CASE WHEN EXISTS (SELECT 1 FROM o, outbox n"                          \
      "  WHERE n.session_id = o.session_id AND n.chat = o.chat"               \
      "  AND n.message_id <> o.message_id)"                                   \
      "  THEN pg_notify('wa_outbox', '') END FROM m")                         \
    /* It will never work. $1 message, $2 owner, $3 attempts, $4 code,        \
     * $5 text; nothing happens when the lease was lost */                    \
    X(OUTBOX_FAILED,                                                          \
      "WITH o AS (DELETE FROM outbox WHERE message_id = $1"                   \
      "  AND lease_owner = $2 AND attempts = $3"                              \
      "  RETURNING message_id, session_id, chat, attempts),"                  \
      " m AS (UPDATE messages m SET status = 'failed', error_code = $4,"      \
      "  error_message = $5, attempts = o.attempts FROM o"                    \
      "  WHERE m.id = o.message_id"                                           \
      "  AND message_rank(m.status) < message_rank('failed'))"                \
      " SELECT pg_notify('wa_outbox', '') FROM o WHERE EXISTS"                \
      "  (SELECT 1 FROM outbox n WHERE n.session_id = o.session_id"           \
      "   AND n.chat = o.chat AND n.message_id <> o.message_id)")             \
    /* It ended without an outcome, for good. As OUTBOX_FAILED */             \
    X(OUTBOX_UNKNOWN,                                                         \
      "WITH o AS (DELETE FROM outbox WHERE message_id = $1"                   \
      "  AND lease_owner = $2 AND attempts = $3"                              \
      "  RETURNING message_id, session_id, chat, attempts),"                  \
      " m AS (UPDATE messages m SET status = 'unknown', error_code = $4,"     \
      "  error_message = $5, attempts = o.attempts,"                          \
      "  unknown_at = coalesce(m.unknown_at, now()) FROM o"                   \
      "  WHERE m.id = o.message_id"                                           \
      "  AND message_rank(m.status) <= message_rank('unknown'))"              \
      " SELECT pg_notify('wa_outbox', '') FROM o WHERE EXISTS"                \
      "  (SELECT 1 FROM outbox n WHERE n.session_id = o.session_id"           \
      "   AND n.chat = o.chat AND n.message_id <> o.message_id)")             \
    /* Try again later. $1 message, $2 owner, $3 attempts, $4 milliseconds,   \
     * $5 code, $6 text, $7 it may have been sent, $8 it left and is only     \
     * asked for from now on */                                               \
    X(OUTBOX_RETRY,                                                           \
      "WITH o AS (UPDATE outbox SET lease_owner = NULL, lease_until = NULL,"  \
      "  maybe_sent = maybe_sent OR $7::boolean,"                             \
      "  asking = asking OR $8::boolean,"                                     \
      "  next_attempt_at = now() + $4::integer * interval '1 ms'"             \
      "  WHERE message_id = $1 AND lease_owner = $2 AND attempts = $3"        \
      "  RETURNING message_id, session_id, chat, attempts, asking),"          \
      " m AS (UPDATE messages m SET attempts = o.attempts, error_code = $5,"  \
      "  error_message = $6,"                                                 \
      "  status = CASE WHEN o.asking THEN 'unknown' ELSE m.status END,"       \
      "  unknown_at = CASE WHEN o.asking"                                     \
      "   THEN coalesce(m.unknown_at, now()) END"                             \
      "  FROM o WHERE m.id = o.message_id"                                    \
      "  AND m.status IN ('pending', 'unknown'))"                             \
      " SELECT pg_notify('wa_outbox', '') FROM o WHERE $8::boolean AND EXISTS"\
      "  (SELECT 1 FROM outbox n WHERE n.session_id = o.session_id"           \
      "   AND n.chat = o.chat AND n.message_id <> o.message_id)")             \
    /* A session came back: its messages are due now. $1 session */           \
    X(OUTBOX_DUE_NOW,                                                         \
      "WITH o AS (UPDATE outbox SET next_attempt_at = now()"                  \
      "  WHERE session_id = $1 AND next_attempt_at > now() RETURNING 1)"      \
      " SELECT pg_notify('wa_outbox', '') FROM (SELECT 1 FROM o LIMIT 1) x")  \
    /* What was said of messages, of none twice. Only ever forward; what a    \
     * receipt proves was sent leaves the outbox. Arrays of one length:       \
     * $1 sessions, $2 WhatsApp ids, $3 statuses, $4 at, $5 error codes or    \
     * NULL; $6 its events are numbered at once, as whoever does nothing after\
     * it may. The limit as in OUTBOX_SENT_MANY -> how many moved */          \
    X(MESSAGE_RECEIPTS,                                                       \
      "WITH i AS (SELECT m.id, t.status, t.at, t.code, CASE WHEN $6::boolean" \
      "  THEN set_config('whatsapp.alone', 'on', true) END"                   \
      "  FROM (SELECT * FROM unnest((SELECT $1::uuid[]), (SELECT $2::text[]),"\
      "   (SELECT $3::text[]), (SELECT $4::timestamptz[]),"                   \
      "   (SELECT $5::text[])) AS t (session_id, whatsapp_id, status, at, code)"\
      "   LIMIT (SELECT 1000)) t"                                             \
      "  JOIN messages m ON m.session_id = t.session_id"                      \
      "  AND m.whatsapp_id = t.whatsapp_id AND m.direction = 'out'"           \
      "  AND message_rank(m.status) < message_rank(t.status)),"               \
      " o AS (DELETE FROM outbox o USING i WHERE o.message_id = i.id"         \
      "  RETURNING o.message_id, o.session_id, o.chat, o.attempts),"          \
      " m AS (UPDATE messages m SET status = i.status,"                       \
      "  attempts = greatest(m.attempts, o.attempts),"                        \
      "  sent_at = CASE WHEN i.status = 'failed' THEN m.sent_at"              \
      "   ELSE coalesce(m.sent_at, greatest(i.at, m.created_at)) END,"        \
      "  delivered_at = CASE WHEN i.status IN ('delivered', 'read', 'played')"\
      "   THEN coalesce(m.delivered_at,"                                      \
      "    greatest(i.at, m.sent_at, m.created_at))"                          \
      "   ELSE m.delivered_at END,"                                           \
      "  read_at = CASE WHEN i.status IN ('read', 'played')"                  \
      "   THEN coalesce(m.read_at, greatest(i.at, m.delivered_at,"            \
      "    m.sent_at, m.created_at)) ELSE m.read_at END,"                     \
      "  played_at = CASE WHEN i.status = 'played'"                           \
      "   THEN coalesce(m.played_at, greatest(i.at, m.read_at,"               \
      "    m.delivered_at, m.sent_at, m.created_at)) ELSE m.played_at END,"   \
      "  error_code = CASE WHEN i.status = 'failed'"                          \
      "   THEN coalesce(i.code, 'rejected') END,"                             \
      "  error_message = CASE WHEN i.status = 'failed'"                       \
      "   THEN 'WhatsApp refused the message' END"                            \
      "  FROM i LEFT JOIN o ON o.message_id = i.id WHERE m.id = i.id"         \
      "  AND message_rank(m.status) < message_rank(i.status) RETURNING m.id)" \
      " SELECT (SELECT count(*) FROM m), (SELECT count(pg_notify('wa_outbox',"\
      "  '')) FROM (SELECT 1 FROM o WHERE EXISTS (SELECT 1 FROM outbox n"     \
      "   WHERE n.session_id = o.session_id AND n.chat = o.chat"              \
      "   AND n.message_id <> o.message_id) LIMIT 1) x)")                     \
    /* An inbound message. $1 id, $2 session, $3 type, $4 sender, $5 chat,    \
     * $6 content, $7 WhatsApp id, $8 sent at, $9 WhatsApp id of what it      \
     * answers; a repeat changes nothing -> a row when it is new: whether     \
     * edits or deletions of it came before it */                             \
    X(MESSAGE_INBOUND,                                                        \
      "INSERT INTO messages AS m (id, user_id, session_id, direction, type,"  \
      " status, sender, chat, content, whatsapp_id, sent_at, quoted_id)"      \
      " SELECT $1, s.user_id, s.id, 'in', $3, 'received', $4, $5, $6, $7,"    \
      " $8::timestamptz, $9 FROM sessions s WHERE s.id = $2"                  \
      " ON CONFLICT DO NOTHING RETURNING EXISTS"                              \
      " (SELECT FROM message_changes c WHERE c.session_id = m.session_id"     \
      "  AND c.target_id = m.whatsapp_id)")
// clang-format on

#endif
