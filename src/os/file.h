/* SPDX-License-Identifier: BSD-3-Clause */
/* Files and directories. Everything here may block in the kernel: never called under a lock or by
 * a loop thread in normal running. `error` may always be NULL. Any thread; one thread at a time per
 * open file, except that file_append and file_write_quietly may be called by several. */
#ifndef LARDER_OS_FILE_H
#define LARDER_OS_FILE_H

#include "base/alloc.h"
#include "base/slice.h"
#include "os/error_text.h"

/* Common errors: LARDER_NOT_FOUND, LARDER_DENIED, LARDER_NO_SPACE, LARDER_BUSY (descriptor limit),
 * LARDER_IO. Functions list what they add. */

/* An open file. Closed: fd is -1. Caller's memory. */
struct file {
    int fd;
};

enum file_mode {
    FILE_READ,           /* the file must exist */
    FILE_APPEND,         /* created if missing; every write goes to the end */
    FILE_CREATE_APPEND,  /* as FILE_APPEND, but LARDER_EXISTS if it is there already */
    FILE_REPLACE_APPEND, /* as FILE_APPEND, emptied first */
};

/* Open `path`; new files get `permissions` (like 0640) less the umask. On failure out_file->fd is
 * -1. Adds: LARDER_EXISTS. */
LARDER_NODISCARD
enum larder_status file_open(struct file *out_file, const char *path, enum file_mode mode,
                             unsigned permissions, struct error_text *error);

/* A closed file is ignored. Data not yet synced may be lost by a crash of the machine. */
void file_close(struct file *file);

/* Put `replacement` in the place of `file`, whose descriptor number stays: other threads may go on
 * writing meanwhile, and each write reaches one of the two, whole. *replacement is closed; on
 * failure too, and then *file is as it was. */
LARDER_NODISCARD
enum larder_status file_swap(struct file *file, struct file *replacement, struct error_text *error);

/* A second descriptor for standard output. */
LARDER_NODISCARD
enum larder_status file_open_standard_output(struct file *out_file, struct error_text *error);

/* Write all of `data` at the end. On failure part of it may have been written: the caller knows
 * the size before and may truncate to it. */
LARDER_NODISCARD
enum larder_status file_append(struct file *file, struct slice data, struct error_text *error);

/* As file_append, for logs: a failure changes nothing and is not told. */
void file_write_quietly(int fd, struct slice data);

/* Read up to `size` bytes at `offset`; fewer only at the end of the file. */
LARDER_NODISCARD
enum larder_status file_read_at(const struct file *file, uint64_t offset, void *buffer, size_t size,
                                size_t *out_size, struct error_text *error);

/* Blocks until everything written before is on stable storage (data, and size if it changed). */
LARDER_NODISCARD
enum larder_status file_sync(struct file *file, struct error_text *error);

LARDER_NODISCARD
enum larder_status file_size(const struct file *file, uint64_t *out_size, struct error_text *error);

/* Cut or extend (with zeros) to `size` bytes. */
LARDER_NODISCARD
enum larder_status file_truncate(struct file *file, uint64_t size, struct error_text *error);

/* Have disk blocks ready for the first `size` bytes without changing the file's size, so that
 * later appends cannot fail for want of space. A file system that can't is no error. */
LARDER_NODISCARD
enum larder_status file_preallocate(struct file *file, uint64_t size, struct error_text *error);

/* Read a whole file of at most `limit_bytes`. Returns owned *out_data of *out_size bytes plus a NUL
 * that is not counted: release *out_size + 1 bytes to `allocator`.
 * Adds: LARDER_TOO_LARGE, LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status file_read_whole(const char *path, size_t limit_bytes,
                                   const struct allocator *allocator, uint8_t **out_data,
                                   size_t *out_size, struct error_text *error);

/* Put `data` at `path` so that after a crash at any moment either the old or the new content is
 * there, whole: written beside it, synced, renamed over it, directory synced. An existing file's
 * permissions are kept; a new one gets `permissions`. Symbolic links are replaced, not followed.
 * Adds: LARDER_INVALID (path too long). */
LARDER_NODISCARD
enum larder_status file_write_atomically(const char *path, struct slice data, unsigned permissions,
                                         struct error_text *error);

/* Adds: LARDER_NOT_FOUND when the file is not there, which callers may ignore. */
LARDER_NODISCARD
enum larder_status file_unlink(const char *path, struct error_text *error);

/* `to` is replaced if it exists. Durable after directory_sync of its directory. */
LARDER_NODISCARD
enum larder_status file_rename(const char *from, const char *to, struct error_text *error);

bool file_exists(const char *path);

/* Create a directory and its missing parents; one that exists is fine. */
LARDER_NODISCARD
enum larder_status directory_create(const char *path, unsigned permissions,
                                    struct error_text *error);

bool directory_exists(const char *path);

/* Make creations, renames and removals in a directory durable. */
LARDER_NODISCARD
enum larder_status directory_sync(const char *path, struct error_text *error);

/* Change the working directory of the process: programs only. */
LARDER_NODISCARD
enum larder_status directory_enter(const char *path, struct error_text *error);

#endif
