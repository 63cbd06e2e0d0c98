/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_media.h
 * @brief Files of a user: kept, looked up, opened, let go.
 *
 * The database knows a file before it is in its place and until it is gone.
 * The same content of a user is on disk once; that of another is another file,
 * so that nobody learns what others have.
 */
#ifndef WA_MEDIA_H
#define WA_MEDIA_H

#include <apr_hash.h>

#include "../base/wa_file_type.h"
#include "../base/wa_http_msg.h"
#include "wa_app.h"
#include "wa_media_store.h"

typedef struct wa_media {
    const char *id;
    const char *source; /* upload, url, inbound */
    const char *state;  /* stored, fetching, on_demand, failed, gone */
    const char *file;   /* name in the store, or NULL */
    const char *mime_type;
    apr_off_t size;     /* 0: not known */
    const char *sha256; /* hex, or NULL */
    const char *file_name;
    const char *error_message;
    apr_time_t created_at, last_used_at;
    const char *session_id, *chat, *whatsapp_id; /* inbound */
    const char *user_id;
    const char *url;
    int attempts;
} wa_media;

/** What a message tells of its file: {id, mime_type, size, sha256, file_name,
 * state, url}; the same as WA_SQL_MEDIA_OF_MESSAGE. */
json_t *wa_media_summary(apr_pool_t *p, const wa_media *m);

/** Where its bytes can be had, or NULL. */
const char *wa_media_url(apr_pool_t *p, const wa_media *m);

/** Bytes a file of a kind may have; of any kind with WA_KIND_COUNT. */
apr_off_t wa_media_max(const wa_settings *s, wa_file_kind kind);

/** What a client said of a file. */
typedef struct wa_media_said {
    const char *type; /* Content-Type, or NULL */
    const char *name; /* file name, or NULL */
} wa_media_said;

/** A file that was uploaded and is fit to be kept. */
typedef struct wa_media_new {
    wa_spool *spool; /* finished; is used up by wa_media_keep */
    const wa_file_type *type;
    const char *name; /* as the client has it, or NULL */
    /* Makes the answer to a request that is about the file alone, which is
     * stored with its Idempotency-Key; NULL: it is about more */
    void (*answer)(wa_req *req, wa_resp *resp, const wa_media *media);
} wa_media_new;

/** Keep it. What it is known by, and the request's Idempotency-Key with the
 * answer, are stored in one transaction. What comes to nothing leaves no file.
 * @param media NULL when the key turned out to be known, or may be by now:
 *        nothing was stored
 * @return WA_OK; WA_E_STORAGE, … and database errors: then nothing is kept */
wa_code wa_media_keep(wa_app *app, wa_req *req, const wa_media_new *n,
                      wa_media **media, wa_result *r);

/** What the file is, when it is one that is taken and not too large.
 * @return what wa_media_type_find says; WA_E_MEDIA_TOO_LARGE */
wa_code wa_media_type_checked(wa_app *app, apr_pool_t *p, const wa_spool *spool,
                              const wa_media_said *said,
                              const wa_file_type **type, wa_result *r);

/** The same of a file that came in: whatever it is, it is kept. What is none
 * of the table is just bytes.
 * @return WA_OK, WA_E_MEDIA_EMPTY, WA_E_STORAGE */
wa_code wa_media_type_of_inbound(wa_app *app, apr_pool_t *p,
                                 const wa_spool *spool,
                                 const wa_media_said *said,
                                 const wa_file_type **type, wa_result *r);

/** A file that was to be fetched is there. The spool is used up.
 * @return WA_OK with filled; WA_E_MEDIA_GONE when nobody wants it any more */
wa_code wa_media_fill(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_media *media, wa_spool *spool,
                      const wa_file_type *type, wa_media **filled,
                      wa_result *r);

/** A copy that lives in p. */
void wa_media_copy(apr_pool_t *p, const wa_media *from, wa_media *to);

/** @return WA_OK or WA_E_NOT_FOUND (also for another user's), … */
wa_code wa_media_get(wa_app *app, apr_pool_t *p, const char *request_id,
                     const char *user_id, const char *id, wa_media **media,
                     wa_result *r);

/** Those of many that the user has.
 * @param ids texts; what is no UUID is passed over
 * @param found the wa_media by their ids, in small letters
 * @return WA_OK, … */
wa_code wa_media_get_many(wa_app *app, const wa_req *req,
                          const apr_array_header_t *ids, apr_hash_t **found,
                          wa_result *r);

/** What a file can be sent as, ended by NULL. */
extern const char *const wa_media_send_types[];

/** Is it there, to be sent? @param media NULL: there is none
 * @return WA_OK, WA_E_MEDIA_NOT_FOUND, WA_E_MEDIA_NOT_READY */
wa_code wa_media_check_there(const wa_media *media, const char *id,
                             wa_result *r);

/** What a file is sent as: anything as a document, a voice note as Ogg.
 * @param wanted by the client, or NULL
 * @param caption or NULL
 * @return WA_OK; WA_E_INVALID with /type or /caption */
wa_code wa_media_send_type(const wa_media *media, const char *wanted,
                           const char *caption, const char **type,
                           wa_result *r);

/** A file that whatsappd is to fetch from a URL.
 * @param file_name wanted, or NULL
 * @return WA_OK; WA_E_INVALID when it is no URL that may be called */
wa_code wa_media_order_url(wa_app *app, apr_pool_t *p, const char *request_id,
                           const char *user_id, const char *url,
                           const char *file_name, wa_media **media,
                           wa_result *r);

/** For the bridge, which may have any that it was told to send.
 * @return WA_OK or WA_E_NOT_FOUND */
wa_code wa_media_get_any(wa_app *app, apr_pool_t *p, const char *request_id,
                         const char *id, wa_media **media, wa_result *r);

/** Open its file, and note that it was used.
 * @return WA_OK, WA_E_MEDIA_GONE, WA_E_MEDIA_NOT_READY, WA_E_STORAGE */
wa_code wa_media_open(wa_app *app, apr_pool_t *p, const char *request_id,
                      const wa_media *media, apr_file_t **file, wa_result *r);

/** A page of a user's files, newest first.
 * @param after_at, after_id of the last one seen; 0 from the newest
 * @param found of wa_media */
wa_code wa_media_page(wa_app *app, apr_pool_t *p, const char *request_id,
                      const char *user_id, apr_time_t after_at,
                      const char *after_id, int limit,
                      apr_array_header_t **found, wa_result *r);

/** Let it go. @return WA_OK, WA_E_NOT_FOUND, WA_E_MEDIA_IN_USE, … */
wa_code wa_media_delete(wa_app *app, apr_pool_t *p, const char *request_id,
                        const char *user_id, const char *id, wa_result *r);

/** Remove from disk up to max files that nobody has any more.
 * @return how many, or -1 when that failed */
int wa_media_remove_dropped(wa_app *app, apr_pool_t *p, int max);

/** A wa_media of a row of the statements that return its columns. */
wa_media *wa_media_from_row(apr_pool_t *p, const wa_db_rows *rows, int row);

#endif
