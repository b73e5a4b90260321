/* SPDX-License-Identifier: BSD-3-Clause */
/* BITOP: combines any number of strings, shorter ones continued with zeros, into a new one. The
 * result is built beside the store, so a source may be the destination too. */
#include "commands/bits.h"
#include "commands/functions.h"
#include "commands/string_value.h"

enum { DESTINATION = 2, FIRST_SOURCE = 3 };

struct operation {
    bool is_not;
    enum bits_operation op;
};

static bool parse_operation(struct slice word, struct operation *out) {
    *out = (struct operation){.op = BITS_AND};
    if (slice_equal_word(word, "AND"))
        return true;
    if (slice_equal_word(word, "OR"))
        out->op = BITS_OR;
    else if (slice_equal_word(word, "XOR"))
        out->op = BITS_XOR;
    else if (slice_equal_word(word, "NOT"))
        out->is_not = true;
    else
        return false;
    return true;
}

/* Count the reads and find the longest source. False when one is no string. */
REQUIRES(PARTITION_LOCK)
static bool measure_sources(struct call *call, size_t *out_size) {
    *out_size = 0;
    for (size_t i = FIRST_SOURCE; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        if (!call_read(call, &key, &entry))
            continue;
        if (!entry_is_string(&entry))
            return false;
        size_t size = string_size(&entry.value);
        if (size > *out_size)
            *out_size = size;
    }
    return true;
}

/* Combine all sources into `result`, which has room for the longest. */
REQUIRES(PARTITION_LOCK)
static void combine_sources(struct call *call, const struct operation *operation, uint8_t *result,
                            size_t size) {
    memset(result, 0, size);
    for (size_t i = FIRST_SOURCE; i < call->argc; i++) {
        struct entry entry;
        struct key key = call_key_at(call, i);
        uint8_t scratch[INT64_TEXT_MAX];
        struct slice text = slice_of(NULL, 0);
        if (call_peek(call, &key, &entry))
            text = value_text(&entry.value, scratch);
        enum bits_operation op = i == FIRST_SOURCE ? BITS_OR : operation->op;
        bits_combine(result, text.data, text.size, op);
        if (op == BITS_AND)
            memset(result + text.size, 0, size - text.size);
    }
    if (operation->is_not)
        bits_invert(result, size);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status put_result(struct call *call, const struct key *key, struct value value,
                                     struct slice bytes) {
    if (call_reserve_effect(call, bytes.size) != LARDER_OK)
        return LARDER_NO_MEMORY;
    struct entry entry;
    const struct entry *old = call_write(call, key, &entry) ? &entry : NULL;
    enum larder_status status = call_put(call, key, old, value, 0);
    if (status == LARDER_OK)
        call_effect_set(call, key, bytes, 0);
    if (status == LARDER_OK)
        call_notify(call, NOTICE_STRING, "set", key);
    return status;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status store_result(struct call *call, const struct operation *operation,
                                       const struct key *key, size_t size) {
    if (size <= RECORD_INLINE_VALUE_MAX) {
        uint8_t bytes[RECORD_INLINE_VALUE_MAX];
        combine_sources(call, operation, bytes, size);
        struct slice result = slice_of(bytes, size);
        return put_result(call, key, (struct value){.kind = VALUE_RAW, .bytes = result}, result);
    }
    struct blob *blob = blob_create(call->keyspace->allocator, size);
    if (blob == NULL)
        return LARDER_NO_MEMORY;
    blob->size = size;
    combine_sources(call, operation, blob->data, size);
    enum larder_status status = put_result(call, key, value_of_blob(blob), blob_slice(blob));
    if (status != LARDER_OK)
        blob_release(blob);
    return status;
}

enum larder_status command_bitop(struct call *call) {
    struct operation operation;
    if (!parse_operation(call->argv[1], &operation))
        return call_syntax_error(call);
    if (operation.is_not && call->argc != FIRST_SOURCE + 1) {
        reply_error(call->reply, "ERR BITOP NOT must be called with a single source key.");
        return LARDER_OK;
    }
    size_t size;
    if (!measure_sources(call, &size))
        return call_wrong_type(call);
    struct key key = call_key_at(call, DESTINATION);
    struct entry old;
    enum larder_status status = LARDER_OK;
    if (size > 0) {
        status = store_result(call, &operation, &key, size);
    } else if (call_write(call, &key, &old)) {
        call_delete(call, &key, &old);
        call_effect_delete(call, &key);
        call_notify(call, NOTICE_GENERIC, "del", &key);
    }
    if (status == LARDER_OK)
        reply_integer(call->reply, (int64_t)size);
    return status;
}
