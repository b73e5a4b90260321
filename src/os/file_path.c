/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on paths. Atomic replacement is the usual write, sync, rename, sync the directory; the
 * temporary name carries process id and a number, so that writers never share one. */
#include "os/file.h"
#include "os/system_error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMPORARY_ATTEMPTS = 100 };

static enum larder_status read_open_file(const struct file *file, size_t limit_bytes,
                                         const struct allocator *allocator, uint8_t **out_data,
                                         size_t *out_size, struct error_text *error) {
    size_t capacity = 0, used = 0, count = 0;
    uint8_t *data = NULL;
    enum larder_status status = LARDER_OK;
    do {
        size_t wanted = capacity == 0 ? 4096 : capacity * 2;
        uint8_t *grown = allocator_resize(allocator, data, capacity, wanted);
        if (grown == NULL) {
            error_text_format(error, "not enough memory");
            status = LARDER_NO_MEMORY;
            break;
        }
        data = grown;
        capacity = wanted;
        status = file_read_at(file, used, data + used, capacity - used, &count, error);
        used += count;
        if (status == LARDER_OK && used > limit_bytes) {
            error_text_format(error, "it has more than %zu bytes", limit_bytes);
            status = LARDER_TOO_LARGE;
        }
    } while (status == LARDER_OK && used == capacity);
    if (status == LARDER_OK) {
        /* Sizes are passed back on release, so the block is cut to what the caller knows. */
        uint8_t *exact = allocator_resize(allocator, data, capacity, used + 1);
        if (exact != NULL) {
            exact[used] = '\0';
            *out_data = exact;
            *out_size = used;
            return LARDER_OK;
        }
        error_text_format(error, "not enough memory");
        status = LARDER_NO_MEMORY;
    }
    allocator_release(allocator, data, capacity);
    return status;
}

enum larder_status file_read_whole(const char *path, size_t limit_bytes,
                                   const struct allocator *allocator, uint8_t **out_data,
                                   size_t *out_size, struct error_text *error) {
    *out_data = NULL;
    *out_size = 0;
    struct file file;
    enum larder_status status = file_open(&file, path, FILE_READ, 0, error);
    if (status != LARDER_OK)
        return status;
    struct error_text inner;
    status = read_open_file(&file, limit_bytes, allocator, out_data, out_size, &inner);
    if (status != LARDER_OK)
        error_text_format(error, "can't read '%s': %.300s", path, inner.text);
    file_close(&file);
    return status;
}

static enum larder_status open_temporary(struct file *out_file, char *temporary, size_t size,
                                         const char *path, struct error_text *error) {
    enum larder_status status = LARDER_EXISTS;
    for (int i = 0; i < TEMPORARY_ATTEMPTS && status == LARDER_EXISTS; i++) {
        int length = snprintf(temporary, size, "%s.%ld.%d.tmp", path, (long)getpid(), i);
        if (length < 0 || (size_t)length >= size)
            return system_error_report(error, ENAMETOOLONG, "can't write '%s'", path);
        status = file_open(out_file, temporary, FILE_CREATE_APPEND, 0600, error);
    }
    return status;
}

static enum larder_status sync_directory_of(const char *path, struct error_text *error) {
    char directory[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return directory_sync(".", error);
    size_t length = slash == path ? 1 : (size_t)(slash - path);
    memcpy(directory, path, length);
    directory[length] = '\0';
    return directory_sync(directory, error);
}

static enum larder_status fill_temporary(struct file *file, const char *path, struct slice data,
                                         unsigned permissions, struct error_text *error) {
    struct stat old;
    mode_t mode = (mode_t)permissions;
    if (lstat(path, &old) == 0 && S_ISREG(old.st_mode)) {
        mode = old.st_mode & 07777;
        /* Only root may give a file away; for others it already has the right owner. */
        if (fchown(file->fd, old.st_uid, old.st_gid) != 0 && errno != EPERM)
            return system_error_report(error, errno, "can't write '%s'", path);
    }
    if (fchmod(file->fd, mode) != 0)
        return system_error_report(error, errno, "can't write '%s'", path);
    struct error_text inner;
    enum larder_status status = file_append(file, data, &inner);
    if (status == LARDER_OK)
        status = file_sync(file, &inner);
    if (status != LARDER_OK)
        error_text_format(error, "can't write '%s': %.300s", path, inner.text);
    return status;
}

enum larder_status file_write_atomically(const char *path, struct slice data, unsigned permissions,
                                         struct error_text *error) {
    char temporary[PATH_MAX];
    struct file file;
    enum larder_status status = open_temporary(&file, temporary, sizeof temporary, path, error);
    if (status != LARDER_OK)
        return status;
    status = fill_temporary(&file, path, data, permissions, error);
    file_close(&file);
    if (status == LARDER_OK)
        status = file_rename(temporary, path, error);
    if (status != LARDER_OK) {
        (void)unlink(temporary);
        return status;
    }
    return sync_directory_of(path, error);
}

enum larder_status file_unlink(const char *path, struct error_text *error) {
    if (unlink(path) == 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't remove '%s'", path);
}

enum larder_status file_rename(const char *from, const char *to, struct error_text *error) {
    if (rename(from, to) == 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't rename '%s' to '%s'", from, to);
}

bool file_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

bool directory_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

enum larder_status directory_create(const char *path, unsigned permissions,
                                    struct error_text *error) {
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof prefix)
        return system_error_report(error, length == 0 ? ENOENT : ENAMETOOLONG,
                                   "can't create directory '%s'", path);
    memcpy(prefix, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        prefix[i] = '\0';
        if (mkdir(prefix, (mode_t)permissions) != 0 && !directory_exists(prefix))
            return system_error_report(error, errno, "can't create directory '%s'", prefix);
        prefix[i] = path[i];
    }
    return LARDER_OK;
}

enum larder_status directory_sync(const char *path, struct error_text *error) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return system_error_report(error, errno, "can't open directory '%s'", path);
    int failure = fsync(fd) == 0 ? 0 : errno;
    (void)close(fd);
    /* Some network file systems can't sync directories; they make renames durable themselves. */
    if (failure == 0 || failure == EINVAL)
        return LARDER_OK;
    return system_error_report(error, failure, "can't sync directory '%s'", path);
}

enum larder_status directory_enter(const char *path, struct error_text *error) {
    if (chdir(path) == 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't change to directory '%s'", path);
}
