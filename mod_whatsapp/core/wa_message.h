/* SPDX-License-Identifier: Apache-2.0 */
/** @file wa_message.h @brief A message, and the order to send one. */
#ifndef WA_MESSAGE_H
#define WA_MESSAGE_H

#include <apr_time.h>

/** Longest text, in Unicode characters. */
#define WA_TEXT_MAX 65536
/** Longest caption of a file, in Unicode characters. */
#define WA_CAPTION_MAX 4096

typedef struct wa_message {
    const char *id, *session_id;
    const char *direction; /* out, in */
    const char *type, *status;
    const char *recipient, *sender, *chat, *content, *whatsapp_id;
    apr_time_t created_at, sent_at, delivered_at, read_at;
    int attempts;
    const char *error_code, *error_message;
    const char *client_ref;  /* the client's own, or NULL */
    apr_time_t scheduled_at; /* 0: at once */
    const char *media_id;    /* or NULL */
    const char *media;       /* what is told of it, as JSON text, or NULL */
    const char *quoted_id;   /* WhatsApp id of what it answers, or NULL */
    const char *target_id;   /* of what a reaction, edit or deletion means */
    apr_time_t played_at, edited_at, deleted_at, failed_at;
    apr_time_t cancelled_at;
    apr_time_t unknown_at; /* since when its outcome is not known; or 0 */
} wa_message;

/** What a client asks to be sent. */
typedef struct wa_message_order {
    const char *session;   /* name */
    const char *recipient; /* as the client wrote it */
    const char *chat;      /* of wa_chats_known, then the recipient; or NULL */
    const char *type;      /* text, image, document, … */
    const char *text;      /* or the caption, or NULL */
    const struct wa_media *media; /* of the user's, or NULL */
    const char *client_ref;
    apr_time_t scheduled_at;  /* 0: at once */
    int async;                /* don't wait for WhatsApp */
    apr_interval_time_t wait; /* else wait at most this long */
    int sent;                 /* set when a new message came of it */
} wa_message_order;

#endif
