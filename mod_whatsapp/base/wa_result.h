/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file wa_result.h
 * @brief The one list of error codes, and how an outcome travels.
 *
 * Functions of core and api return a wa_code (0 is success) and leave what a
 * person should read in a wa_result. The code's name is what a client sees in
 * `code` of the problem (RFC 9457); it never changes once published.
 */
#ifndef WA_RESULT_H
#define WA_RESULT_H

#include <apr_pools.h>
#include <apr_tables.h>

// clang-format off
/* X(symbol, HTTP status, code, title) */
#define WA_CODE_LIST(X)                                                       \
    X(WA_E_MALFORMED,        400, "malformed_request",   "The request can't be read")                \
    X(WA_E_MALFORMED_JSON,   400, "malformed_json",      "The body is not valid JSON")               \
    X(WA_E_BAD_PARAMETER,    400, "bad_parameter",       "A query parameter is not acceptable")      \
    X(WA_E_BAD_IDEMPOTENCY,  400, "invalid_idempotency_key", "The Idempotency-Key is not acceptable")  \
    X(WA_E_CONFIRM,          400, "confirmation_required", "The deletion must be confirmed")         \
    X(WA_E_UNAUTHORIZED,     401, "unauthorized",        "Authentication is required")               \
    X(WA_E_BAD_KEY,          401, "invalid_api_key",     "The API key is not valid")                 \
    X(WA_E_BAD_TOKEN,        401, "invalid_token",       "The access token is not valid")            \
    X(WA_E_BAD_LOGIN,        401, "invalid_credentials", "User name or password is wrong")           \
    X(WA_E_BAD_REFRESH,      401, "invalid_refresh_token", "The refresh token is not valid")         \
    X(WA_E_FORBIDDEN,        403, "forbidden",           "This credential may not do that")          \
    X(WA_E_SCOPE,            403, "insufficient_scope",  "The API key's scopes don't allow that")    \
    X(WA_E_ADDRESS,          403, "address_not_allowed", "The API key may not be used from this address") \
    X(WA_E_CSRF,             403, "csrf_failed",         "The request does not come from our own pages") \
    X(WA_E_NOT_FOUND,        404, "not_found",           "There is no such resource")                \
    X(WA_E_QR_NOT_READY,     404, "qr_not_ready",        "There is no QR code at the moment")        \
    X(WA_E_METHOD,           405, "method_not_allowed",  "The resource doesn't have this method")    \
    X(WA_E_NOT_ACCEPTABLE,   406, "not_acceptable",      "No acceptable representation")             \
    X(WA_E_BODY_TIMEOUT,     408, "body_timeout",        "The body did not arrive in time")          \
    X(WA_E_CONFLICT,         409, "conflict",            "The request conflicts with what is there") \
    X(WA_E_USERNAME_TAKEN,   409, "username_taken",      "The user name is taken")                   \
    X(WA_E_EMAIL_TAKEN,      409, "email_taken",         "The e-mail address is taken")              \
    X(WA_E_NOT_LINKED,       409, "session_not_linked",  "No phone is linked to this session")       \
    X(WA_E_ALREADY_LINKED,   409, "session_already_linked", "A phone is linked already")             \
    X(WA_E_SESSION_LIMIT,    409, "session_limit",       "No further session is allowed")            \
    X(WA_E_IN_PROGRESS,      409, "idempotency_in_progress", "The first request with this key is under way") \
    X(WA_E_WEBHOOK_LIMIT,    409, "webhook_limit",       "No further webhook is allowed")            \
    X(WA_E_NOT_CANCELLABLE,  409, "message_not_cancellable", "The message can't be cancelled any more") \
    X(WA_E_LAST_ADMIN,       409, "last_admin",          "The last active admin can't be removed")   \
    X(WA_E_CURSOR_EXPIRED,   410, "cursor_expired",      "The events after this cursor are not kept any more") \
    X(WA_E_MEDIA_IN_USE,     409, "media_in_use",        "A message that is still to be sent needs the file") \
    X(WA_E_MEDIA_NOT_READY,  409, "media_not_ready",     "The file is not there yet")                \
    X(WA_E_MEDIA_GONE,       410, "media_gone",          "The file is not there any more")           \
    X(WA_E_PRECONDITION,     412, "precondition_failed", "The resource has changed meanwhile")       \
    X(WA_E_BODY_TOO_LARGE,   413, "body_too_large",      "The body is larger than allowed")          \
    X(WA_E_MEDIA_TOO_LARGE,  413, "media_too_large",     "The file is larger than its type may be")  \
    X(WA_E_MEDIA_TYPE,       415, "unsupported_media_type", "The body's media type is not supported") \
    X(WA_E_MEDIA_REFUSED,    415, "media_type_refused",  "Files of this type are not taken")         \
    X(WA_E_INVALID,          422, "validation_failed",   "The request has invalid fields")           \
    X(WA_E_KEY_REUSED,       422, "idempotency_key_reused", "The Idempotency-Key belongs to another request") \
    X(WA_E_RECIPIENT,        422, "invalid_recipient",   "The recipient is not a phone number") \
    X(WA_E_NOT_ON_WHATSAPP,  422, "not_on_whatsapp",     "The recipient is not on WhatsApp")         \
    X(WA_E_REJECTED,         422, "rejected",            "WhatsApp refused the message")             \
    X(WA_E_MEDIA_MISMATCH,   422, "media_type_mismatch", "The file is not what it is said to be")    \
    X(WA_E_MEDIA_EMPTY,      422, "media_empty",         "The file has no bytes")                    \
    X(WA_E_MEDIA_NOT_FOUND,  422, "media_not_found",     "There is no such file to send")            \
    X(WA_E_MEDIA_FETCH,      422, "media_fetch_failed",  "The file could not be fetched from its URL") \
    X(WA_E_RATE_LIMITED,     429, "rate_limited",        "Too many requests")                        \
    X(WA_E_QUOTA_MINUTE,     429, "message_quota_minute", "The message quota of this minute is used up") \
    X(WA_E_QUOTA_DAY,        429, "message_quota_day",   "The message quota of this day is used up") \
    X(WA_E_PACED,            429, "paced",               "The session keeps a pace")                 \
    X(WA_E_BUSY_LOGIN,       429, "too_many_logins",     "Too many logins at the moment")            \
    X(WA_E_LOGIN_DELAYED,    429, "login_delayed",       "Too many failed logins")                   \
    X(WA_E_INTERNAL,         500, "internal_error",      "Something went wrong on our side")         \
    X(WA_E_NOT_SUPPORTED,    501, "not_supported",       "The session's engine can't do that")       \
    X(WA_E_DB_UNAVAILABLE,   503, "database_unavailable", "The database can't be reached")           \
    X(WA_E_BRIDGE_UNAVAILABLE, 503, "bridge_unavailable", "The WhatsApp bridge can't be reached")    \
    X(WA_E_BRIDGE_FULL,      503, "bridge_full",         "The WhatsApp bridge takes no further session") \
    X(WA_E_SESSION_UNAVAILABLE, 503, "session_unavailable", "The session is not connected at the moment") \
    X(WA_E_NOT_READY,        503, "not_ready",           "A part of the service is not available")   \
    X(WA_E_STORAGE,          503, "storage_unavailable", "Files can't be stored or read at the moment") \
    X(WA_E_ACK_TIMEOUT,      504, "ack_timeout",         "WhatsApp did not acknowledge in time")     \
    X(WA_E_OUTCOME_UNKNOWN,  504, "outcome_unknown",     "It is not known whether the message was sent") \
    X(WA_E_STORAGE_FULL,     507, "storage_full",        "There is no room for the file")
