/* SPDX-License-Identifier: BSD-3-Clause */
/* Writing fields. A field that has expired counts as new, and writing it is all that it takes to be
 * rid of the old value. */
#include "commands/functions.h"
#include "commands/hash_value.h"
#include "commands/string_value.h"

#include <math.h>

/* Set the pairs from argv[2] on. *out_added: fields that are new. */
REQUIRES(PARTITION_LOCK)
static enum larder_status set_pairs(struct call *call, bool *out_is_done, size_t *out_added) {
    struct object_edit edit;
    *out_is_done = call_edit_object(call, &call->key, OBJECT_HASH, &edit);
    if (!*out_is_done)
        return LARDER_OK;
    enum larder_status status = hash_set(&edit.object, call_objects(call), call->argv + 2,
                                         (call->argc - 2) / 2, 0, hash_now(call), out_added);
    if (status != LARDER_OK) {
        call_leave_object(call, &edit);
        return status;
    }
    status = call_commit_object(call, &edit);
    if (status != LARDER_OK)
        return status;
    call_notify(call, NOTICE_HASH, "hset", &edit.key);
    call_effect_verbatim(call);
    return LARDER_OK;
}

enum larder_status command_hset(struct call *call) {
    bool is_done;
    size_t added;
    if (call->argc % 2 != 0)
        return call_wrong_arity(call);
    enum larder_status status = set_pairs(call, &is_done, &added);
    if (status == LARDER_OK && is_done)
        reply_integer(call->reply, (int64_t)added);
    return status;
}

enum larder_status command_hmset(struct call *call) {
    bool is_done;
    size_t added;
    if (call->argc % 2 != 0)
        return call_wrong_arity(call);
    enum larder_status status = set_pairs(call, &is_done, &added);
    if (status == LARDER_OK && is_done)
        reply_ok(call->reply);
    return status;
}

void hash_effect_set(struct call *call, struct slice field, struct slice value, int64_t expiry_ms) {
    uint8_t text[INT64_TEXT_MAX];
    if (expiry_ms == 0) {
        struct slice arguments[] = {call->key.text, field, value};
        call_effect(call, COMMAND_HSET, arguments, 3);
        return;
    }
    struct slice arguments[] = {call->key.text,
                                SLICE_LITERAL("PXAT"),
                                slice_of(text, int64_format(expiry_ms, text)),
                                SLICE_LITERAL("FIELDS"),
                                SLICE_LITERAL("1"),
                                field,
                                value};
    call_effect(call, COMMAND_HSETEX, arguments, 7);
}

/* Set one field, which keeps its expiry time, and emit the result as the effect. An edit that is
 * not finished is left. Replies nothing. */
REQUIRES(PARTITION_LOCK)
static enum larder_status put_one(struct call *call, struct object_edit *edit, struct slice value,
                                  int64_t expiry_ms, const char *event) {
    enum { WORDS_BYTES = 96 };
    struct slice pair[] = {call->argv[2], value};
    size_t added;
    enum larder_status status = call_reserve_effect(
        call, effects_part_bound(7, call->key.text.size + pair[0].size + value.size + WORDS_BYTES));
    if (status == LARDER_OK)
        status = hash_set(&edit->object, call_objects(call), pair, 1, HASH_KEEP_EXPIRY,
                          hash_now(call), &added);
    if (status != LARDER_OK) {
        call_leave_object(call, edit);
        return status;
    }
    status = call_commit_object(call, edit);
    if (status != LARDER_OK)
        return status;
    call_notify(call, NOTICE_HASH, event, &edit->key);
    hash_effect_set(call, pair[0], value, expiry_ms);
    return LARDER_OK;
}

