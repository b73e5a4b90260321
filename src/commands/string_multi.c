/* SPDX-License-Identifier: BSD-3-Clause */
/* Several strings at once. MSET obtains everything that the puts will need for all pairs, then
 * puts them one after the other, which can't fail any more. */
#include "commands/functions.h"
#include "commands/string_value.h"

enum larder_status command_mget(struct call *call) {
    reply_array(call->reply, call->argc - 1);
    for (size_t i = 1; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        if (call_read(call, &key, &entry) && entry_is_string(&entry))
            reply_string(call->reply, &entry.value);
        else
            reply_null(call->reply);
    }
    return LARDER_OK;
}

struct large_value {
    struct blob *blob; /* NULL when the argument is small or in a blob already */
};

/* The large values of one MSET that no argument blob holds: made[i] belongs to argv[i]. */
struct large_values {
    struct large_value *made; /* NULL when there are none */
    size_t bytes;
};

static bool needs_blob(const struct call *call, size_t index) {
    return call->argv[index].size > RECORD_INLINE_VALUE_MAX && call_blob_at(call, index) == NULL;
}

static void release_large(const struct call *call, struct large_values *large) {
    if (large->made == NULL)
        return;
    for (size_t i = 0; i < call->argc; i++)
        blob_release(large->made[i].blob);
    allocator_release(call->keyspace->allocator, large->made, large->bytes);
}

/* Errors: LARDER_NO_MEMORY; what was made is to be released in any case. */
static enum larder_status make_large(const struct call *call, struct large_values *large) {
    const struct allocator *allocator = call->keyspace->allocator;
    for (size_t i = 2; i < call->argc; i += 2) {
        if (!needs_blob(call, i))
            continue;
        if (large->made == NULL) {
            large->bytes = call->argc * sizeof(*large->made);
            large->made = allocator_allocate_zeroed(allocator, large->bytes);
            if (large->made == NULL)
                return LARDER_NO_MEMORY;
        }
        struct blob *blob = blob_create(allocator, call->argv[i].size);
        if (blob == NULL)
            return LARDER_NO_MEMORY;
        memcpy(blob->data, call->argv[i].data, call->argv[i].size);
        blob->size = call->argv[i].size;
        large->made[i].blob = blob;
    }
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status put_pairs(struct call *call, const struct large_values *large) {
    for (size_t i = 1; i + 1 < call->argc; i += 2) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        const struct entry *old = call_write(call, &key, &entry) ? &entry : NULL;
        struct blob *blob = large->made != NULL && large->made[i + 1].blob != NULL
                                ? large->made[i + 1].blob
                                : call_blob_at(call, i + 1);
        enum larder_status status = call_put_string(call, &key, old, call->argv[i + 1], blob, 0);
        if (status != LARDER_OK)
            return status;
        call_effect_set(call, &key, call->argv[i + 1], 0);
        call_notify(call, NOTICE_STRING, "set", &key);
    }
    return LARDER_OK;
}

/* Expired keys go first: what is reserved is meant for what is there then. */
REQUIRES(PARTITION_LOCK)
static enum larder_status reserve_pairs(struct call *call) {
    for (size_t i = 1; i + 1 < call->argc; i += 2) {
        struct entry old;
        struct key key = call_key_at(call, i);
        (void)call_write(call, &key, &old);
        enum larder_status status = call_reserve(call, &key, call->argv[i + 1].size);
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status set_pairs(struct call *call) {
    struct large_values large = {0};
    if (call->argc == 3) /* one put is atomic in itself */
        return put_pairs(call, &large);
    enum larder_status status = make_large(call, &large);
    if (status == LARDER_OK)
        status = reserve_pairs(call);
    if (status == LARDER_OK)
        status = put_pairs(call, &large);
    release_large(call, &large);
    return status;
}

enum larder_status command_mset(struct call *call) {
    if (call->argc % 2 == 0)
        return call_wrong_arity(call);
    enum larder_status status = set_pairs(call);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    return status;
}

enum larder_status command_msetnx(struct call *call) {
    if (call->argc % 2 == 0)
        return call_wrong_arity(call);
    for (size_t i = 1; i < call->argc; i += 2) {
        struct entry old;
        struct key key = call_key_at(call, i);
        if (call_write(call, &key, &old)) {
            reply_integer(call->reply, 0);
            return LARDER_OK;
        }
    }
    enum larder_status status = set_pairs(call);
    if (status == LARDER_OK)
        reply_integer(call->reply, 1);
    return status;
}
