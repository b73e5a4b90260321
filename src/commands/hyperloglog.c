/* SPDX-License-Identifier: BSD-3-Clause */
/* PFADD, PFCOUNT and PFMERGE. A dense value is changed where it is; a sparse one, which may change
 * its length with every register, in a copy. */
#include "commands/functions.h"
#include "commands/hyperloglog_value.h"
#include "commands/string_value.h"

enum { IMAGE_SLACK = 16 }; /* bytes that a copy may grow by at first */

bool hyperloglog_of(struct call *call, const struct entry *entry, struct slice *out) {
    uint8_t scratch[INT64_TEXT_MAX]; /* of an integer, which is no hyperloglog */
    if (!entry_is_string(entry)) {
        call_wrong_type(call);
        return false;
    }
    *out = value_text(&entry->value, scratch);
    if (hyperloglog_is_valid(*out))
        return true;
    reply_error(call->reply, "WRONGTYPE Key is not a valid HyperLogLog string value.");
    return false;
}

enum larder_status hyperloglog_corrupt(struct call *call) {
    reply_error(call->reply, "INVALIDOBJ Corrupted HLL object detected");
    return LARDER_OK;
}

struct blob *hyperloglog_image(const struct call *call, struct slice bytes) {
    size_t size = bytes.size > 0 ? bytes.size : HYPERLOGLOG_EMPTY_BYTES;
    struct blob *image = blob_create(call->keyspace->allocator, size + IMAGE_SLACK);
    if (image == NULL)
        return NULL;
    image->size = size;
    if (bytes.size > 0)
        memcpy(image->data, bytes.data, size);
    else
        hyperloglog_write_empty(image->data);
    return image;
}

enum larder_status hyperloglog_store(struct call *call, const struct key *key,
                                     const struct entry *old, struct blob *image) {
    int64_t expiry_ms = old != NULL ? old->expiry_ms : 0;
    if (image->size <= RECORD_INLINE_VALUE_MAX) {
        struct value value = {.kind = VALUE_RAW, .bytes = blob_slice(image)};
        return call_put(call, key, old, value, expiry_ms);
    }
    enum larder_status status =
        call_put(call, key, old, value_of_blob(blob_acquire(image)), expiry_ms);
    if (status != LARDER_OK)
        blob_release(image);
    return status;
}

