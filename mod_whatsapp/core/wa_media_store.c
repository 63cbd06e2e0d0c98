/* SPDX-License-Identifier: Apache-2.0 */
#include "wa_media_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_portable.h>
#include <apr_strings.h>

#include "../base/wa_crypto.h"
#include "../base/wa_log.h"

#define TMP "tmp"

static const char *dir_of(const wa_app *app)
{
    return app->settings->media_dir;
}

/* An errno as what a client is told; the log has the rest. */
static wa_code failed(int error, const char *path, const char *what,
                      wa_result *r)
{
    char buf[120];

    wa_log(WA_LOG_ERR, NULL, "WA0611: %s: %s: %s", path, what,
           apr_strerror(error, buf, sizeof(buf)));
    if (error == ENOSPC || error == EDQUOT) {
        return wa_fail_retry(r, WA_E_STORAGE_FULL, 60, NULL);
    }
    return wa_fail_retry(r, WA_E_STORAGE, 5, NULL);
}

/* What of a mode for the group's sake the directory's own lets stand. */
static mode_t mode_in(const wa_app *app, mode_t mode)
{
    struct stat st;

    if (stat(dir_of(app), &st) || !(st.st_mode & S_IWGRP)) {
        return mode & 0700;
    }
    return mode & 0770;
}

static int sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;

    if (fd < 0) {
        return errno;
    }
    if (fsync(fd)) {
        error = errno;
    }
    close(fd);
    return error;
}

/* The mode goes past the process's umask. setgid comes from the parent. */
static int make_dir(const wa_app *app, const char *path)
{
    struct stat st;
    mode_t mode = mode_in(app, 0770);

    if (mkdir(path, mode)) {
        return errno == EEXIST ? 0 : errno;
    }
    if (mode & S_IWGRP
        && (stat(path, &st) || chmod(path, (st.st_mode & S_ISGID) | mode))) {
        return errno;
    }
    return 0;
}

