/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <string.h>

#include "base/wa_crypto.h"
#include "base/wa_trace.h"

#define ID "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define UUID "01900000-0000-7000-8000-00000000000A"
#define EVENT "01a20c21-5a96-7c37-b248-431150e58ea1"
#define EVENT_ID "01a20c215a967c37b248431150e58ea1"
#define UUID_ID "0190000000007000800000000000000a"

static const struct {
    const char *text;
    int valid, sampled;
} parents[] = {
    { "00-" ID "-" PARENT "-01", 1, 1 },
    { "00-" ID "-" PARENT "-00", 1, 0 },
    { "00-" ID "-" PARENT "-03", 1, 1 },
    { "00-" ID "-" PARENT "-fe", 1, 0 },
    { "cc-" ID "-" PARENT "-01", 1, 1 },
    { "cc-" ID "-" PARENT "-01-what-will-be", 1, 1 },
    { "cc-" ID "-" PARENT "-01.what", 0, 0 },
    { "cc-" ID "-" PARENT "-01x", 0, 0 },
    { "00-" ID "-" PARENT "-01-", 0, 0 },
    { "00-" ID "-" PARENT "-01-more", 0, 0 },
    { "00-" ID "-" PARENT "-01, 00-" ID "-" PARENT "-01", 0, 0 },
    { "ff-" ID "-" PARENT "-01", 0, 0 },
    { "00-00000000000000000000000000000000-" PARENT "-01", 0, 0 },
    { "00-" ID "-0000000000000000-01", 0, 0 },
    { "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01", 0, 0 },
    { "00-" ID "-00F067AA0BA902B7-01", 0, 0 },
    { "00-" ID "-" PARENT "-0A", 0, 0 },
    { "00-" ID "-" PARENT "-1", 0, 0 },
    { "0-" ID "-" PARENT "-001", 0, 0 },
    { "00_" ID "-" PARENT "-01", 0, 0 },
    { "00-" ID "_" PARENT "-01", 0, 0 },
    { "00-" ID "-" PARENT "_01", 0, 0 },
    { "00-4bf92f3577b34da6a3ce929d0e0e473g-" PARENT "-01", 0, 0 },
    { "00-" ID "f-" PARENT "-1", 0, 0 },
    { " 00-" ID "-" PARENT "-01", 0, 0 },
    { "00-" ID "-" PARENT "-01 ", 0, 0 },
    { "00-" ID, 0, 0 },
    { "00", 0, 0 },
    { "", 0, 0 },
    { NULL, 0, 0 },
};

static void test_parents(apr_pool_t *p)
{
    apr_size_t i;

    for (i = 0; i < sizeof(parents) / sizeof(parents[0]); i++) {
        const wa_trace *t = wa_trace_make(p, parents[i].text, UUID);

        is_str(t->id, parents[i].valid ? ID : UUID_ID, "trace of \"%s\"",
               parents[i].text ? parents[i].text : "(none)");
        is_int(t->sampled, parents[i].sampled, "and its flag");
    }
}

static void test_new(apr_pool_t *p)
{
    const char *nil = "00000000-0000-0000-0000-000000000000";
    const char *a = wa_trace_make(p, NULL, "req-7")->id;
    const char *b = wa_trace_make(p, NULL, "req-7")->id;

    ok(strlen(a) == 32 && strspn(a, "0123456789abcdef") == 32, "a new one");
    ok(strcmp(a, b) != 0, "and another");
    ok(strlen(wa_trace_make(p, NULL, NULL)->id) == 32, "without a request id");
    ok(strspn(wa_trace_make(p, NULL, nil)->id, "0") < 32, "never all 0");
}

static void test_passed_on(apr_pool_t *p)
{
    const wa_trace *t = wa_trace_make(p, "00-" ID "-" PARENT "-01", UUID);
    const char *a, *b;

    ok(!strncmp(wa_trace_parent(p, UUID), "00-" UUID_ID "-", 36),
       "of a thread without a trace: the request id's");
    wa_trace_set(t);
    a = wa_trace_parent(p, UUID);
    b = wa_trace_parent(p, UUID);
    ok(!strncmp(a, "00-" ID "-", 36) && !strcmp(a + 52, "-01"), "its trace");
    ok(!strstr(a, PARENT) && strcmp(a, b) != 0, "each call has its parent id");
    is_str(wa_trace_make(p, a, UUID)->id, ID, "and is understood");
    wa_trace_set(NULL);
    ok(!strncmp(wa_trace_parent(p, UUID), "00-" UUID_ID "-", 36),
       "and no more afterwards");
}

static const struct {
    const char *kept, *request_id, *id;
    int sampled;
} kept[] = {
    { ID "-01", UUID, ID, 1 },
    { ID "-00", UUID, ID, 0 },
    { ID "-01", NULL, ID, 1 },
    { NULL, UUID, UUID_ID, 0 },
    { NULL, NULL, EVENT_ID, 0 },
    { NULL, "req-7", EVENT_ID, 0 },
    { "", UUID, UUID_ID, 0 },
    { ID, UUID, UUID_ID, 0 },
    { ID "-", UUID, UUID_ID, 0 },
    { ID "-0", UUID, UUID_ID, 0 },
    { ID "-0x", UUID, UUID_ID, 0 },
    { ID "_01", UUID, UUID_ID, 0 },
    { ID "-01 ", UUID, UUID_ID, 0 },
    { "00000000000000000000000000000000-01", UUID, UUID_ID, 0 },
};

static void test_kept(apr_pool_t *p)
{
    const wa_trace *own = wa_trace_make(p, NULL, UUID);
    const wa_trace *of_client = wa_trace_make(p, "00-" ID "-" PARENT "-03",
                                              UUID);
    const char *other;
    apr_size_t i;

    for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const wa_trace *t = wa_trace_find(p, kept[i].kept, kept[i].request_id,
                                          EVENT);

        is_str(t->id, kept[i].id, "kept \"%s\" of %s",
               kept[i].kept ? kept[i].kept : "(none)",
               kept[i].request_id ? kept[i].request_id : "no request");
        is_int(t->sampled, kept[i].sampled, "and its flag");
    }
    is_str(wa_trace_keep(p, UUID), NULL, "of no trace nothing is kept");
    wa_trace_set(own);
    is_str(wa_trace_keep(p, UUID), NULL, "nor of one that the id tells");
    is_str(wa_trace_keep(p, EVENT), UUID_ID "-00", "where it doesn't, that is");
    wa_trace_set(of_client);
    is_str(wa_trace_keep(p, UUID), ID "-01", "nor is a client's lost");
    wa_trace_set(wa_trace_make(p, NULL, "req-7"));
    other = wa_trace_keep(p, "req-7");
    is_int(other ? (apr_int64_t)strlen(other) : 0, 35, "nor what has no UUID");
    wa_trace_set(wa_trace_make(p, "00-" UUID_ID "-" PARENT "-01", UUID));
    is_str(wa_trace_keep(p, UUID), UUID_ID "-01", "nor that it is sampled");
    wa_trace_set(NULL);
}

int main(void)
{
    apr_pool_t *p = tap_start();

    is_int(wa_crypto_init(), APR_SUCCESS, "start");
    test_parents(p);
    test_new(p);
    test_passed_on(p);
    test_kept(p);
    return tap_done();
}
