/* SPDX-License-Identifier: Apache-2.0 */
/* What guesses a password costs. */
#include "tap.h"

#include <string.h>

#include "gateway/wa_zxcvbn.h"

static const char *const words[] = { "whatsapp", "Nina-Shop_7", NULL };

static void below(const char *password, double bits)
{
    double got = wa_zxcvbn_bits(password, words);

    ok(got < bits, "%.24s: %.1f, below %.1f", password, got, bits);
}

static void above(const char *password, double bits)
{
    double got = wa_zxcvbn_bits(password, words);

    ok(got >= bits, "%.24s: %.1f, %.1f at least", password, got, bits);
}

/* Whatever bytes there are, of any length: it ends, and says something. */
static void test_any(void)
{
    static const char *const parts[] = { "a",      "1",         "ab",
                                         "s3cr3t", "\xd0\xb0",  "\xff",
                                         "x7$kQ",  "1999-12-31" };
    char text[257];
    apr_size_t i, n;
    int good = 1;

    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (n = 0; n < sizeof(text) - 1; n++) {
            text[n] = parts[i][n % strlen(parts[i])];
            text[n + 1] = '\0';
            good = good && wa_zxcvbn_bits(text, words) >= 0;
        }
    }
    ok(good, "any length of anything");
}

int main(void)
{
    tap_start();
    is_int((int)wa_zxcvbn_bits("", words), 0, "nothing");
    below("password", 4);
    below("P@ssw0rd", 4);
    below("123456789012345", 12);
    below("qwertyuiop", 12);
    below("aaaaaaaaaaaaaaaaaaaaaaaa", 12);
    below("iloveyouiloveyou", 12);
    below("WhatsAppWhatsApp", 12);
    below("nina-shop_7NINA-SHOP_7", 12);
    above("correct horse battery staple", 50);
    above("a password long enough", 30);
    above("jfq3kw-1vz8mm-0sab4d-tt6oqe", 80);
    test_any();
    return tap_done();
}