static int is_name(const char *s)
{
    return s && strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

/* The folders of a file, the outer one first, and its path. */
static void places(const wa_app *app, apr_pool_t *p, const char *name,
                   const char **outer, const char **inner, const char **path)
{
    *outer = apr_psprintf(p, "%s/%.2s", dir_of(app), name);
    *inner = apr_psprintf(p, "%s/%.2s", *outer, name + 2);
    *path = apr_pstrcat(p, *inner, "/", name, NULL);
}

/* --- writing ---------------------------------------------------------------
 */

static apr_status_t spool_cleanup(void *data)
{
    wa_spool *s = data;

    wa_spool_drop(s);
    return apr_file_close(s->file);
}

wa_code wa_spool_make(wa_spool **spool, const wa_app *app, apr_pool_t *p,
                      apr_off_t max, wa_result *r)
{
    const char *tmp = apr_pstrcat(p, dir_of(app), "/" TMP, NULL);
    wa_spool *s = apr_pcalloc(p, sizeof(*s));
    unsigned char random[16];
    apr_os_file_t fd;
    int error = make_dir(app, tmp);

    if (error) {
        return failed(error, tmp, "can't be made", r);
    }
    wa_random(random, sizeof(random));
    s->name = wa_hex(p, random, sizeof(random));
    s->path = apr_pstrcat(p, tmp, "/", s->name, NULL);
    s->max = max;
    s->hash = wa_sha256_begin(p);
    fd = open(s->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return failed(errno, s->path, "can't be made", r);
    }
    if (fchmod(fd, mode_in(app, 0660))
        || apr_os_file_put(&s->file, &fd, APR_FOPEN_READ | APR_FOPEN_WRITE, p)
               != APR_SUCCESS) {
        error = errno;
        close(fd);
        unlink(s->path);
        return failed(error, s->path, "can't be made", r);
    }
    apr_pool_cleanup_register(p, s, spool_cleanup, apr_pool_cleanup_null);
    *spool = s;
    return WA_OK;
}

wa_code wa_spool_write(wa_spool *s, const char *data, apr_size_t len,
                       wa_result *r)
{
    apr_status_t rv;

    if ((apr_off_t)len > s->max - s->size) {
        return wa_fail(r, WA_E_MEDIA_TOO_LARGE,
                       "The file may have %" APR_OFF_T_FMT " bytes", s->max);
    }
    rv = apr_file_write_full(s->file, data, len, NULL);
    if (rv != APR_SUCCESS) {
        return failed(APR_TO_OS_ERROR(rv), s->path, "can't be written", r);
    }
    wa_sha256_add(s->hash, data, len);
    s->size += (apr_off_t)len;
    return WA_OK;
}

wa_code wa_spool_finish(wa_spool *s, wa_result *r)
{
    apr_status_t rv = apr_file_sync(s->file);

    wa_sha256_end(s->hash, s->sha256);
    return rv == APR_SUCCESS
               ? WA_OK
               : failed(APR_TO_OS_ERROR(rv), s->path, "can't be written", r);
}

wa_code wa_spool_keep(wa_spool *s, const wa_app *app, apr_pool_t *p,
                      wa_result *r)
{
    const char *outer, *inner, *path;
    int error;

    places(app, p, s->name, &outer, &inner, &path);
    error = make_dir(app, outer);
    if (!error) {
        error = make_dir(app, inner);
    }
    if (!error && rename(s->path, path)) {
        error = errno;
    }
    if (error) {
        return failed(error, path, "can't be made", r);
    }
    s->path = NULL; /* not the spool's any more */
    error = sync_dir(inner);
    if (!error) {
        error = sync_dir(outer);
    }
    if (!error) {
        error = sync_dir(dir_of(app));
    }
    return error ? failed(error, path, "can't be brought to disk", r) : WA_OK;
}

void wa_spool_drop(wa_spool *s)
{
    if (s->path) {
        unlink(s->path);
        s->path = NULL;
    }
}

/* --- kept files ------------------------------------------------------------
 */

wa_code wa_media_file_open(apr_file_t **file, const wa_app *app, apr_pool_t *p,
                           const char *name, wa_result *r)
{
    const char *outer, *inner, *path;
    apr_status_t rv;

    if (!is_name(name)) {
        return wa_fail(r, WA_E_MEDIA_GONE, NULL);
    }
    places(app, p, name, &outer, &inner, &path);
    rv = apr_file_open(
        file, path,
        APR_FOPEN_READ | APR_FOPEN_BINARY | APR_FOPEN_SENDFILE_ENABLED, 0, p);
    if (APR_STATUS_IS_ENOENT(rv)) {
        wa_log(WA_LOG_ERR, NULL, "WA0612: %s is not there", path);
        return wa_fail(r, WA_E_MEDIA_GONE, NULL);
    }
    return rv == APR_SUCCESS
               ? WA_OK
               : failed(APR_TO_OS_ERROR(rv), path, "can't be read", r);
}

apr_status_t wa_media_file_remove(const wa_app *app, apr_pool_t *p,
                                  const char *name)
{
    const char *outer, *inner, *path;
    char buf[120];
    int error;

    if (!is_name(name)) {
        return APR_SUCCESS;
    }
    places(app, p, name, &outer, &inner, &path);
    if (!unlink(path) || errno == ENOENT) {
        return APR_SUCCESS;
    }
    error = errno;
    wa_log(WA_LOG_ERR, NULL, "WA0613: %s can't be removed: %s", path,
           apr_strerror(error, buf, sizeof(buf)));
    return APR_FROM_OS_ERROR(error);
}

void wa_media_sweep(const wa_app *app, apr_pool_t *p, apr_time_t before)
{
    const char *tmp = apr_pstrcat(p, dir_of(app), "/" TMP, NULL);
    apr_finfo_t info;
    apr_dir_t *dir;

    if (apr_dir_open(&dir, tmp, p) != APR_SUCCESS) {
        return; /* nothing was ever stored */
    }
    while (apr_dir_read(&info, APR_FINFO_MTIME | APR_FINFO_NAME, dir)
           == APR_SUCCESS) {
        if (is_name(info.name) && info.mtime < before) {
            unlink(apr_pstrcat(p, tmp, "/", info.name, NULL));
        }
    }
    apr_dir_close(dir);
}
