/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include "request.h"

#include "api/negotiate.h"

static const struct {
    const char *query, *accept;
    wa_code code;
    wa_format format;
} cases[] = {
    { NULL, NULL, WA_OK, WA_FORMAT_SVG },
    { NULL, "", WA_OK, WA_FORMAT_SVG },
    { NULL, "*/*", WA_OK, WA_FORMAT_SVG },
    { NULL, "image/*", WA_OK, WA_FORMAT_SVG },
    { NULL, "image/png", WA_OK, WA_FORMAT_PNG },
    { NULL, "IMAGE/PNG", WA_OK, WA_FORMAT_PNG },
    { NULL, "text/plain", WA_OK, WA_FORMAT_RAW },
    { NULL, "text/*", WA_OK, WA_FORMAT_RAW },
    { NULL, "application/json", WA_OK, WA_FORMAT_JSON },
    { NULL, "application/json;q=0.5, image/png;q=0.4", WA_OK, WA_FORMAT_JSON },
    { NULL, "image/png;q=0.5,text/plain;q=0.9", WA_OK, WA_FORMAT_RAW },
    { NULL, "image/png;q=0.5,*/*;q=0.1", WA_OK, WA_FORMAT_PNG },
    { NULL, "image/svg+xml;q=0,*/*", WA_OK, WA_FORMAT_PNG },
    { NULL, "image/svg+xml;q=0, image/*;q=0.3, text/plain;q=0.2", WA_OK,
      WA_FORMAT_PNG },
    { NULL, "text/html, image/png ; q=0.8 , */*;q=0.1", WA_OK, WA_FORMAT_PNG },
    { NULL,
      "text/html,application/xhtml+xml,application/xml;q=0.9,"
      "image/avif,image/webp,*/*;q=0.8",
      WA_OK, WA_FORMAT_SVG },
    { NULL, "image/png;level=1;q=0.2, text/plain;q=0.3", WA_OK, WA_FORMAT_RAW },
    { NULL, "audio/ogg", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, "*/*;q=0", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, "image/pn", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, "image/pngx", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, "image", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, "*", WA_E_NOT_ACCEPTABLE, 0 },
    { NULL, ",;,", WA_E_NOT_ACCEPTABLE, 0 },
    { "format=svg", "image/png", WA_OK, WA_FORMAT_SVG },
    { "format=png", NULL, WA_OK, WA_FORMAT_PNG },
    { "format=raw", "audio/ogg", WA_OK, WA_FORMAT_RAW },
    { "format=json", NULL, WA_OK, WA_FORMAT_JSON },
    { "a=b&format=png", NULL, WA_OK, WA_FORMAT_PNG },
    { "format=%70ng", NULL, WA_OK, WA_FORMAT_PNG },
    { "format=png&format=svg", NULL, WA_OK, WA_FORMAT_PNG },
    { "xformat=png", NULL, WA_OK, WA_FORMAT_SVG },
    { "format=", NULL, WA_E_BAD_PARAMETER, 0 },
    { "format", NULL, WA_E_BAD_PARAMETER, 0 },
    { "format=PNG", NULL, WA_E_BAD_PARAMETER, 0 },
    { "format=gif", "*/*", WA_E_BAD_PARAMETER, 0 },
    { "format=%zz", NULL, WA_E_BAD_PARAMETER, 0 },
};

int main(void)
{
    apr_pool_t *p = tap_start();
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wa_req *req = request(p, "GET", "/session/qr", cases[i].query, "Accept",
                              cases[i].accept);
        const char *what = apr_psprintf(
            p, "?%s, Accept: %s", cases[i].query ? cases[i].query : "",
            cases[i].accept ? cases[i].accept : "(none)");
        wa_format format = WA_FORMAT_SVG;

        if (is_int(wa_negotiate_qr(req, &format, wa_result_make(p)),
                   cases[i].code, "%s", what)
            && cases[i].code == WA_OK) {
            is_int(format, cases[i].format, "%s: the form", what);
        }
    }
    return tap_done();
}
