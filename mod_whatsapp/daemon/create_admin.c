/* SPDX-License-Identifier: Apache-2.0 */
/* whatsappd --create-admin: the first user, whom no API call could make. */
#include "wad.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../core/wa_audit.h"
#include "../core/wa_users.h"

int wad_create_admin(wa_app *app, apr_pool_t *p, const char *username,
                     const char *password_file)
{
    wa_result *r = wa_result_make(p);
    const char *password;
    wa_audit_entry audit;
    wa_user user;
    wa_code code;
    int i;

    if (wa_secret_read(p, password_file, WA_PASSWORD_MIN, &password)
        != APR_SUCCESS) {
        fprintf(stderr,
                "whatsappd: %s can't be read, or has less than %d"
                " characters\n",
                password_file, WA_PASSWORD_MIN);
        return EXIT_FAILURE;
    }
    memset(&user, 0, sizeof(user));
    user.username = username;
    user.email = apr_pstrcat(p, username, "@localhost.localdomain", NULL);
    user.role = "admin";
    memset(&audit, 0, sizeof(audit));
    audit.actor = "whatsappd";
    audit.action = "user.create";
    audit.target_type = "user";
    code = wa_user_create(app, p, &user, password, &audit, r);
    if (code == WA_E_USERNAME_TAKEN) {
        printf("user %s exists; left as it is\n", username);
        return EXIT_SUCCESS;
    }
    if (code != WA_OK) {
        fprintf(stderr, "whatsappd: %s was not made: %s%s%s\n", username,
                wa_code_title(code), r->detail ? ": " : "",
                r->detail ? r->detail : "");
        for (i = 0; r->errors && i < r->errors->nelts; i++) {
            const wa_field_error *e = &APR_ARRAY_IDX(r->errors, i,
                                                     wa_field_error);

            fprintf(stderr, "whatsappd: %s %s\n", e->pointer + 1, e->detail);
        }
        return EXIT_FAILURE;
    }
    printf("admin %s made\n", username);
    return EXIT_SUCCESS;
}
