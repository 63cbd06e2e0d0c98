/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_sql_media.h @brief Statements about files. */
#ifndef WA_SQL_MEDIA_H
#define WA_SQL_MEDIA_H

// clang-format off
/* The columns of a wa_media. */
#define WA_SQL_MEDIA_COLUMNS                                                  \
    "d.id, d.source, d.state, d.file, d.mime_type, d.size,"                   \
    " encode(d.sha256, 'hex'), d.file_name, d.error_message, "                \
    WA_SQL_TIME("d.created_at") ", " WA_SQL_TIME("d.last_used_at") ","        \
    " d.session_id, d.chat, d.whatsapp_id, d.user_id, d.url, d.attempts"

/* What a message tells of its file, as JSON text; m is the message. */
#define WA_SQL_MEDIA_OF_MESSAGE                                               \
    "(SELECT json_build_object('id', d.id, 'mime_type', d.mime_type,"         \
    " 'size', d.size, 'sha256', encode(d.sha256, 'hex'), 'file_name',"        \
    " d.file_name, 'state', d.state, 'url', CASE WHEN d.state IN"             \
    " ('stored', 'on_demand') THEN '/api/media/' || d.id END)"                \
    " FROM media d WHERE d.id = m.media_id)"

#define WA_SQL_MEDIA(X)                                                       \
    /* A place for a content of a user: the one it has, or this.              \
     * $1 name, $2 user, $3 SHA-256 as hex, $4 size -> name, and when */      \
    X(MEDIA_FILE_CLAIM,                                                       \
      "INSERT INTO media_files (name, user_id, sha256, size)"                 \
      " VALUES ($1, $2, decode($3, 'hex'), $4)"                               \
      " ON CONFLICT (user_id, sha256) WHERE NOT dropped"                      \
      " DO UPDATE SET touched_at = now() RETURNING name, touched_at::text")   \
    /* Locked, if nobody has asked for a place for its content since. $1 name,\
     * $2 the time that MEDIA_FILE_CLAIM told -> name */                      \
    X(MEDIA_CLAIM_LOCK,                                                       \
      "SELECT name FROM media_files WHERE name = $1"                          \
      " AND touched_at = $2::timestamptz AND NOT dropped FOR UPDATE")         \
    /* The file is in its place. $1 id, $2 user, $3 source, $4 file,          \
     * $5 media type, $6 file name -> its columns; no row when the file was   \
     * dropped meanwhile */                                                   \
    X(MEDIA_INSERT,                                                           \
      "WITH f AS (SELECT name, size, sha256 FROM media_files"                 \
      "  WHERE name = $4 AND NOT dropped FOR SHARE)"                          \
      " INSERT INTO media AS d (id, user_id, source, state, file, mime_type," \
      "  size, sha256, file_name) SELECT $1, $2, $3, 'stored', f.name, $5,"   \
      "  f.size, f.sha256, $6 FROM f RETURNING " WA_SQL_MEDIA_COLUMNS)        \
    /* $1 user, $2 id */                                                      \
    X(MEDIA_BY_ID,                                                            \
      "SELECT " WA_SQL_MEDIA_COLUMNS " FROM media d"                          \
      " WHERE d.user_id = $1 AND d.id = $2")                                  \
    /* Those of many. $1 user, $2 array of ids */                             \
    X(MEDIA_BY_IDS,                                                           \
      "SELECT " WA_SQL_MEDIA_COLUMNS " FROM media d"                          \
      " WHERE d.user_id = $1 AND d.id = ANY ($2::uuid[])")                    \
    /* For the bridge. $1 id */                                               \
    X(MEDIA_FOR_BRIDGE,                                                       \
      "SELECT " WA_SQL_MEDIA_COLUMNS " FROM media d"                          \
      " JOIN users u ON u.id = d.user_id WHERE d.id = $1 AND u.is_active")    \
    /* Of a user, newest first. $1 user, $2 time and $3 id of the last row    \
     * seen or NULL, $4 rows */                                               \
    X(MEDIA_PAGE,                                                             \
      "SELECT " WA_SQL_MEDIA_COLUMNS " FROM media d WHERE d.user_id = $1"     \
      " AND ($2::timestamptz IS NULL"                                         \
      "  OR (d.created_at, d.id) < ($2::timestamptz, $3::uuid))"              \
      " ORDER BY d.created_at DESC, d.id DESC LIMIT $4::integer")             \
    /* It was used: it ages from now, by the hour. $1 id */                   \
    X(MEDIA_TOUCH,                                                            \
      "UPDATE media SET last_used_at = now() WHERE id = $1"                   \
      " AND last_used_at < now() - interval '1 hour'")                        \
    /* $1 user, $2 id -> its file, locked against others that drop or use it */\
    X(MEDIA_LOCK_FILE,                                                        \
      "SELECT f.name FROM media_files f JOIN media d ON d.file = f.name"      \
      " WHERE d.user_id = $1 AND d.id = $2 FOR UPDATE OF f")                  \
    /* Is a message that waits to be sent in need of it? $1 id */             \
    X(MEDIA_IN_USE,                                                           \
      "SELECT 1 FROM outbox o JOIN messages m ON m.id = o.message_id"         \
      " WHERE m.media_id = $1::uuid UNION ALL"                                \
      " SELECT 1 FROM messages WHERE status = 'scheduled'"                    \
      " AND media_id = $1::uuid LIMIT 1")                                     \
    /* To be fetched. $1 id, $2 user, $3 URL, $4 file name or NULL */         \
    X(MEDIA_INSERT_URL,                                                       \
      "INSERT INTO media AS d (id, user_id, source, state, url, file_name)"   \
      " VALUES ($1, $2, 'url', 'fetching', $3, $4)"                           \
      " RETURNING " WA_SQL_MEDIA_COLUMNS)                                     \
    /* $1 user, $2 id */                                                      \
    X(MEDIA_DELETE, "DELETE FROM media WHERE user_id = $1 AND id = $2")       \
    /* A file that is locked, if nothing else needs it. $1 name -> name */    \
    X(MEDIA_FILE_DROP,                                                        \
      "UPDATE media_files SET dropped = true WHERE name = $1"                 \
      " AND NOT EXISTS (SELECT 1 FROM media WHERE file = $1) RETURNING name") \
    /* It is gone from the disk. $1 name */                                   \
    X(MEDIA_FILE_GONE,                                                        \
      "DELETE FROM media_files WHERE name = $1 AND dropped")                  \
    /* Up to $1 files that are to be fetched, for $2 seconds -> its columns */\
    X(MEDIA_FETCH_CLAIM,                                                      \
      "UPDATE media AS d SET attempts = attempts + 1,"                        \
      " lease_until = now() + $2::integer * interval '1 s' WHERE id IN"       \
      " (SELECT x.id FROM media x JOIN users u ON u.id = x.user_id"           \
      "  WHERE x.state = 'fetching' AND u.is_active"                          \
      "  AND x.next_attempt_at <= now()"                                      \
      "  AND (x.lease_until IS NULL OR x.lease_until < now())"                \
      "  ORDER BY x.next_attempt_at LIMIT $1::integer"                        \
      "  FOR UPDATE OF x SKIP LOCKED) RETURNING " WA_SQL_MEDIA_COLUMNS)       \
    /* It is there. $1 id, $2 file, $3 media type, $4 file name               \
     * -> its columns; no row when it or its file went meanwhile. Messages    \
     * that wait for it can go. */                                            \
    X(MEDIA_FILL,                                                             \
      "WITH f AS (SELECT name, size, sha256 FROM media_files"                 \
      "  WHERE name = $2 AND NOT dropped FOR SHARE),"                         \
      " d AS (UPDATE media SET state = 'stored', file = f.name,"              \
      "  mime_type = $3, size = f.size, sha256 = f.sha256, file_name = $4,"   \
      "  url = NULL, lease_until = NULL, error_message = NULL,"               \
      "  last_used_at = now() FROM f WHERE media.id = $1"                     \
      "  AND media.state IN ('fetching', 'on_demand') RETURNING media.*)"     \
      " SELECT " WA_SQL_MEDIA_COLUMNS ", pg_notify('wa_outbox', '') FROM d")  \
    /* What the message that waits for it is to be sent as. $1 id -> type */  \
    X(MEDIA_WANTED_TYPE,                                                      \
      "SELECT m.type FROM outbox o JOIN messages m ON m.id = o.message_id"    \
      " WHERE m.media_id = $1::uuid UNION ALL"                                \
      " SELECT type FROM messages WHERE status = 'scheduled'"                 \
      " AND media_id = $1::uuid LIMIT 1")                                     \
    /* Not now. $1 id, $2 seconds, $3 text */                                 \
    X(MEDIA_FETCH_LATER,                                                      \
      "UPDATE media SET lease_until = NULL, error_message = $3,"              \
      " next_attempt_at = now() + $2::integer * interval '1 s'"               \
      " WHERE id = $1 AND state = 'fetching'")                                \
    /* Not by itself any more; whoever asks for it tries again. $1 id,        \
     * $2 code (not stored), $3 text */                                       \
    X(MEDIA_ON_DEMAND,                                                        \
      "UPDATE media SET state = 'on_demand', lease_until = NULL,"             \
      " error_message = $3 WHERE id = $1 AND state = 'fetching'"              \
      " AND $2::text IS NOT NULL")                                            \
    /* Never, nor the message that waits for it. $1 id, $2 code, $3 text */   \
    X(MEDIA_FETCH_FAILED,                                                     \
      "WITH d AS (UPDATE media SET state = 'failed', url = NULL,"             \
      "  lease_until = NULL, error_message = $3 WHERE id = $1"                \
      "  AND state IN ('fetching', 'on_demand') RETURNING id),"               \
      " o AS (DELETE FROM outbox WHERE message_id IN"                         \
      "  (SELECT x.message_id FROM outbox x JOIN messages m"                  \
      "   ON m.id = x.message_id JOIN d ON m.media_id = d.id)"                \
      "  RETURNING message_id),"                                              \
      " s AS (UPDATE messages m SET status = 'failed', error_code = $2,"      \
      "  error_message = $3 WHERE m.id IN (SELECT message_id FROM o"          \
      "   UNION ALL SELECT w.id FROM messages w JOIN d ON w.media_id = d.id"  \
      "   WHERE w.status = 'scheduled')"                                      \
      "  AND message_rank(m.status) < message_rank('failed'))"                \
      " SELECT pg_notify('wa_outbox', '') FROM o")                            \
    /* A message that came in has a file. $1 id, $2 session, $3 chat,         \
     * $4 sender, $5 WhatsApp id, $6 state, $7 media type, $8 size,           \
     * $9 file name; a repeat changes nothing */                              \
    X(MEDIA_INBOUND,                                                          \
      "WITH m AS (UPDATE messages SET media_id = $1 WHERE session_id = $2"    \
      "  AND chat = $3 AND sender = $4 AND whatsapp_id = $5"                  \
      "  AND direction = 'in' AND media_id IS NULL RETURNING user_id)"        \
      " INSERT INTO media (id, user_id, source, state, mime_type, size,"      \
      " file_name, session_id, chat, whatsapp_id)"                            \
      " SELECT $1::uuid, m.user_id, 'inbound', $6, $7, $8, $9, $2::uuid, $3," \
      " $5 FROM m")                                                           \
    /* Files to be removed from the disk. $1 how many -> names */             \
    X(MEDIA_FILES_DROPPED,                                                    \
      "SELECT name FROM media_files WHERE dropped ORDER BY touched_at"        \
      " LIMIT $1::integer")                                                   \
    /* Nobody has it, and no upload that is under way can want it: what       \
     * crashes and ageing left. $1 how many */                                \
    X(MEDIA_FILES_ABANDONED,                                                  \
      "UPDATE media_files SET dropped = true WHERE name IN"                   \
      " (SELECT f.name FROM media_files f WHERE NOT f.dropped"                \
      "  AND f.touched_at < now() - interval '1 hour'"                        \
      "  AND NOT EXISTS (SELECT 1 FROM media d WHERE d.file = f.name)"        \
      "  ORDER BY f.touched_at LIMIT $1::integer FOR UPDATE SKIP LOCKED)"     \
      " AND touched_at < now() - interval '1 hour'")                          \
    /* What was not used for so long has no file any more, unless a message is\
     * still to be sent with it. $1 days, $2 rows */                          \
    X(MEDIA_AGE,                                                              \
      "UPDATE media SET state = 'gone', file = NULL WHERE id IN"              \
      " (SELECT d.id FROM media d WHERE d.state <> 'gone'"                    \
      "  AND d.last_used_at < now() - $1::integer * interval '1 day'"         \
      "  AND d.id NOT IN (SELECT m.media_id FROM outbox o"                    \
      "   JOIN messages m ON m.id = o.message_id"                             \
      "   WHERE m.media_id IS NOT NULL UNION ALL SELECT media_id"             \
      "   FROM messages WHERE status = 'scheduled'"                           \
      "   AND media_id IS NOT NULL)"                                          \
      "  ORDER BY d.last_used_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)")  \
    /* And after as long again it is forgotten. $1 days, $2 rows */           \
    X(MEDIA_FORGET,                                                           \
      "DELETE FROM media WHERE id IN (SELECT d.id FROM media d"               \
      "  WHERE d.state = 'gone' AND d.last_used_at"                           \
      "   < now() - 2 * $1::integer * interval '1 day'"                       \
      "  ORDER BY d.last_used_at LIMIT $2::integer FOR UPDATE SKIP LOCKED)")
// clang-format on

#endif
