/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving and copying whole values between keys and databases. The value is taken out of the log
 * first (a blob is shared, not copied), so that storing it elsewhere may move anything. The put at
 * the destination is the only step that can fail; the source goes after it. */
#include "commands/functions.h"
#include "commands/string_value.h"

/* A value that stands on its own. A container is copied for COPY; RENAME and MOVE hand it over. */
struct held_value {
    struct value value;
    uint8_t bytes[RECORD_INLINE_VALUE_MAX];
};

static enum larder_status hold_value(struct held_value *held, const struct call *call,
                                     const struct value *value, bool is_copied) {
    held->value = *value;
    switch (value->kind) {
    case VALUE_INTEGER: return LARDER_OK;
    case VALUE_BLOB: blob_acquire(value->blob); return LARDER_OK;
    case VALUE_OBJECT:
        if (is_copied)
            held->value.object =
                value->object->type->copy(value->object, call->keyspace->allocator);
        return held->value.object != NULL ? LARDER_OK : LARDER_NO_MEMORY;
    case VALUE_BYTES:
    case VALUE_RAW: break;
    }
    if (value->bytes.size > 0)
        memcpy(held->bytes, value->bytes.data, value->bytes.size);
    held->value.bytes.data = held->bytes;
    return LARDER_OK;
}

static void drop_value(struct held_value *held, const struct call *call, bool is_copied) {
    if (held->value.kind == VALUE_BLOB)
        blob_release(held->value.blob);
    else if (held->value.kind == VALUE_OBJECT && is_copied)
        object_destroy(held->value.object, call->keyspace->allocator);
}

/* Store the entry's value and expiry under another key, whatever is there. */
REQUIRES(PARTITION_LOCK)
static enum larder_status duplicate(struct call *call, const struct entry *source,
                                    const struct key *to, bool is_copied) {
    struct held_value held;
    struct entry entry;
    int64_t expiry_ms = source->expiry_ms;
    if (hold_value(&held, call, &source->value, is_copied) != LARDER_OK)
        return LARDER_NO_MEMORY;
    struct call_image image;
    enum larder_status status = call_image_create(call, to, &held.value, &image);
    if (status == LARDER_OK) {
        const struct entry *old = call_write(call, to, &entry) ? &entry : NULL;
        status = call_put(call, to, old, held.value, expiry_ms);
        if (status == LARDER_OK)
            call_effect_image(call, &image, to, &held.value, expiry_ms);
        else
            call_image_destroy(&image);
        if (status == LARDER_OK && old != NULL) /* what was there is gone: it counts as a new key */
            call_notify(call, NOTICE_NEW, "new", to);
    }
    if (status != LARDER_OK)
        drop_value(&held, call, is_copied);
    return status;
}

struct transfer_events {
    const char *from, *to;
};
static const struct transfer_events RENAME_EVENTS = {"rename_from", "rename_to"};
static const struct transfer_events MOVE_EVENTS = {"move_from", "move_to"};

REQUIRES(PARTITION_LOCK)
static enum larder_status transfer(struct call *call, const struct key *from,
                                   const struct entry *source, const struct key *to,
                                   const struct transfer_events *events) {
    struct entry entry;
    enum larder_status status = duplicate(call, source, to, false);
    if (status != LARDER_OK)
        return status;
    if (call_write(call, from, &entry)) {
        if (entry.value.kind == VALUE_OBJECT)
            partition_disown_object(call_partition(call, from), call->thread, &entry);
        call_delete(call, from, &entry);
        call_effect_delete(call, from);
    }
    call_notify(call, NOTICE_GENERIC, events->from, from);
    call_notify(call, NOTICE_GENERIC, events->to, to);
    return LARDER_OK;
}

/* Whether `to` is free, after which `source` is looked up again: a key that expired there was
 * deleted, which may have moved records. */
REQUIRES(PARTITION_LOCK)
static bool is_free(struct call *call, const struct key *from, struct entry *source,
                    const struct key *to) {
    struct entry old;
    return !call_write(call, to, &old) && call_peek(call, from, source);
}