enum larder_status command_hsetnx(struct call *call) {
    struct object_edit edit;
    struct hash_pair old;
    uint8_t scratch[INT64_TEXT_MAX];
    if (!call_edit_object(call, &call->key, OBJECT_HASH, &edit))
        return LARDER_OK;
    if (hash_find(call, edit.object, call->argv[2], scratch, &old)) {
        call_leave_object(call, &edit);
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    enum larder_status status = put_one(call, &edit, call->argv[3], 0, "hset");
    if (status == LARDER_OK)
        reply_integer(call->reply, 1);
    return status;
}

enum larder_status command_hincrby(struct call *call) {
    struct object_edit edit;
    struct hash_pair old = {.expiry_ms = 0};
    uint8_t scratch[INT64_TEXT_MAX], text[INT64_TEXT_MAX];
    int64_t increment, number = 0, sum;
    if (!call_integer(call, call->argv[3], &increment) ||
        !call_edit_object(call, &call->key, OBJECT_HASH, &edit))
        return LARDER_OK;
    bool is_there = hash_find(call, edit.object, call->argv[2], scratch, &old);
    const char *error = NULL;
    if (is_there && !slice_to_int64(old.value, &number))
        error = "ERR hash value is not an integer";
    else if (__builtin_add_overflow(number, increment, &sum))
        error = "ERR increment or decrement would overflow";
    if (error != NULL) {
        call_leave_object(call, &edit);
        reply_error(call->reply, error);
        return LARDER_OK;
    }
    struct slice value = slice_of(text, int64_format(sum, text));
    enum larder_status status =
        put_one(call, &edit, value, is_there ? old.expiry_ms : 0, "hincrby");
    if (status == LARDER_OK)
        reply_integer(call->reply, sum);
    return status;
}

enum larder_status command_hincrbyfloat(struct call *call) {
    struct object_edit edit;
    struct hash_pair old = {.expiry_ms = 0};
    uint8_t scratch[INT64_TEXT_MAX];
    char text[STRING_FLOAT_MAX];
    long double number = 0, increment;
    if (!string_to_float(call->argv[3], &increment)) {
        reply_error(call->reply, "ERR value is not a valid float");
        return LARDER_OK;
    }
    if (isnan(increment) || isinf(increment)) {
        reply_error(call->reply, "ERR value is NaN or Infinity");
        return LARDER_OK;
    }
    if (!call_edit_object(call, &call->key, OBJECT_HASH, &edit))
        return LARDER_OK;
    bool is_there = hash_find(call, edit.object, call->argv[2], scratch, &old);
    const char *error = NULL;
    if (is_there && !string_to_float(old.value, &number))
        error = "ERR hash value is not a float";
    number += increment;
    if (error == NULL && (isnan(number) || isinf(number)))
        error = "ERR increment would produce NaN or Infinity";
    if (error != NULL) {
        call_leave_object(call, &edit);
        reply_error(call->reply, error);
        return LARDER_OK;
    }
    struct slice value = slice_of(text, string_format_float(number, text));
    if (!reply_reserve(call->reply, value.size + CALL_REPLY_RESERVED)) {
        call_leave_object(call, &edit);
        return LARDER_NO_MEMORY;
    }
    enum larder_status status =
        put_one(call, &edit, value, is_there ? old.expiry_ms : 0, "hincrbyfloat");
    if (status == LARDER_OK)
        reply_bulk(call->reply, value);
    return status;
}

enum larder_status command_hdel(struct call *call) {
    struct object_edit edit;
    size_t removed = 0;
    if (!call_edit_object(call, &call->key, OBJECT_HASH, &edit))
        return LARDER_OK;
    if (edit.object != NULL) {
        size_t before = object_length(edit.object);
        for (size_t i = 2; i < call->argc; i++)
            removed += hash_remove(&edit.object, call_objects(call), call->argv[i], hash_now(call));
        if (object_length(edit.object) == before) {
            call_leave_object(call, &edit);
        } else {
            call_notify(call, NOTICE_HASH, removed > 0 ? "hdel" : "hexpired", &edit.key);
            (void)!call_commit_object(call, &edit);
            call_effect_verbatim(call);
        }
    }
    reply_integer(call->reply, (int64_t)removed);
    return LARDER_OK;
}
