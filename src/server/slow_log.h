/* SPDX-License-Identifier: BSD-3-Clause */
/* The slow log: the latest commands that took long, newest first. An entry keeps at most
 * SLOW_LOG_ARGUMENTS words of at most SLOW_LOG_ARGUMENT_BYTES bytes; what was left out is said in
 * words in the last argument, or at the end of a cut one. Entries are numbered from 0 as long as
 * the server runs, reset or not.
 *
 * Pure: the caller serialises use of one log and gives the time. */
#ifndef LARDER_SERVER_SLOW_LOG_H
#define LARDER_SERVER_SLOW_LOG_H

#include "base/alloc.h"
#include "base/slice.h"

enum { SLOW_LOG_ARGUMENTS = 32, SLOW_LOG_ARGUMENT_BYTES = 128 };

struct slow_log_entry {
    struct slow_log_entry *older, *newer;
    uint64_t id;
    int64_t time_s; /* since 1970 */
    uint64_t duration_us;
    struct slice peer; /* "127.0.0.1:4711" */
    struct slice name; /* of the client, may be empty */
    size_t argc;
    size_t bytes;        /* of the whole block */
    struct slice argv[]; /* argc of them; all texts follow in the same block */
};

struct slow_log {
    const struct allocator *allocator;
    struct slow_log_entry *newest, *oldest;
    size_t length;
    size_t max_length;
    uint64_t next_id;
};

void slow_log_init(struct slow_log *log, const struct allocator *allocator, size_t max_length);
void slow_log_finish(struct slow_log *log);

/* Returns owned, NULL when there is no memory. Copies all texts. Needs no log. */
struct slow_log_entry *slow_log_entry_create(const struct allocator *allocator, size_t argc,
                                             const struct slice *argv, struct slice peer,
                                             struct slice name);
/* Frees the entry and all that are older than it in its list. NULL is allowed. */
void slow_log_entry_destroy(const struct allocator *allocator, struct slow_log_entry *entry);

/* Takes ownership of the entry and numbers it. Returns owned: entries beyond the maximal length,
 * for slow_log_entry_destroy, or NULL. */
struct slow_log_entry *slow_log_add(struct slow_log *log, struct slow_log_entry *entry);

/* Change the maximal length; 0 keeps nothing. Returns owned as slow_log_add. */
struct slow_log_entry *slow_log_limit(struct slow_log *log, size_t max_length);

/* Forget all. Returns owned as slow_log_add. */
struct slow_log_entry *slow_log_reset(struct slow_log *log);

#endif
