/* SPDX-License-Identifier: Apache-2.0 */
/* No test by itself: reads texts from standard input, each with a NUL behind
 * it, and writes a line for each: the recipient and its chat, or "-". It's for
 * bridge/test/numbers.test.js, which knows the world's numbers. */
#include "tap.h"

#include <stdio.h>

#include "core/wa_recipient.h"

#define TEXT_MAX 65536

/* The next text, without its NUL. @return 0 at the end */
static int next(char *text)
{
    size_t n = 0;
    int c;

    while ((c = getchar()) != EOF && c && n < TEXT_MAX) {
        text[n++] = (char)c;
    }
    text[n] = '\0';
    return c == 0;
}

int main(void)
{
    static char text[TEXT_MAX + 1];
    apr_pool_t *all = tap_start(), *p;

    apr_pool_create(&p, all);
    while (next(text)) {
        const char *recipient = NULL, *chat = NULL;

        if (wa_recipient_read(text, &recipient, &chat, wa_result_make(p))
            == WA_OK) {
            printf("%s %s\n", recipient, chat);
        }
        else {
            printf("-\n");
        }
        apr_pool_clear(p);
    }
    return fflush(stdout) || !feof(stdin);
}
