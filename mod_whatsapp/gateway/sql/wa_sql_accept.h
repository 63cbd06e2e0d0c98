/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_accept.h @brief Statements by which messages are accepted. */
#ifndef WA_SQL_ACCEPT_H
#define WA_SQL_ACCEPT_H

#include "wa_sql_idempotency.h"

// clang-format off
/* The rules of a pace, told to people. */
#define WA_SQL_PACED_TEXT                                                     \
    "'The session keeps a pace'"
/* New chats of today by a row g of session_paces. */
#define WA_SQL_PACE_USED                                                      \
    "CASE WHEN g.day = usage_day(now()) THEN g.new_chats ELSE 0 END"

#define WA_SQL_ACCEPT(X)                                                      \
    /* Accept a message: it, its outbox row and its Idempotency-Key in one    \
     * transaction. $1 id, $2 user, $3 session's name, $4 type, $5 recipient, \
     * $6 chat, $7 content, $8 WhatsApp id, $9 request id, $10 lease owner or \
     * NULL (no inline attempt wanted), $11 seconds of the lease, $12 seconds \
     * to live, $13 client's reference, $14 time to send at or NULL, $15      \
     * media or NULL, $16 Idempotency-Key or NULL, $17 its fingerprint as hex,\
     * $18 seconds until its request counts as dead.                          \
     * $19 milliseconds of the pause after a send or NULL (no pace), $20 most \
     * new chats a day or NULL, $21 trace or NULL.                            \
     * No row when no phone is linked, or the key is known. The lease is only \
     * given when nothing earlier to the same chat waits and the session's    \
     * pace allows; without it the answer is known already: 202. What is      \
     * scheduled waits outside the outbox.                                    \
     * -> session id, lease given, created_at, held back by the pace */       \
    X(MESSAGE_ACCEPT,                                                         \
      "WITH s AS (SELECT id, user_id FROM sessions WHERE user_id = $2"        \
      "  AND name = $3 AND linked AND wanted),"                               \
      " f AS (SELECT $14::timestamptz IS NULL AND $10::text IS NOT NULL"      \
      "  AND NOT EXISTS (SELECT 1 FROM outbox e, s WHERE e.session_id = s.id" \
      "   AND e.chat = $6 AND NOT e.asking) AS first),"                       \
      " g AS (UPDATE session_paces g SET next_at = now()"                     \
      "  + $19::integer * (1 + random() / 2) * interval '1 ms',"              \
      "  day = usage_day(now()), new_chats = " WA_SQL_PACE_USED               \
      "  + chat_is_new(s.id, s.user_id, $6)::integer"                         \
      "  FROM s, f WHERE $19::integer IS NOT NULL"                            \
      "  AND f.first AND g.session_id = s.id AND g.next_at <= now()"          \
      "  AND ($20::integer IS NULL OR " WA_SQL_PACE_USED " < $20::integer"    \
      "   OR NOT chat_is_new(s.id, s.user_id, $6)) RETURNING 1),"             \
      " l AS (SELECT CASE WHEN f.first AND ($19::integer IS NULL"             \
      "  OR EXISTS (SELECT 1 FROM g)) THEN $10::text END AS owner,"           \
      "  f.first AND $19::integer IS NOT NULL"                                \
      "  AND NOT EXISTS (SELECT 1 FROM g) AS paced FROM f),"                  \
      " i AS (INSERT INTO idempotency_keys AS k (user_id, key, fingerprint,"  \
      "  message_id, status, location, lease_until)"                          \
      "  SELECT s.user_id, $16::text, decode($17::text, 'hex'), $1::uuid,"    \
      "  CASE WHEN l.owner IS NULL THEN 202 END,"                             \
      "  '/api/messages/' || $1, now() + $18::integer * interval '1 s'"       \
      "  FROM s, l WHERE $16::text IS NOT NULL"                               \
      "  ON CONFLICT (user_id, key) DO UPDATE SET"                            \
      "  fingerprint = excluded.fingerprint, answer = NULL,"                  \
      "  message_id = excluded.message_id, status = excluded.status,"         \
      "  location = excluded.location, lease_until = excluded.lease_until,"   \
      "  created_at = now()"                                                  \
      "  WHERE k.created_at < now() - " WA_SQL_IDEM_LIFE " RETURNING 1),"     \
      " m AS (INSERT INTO messages (id, user_id, session_id, direction,"      \
      "  type, status, recipient, chat, content, whatsapp_id, request_id,"    \
      "  trace, attempts, client_ref, scheduled_at, media_id, error_code,"    \
      "  error_message)"                                                      \
      "  SELECT $1::uuid, s.user_id, s.id, 'out', $4, CASE WHEN"              \
      "  $14::timestamptz IS NULL THEN 'pending' ELSE 'scheduled' END,"       \
      "  $5, $6, $7, $8, $9, $21, 0, $13, $14::timestamptz, $15::uuid,"       \
      "  CASE WHEN l.paced THEN 'paced' END,"                                 \
      "  CASE WHEN l.paced THEN " WA_SQL_PACED_TEXT " END"                    \
      "  FROM s, l WHERE $16::text IS NULL OR EXISTS (SELECT 1 FROM i)"       \
      "  RETURNING id, session_id, created_at),"                              \
      " o AS (INSERT INTO outbox (message_id, session_id, chat, lease_owner," \
      "  lease_until, attempts, expires_at)"                                  \
      "  SELECT m.id, m.session_id, $6, l.owner,"                             \
      "  CASE WHEN l.owner IS NOT NULL"                                       \
      "   THEN now() + $11::integer * interval '1 s' END,"                    \
      "  CASE WHEN l.owner IS NOT NULL THEN 1 ELSE 0 END,"                    \
      "  now() + $12::integer * interval '1 s'"                               \
      "  FROM m, l WHERE $14::timestamptz IS NULL RETURNING lease_owner)"     \
      " SELECT m.session_id, l.owner IS NOT NULL, "                           \
      WA_SQL_TIME("m.created_at") ", l.paced FROM m, l")                      \
    /* MESSAGE_ACCEPT for many, of many users, that came at one time: each is \
     * stored or not by itself. $1 to $16 arrays of one length, $1 ids,       \
     * $2 users, $3 sessions' names, $4 types, $5 recipients, $6 chats,       \
     * $7 contents, $8 WhatsApp ids, $9 request ids, $10 is an inline attempt \
     * wanted, $11 clients' references, $12 times to send at, $13 media,      \
     * $14 Idempotency-Keys, $15 their fingerprints as hex, $16 traces;       \
     * $17 lease owner, $18 seconds of the lease, $19 seconds to live,        \
     * $20 seconds until a request counts as dead, $21 milliseconds of the    \
     * pause or NULL, $22 most new chats a day or NULL. No key may be in it   \
     * twice; with a pace, no session. A session whose turn is being taken by \
     * somebody else at this moment is one whose turn it is not: waiting for  \
     * him, two of these that have two sessions in different order would wait \
     * for each other. Keys are stored in order for the same reason.          \
     * -> id, then as MESSAGE_ACCEPT */                                       \
    X(MESSAGES_GATHERED,                                                      \
      "WITH i AS (SELECT * FROM unnest((SELECT $1::uuid[]), $2::uuid[],"      \
      "  $3::text[],"                                                         \
      "  $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"         \
      "  $9::text[], $10::boolean[], $11::text[], $12::timestamptz[],"        \
      "  $13::uuid[], $14::text[], $15::text[], $16::text[])"                 \
      "  WITH ORDINALITY AS t (id,"                                           \
      "  users_id, session, type, recipient, chat, content, whatsapp_id,"     \
      "  request_id, wanted, client_ref, scheduled_at, media_id, key,"        \
      "  fingerprint, trace, n)),"                                            \
      " f AS (SELECT i.*, s.id AS session_id, i.scheduled_at IS NULL"         \
      "  AND i.wanted AND NOT EXISTS (SELECT 1 FROM outbox e"                 \
      "   WHERE e.session_id = s.id AND e.chat = i.chat AND NOT e.asking)"    \
      "  AND row_number() OVER (PARTITION BY s.id, i.chat,"                   \
      "   i.scheduled_at IS NULL ORDER BY i.n) = 1 AS first"                  \
      "  FROM i JOIN sessions s ON s.user_id = i.users_id"                    \
      "  AND s.name = i.session AND s.linked AND s.wanted),"                  \
      " t AS (SELECT f.n, g.session_id, " WA_SQL_PACE_USED                    \
      "  + chat_is_new(f.session_id, f.users_id, f.chat)::integer AS used"    \
      "  FROM f JOIN session_paces g ON g.session_id = f.session_id"          \
      "  WHERE $21::integer IS NOT NULL AND f.first AND g.next_at <= now()"   \
      "  AND ($22::integer IS NULL OR " WA_SQL_PACE_USED " < $22::integer"    \
      "   OR NOT chat_is_new(f.session_id, f.users_id, f.chat))"              \
      "  FOR UPDATE OF g SKIP LOCKED),"                                       \
      " g AS (UPDATE session_paces p SET next_at = now()"                     \
      "  + $21::integer * (1 + random() / 2) * interval '1 ms',"              \
      "  day = usage_day(now()), new_chats = t.used"                          \
      "  FROM t WHERE p.session_id = t.session_id),"                          \
      " l AS (SELECT f.*, CASE WHEN f.first AND ($21::integer IS NULL"        \
      "  OR EXISTS (SELECT 1 FROM t WHERE t.n = f.n)) THEN $17::text END"     \
      "  AS owner, f.first AND $21::integer IS NOT NULL"                      \
      "  AND NOT EXISTS (SELECT 1 FROM t WHERE t.n = f.n) AS paced FROM f),"  \
      " k AS (INSERT INTO idempotency_keys AS k (user_id, key, fingerprint,"  \
      "  message_id, status, location, lease_until)"                          \
      "  SELECT l.users_id, l.key, decode(l.fingerprint, 'hex'), l.id,"       \
      "  CASE WHEN l.owner IS NULL THEN 202 END,"                             \
      "  '/api/messages/' || l.id, now() + $20::integer * interval '1 s'"     \
      "  FROM l WHERE l.key IS NOT NULL ORDER BY l.users_id, l.key"           \
      "  ON CONFLICT (user_id, key) DO UPDATE SET"                            \
      "  fingerprint = excluded.fingerprint, answer = NULL,"                  \
      "  message_id = excluded.message_id, status = excluded.status,"         \
      "  location = excluded.location, lease_until = excluded.lease_until,"   \
      "  created_at = now()"                                                  \
      "  WHERE k.created_at < now() - " WA_SQL_IDEM_LIFE                      \
      "  RETURNING k.message_id),"                                            \
      " m AS (INSERT INTO messages (id, user_id, session_id, direction,"      \
      "  type, status, recipient, chat, content, whatsapp_id, request_id,"    \
      "  trace, attempts, client_ref, scheduled_at, media_id, error_code,"    \
      "  error_message)"                                                      \
      "  SELECT l.id, l.users_id, l.session_id, 'out', l.type, CASE WHEN"     \
      "  l.scheduled_at IS NULL THEN 'pending' ELSE 'scheduled' END,"         \
      "  l.recipient, l.chat, l.content, l.whatsapp_id, l.request_id,"        \
      "  l.trace, 0, l.client_ref, l.scheduled_at, l.media_id,"               \
      "  CASE WHEN l.paced THEN 'paced' END,"                                 \
      "  CASE WHEN l.paced THEN " WA_SQL_PACED_TEXT " END"                    \
      "  FROM l WHERE l.key IS NULL OR l.id IN (SELECT message_id FROM k)"    \
      "  ORDER BY l.n RETURNING id, created_at),"                             \
      " o AS (INSERT INTO outbox (message_id, session_id, chat, lease_owner," \
      "  lease_until, attempts, expires_at)"                                  \
      "  SELECT l.id, l.session_id, l.chat, l.owner,"                         \
      "  CASE WHEN l.owner IS NOT NULL"                                       \
      "   THEN now() + $18::integer * interval '1 s' END,"                    \
      "  CASE WHEN l.owner IS NOT NULL THEN 1 ELSE 0 END,"                    \
      "  now() + $19::integer * interval '1 s'"                               \
      "  FROM l JOIN m ON m.id = l.id WHERE l.scheduled_at IS NULL"           \
      "  ORDER BY l.n RETURNING 1)"                                           \
      " SELECT m.id, l.session_id, l.owner IS NOT NULL, "                     \
      WA_SQL_TIME("m.created_at") ", l.paced FROM l JOIN m ON m.id = l.id")   \
    /* Wakes whatsappd. Apart from what it tells of, for a transaction with a \
     * NOTIFY holds a lock of the whole cluster until its commit is done, so  \
     * that others with one wait for that. Nothing is lost with it, so it need\
     * not be on the disk. */                                                 \
    X(OUTBOX_TELL,                                                            \
      "SELECT pg_notify('wa_outbox', ''),"                                    \
      " set_config('synchronous_commit', 'off', true)")
// clang-format on

#endif
