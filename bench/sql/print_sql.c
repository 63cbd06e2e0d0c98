/* SPDX-License-Identifier: Apache-2.0 */
/* print_sql ID: the text of one of the product's statements, so that pgbench
 * runs the very same. */
#include <stdio.h>
#include <string.h>

#include "gateway/sql/wa_sql.h"

#define ROW(id, text) { #id, text },
static const struct {
    const char *id, *text;
} statements[] = { WA_SQL_LIST(ROW) };

int main(int argc, char **argv)
{
    size_t i;

    for (i = 0; argc == 2 && i < sizeof(statements) / sizeof(statements[0]);
         i++) {
        if (!strcmp(statements[i].id, argv[1])) {
            return puts(statements[i].text) < 0;
        }
    }
    return 2;
}
