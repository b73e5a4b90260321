/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that store one argument as a string. A lifetime that is already over leaves no key. */
#include "commands/functions.h"
#include "commands/string_options.h"
#include "commands/string_value.h"

static void notify_set(struct call *call, int64_t expiry_ms) {
    call_notify(call, NOTICE_STRING, "set", &call->key);
    if (expiry_ms != 0)
        call_notify(call, NOTICE_GENERIC, "expire", &call->key);
}

/* Store argv[index] under the first key, with its effect. sets_expiry: the expiry is the command's
 * and not one that is kept. */
REQUIRES(PARTITION_LOCK)
static enum larder_status store(struct call *call, const struct entry *old, size_t index,
                                int64_t expiry_ms, bool sets_expiry) {
    if (expiry_ms != 0 && call_is_past(call, expiry_ms)) {
        if (old != NULL) {
            call_delete(call, &call->key, old);
            call_effect_delete(call, &call->key);
        }
        notify_set(call, expiry_ms);
        call_notify(call, NOTICE_EXPIRED, "expired", &call->key);
        return LARDER_OK;
    }
    enum larder_status status = call_put_string(call, &call->key, old, call->argv[index],
                                                call_blob_at(call, index), expiry_ms);
    if (status == LARDER_OK) {
        call_effect_set(call, &call->key, call->argv[index], expiry_ms);
        notify_set(call, sets_expiry ? expiry_ms : 0);
    }
    return status;
}

/* Reply with the string that is there. False when an error stands in the reply instead, or no
 * memory was left for it. */
REQUIRES(PARTITION_LOCK)
static bool reply_old(struct call *call, enum larder_status *out_status) {
    struct entry old;
    *out_status = LARDER_OK;
    if (!call_read(call, &call->key, &old)) {
        reply_null(call->reply);
        return true;
    }
    if (!entry_is_string(&old)) {
        *out_status = call_wrong_type(call);
        return false;
    }
    reply_string(call->reply, &old.value);
    if (call->reply->failed)
        *out_status = LARDER_NO_MEMORY;
    return *out_status == LARDER_OK;
}

static bool condition_holds(const struct string_options *options, const struct entry *old) {
    if ((options->flags & STRING_NX) != 0)
        return old == NULL;
    if ((options->flags & STRING_XX) != 0)
        return old != NULL;
    if ((options->flags & STRING_IFEQ) == 0)
        return true;
    uint8_t scratch[INT64_TEXT_MAX];
    return old != NULL && slice_equal(value_text(&old->value, scratch), options->comparison);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status set_with_options(struct call *call) {
    struct string_options options;
    int64_t expiry_ms;
    if (!string_options_parse(call, 3, STRING_SET_OPTIONS, &options))
        return call_syntax_error(call);
    if (!string_options_expiry(call, &options, &expiry_ms))
        return LARDER_OK;
    bool replies_old = (options.flags & STRING_GET) != 0;
    enum larder_status status;
    if (replies_old && !reply_old(call, &status))
        return status;

    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    if ((options.flags & STRING_IFEQ) != 0 && old != NULL && !entry_is_string(old))
        return call_wrong_type(call);
    if (!condition_holds(&options, old)) {
        if (!replies_old)
            reply_null(call->reply);
        return LARDER_OK;
    }
    bool keeps_expiry = (options.flags & STRING_KEEPTTL) != 0;
    if (keeps_expiry && old != NULL)
        expiry_ms = old->expiry_ms;
    status = store(call, old, 2, expiry_ms, !keeps_expiry);
    if (status == LARDER_OK && !replies_old)
        reply_ok(call->reply);
    return status;
}

enum larder_status command_set(struct call *call) {
    if (call->argc > 3)
        return set_with_options(call);
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    if (call_put_string(call, &call->key, old, call->argv[2], call_blob_at(call, 2), 0) !=
        LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_set(call, &call->key, call->argv[2], 0);
    notify_set(call, 0);
    reply_ok(call->reply);
    return LARDER_OK;
}

enum larder_status command_setnx(struct call *call) {
    struct entry old;
    if (call_write(call, &call->key, &old)) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    enum larder_status status = store(call, NULL, 2, 0, false);
    if (status == LARDER_OK)
        reply_integer(call->reply, 1);
    return status;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status set_for(struct call *call, unsigned unit) {
    int64_t expiry_ms;
    if (!string_lifetime(call, call->argv[2], unit | TIME_IS_RELATIVE, &expiry_ms))
        return LARDER_OK;
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    enum larder_status status = store(call, old, 3, expiry_ms, true);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    return status;
}

enum larder_status command_setex(struct call *call) {
    return set_for(call, TIME_IN_SECONDS);
}

enum larder_status command_psetex(struct call *call) {
    return set_for(call, 0);
}

enum larder_status command_getset(struct call *call) {
    enum larder_status status;
    if (!reply_old(call, &status))
        return status;
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    return store(call, old, 2, 0, false);
}
