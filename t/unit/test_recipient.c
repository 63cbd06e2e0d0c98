/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include <apr_strings.h>

#include "core/wa_recipient.h"

static const struct {
    const char *text, *recipient, *chat;
} good[] = {
    { "+491701234567", "+491701234567", "491701234567@s.whatsapp.net" },
    { "491701234567", "+491701234567", "491701234567@s.whatsapp.net" },
    { "+49 (170) 123-45.67", "+491701234567", "491701234567@s.whatsapp.net" },
    { " +1234567", NULL, NULL },
    { "+1234567", "+1234567", "1234567@s.whatsapp.net" },
    { "+123456789012345", "+123456789012345",
      "123456789012345@s.whatsapp.net" },
    { "491701234567@s.whatsapp.net", "+491701234567",
      "491701234567@s.whatsapp.net" },
    { "491701234567@c.us", "+491701234567", "491701234567@s.whatsapp.net" },
};

/* What is known and no recipient, and what is said of it. */
static const struct {
    const char *text, *why;
} others[] = {
    { "120363041234567890@g.us", "is a group" },
    { "491701234567-1500000000@g.us", "is a group" },
    { "491701234567@g.us", "is a group" },
    { "-1500000000@g.us", "is a group" },
    { "@g.us", "is a group" },
    { "120363041234567890@G.US", "is a group" },
    { "status@broadcast", "is the status or a broadcast list" },
    { "491701234567@broadcast", "is the status or a broadcast list" },
    { "120363041234567890@newsletter", "is a channel" },
    { "123456789012345@lid", "is an id that hides the phone number" },
    { "12345-67@lid", "is an id that hides the phone number" },
};

/* Where messages are looked for. */
static const struct {
    const char *text, *chat;
} chats[] = {
    { "+49 (170) 123-45.67", "491701234567@s.whatsapp.net" },
    { "491701234567@c.us", "491701234567@s.whatsapp.net" },
    { "120363041234567890@g.us", "120363041234567890@g.us" },
    { "491701234567-1500000000@g.us", "491701234567-1500000000@g.us" },
    { "123456789012345@lid", "123456789012345@lid" },
    { "-1500000000@g.us", NULL },
    { "1234@g.us", NULL },
    { "12345-67@lid", NULL },
    { "12345678901234567890123456789012345678901@g.us", NULL },
    { "120363041234567890@G.US", NULL },
    { "status@broadcast", NULL },
    { "12345678@newsletter", NULL },
    { "491701234567@example.org", NULL },
    { "", NULL },
};

static const char *const bad[] = {
    "",
    " ",
    "+",
    "()",
    "123456",
    "+1234567890123456",
    "0170123456789",
    "+0170123456789",
    "00491701234567",
    "++491701234567",
    "49+1701234567",
    "491701234567x",
    "49170 123\t4567",
    "49170\n1234567",
    "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xd9\xa7\xd9\xa8",
    "4-9-1-7-0-1-2-3-4-5-6-7- - - - - - - - - ",
    "@",
    "@s.whatsapp.net",
    "491701234567@",
    "491701234567@S.WHATSAPP.NET",
    "491701234567@s.whatsapp.net ",
    "491701234567@s.whatsapp.net@s.whatsapp.net",
    "+491701234567@s.whatsapp.net",
    "491701234567:12@s.whatsapp.net",
    "4917 01234567@s.whatsapp.net",
    "01701234567@s.whatsapp.net",
    "1234@s.whatsapp.net",
    "1234567890123456@s.whatsapp.net",
    "491701234567@example.org",
    "491701234567@g.us.example.org",
    "491701234567@s.whatsapp.net@g.us",
};

static void refuses_others(apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        const char *recipient = NULL, *chat = NULL;
        wa_result *r = wa_result_make(p);
        const wa_field_error *e;

        is_int(wa_recipient_read(others[i].text, &recipient, &chat, r),
               WA_E_RECIPIENT, "refused: \"%s\"", others[i].text);
        e = r->errors ? &APR_ARRAY_IDX(r->errors, 0, wa_field_error) : NULL;
        ok(!recipient && !chat && e && !strcmp(e->code, "value")
               && !strncmp(e->detail, others[i].why, strlen(others[i].why)),
           "\"%s\" %s", others[i].text, others[i].why);
    }
}

static void reads_chats(apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < sizeof(chats) / sizeof(chats[0]); i++) {
        const char *chat = NULL;

        is_int(wa_recipient_read_chat(chats[i].text, &chat, wa_result_make(p)),
               chats[i].chat ? WA_OK : WA_E_RECIPIENT, "chat \"%s\"",
               chats[i].text);
        is_str(chat, chats[i].chat, "is of \"%s\"", chats[i].text);
    }
}

int main(void)
{
    apr_pool_t *p = tap_start();
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *recipient = NULL, *chat = NULL;
        wa_result *r = wa_result_make(p);
        wa_code code = wa_recipient_read(good[i].text, &recipient, &chat, r);

        is_int(code, good[i].recipient ? WA_OK : WA_E_RECIPIENT, "\"%s\"",
               good[i].text);
        is_str(recipient, good[i].recipient, "recipient of \"%s\"",
               good[i].text);
        is_str(chat, good[i].chat, "chat of \"%s\"", good[i].text);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *recipient = NULL, *chat = NULL;
        wa_result *r = wa_result_make(p);

        is_int(wa_recipient_read(bad[i], &recipient, &chat, r), WA_E_RECIPIENT,
               "refused: %s",
               apr_psprintf(p, "%u \"%s\"", (unsigned)i,
                            strchr(bad[i], '\n') ? "(a line break)" : bad[i]));
        ok(!recipient && !chat && r->errors && r->errors->nelts == 1
               && !strcmp(APR_ARRAY_IDX(r->errors, 0, wa_field_error).pointer,
                          "/recipient"),
           "nothing but the field's name comes of %u", (unsigned)i);
    }
    refuses_others(p);
    reads_chats(p);
    return tap_done();
}