enum larder_status hyperloglog_store_image(struct call *call, const struct key *key,
                                           const struct entry *old, struct blob *image) {
    int64_t expiry_ms = old != NULL ? old->expiry_ms : 0;
    size_t bound = effects_part_bound(4, key->text.size + image->size + INT64_TEXT_MAX + 4);
    if (call_reserve_effect(call, bound) != LARDER_OK ||
        hyperloglog_store(call, key, old, image) != LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_set(call, key, blob_slice(image), expiry_ms);
    return LARDER_OK;
}

static size_t sparse_max(const struct call *call) {
    return (size_t)object_limit(&call->keyspace->limits.hyperloglog_sparse_bytes);
}

/* ---- PFADD ---- */

static void finish_add(struct call *call) {
    call_notify(call, NOTICE_STRING, "pfadd", &call->key);
    call_effect_verbatim(call);
    reply_integer(call->reply, 1);
}

/* Whether an element of the command raises a register. */
static bool raises(const struct call *call, const uint8_t *dense) {
    for (size_t i = 2; i < call->argc; i++) {
        struct hyperloglog_mark mark = hyperloglog_mark(call->argv[i]);
        if (hyperloglog_dense_get(dense, mark.index) < mark.value)
            return true;
    }
    return false;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status add_to_dense(struct call *call, const struct entry *old,
                                       struct slice bytes) {
    struct string_edit edit;
    if (!raises(call, bytes.data)) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    if (string_edit_begin(&edit, call, old, bytes.size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    for (size_t i = 2; i < call->argc; i++)
        (void)hyperloglog_dense_raise(edit.data, hyperloglog_mark(call->argv[i]));
    hyperloglog_invalidate(edit.data);
    if (string_edit_commit(&edit, call, &call->key) != LARDER_OK)
        return LARDER_NO_MEMORY;
    finish_add(call);
    return LARDER_OK;
}

/* Raise the registers of all elements. */
static enum larder_status add_all(struct call *call, struct blob **image, bool *out_changed) {
    for (size_t i = 2; i < call->argc; i++) {
        bool is_raised;
        enum larder_status status =
            hyperloglog_raise(image, hyperloglog_mark(call->argv[i]), sparse_max(call), &is_raised);
        if (status != LARDER_OK)
            return status;
        *out_changed |= is_raised;
    }
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status add_to_sparse(struct call *call, const struct entry *old,
                                        struct slice bytes) {
    struct blob *image = hyperloglog_image(call, bytes);
    if (image == NULL)
        return LARDER_NO_MEMORY;
    bool is_changed = old == NULL;
    enum larder_status status = add_all(call, &image, &is_changed);
    if (status == LARDER_OK && is_changed) {
        hyperloglog_invalidate(image->data);
        status = hyperloglog_store(call, &call->key, old, image);
    }
    blob_release(image);
    if (status == LARDER_CORRUPT)
        return hyperloglog_corrupt(call);
    if (status == LARDER_OK && is_changed)
        finish_add(call);
    else if (status == LARDER_OK)
        reply_integer(call->reply, 0);
    return status;
}

enum larder_status command_pfadd(struct call *call) {
    struct entry old;
    struct slice bytes;
    if (!call_write(call, &call->key, &old))
        return add_to_sparse(call, NULL, slice_of(NULL, 0));
    if (!hyperloglog_of(call, &old, &bytes))
        return LARDER_OK;
    return hyperloglog_is_dense(bytes) ? add_to_dense(call, &old, bytes)
                                       : add_to_sparse(call, &old, bytes);
}

/* ---- PFCOUNT ---- */

/* Keep the count with the registers. It is no loss when there is no memory for that. */
REQUIRES(PARTITION_LOCK)
static void cache_count(struct call *call, const struct entry *entry, size_t size, uint64_t count) {
    struct string_edit edit;
    uint8_t bytes[HYPERLOGLOG_COUNT_BYTES];
    if (string_edit_begin(&edit, call, entry, size) != LARDER_OK)
        return;
    hyperloglog_cache(edit.data, count);
    memcpy(bytes, edit.data + HYPERLOGLOG_COUNT_AT, sizeof(bytes));
    if (string_edit_commit(&edit, call, &call->key) != LARDER_OK)
        return;
    struct slice arguments[] = {call->key.text, SLICE_LITERAL("8"), slice_of(bytes, sizeof(bytes))};
    call_effect(call, COMMAND_SETRANGE, arguments, 3);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status count_one(struct call *call) {
    struct entry entry;
    struct slice bytes;
    uint64_t count;
    call->key = call_key_at(call, 1);
    if (!call_read(call, &call->key, &entry)) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    if (!hyperloglog_of(call, &entry, &bytes))
        return LARDER_OK;
    bool is_cached = hyperloglog_cached(bytes, &count);
    if (!is_cached && !hyperloglog_count(bytes, &count))
        return hyperloglog_corrupt(call);
    reply_integer(call->reply, (int64_t)count);
    if (!is_cached)
        cache_count(call, &entry, bytes.size, count);
    return LARDER_OK;
}

/* Raise the registers to those of all keys from argv[1] on. False: an error was replied. */
REQUIRES(PARTITION_LOCK)
static bool merge_all(struct call *call, uint8_t *registers, bool *out_any_dense) {
    for (size_t i = 1; i < call->argc; i++) {
        struct key key = call_key_at(call, i);
        struct entry entry;
        struct slice bytes;
        if (!call_read(call, &key, &entry))
            continue;
        if (!hyperloglog_of(call, &entry, &bytes))
            return false;
        *out_any_dense |= hyperloglog_is_dense(bytes);
        if (!hyperloglog_merge(bytes, registers)) {
            (void)hyperloglog_corrupt(call);
            return false;
        }
    }
    return true;
}

enum larder_status command_pfcount(struct call *call) {
    if (call->argc == 2)
        return count_one(call);
    bool any_dense = false;
    uint8_t *registers =
        allocator_allocate_zeroed(call->keyspace->allocator, HYPERLOGLOG_REGISTERS);
    if (registers == NULL)
        return LARDER_NO_MEMORY;
    if (merge_all(call, registers, &any_dense))
        reply_integer(call->reply, (int64_t)hyperloglog_count_registers(registers));
    allocator_release(call->keyspace->allocator, registers, HYPERLOGLOG_REGISTERS);
    return LARDER_OK;
}

/* ---- PFMERGE ---- */

static enum larder_status raise_all(struct call *call, struct blob **image,
                                    const uint8_t *registers) {
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
        struct hyperloglog_mark mark = {(uint16_t)i, registers[i]};
        bool is_raised;
        if (mark.value == 0)
            continue;
        enum larder_status status = hyperloglog_raise(image, mark, sparse_max(call), &is_raised);
        if (status != LARDER_OK)
            return status;
    }
    hyperloglog_invalidate((*image)->data);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status store_merged(struct call *call, const uint8_t *registers, bool is_dense) {
    struct key key = call_key_at(call, 1);
    struct entry old;
    struct slice bytes = slice_of(NULL, 0);
    bool is_there = call_write(call, &key, &old);
    if (is_there && !hyperloglog_of(call, &old, &bytes))
        return LARDER_OK;
    struct blob *image = hyperloglog_image(call, bytes);
    if (image == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = is_dense ? hyperloglog_make_dense(&image) : LARDER_OK;
    if (status == LARDER_OK)
        status = raise_all(call, &image, registers);
    if (status == LARDER_OK)
        status = hyperloglog_store_image(call, &key, is_there ? &old : NULL, image);
    blob_release(image);
    if (status == LARDER_CORRUPT)
        return hyperloglog_corrupt(call);
    if (status != LARDER_OK)
        return status;
    call_notify(call, NOTICE_STRING, "pfadd", &key);
    reply_ok(call->reply);
    return LARDER_OK;
}

enum larder_status command_pfmerge(struct call *call) {
    bool any_dense = false;
    enum larder_status status = LARDER_OK;
    uint8_t *registers =
        allocator_allocate_zeroed(call->keyspace->allocator, HYPERLOGLOG_REGISTERS);
    if (registers == NULL)
        return LARDER_NO_MEMORY;
    if (merge_all(call, registers, &any_dense))
        status = store_merged(call, registers, any_dense);
    allocator_release(call->keyspace->allocator, registers, HYPERLOGLOG_REGISTERS);
    return status;
}