enum larder_status command_rename(struct call *call) {
    struct key from = call_key_at(call, 1), to = call_key_at(call, 2);
    struct entry source;
    if (!call_write(call, &from, &source)) {
        reply_error(call->reply, "ERR no such key");
        return LARDER_OK;
    }
    enum larder_status status = LARDER_OK;
    if (!slice_equal(from.text, to.text))
        status = transfer(call, &from, &source, &to, &RENAME_EVENTS);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    return status;
}

enum larder_status command_renamenx(struct call *call) {
    struct key from = call_key_at(call, 1), to = call_key_at(call, 2);
    struct entry source;
    if (!call_write(call, &from, &source)) {
        reply_error(call->reply, "ERR no such key");
        return LARDER_OK;
    }
    bool is_renamed = is_free(call, &from, &source, &to);
    if (is_renamed && transfer(call, &from, &source, &to, &RENAME_EVENTS) != LARDER_OK)
        return LARDER_NO_MEMORY;
    reply_integer(call->reply, is_renamed);
    return LARDER_OK;
}

/* ---- COPY and MOVE ---- */

/* Read a database number. False when it is none: the error reply was written. */
static bool parse_database(struct call *call, struct slice text, uint32_t *out) {
    int64_t number;
    if (!call_integer(call, text, &number))
        return false;
    if (number < INT32_MIN || number > INT32_MAX) {
        reply_error(call->reply, "ERR value is out of range, value must between -2147483648 and "
                                 "2147483647");
        return false;
    }
    if (number < 0 || number >= (int64_t)call->keyspace->database_count) {
        reply_error(call->reply, "ERR DB index is out of range");
        return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool parse_copy_options(struct call *call, uint32_t *out_database, bool *out_replaces) {
    *out_database = call->database;
    *out_replaces = false;
    for (size_t i = 3; i < call->argc; i++) {
        if (slice_equal_word(call->argv[i], "REPLACE")) {
            *out_replaces = true;
        } else if (slice_equal_word(call->argv[i], "DB") && i + 1 < call->argc) {
            if (!parse_database(call, call->argv[++i], out_database))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

REQUIRES(PARTITION_LOCK)
static struct key key_in(const struct call *call, struct slice text, uint32_t database) {
    return keyspace_key(call->keyspace, text, keyspace_collection(call->keyspace, database));
}

static enum larder_status same_object(struct call *call) {
    reply_error(call->reply, "ERR source and destination objects are the same");
    return LARDER_OK;
}

enum larder_status command_copy(struct call *call) {
    uint32_t database;
    bool replaces;
    if (!parse_copy_options(call, &database, &replaces))
        return LARDER_OK;
    if (database == call->database && slice_equal(call->argv[1], call->argv[2]))
        return same_object(call);
    struct key from = call_key_at(call, 1), to = key_in(call, call->argv[2], database);
    struct entry source;
    bool is_copied =
        call_read(call, &from, &source) && (replaces || is_free(call, &from, &source, &to));
    if (is_copied && duplicate(call, &source, &to, true) != LARDER_OK)
        return LARDER_NO_MEMORY;
    if (is_copied)
        call_notify(call, NOTICE_GENERIC, "copy_to", &to);
    reply_integer(call->reply, is_copied);
    return LARDER_OK;
}

enum larder_status command_move(struct call *call) {
    uint32_t database;
    if (!parse_database(call, call->argv[2], &database))
        return LARDER_OK;
    if (database == call->database)
        return same_object(call);
    struct key from = call_key_at(call, 1), to = key_in(call, call->argv[1], database);
    struct entry source;
    bool is_moved = call_write(call, &from, &source) && is_free(call, &from, &source, &to);
    if (is_moved && transfer(call, &from, &source, &to, &MOVE_EVENTS) != LARDER_OK)
        return LARDER_NO_MEMORY;
    reply_integer(call->reply, is_moved);
    return LARDER_OK;
}
