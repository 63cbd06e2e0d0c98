/* SPDX-License-Identifier: Apache-2.0 */
/* A full disk (LD_PRELOAD): what is done to files below FULL_DIR fails as the
 * file FULL_CONF says, when it is there: "CALL ERRNO BYTES", CALL one of open,
 * write, fsync, mkdir; a write fails that would go past so many bytes. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int below(const char *path)
{
    const char *dir = getenv("FULL_DIR");

    return dir && !strncmp(path, dir, strlen(dir));
}

static int is_ours(int fd)
{
    char link[64], path[4096];
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n <= 0) {
        return 0;
    }
    path[n] = '\0';
    return below(path);
}

/* The errno that the call is to fail with, or 0. */
static int fault(const char *call, long *bytes)
{
    const char *conf = getenv("FULL_CONF");
    FILE *in = conf ? fopen(conf, "re") : NULL;
    char name[16] = "";
    int error = 0;

    *bytes = 0;
    if (!in) {
        return 0;
    }
    if (fscanf(in, "%15s %d %ld", name, &error, bytes) < 2
        || strcmp(name, call)) {
        error = 0;
    }
    fclose(in);
    return error;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *data, size_t len)
{
    long bytes;
    int error = is_ours(fd) ? fault("write", &bytes) : 0;

    if (error && lseek(fd, 0, SEEK_CUR) + (long)len > bytes) {
        errno = error;
        return -1;
    }
    return REAL(write)(fd, data, len);
}

int fsync(int fd)
{
    long bytes;
    int error = is_ours(fd) ? fault("fsync", &bytes) : 0;

    if (error) {
        errno = error;
        return -1;
    }
    return REAL(fsync)(fd);
}

int mkdir(const char *path, mode_t mode)
{
    struct stat st;
    long bytes;
    int error = below(path) && stat(path, &st) ? fault("mkdir", &bytes) : 0;

    if (error) {
        errno = error;
        return -1;
    }
    return REAL(mkdir)(path, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    long bytes;
    int error;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    error = flags & O_CREAT && below(path) ? fault("open", &bytes) : 0;
    if (error) {
        errno = error;
        return -1;
    }
    return REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
    __attribute__((alias("open")));
