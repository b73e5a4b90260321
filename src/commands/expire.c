/* SPDX-License-Identifier: BSD-3-Clause */
/* Lifetimes of keys. Whatever unit and origin a command speaks of, the store and the effects know
 * absolute milliseconds only; a time that is over deletes the key. */
#include "commands/functions.h"
#include "commands/string_value.h"

enum { NO_KEY = -2, NO_EXPIRY = -1 };

/* Reply with the expiry time, or what is left of it, in the unit. */
REQUIRES(PARTITION_LOCK)
static enum larder_status reply_time(struct call *call, unsigned time_argument) {
    struct entry entry;
    int64_t time = NO_KEY;
    if (call_inspect(call, &call->key, &entry)) {
        time = NO_EXPIRY;
        if (entry.expiry_ms != 0) {
            int64_t origin_ms = (time_argument & TIME_IS_RELATIVE) != 0 ? call->thread->now_ms : 0;
            time = entry.expiry_ms > origin_ms ? entry.expiry_ms - origin_ms : 0;
            if ((time_argument & TIME_IN_SECONDS) != 0)
                time = (time + 500) / 1000;
        }
    }
    reply_integer(call->reply, time);
    return LARDER_OK;
}

enum larder_status command_ttl(struct call *call) {
    return reply_time(call, TIME_IN_SECONDS | TIME_IS_RELATIVE);
}

enum larder_status command_pttl(struct call *call) {
    return reply_time(call, TIME_IS_RELATIVE);
}

enum larder_status command_expiretime(struct call *call) {
    return reply_time(call, TIME_IN_SECONDS);
}

enum larder_status command_pexpiretime(struct call *call) {
    return reply_time(call, 0);
}

/* ---- EXPIRE and its kin ---- */

enum expire_condition {
    EXPIRE_NX = 1 << 0,
    EXPIRE_XX = 1 << 1,
    EXPIRE_GT = 1 << 2,
    EXPIRE_LT = 1 << 3,
};

static unsigned condition_of(struct slice word) {
    static const struct {
        const char *word;
        unsigned flag;
    } WORDS[] = {{"NX", EXPIRE_NX}, {"XX", EXPIRE_XX}, {"GT", EXPIRE_GT}, {"LT", EXPIRE_LT}};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (slice_equal_word(word, WORDS[i].word))
            return WORDS[i].flag;
    return 0;
}

/* False when an error reply was written. */
static bool parse_conditions(struct call *call, unsigned *out) {
    *out = 0;
    for (size_t i = 3; i < call->argc; i++) {
        unsigned flag = condition_of(call->argv[i]);
        if (flag == 0) {
            struct slice word = call->argv[i];
            int shown = word.size < 400 ? (int)word.size : 400;
            reply_error_format(call->reply, "ERR Unsupported option %.*s", shown,
                               (const char *)word.data);
            return false;
        }
        *out |= flag;
    }
    if ((*out & EXPIRE_NX) != 0 && (*out & ~(unsigned)EXPIRE_NX) != 0) {
        reply_error(call->reply, "ERR NX and XX, GT or LT options at the same time are not "
                                 "compatible");
        return false;
    }
    if ((*out & EXPIRE_GT) != 0 && (*out & EXPIRE_LT) != 0) {
        reply_error(call->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

static bool conditions_hold(unsigned conditions, int64_t current_ms, int64_t expiry_ms) {
    bool has_current = current_ms != 0;
    if ((conditions & EXPIRE_NX) != 0 && has_current)
        return false;
    if ((conditions & EXPIRE_XX) != 0 && !has_current)
        return false;
    if ((conditions & EXPIRE_GT) != 0 && (!has_current || expiry_ms <= current_ms))
        return false;
    return (conditions & EXPIRE_LT) == 0 || !has_current || expiry_ms < current_ms;
}

/* Absolute milliseconds of argv[2], which may be negative. False when an error was replied. */
static bool parse_time(struct call *call, unsigned time_argument, int64_t *out_ms) {
    int64_t time;
    if (!call_integer(call, call->argv[2], &time))
        return false;
    int64_t unit = (time_argument & TIME_IN_SECONDS) != 0 ? 1000 : 1;
    int64_t origin_ms = (time_argument & TIME_IS_RELATIVE) != 0 ? call->thread->now_ms : 0;
    if (__builtin_mul_overflow(time, unit, &time) ||
        __builtin_add_overflow(time, origin_ms, &time)) {
        reply_error_format(call->reply, "ERR invalid expire time in '%s' command",
                           call->spec->name);
        return false;
    }
    *out_ms = time;
    return true;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status expire(struct call *call, unsigned time_argument) {
    unsigned conditions;
    int64_t expiry_ms;
    struct entry entry;
    if (!parse_conditions(call, &conditions) || !parse_time(call, time_argument, &expiry_ms))
        return LARDER_OK;
    if (!call_write(call, &call->key, &entry) ||
        !conditions_hold(conditions, entry.expiry_ms, expiry_ms)) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    if (call_is_past(call, expiry_ms)) {
        call_delete(call, &call->key, &entry);
        call_effect_delete(call, &call->key);
        call_notify(call, NOTICE_GENERIC, "del", &call->key);
    } else {
        if (call_set_expiry(call, &call->key, &entry, expiry_ms) != LARDER_OK)
            return LARDER_NO_MEMORY;
        call_effect_expiry(call, &call->key, expiry_ms);
        call_notify(call, NOTICE_GENERIC, "expire", &call->key);
    }
    reply_integer(call->reply, 1);
    return LARDER_OK;
}

enum larder_status command_expire(struct call *call) {
    return expire(call, TIME_IN_SECONDS | TIME_IS_RELATIVE);
}

enum larder_status command_pexpire(struct call *call) {
    return expire(call, TIME_IS_RELATIVE);
}

enum larder_status command_expireat(struct call *call) {
    return expire(call, TIME_IN_SECONDS);
}

enum larder_status command_pexpireat(struct call *call) {
    return expire(call, 0);
}

enum larder_status command_persist(struct call *call) {
    struct entry entry;
    bool is_persisted = call_write(call, &call->key, &entry) && entry.expiry_ms != 0;
    if (is_persisted) {
        if (call_set_expiry(call, &call->key, &entry, 0) != LARDER_OK)
            return LARDER_NO_MEMORY;
        call_effect_expiry(call, &call->key, 0);
        call_notify(call, NOTICE_GENERIC, "persist", &call->key);
    }
    reply_integer(call->reply, is_persisted);
    return LARDER_OK;
}
