/* SPDX-License-Identifier: BSD-3-Clause */
/* Open files. Writes are repeated until complete: the kernel may take a part, above all when a
 * disk is nearly full. */
#include "os/file.h"
#include "os/system_error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum larder_status file_open(struct file *out_file, const char *path, enum file_mode mode,
                             unsigned permissions, struct error_text *error) {
    int flags = O_CLOEXEC | O_RDONLY;
    if (mode == FILE_APPEND)
        flags = O_CLOEXEC | O_RDWR | O_APPEND | O_CREAT;
    else if (mode == FILE_CREATE_APPEND)
        flags = O_CLOEXEC | O_RDWR | O_APPEND | O_CREAT | O_EXCL;
    else if (mode == FILE_REPLACE_APPEND)
        flags = O_CLOEXEC | O_RDWR | O_APPEND | O_CREAT | O_TRUNC;
    do
        out_file->fd = open(path, flags, (mode_t)permissions);
    while (out_file->fd < 0 && errno == EINTR);
    if (out_file->fd >= 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't open '%s'", path);
}

void file_close(struct file *file) {
    if (file->fd >= 0)
        (void)close(file->fd);
    file->fd = -1;
}

enum larder_status file_swap(struct file *file, struct file *replacement,
                             struct error_text *error) {
    int result = 0;
    do
        result = dup3(replacement->fd, file->fd, O_CLOEXEC);
    while (result < 0 && (errno == EINTR || errno == EBUSY));
    enum larder_status status = LARDER_OK;
    if (result < 0)
        status = system_error_report(error, errno, "can't replace an open file");
    file_close(replacement);
    return status;
}

enum larder_status file_open_standard_output(struct file *out_file, struct error_text *error) {
    out_file->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (out_file->fd >= 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't use standard output");
}

/* Returns the errno value. */
static int write_all(int fd, struct slice data) {
    while (data.size > 0) {
        ssize_t count = write(fd, data.data, data.size);
        if (count < 0 && errno != EINTR)
            return errno;
        if (count == 0)
            return EIO;
        if (count > 0)
            data = slice_of(data.data + count, data.size - (size_t)count);
    }
    return 0;
}

enum larder_status file_append(struct file *file, struct slice data, struct error_text *error) {
    int failure = write_all(file->fd, data);
    return failure == 0 ? LARDER_OK : system_error_report(error, failure, "write failed");
}

void file_write_quietly(int fd, struct slice data) {
    int saved = errno;
    (void)write_all(fd, data);
    errno = saved;
}

enum larder_status file_read_at(const struct file *file, uint64_t offset, void *buffer, size_t size,
                                size_t *out_size, struct error_text *error) {
    *out_size = 0;
    while (*out_size < size) {
        ssize_t count = pread(file->fd, (uint8_t *)buffer + *out_size, size - *out_size,
                              (off_t)(offset + *out_size));
        if (count == 0)
            break;
        if (count > 0)
            *out_size += (size_t)count;
        else if (errno != EINTR)
            return system_error_report(error, errno, "read failed");
    }
    return LARDER_OK;
}

enum larder_status file_sync(struct file *file, struct error_text *error) {
    if (fdatasync(file->fd) == 0)
        return LARDER_OK;
    return system_error_report(error, errno, "sync failed");
}

enum larder_status file_size(const struct file *file, uint64_t *out_size,
                             struct error_text *error) {
    struct stat info;
    *out_size = 0;
    if (fstat(file->fd, &info) != 0)
        return system_error_report(error, errno, "can't read the size of a file");
    *out_size = (uint64_t)info.st_size;
    return LARDER_OK;
}

enum larder_status file_truncate(struct file *file, uint64_t size, struct error_text *error) {
    int result = 0;
    do
        result = ftruncate(file->fd, (off_t)size);
    while (result != 0 && errno == EINTR);
    return result == 0 ? LARDER_OK : system_error_report(error, errno, "can't truncate a file");
}

enum larder_status file_preallocate(struct file *file, uint64_t size, struct error_text *error) {
#if defined(FALLOC_FL_KEEP_SIZE)
    int result = 0;
    do
        result = fallocate(file->fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size);
    while (result != 0 && errno == EINTR);
    if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return system_error_report(error, errno, "can't preallocate a file");
#else
    (void)file;
    (void)size;
    (void)error;
#endif
    return LARDER_OK;
}
