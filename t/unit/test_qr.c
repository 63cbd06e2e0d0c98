/* SPDX-License-Identifier: Apache-2.0 */
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_errno.h>
#include <apr_strings.h>
#include <png.h>

#include "base/wa_qr.h"

/* A pixel map, 1 is dark. */
typedef struct map {
    int side;
    unsigned char *at;
} map;

static map map_make(apr_pool_t *p, int side)
{
    map m = { side, apr_pcalloc(p, (apr_size_t)side * (apr_size_t)side + 1) };

    return m;
}

/* Paint what the path of our SVG says. */
static map map_of_svg(apr_pool_t *p, const char *svg)
{
    const char *s = strstr(svg, "viewBox=\"0 0 ");
    map m = map_make(p, s ? atoi(s + 13) : 0);
    int x, y, w, back, i, n;

    s = strstr(svg, "fill=\"#000\" d=\"");
    for (s = s ? s + 15 : ""; *s == 'M'; s += n) {
        n = 0;
        if (sscanf(s, "M%d %dh%dv1h-%dz%n", &x, &y, &w, &back, &n) != 4 || !n
            || x < 0 || y < 0 || w < 1 || w != back || x + w > m.side
            || y >= m.side) {
            m.side = -1;
            break;
        }
        for (i = 0; i < w; i++) {
            m.at[y * m.side + x + i] = 1;
        }
    }
    return m;
}

static map map_of_png(apr_pool_t *p, const char *bytes, apr_size_t len)
{
    png_image image = { .version = PNG_IMAGE_VERSION };
    map m = { -1, NULL };
    int i;

    if (!png_image_begin_read_from_memory(&image, bytes, len)) {
        return m;
    }
    image.format = PNG_FORMAT_GRAY;
    m = map_make(p, (int)image.width);
    if (image.width != image.height
        || !png_image_finish_read(&image, NULL, m.at, 0, NULL)) {
        m.side = -1;
    }
    for (i = 0; i < m.side * m.side; i++) {
        m.at[i] = m.at[i] == 0;
    }
    png_image_free(&image);
    return m;
}

/* Is big the same as small, each pixel scaled? */
static int same(const map *big, const map *small, int scale)
{
    int x, y;

    if (small->side < 1 || big->side != small->side * scale) {
        return 0;
    }
    for (y = 0; y < big->side; y++) {
        for (x = 0; x < big->side; x++) {
            if (big->at[y * big->side + x]
                != small->at[y / scale * small->side + x / scale]) {
                return 0;
            }
        }
    }
    return 1;
}

/* The three finder patterns in a quiet zone of four modules. */
static int looks_like_code(const map *m)
{
    int far = m->side - 5, i, dark = 0;

    for (i = 0; i < m->side * 4; i++) {
        dark += m->at[i] + m->at[m->side * m->side - 1 - i];
    }
    for (i = 0; i < m->side; i++) {
        dark += m->at[i * m->side + 3] + m->at[i * m->side + m->side - 4];
    }
    for (i = 4; i < 11; i++) {
        dark += !m->at[4 * m->side + i] + !m->at[4 * m->side + m->side - 1 - i]
                + !m->at[far * m->side + i];
    }
    return m->side >= 29 && dark == 0;
}

static void test_text(apr_pool_t *p, const char *text, const char *what)
{
    static const int scales[] = { 1, 2, 3, 7, 8, 32 };
    const char *svg = NULL, *png = NULL;
    apr_size_t len = 0, i;
    map small;

    is_int(wa_qr_svg(p, text, &svg, &len), APR_SUCCESS, "SVG of %s", what);
    is_int((apr_int64_t)len, (apr_int64_t)strlen(svg), "its length");
    small = map_of_svg(p, svg);
    ok(looks_like_code(&small), "a QR code, %d modules", small.side);
    for (i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
        map big = { -1, NULL };
        if (wa_qr_png(p, text, scales[i], &png, &len) == APR_SUCCESS) {
            big = map_of_png(p, png, len);
        }
        ok(same(&big, &small, scales[i]), "the same as PNG, scale %d",
           scales[i]);
    }
}

static void test_bounds(apr_pool_t *p)
{
    const char *out = NULL;
    apr_size_t len = 0;
    char *text = apr_pcalloc(p, 1000001);

    is_int(wa_qr_png(p, "x", 0, &out, &len), APR_EINVAL, "scale 0");
    is_int(wa_qr_png(p, "x", -1, &out, &len), APR_EINVAL, "scale -1");
    is_int(wa_qr_png(p, "x", 33, &out, &len), APR_EINVAL, "scale 33");
    is_int(wa_qr_svg(p, "", &out, &len), APR_EINVAL, "no text");
    memset(text, 'x', 2331);
    test_text(p, text, "2331 bytes, the most at level M");
    text[2331] = 'x';
    is_int(wa_qr_svg(p, text, &out, &len), APR_ENOSPC, "one more");
    is_int(wa_qr_png(p, text, 1, &out, &len), APR_ENOSPC, "one more, PNG");
    memset(text, 'x', 1000000);
    is_int(wa_qr_svg(p, text, &out, &len), APR_ENOSPC, "a megabyte");
}

int main(void)
{
    apr_pool_t *p = tap_start();
    const char *svg;
    apr_size_t len;

    test_text(p, "x", "one letter");
    test_text(p, "\xc3\xa9", "UTF-8");
    test_text(p,
              "2@8kJ2mQ0v5yXb7ZrT1nLq4sWc9pDfGhJkLmNpQrStUvWxYz0123456789ab,"
              "cdEFghIJklMNopQRstUVwxYZ0123456789abCDefGHi=,"
              "jkLMnoPQrsTUvwXYz0123456789ABcdEFghIJklMNop=,"
              "qrSTuvWXyz0123456789ABcdEFghIJklMNopQRstUVw=,1",
              "what WhatsApp shows");
    test_bounds(p);
    wa_qr_svg(p, "x", &svg, &len);
    ok(strstr(svg, "shape-rendering=\"crispEdges\"")
           && strstr(svg, "<path fill=\"#fff\" d=\"M0 0h29v29H0z\"/>")
           && strstr(svg, "viewBox=\"0 0 29 29\""),
       "crisp, on white, scalable");
    return tap_done();
}
