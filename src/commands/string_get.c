/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that read one string, some of which then let go of it or change its lifetime. Those
 * write the reply first: once it stands, the change that follows is the last thing to fail. */
#include "commands/functions.h"
#include "commands/string_options.h"
#include "commands/string_value.h"

enum larder_status command_get(struct call *call) {
    struct entry entry;
    if (!call_read(call, &call->key, &entry))
        reply_null(call->reply);
    else if (!entry_is_string(&entry))
        return call_wrong_type(call);
    else
        reply_string(call->reply, &entry.value);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status change_lifetime(struct call *call, struct entry *entry,
                                          int64_t expiry_ms) {
    if (expiry_ms != 0 && call_is_past(call, expiry_ms)) {
        call_delete(call, &call->key, entry);
        call_effect_delete(call, &call->key);
        call_notify(call, NOTICE_GENERIC, "del", &call->key);
        return LARDER_OK;
    }
    enum larder_status status = call_set_expiry(call, &call->key, entry, expiry_ms);
    if (status == LARDER_OK) {
        call_effect_expiry(call, &call->key, expiry_ms);
        call_notify(call, NOTICE_GENERIC, expiry_ms != 0 ? "expire" : "persist", &call->key);
    }
    return status;
}

enum larder_status command_getex(struct call *call) {
    struct string_options options;
    struct entry entry;
    int64_t expiry_ms;
    if (!string_options_parse(call, 2, STRING_GETEX_OPTIONS, &options))
        return call_syntax_error(call);
    if (!call_read(call, &call->key, &entry)) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    if (!entry_is_string(&entry))
        return call_wrong_type(call);
    if (!string_options_expiry(call, &options, &expiry_ms))
        return LARDER_OK;
    reply_string(call->reply, &entry.value);
    if (call->reply->failed)
        return LARDER_NO_MEMORY;
    bool is_persist = (options.flags & STRING_PERSIST) != 0 && entry.expiry_ms != 0;
    return is_persist || expiry_ms != 0 ? change_lifetime(call, &entry, expiry_ms) : LARDER_OK;
}

enum larder_status command_getdel(struct call *call) {
    struct entry entry;
    if (!call_read(call, &call->key, &entry)) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    if (!entry_is_string(&entry))
        return call_wrong_type(call);
    reply_string(call->reply, &entry.value);
    if (call->reply->failed)
        return LARDER_NO_MEMORY;
    call_delete(call, &call->key, &entry);
    call_effect_delete(call, &call->key);
    call_notify(call, NOTICE_GENERIC, "del", &call->key);
    return LARDER_OK;
}

enum larder_status command_delifeq(struct call *call) {
    struct entry entry;
    uint8_t scratch[INT64_TEXT_MAX];
    bool is_there = call_write(call, &call->key, &entry);
    if (is_there && !entry_is_string(&entry))
        return call_wrong_type(call);
    if (!is_there || !slice_equal(value_text(&entry.value, scratch), call->argv[2])) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    call_delete(call, &call->key, &entry);
    call_effect_delete(call, &call->key);
    call_notify(call, NOTICE_GENERIC, "del", &call->key);
    reply_integer(call->reply, 1);
    return LARDER_OK;
}

enum larder_status command_strlen(struct call *call) {
    struct entry entry;
    if (!call_read(call, &call->key, &entry))
        reply_integer(call->reply, 0);
    else if (!entry_is_string(&entry))
        return call_wrong_type(call);
    else
        reply_integer(call->reply, (int64_t)string_size(&entry.value));
    return LARDER_OK;
}

/* The part from `start` to `end`, both included, counted from the end when negative. */
static struct slice range_of(struct slice text, int64_t start, int64_t end) {
    int64_t size = (int64_t)text.size;
    if (start < 0 && end < 0 && start > end)
        return slice_of(text.data, 0);
    if (start < 0)
        start = start < -size ? 0 : start + size;
    if (end < 0)
        end = end < -size ? 0 : end + size;
    if (end >= size)
        end = size - 1;
    if (start > end)
        return slice_of(text.data, 0);
    return slice_of(text.data + start, (size_t)(end - start + 1));
}

enum larder_status command_getrange(struct call *call) {
    struct entry entry;
    int64_t start, end;
    uint8_t scratch[INT64_TEXT_MAX];
    if (!call_integer(call, call->argv[2], &start) || !call_integer(call, call->argv[3], &end))
        return LARDER_OK;
    if (!call_read(call, &call->key, &entry))
        reply_bulk(call->reply, slice_of(NULL, 0));
    else if (!entry_is_string(&entry))
        return call_wrong_type(call);
    else
        reply_bulk(call->reply, range_of(value_text(&entry.value, scratch), start, end));
    return LARDER_OK;
}
