/* SPDX-License-Identifier: Apache-2.0 */
/* Files on disk: what becomes of one that finds no room, or is too large. */
#define _XOPEN_SOURCE 700
#include "tap.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "core/wa_media_store.h"

static apr_pool_t *p;
static wa_settings settings;
static wa_app app;

static const char *make_dir(void)
{
    char *dir = apr_pstrdup(p, "/tmp/wa-media-XXXXXX");

    return mkdtemp(dir);
}

static int remove_entry(const char *path, const struct stat *st, int type,
                        struct FTW *where)
{
    return remove(path);
}

static int is_there(const char *path)
{
    return !access(path, F_OK);
}

static void keeps(void)
{
    wa_result *r = wa_result_make(p);
    const char *tmp;
    apr_file_t *file;
    wa_spool *s;

    is_int(wa_spool_make(&s, &app, p, 10, r), WA_OK, "a file is begun");
    tmp = s->path;
    is_int(wa_spool_write(s, "hello", 5, r), WA_OK, "written");
    is_int(wa_spool_write(s, "hello", 5, r), WA_OK, "up to its bound");
    is_int(wa_spool_finish(s, r), WA_OK, "finished");
    is_int(wa_spool_keep(s, &app, p, r), WA_OK, "kept");
    wa_spool_drop(s);
    ok(!is_there(tmp), "it is not where it was written");
    is_int(wa_media_file_open(&file, &app, p, s->name, r), WA_OK, "opened");
    apr_file_close(file);
    is_int((int)wa_media_file_remove(&app, p, s->name), APR_SUCCESS, "removed");
    is_int((int)wa_media_file_remove(&app, p, s->name), APR_SUCCESS,
           "removed once more");
    is_int(wa_media_file_open(&file, &app, p, s->name, r), WA_E_MEDIA_GONE,
           "it is gone");
}

static void bounds(void)
{
    wa_result *r = wa_result_make(p);
    const char *tmp;
    wa_spool *s;

    wa_spool_make(&s, &app, p, 10, r);
    tmp = s->path;
    wa_spool_write(s, "hello", 5, r);
    is_int(wa_spool_write(s, "hello.", 6, r), WA_E_MEDIA_TOO_LARGE,
           "a byte too many");
    wa_spool_drop(s);
    ok(!is_there(tmp), "nothing is left of it");
}

/* /dev/full takes nothing, as a disk that is full. */
static void no_room(void)
{
    wa_result *r = wa_result_make(p);
    wa_spool *s;

    wa_spool_make(&s, &app, p, 1000, r);
    apr_file_close(s->file);
    if (apr_file_open(&s->file, "/dev/full", APR_FOPEN_WRITE, 0, p)
        != APR_SUCCESS) {
        ok(1, "# SKIP no /dev/full");
        return;
    }
    is_int(wa_spool_write(s, "hello", 5, r), WA_E_STORAGE_FULL,
           "there is no room");
    is_int(wa_code_status(r->code), 507, "that is a 507");
    ok(r->retry_after > 0, "with a time to come back");
    is_int((int)s->size, 0, "what was not written is not counted");
    wa_spool_drop(s);
}

static void no_folder(void)
{
    static wa_settings elsewhere;
    wa_app away = { .settings = &elsewhere };
    wa_result *r = wa_result_make(p);
    wa_spool *s;

    elsewhere.media_dir = apr_pstrcat(p, settings.media_dir, "/none", NULL);
    is_int(wa_spool_make(&s, &away, p, 10, r), WA_E_STORAGE, "no folder");
    is_int(wa_code_status(r->code), 503, "that is a 503");
}

int main(void)
{
    p = tap_start();
    settings.media_dir = make_dir();
    app.settings = &settings;
    keeps();
    bounds();
    no_room();
    no_folder();
    is_int(nftw(settings.media_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0,
           "all of it is cleared away");
    return tap_done();
}
