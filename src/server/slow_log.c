/* SPDX-License-Identifier: BSD-3-Clause */
/* A doubly linked list, newest first; each entry is one block that holds its texts too. */
#include "server/slow_log.h"

#include <stdio.h>

void slow_log_init(struct slow_log *log, const struct allocator *allocator, size_t max_length) {
    *log = (struct slow_log){.allocator = allocator, .max_length = max_length};
}

void slow_log_finish(struct slow_log *log) {
    slow_log_entry_destroy(log->allocator, slow_log_reset(log));
}

/* ---- entries ---- */

/* Room for a note about what was left out. */
enum { NOTE_BYTES = 48 };

static size_t kept_bytes(struct slice text) {
    if (text.size <= SLOW_LOG_ARGUMENT_BYTES)
        return text.size;
    return SLOW_LOG_ARGUMENT_BYTES + NOTE_BYTES;
}

/* Copy `text` to *at, cut with a note if it is long, and advance. */
static struct slice keep(struct slice text, uint8_t **at) {
    uint8_t *begin = *at;
    size_t size = text.size < SLOW_LOG_ARGUMENT_BYTES ? text.size : SLOW_LOG_ARGUMENT_BYTES;
    if (size > 0)
        memcpy(begin, text.data, size);
    if (text.size > size)
        size += (size_t)snprintf((char *)begin + size, NOTE_BYTES, "... (%zu more bytes)",
                                 text.size - size);
    *at += size;
    return slice_of(begin, size);
}

struct slow_log_entry *slow_log_entry_create(const struct allocator *allocator, size_t argc,
                                             const struct slice *argv, struct slice peer,
                                             struct slice name) {
    bool is_cut = argc > SLOW_LOG_ARGUMENTS;
    size_t kept = is_cut ? SLOW_LOG_ARGUMENTS - 1 : argc;
    size_t count = is_cut ? SLOW_LOG_ARGUMENTS : argc;
    size_t bytes = sizeof(struct slow_log_entry) + count * sizeof(struct slice) + NOTE_BYTES +
                   peer.size + NOTE_BYTES + kept_bytes(name);
    for (size_t i = 0; i < kept; i++)
        bytes += kept_bytes(argv[i]);
    struct slow_log_entry *entry = allocator_allocate(allocator, bytes);
    if (entry == NULL)
        return NULL;
    *entry = (struct slow_log_entry){.argc = count, .bytes = bytes};
    uint8_t *at = (uint8_t *)&entry->argv[count];
    for (size_t i = 0; i < kept; i++)
        entry->argv[i] = keep(argv[i], &at);
    if (is_cut) {
        int size = snprintf((char *)at, NOTE_BYTES, "... (%zu more arguments)", argc - kept);
        entry->argv[kept] = slice_of(at, (size_t)size);
        at += size;
    }
    entry->peer = keep(peer, &at);
    entry->name = keep(name, &at);
    return entry;
}

void slow_log_entry_destroy(const struct allocator *allocator, struct slow_log_entry *entry) {
    while (entry != NULL) {
        struct slow_log_entry *older = entry->older;
        allocator_release(allocator, entry, entry->bytes);
        entry = older;
    }
}

/* ---- the list ---- */

/* Unlink what is beyond the maximal length. */
static struct slow_log_entry *trim(struct slow_log *log) {
    if (log->length <= log->max_length)
        return NULL;
    struct slow_log_entry *first = log->oldest;
    while (--log->length > log->max_length)
        first = first->newer;
    log->oldest = first->newer;
    if (log->oldest != NULL)
        log->oldest->older = NULL;
    else
        log->newest = NULL;
    return first;
}

struct slow_log_entry *slow_log_add(struct slow_log *log, struct slow_log_entry *entry) {
    entry->id = log->next_id++;
    entry->older = log->newest;
    entry->newer = NULL;
    if (log->newest != NULL)
        log->newest->newer = entry;
    else
        log->oldest = entry;
    log->newest = entry;
    log->length++;
    return trim(log);
}

struct slow_log_entry *slow_log_limit(struct slow_log *log, size_t max_length) {
    log->max_length = max_length;
    return trim(log);
}

struct slow_log_entry *slow_log_reset(struct slow_log *log) {
    struct slow_log_entry *all = log->newest;
    log->newest = log->oldest = NULL;
    log->length = 0;
    return all;
}
