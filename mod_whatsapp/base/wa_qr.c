/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_qr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <apr_errno.h>
#include <apr_strings.h>
#include <apr_tables.h>
#include <png.h>
#include <qrencode.h>

#define QUIET_ZONE 4
#define MAX_SCALE 32

static apr_status_t encode(const char *text, QRcode **code)
{
    apr_size_t len = strlen(text);

    *code = NULL;
    if (!len) {
        return APR_EINVAL;
    }
    if (len > QRSPEC_VERSION_MAX * 100) {
        return APR_ENOSPC; /* no version holds so much, and len is an int */
    }
    *code = QRcode_encodeData((int)len, (const unsigned char *)text, 0,
                              QR_ECLEVEL_M);
    if (*code) {
        return APR_SUCCESS;
    }
    return errno == ERANGE ? APR_ENOSPC : APR_ENOMEM;
}

static int is_dark(const QRcode *code, int x, int y)
{
    return code->data[y * code->width + x] & 1;
}

/* --- SVG ------------------------------------------------------------------*/

#define SVG_HEAD                                                               \
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "         \
    "shape-rendering=\"crispEdges\">"                                          \
    "<path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path fill=\"#000\" d=\""
#define SVG_TAIL "\"/></svg>\n"
/* "M181 181h177v1h-177z" */
#define SVG_RUN_MAX 24

/* The run of dark modules at or after *x of a row. @return its length, or 0
 * at the row's end */
static int next_run(const QRcode *code, int *x, int y)
{
    int end;

    while (*x < code->width && !is_dark(code, *x, y)) {
        (*x)++;
    }
    for (end = *x; end < code->width && is_dark(code, end, y); end++)
        ;
    return end - *x;
}

static char *svg_row(const QRcode *code, int y, char *out)
{
    int x = 0, n;

    for (n = next_run(code, &x, y); n; n = next_run(code, &x, y)) {
        out += apr_snprintf(out, SVG_RUN_MAX, "M%d %dh%dv1h-%dz",
                            x + QUIET_ZONE, y + QUIET_ZONE, n, n);
        x += n;
    }
    return out;
}

/* Every other module dark is the most runs that a row can have. */
static apr_size_t svg_row_max(const QRcode *code)
{
    return (apr_size_t)(code->width / 2 + 1) * SVG_RUN_MAX;
}

static const char *svg_document(apr_pool_t *p, const QRcode *code)
{
    char *row = apr_palloc(p, svg_row_max(code));
    int side = code->width + 2 * QUIET_ZONE;
    apr_array_header_t *parts = apr_array_make(p, side, sizeof(char *));
    int y;

    APR_ARRAY_PUSH(parts, char *) = apr_psprintf(p, SVG_HEAD, side, side, side,
                                                 side);
    for (y = 0; y < code->width; y++) {
        char *end = svg_row(code, y, row);
        APR_ARRAY_PUSH(parts, char *) = apr_pstrmemdup(p, row,
                                                       (apr_size_t)(end - row));
    }
    APR_ARRAY_PUSH(parts, char *) = apr_pstrdup(p, SVG_TAIL);
    return apr_array_pstrcat(p, parts, 0);
}

apr_status_t wa_qr_svg(apr_pool_t *p, const char *text, const char **svg,
                       apr_size_t *len)
{
    QRcode *code;
    apr_status_t rv = encode(text, &code);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    *svg = svg_document(p, code);
    *len = strlen(*svg);
    QRcode_free(code);
    return APR_SUCCESS;
}

/* --- PNG ------------------------------------------------------------------*/

typedef struct png_out {
    apr_pool_t *p;
    const QRcode *code;
    int scale;
    png_size_t row_bytes;
    png_byte *row; /* 1 bit per pixel, 1 is white */
    png_structp png;
    png_infop info;
    char *buf;
    apr_size_t len, size;
} png_out;

static void on_error(png_structp png, png_const_charp message)
{
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
}

static void on_write(png_structp png, png_bytep data, png_size_t len)
{
    png_out *o = png_get_io_ptr(png);

    if (len > o->size - o->len) {
        apr_size_t size = 2 * (o->size + len);
        char *buf = apr_palloc(o->p, size);
        memcpy(buf, o->buf, o->len);
        o->buf = buf;
        o->size = size;
    }
    memcpy(o->buf + o->len, data, len);
    o->len += len;
}

static void on_flush(png_structp png)
{
}

static void black_pixels(png_byte *row, int from, int count)
{
    for (; count; from++, count--) {
        row[from / 8] &= (png_byte) ~(0x80 >> (from % 8));
    }
}

/* One row of modules, y counted from the code's own first row. */
static void png_row(png_out *o, int y)
{
    int x;

    memset(o->row, 0xff, o->row_bytes);
    for (x = 0; y >= 0 && y < o->code->width && x < o->code->width; x++) {
        if (is_dark(o->code, x, y)) {
            black_pixels(o->row, (x + QUIET_ZONE) * o->scale, o->scale);
        }
    }
    for (x = 0; x < o->scale; x++) {
        png_write_row(o->png, o->row);
    }
}

static void png_image_write(png_out *o)
{
    png_uint_32 side = (png_uint_32)((o->code->width + 2 * QUIET_ZONE)
                                     * o->scale);
    int y;

    png_set_write_fn(o->png, o, on_write, on_flush);
    png_set_IHDR(o->png, o->info, side, side, 1, PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(o->png, o->info);
    o->row_bytes = png_get_rowbytes(o->png, o->info);
    o->row = apr_palloc(o->p, o->row_bytes);
    for (y = -QUIET_ZONE; y < o->code->width + QUIET_ZONE; y++) {
        png_row(o, y);
    }
    png_write_end(o->png, NULL);
}

/* libpng reports errors by longjmp to here; all state is in o, so nothing is
 * lost in registers. */
static apr_status_t png_guarded(png_out *o)
{
    /* NOLINTNEXTLINE(cert-err52-cpp): libpng has no other way */
    if (setjmp(png_jmpbuf(o->png))) {
        return APR_EGENERAL;
    }
    png_image_write(o);
    return APR_SUCCESS;
}

static apr_status_t png_document(png_out *o)
{
    apr_status_t rv = APR_ENOMEM;

    o->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, on_error,
                                     on_warning);
    if (!o->png) {
        return APR_ENOMEM;
    }
    o->info = png_create_info_struct(o->png);
    if (o->info) {
        rv = png_guarded(o);
    }
    png_destroy_write_struct(&o->png, &o->info);
    return rv;
}

apr_status_t wa_qr_png(apr_pool_t *p, const char *text, int scale,
                       const char **png, apr_size_t *len)
{
    png_out o = { .p = p, .scale = scale, .size = 4096 };
    QRcode *code;
    apr_status_t rv;

    if (scale < 1 || scale > MAX_SCALE) {
        return APR_EINVAL;
    }
    rv = encode(text, &code);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    o.code = code;
    o.buf = apr_palloc(p, o.size);
    rv = png_document(&o);
    QRcode_free(code);
    *png = o.buf;
    *len = o.len;
    return rv;
}
