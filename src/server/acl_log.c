/* SPDX-License-Identifier: BSD-3-Clause */
/* An entry is one block with its texts behind it. Grouping replaces the block, because the newer
 * description of the client may be longer. */
#include "server/acl_log.h"

enum { GROUP_SEARCH = 10, GROUP_MS = 60000 };

void acl_log_init(struct acl_log *log, const struct allocator *allocator) {
    *log = (struct acl_log){.allocator = allocator};
}

static void unlink_entry(struct acl_log *log, struct acl_log_entry *entry) {
    *(entry->newer != NULL ? &entry->newer->older : &log->newest) = entry->older;
    *(entry->older != NULL ? &entry->older->newer : &log->oldest) = entry->newer;
    log->length--;
}

static void drop(struct acl_log *log, struct acl_log_entry *entry) {
    unlink_entry(log, entry);
    allocator_release(log->allocator, entry, entry->bytes);
}

void acl_log_limit(struct acl_log *log, size_t max_length) {
    while (log->length > max_length)
        drop(log, log->oldest);
}

void acl_log_finish(struct acl_log *log) {
    acl_log_limit(log, 0);
}

static struct slice put(uint8_t **at, struct slice text) {
    uint8_t *begin = *at;
    if (text.size > 0)
        memcpy(begin, text.data, text.size);
    *at += text.size;
    return slice_of(begin, text.size);
}

static struct acl_log_entry *create(const struct acl_log *log, const struct acl_log_entry *what) {
    size_t bytes = sizeof(*what) + what->object.size + what->user.size + what->client.size;
    struct acl_log_entry *entry = allocator_allocate(log->allocator, bytes);
    if (entry == NULL)
        return NULL;
    *entry = *what;
    uint8_t *at = (uint8_t *)(entry + 1);
    entry->bytes = bytes;
    entry->object = put(&at, what->object);
    entry->user = put(&at, what->user);
    entry->client = put(&at, what->client);
    return entry;
}

static struct acl_log_entry *find_alike(const struct acl_log *log,
                                        const struct acl_log_entry *what) {
    struct acl_log_entry *e = log->newest;
    for (size_t i = 0; i < GROUP_SEARCH && e != NULL; i++, e = e->older)
        if (e->reason == what->reason && e->context == what->context &&
            what->updated_ms - e->updated_ms <= GROUP_MS && slice_equal(e->object, what->object) &&
            slice_equal(e->user, what->user))
            return e;
    return NULL;
}

void acl_log_add(struct acl_log *log, const struct acl_log_entry *what, size_t max_length) {
    struct acl_log_entry *entry = create(log, what);
    if (entry == NULL)
        return;
    struct acl_log_entry *alike = find_alike(log, what);
    entry->id = alike != NULL ? alike->id : log->next_id++;
    entry->count = alike != NULL ? alike->count + 1 : 1;
    entry->created_ms = alike != NULL ? alike->created_ms : what->updated_ms;
    if (alike != NULL)
        drop(log, alike);
    entry->newer = NULL;
    entry->older = log->newest;
    *(log->newest != NULL ? &log->newest->newer : &log->oldest) = entry;
    log->newest = entry;
    log->length++;
    acl_log_limit(log, max_length);
}