// clang-format on

#define WA_CODE_ENUM(symbol, status, name, title) symbol,
typedef enum wa_code {
    WA_OK = 0,
    WA_CODE_LIST(WA_CODE_ENUM) WA_CODE_COUNT
} wa_code;
#undef WA_CODE_ENUM

/** HTTP status of a code; 200 for WA_OK. */
int wa_code_status(wa_code code);
/** The stable name that clients see, e.g. "not_found". */
const char *wa_code_name(wa_code code);
/** The short human title. */
const char *wa_code_title(wa_code code);
/** The code of that name, or WA_OK when there is none. */
wa_code wa_code_by_name(const char *name);

/** Most invalid fields told in one answer; the rest is dropped, so that a body
 * full of faults doesn't grow into a larger answer. */
#define WA_MAX_FIELD_ERRORS 32

/** One invalid field of a request. */
typedef struct wa_field_error {
    const char *pointer; /* JSON pointer (RFC 6901) or parameter name */
    const char *code;    /* required, unknown, type, length, range, value… */
    const char *detail;  /* for people */
} wa_field_error;

/** What happened, for people; the caller owns it and its pool. */
typedef struct wa_result {
    apr_pool_t *p;              /* everything below lives here */
    wa_code code;               /* WA_OK until something failed */
    const char *detail;         /* or NULL */
    apr_array_header_t *errors; /* of wa_field_error, or NULL */
    int retry_after;            /* seconds; 0 = no Retry-After */
    const char *allow;          /* Allow header of a 405, or NULL */
} wa_result;

/** Make an empty result in p. */
wa_result *wa_result_make(apr_pool_t *p);

/** Record a failure; fmt may be NULL. @return code, to be returned at once */
wa_code wa_fail(wa_result *r, wa_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/** Record a failure that goes away by itself. @param seconds Retry-After */
wa_code wa_fail_retry(wa_result *r, wa_code code, int seconds, const char *fmt,
                      ...) __attribute__((format(printf, 4, 5)));

/** Add one invalid field; sets the code to WA_E_INVALID. @return that code */
wa_code wa_fail_field(wa_result *r, const char *pointer, const char *code,
                      const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

#endif
