/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libzip. Before it is asked the end of the file is read by
 * hand: libzip takes memory for as many entries as the archive claims. */
#include "wa_zip.h"

#include <string.h>
#include <zip.h>

/* The record at an archive's end, and the comment it may have. */
#define END_SIZE 22
#define COMMENT_MAX 65535
#define DIRECTORY_MAX ((apr_off_t)4 * 1024 * 1024)
#define CONTENT_MAX 128

typedef struct end_record {
    unsigned entries;
    apr_off_t directory_size, directory_at, at;
} end_record;

static unsigned le16(const unsigned char *s)
{
    return (unsigned)s[0] | (unsigned)s[1] << 8;
}

static apr_off_t le32(const unsigned char *s)
{
    return (apr_off_t)(le16(s) | (apr_uint32_t)le16(s + 2) << 16);
}

/* The record whose comment ends exactly at the file's end. */
static int find_end(const unsigned char *tail, apr_size_t len, apr_off_t from,
                    end_record *e)
{
    apr_size_t at;

    for (at = len >= END_SIZE ? len - END_SIZE + 1 : 0; at-- > 0;) {
        const unsigned char *s = tail + at;

        if (!memcmp(s, "PK\5\6", 4) && at + END_SIZE + le16(s + 20) == len) {
            e->entries = le16(s + 10);
            e->directory_size = le32(s + 12);
            e->directory_at = le32(s + 16);
            e->at = from + (apr_off_t)at;
            return 1;
        }
    }
    return 0;
}

static int read_end(apr_pool_t *p, apr_file_t *file, apr_off_t size,
                    end_record *e)
{
    apr_size_t len = size < END_SIZE + COMMENT_MAX
                         ? (apr_size_t)size
                         : (apr_size_t)(END_SIZE + COMMENT_MAX);
    apr_off_t from = size - (apr_off_t)len, at = from;
    unsigned char *tail = apr_palloc(p, len + 1);

    return apr_file_seek(file, APR_SET, &at) == APR_SUCCESS && at == from
           && apr_file_read_full(file, tail, len, NULL) == APR_SUCCESS
           && find_end(tail, len, from, e);
}

/* Its own pool: 64 KiB need not stay as long as the request. */
static int find(apr_file_t *file, apr_off_t size, end_record *e)
{
    apr_pool_t *scratch;
    int found;

    if (apr_pool_create(&scratch, apr_file_pool_get(file)) != APR_SUCCESS) {
        return 0;
    }
    found = read_end(scratch, file, size, e);
    apr_pool_destroy(scratch);
    return found;
}

int wa_zip_at_end(apr_file_t *file, apr_off_t size)
{
    end_record e;

    return find(file, size, &e);
}

static const char *content_of(zip_t *zip, zip_uint64_t index, char *buf)
{
    zip_stat_t st;
    zip_file_t *f;
    zip_int64_t n;

    if (zip_stat_index(zip, index, 0, &st) || st.comp_method != ZIP_CM_STORE
        || st.encryption_method != ZIP_EM_NONE || st.size > CONTENT_MAX) {
        return NULL;
    }
    f = zip_fopen_index(zip, index, 0);
    if (!f) {
        return NULL;
    }
    n = zip_fread(f, buf, CONTENT_MAX);
    zip_fclose(f);
    if (n < 0) {
        return NULL;
    }
    buf[n] = '\0';
    return buf;
}

static void list(zip_t *zip, wa_zip_entry_fn *fn, void *baton)
{
    zip_int64_t n = zip_get_num_entries(zip, 0), i;
    char buf[CONTENT_MAX + 1];

    for (i = 0; i < n; i++) {
        const char *name = zip_get_name(zip, (zip_uint64_t)i, ZIP_FL_ENC_GUESS);

        if (!fn(baton, (int)i, name ? name : "",
                content_of(zip, (zip_uint64_t)i, buf))) {
            return;
        }
    }
}

apr_status_t wa_zip_list(apr_pool_t *p, const char *path, apr_file_t *file,
                         apr_off_t size, wa_zip_entry_fn *fn, void *baton)
{
    char head[4];
    apr_off_t start = 0;
    end_record e;
    zip_t *zip;

    if (apr_file_seek(file, APR_SET, &start) != APR_SUCCESS
        || apr_file_read_full(file, head, sizeof(head), NULL) != APR_SUCCESS
        || memcmp(head, "PK\3\4", 4) || !find(file, size, &e)
        || e.directory_at + e.directory_size != e.at) {
        return APR_EGENERAL;
    }
    if (e.entries > WA_ZIP_ENTRIES_MAX || e.directory_size > DIRECTORY_MAX) {
        return APR_ENOSPC;
    }
    zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    if (!zip) {
        return APR_EGENERAL;
    }
    list(zip, fn, baton);
    zip_discard(zip);
    return APR_SUCCESS;
}
