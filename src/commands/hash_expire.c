/* SPDX-License-Identifier: BSD-3-Clause */
/* HEXPIRE and its kin, HTTL and its kin, HPERSIST. Answers per field: -2 there is no such field, -1
 * it has no time, 0 the condition is not met, 1 done, 2 the time is over and the field gone. */
#include "commands/functions.h"
#include "commands/hash_fields.h"

enum condition { IF_NONE = 1 << 0, IF_ANY = 1 << 1, IF_GREATER = 1 << 2, IF_LESS = 1 << 3 };

static unsigned condition_of(struct slice word) {
    static const char *const WORDS[] = {"NX", "XX", "GT", "LT"};
    for (unsigned i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (slice_equal_word(word, WORDS[i]))
            return 1u << i;
    return 0;
}

/* The words from argv[3] to argv[end]. False: an error was replied. */
static bool parse_conditions(struct call *call, size_t end, unsigned *out) {
    *out = 0;
    for (size_t at = 3; at < end; at++) {
        unsigned condition = condition_of(call->argv[at]);
        *out |= condition;
        if (condition != 0)
            continue;
        reply_error_format(call->reply, "ERR Unsupported option %.*s", (int)call->argv[at].size,
                           (const char *)call->argv[at].data);
        return false;
    }
    const char *error = NULL;
    if ((*out & IF_NONE) != 0 && *out != IF_NONE)
        error = "ERR NX and XX, GT or LT options at the same time are not compatible";
    else if ((*out & IF_GREATER) != 0 && (*out & IF_LESS) != 0)
        error = "ERR GT and LT options at the same time are not compatible";
    if (error != NULL)
        reply_error(call->reply, error);
    return error == NULL;
}

static bool is_met(unsigned conditions, int64_t now_is_ms, int64_t expiry_ms) {
    bool has_time = now_is_ms != 0;
    return !((conditions & IF_NONE) != 0 && has_time) &&
           !((conditions & IF_ANY) != 0 && !has_time) &&
           !((conditions & IF_GREATER) != 0 && (!has_time || expiry_ms <= now_is_ms)) &&
           !((conditions & IF_LESS) != 0 && has_time && expiry_ms >= now_is_ms);
}

/* Whether any field will get this time. */
static bool gives_time(struct call *call, const struct object *hash,
                       const struct hash_fields *fields, unsigned conditions, int64_t expiry_ms) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct hash_pair pair;
    for (size_t i = 0; i < fields->count && !call_is_past(call, expiry_ms); i++)
        if (hash_find(call, hash, fields->items[i], scratch, &pair) &&
            is_met(conditions, pair.expiry_ms, expiry_ms))
            return true;
    return false;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status expire(struct call *call, unsigned time) {
    int64_t expiry_ms;
    unsigned conditions;
    struct hash_fields fields;
    struct hash_change change;
    size_t at = hash_fields_word(call, 3);
    if ((at < call->argc && !parse_conditions(call, at, &conditions)) ||
        !hash_fields_parse(call, at, 1, HASH_FIELDS_NUMBER, &fields) ||
        !hash_fields_time(call, call->argv[2], time, &expiry_ms) ||
        !hash_change_begin(call, &change))
        return LARDER_OK;
    enum larder_status status =
        hash_change_reserve(call, &change, &fields,
                            gives_time(call, change.edit.object, &fields, conditions, expiry_ms));
    if (status != LARDER_OK)
        return status;
    reply_array(call->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        if (!hash_find(call, change.edit.object, fields.items[i], scratch, &pair))
            reply_integer(call->reply, -2);
        else if (!is_met(conditions, pair.expiry_ms, expiry_ms))
            reply_integer(call->reply, 0);
        else
            reply_integer(call->reply,
                          hash_change_time(call, &change, fields.items[i], expiry_ms) ? 2 : 1);
    }
    hash_change_end(call, &change, "hexpired");
    return LARDER_OK;
}

enum larder_status command_hexpire(struct call *call) {
    return expire(call, TIME_IN_SECONDS | TIME_IS_RELATIVE);
}

enum larder_status command_hpexpire(struct call *call) {
    return expire(call, TIME_IS_RELATIVE);
}

enum larder_status command_hexpireat(struct call *call) {
    return expire(call, TIME_IN_SECONDS);
}

enum larder_status command_hpexpireat(struct call *call) {
    return expire(call, 0);
}

/* ---- asking ---- */

REQUIRES(PARTITION_LOCK)
static enum larder_status ask(struct call *call, unsigned time) {
    struct hash_fields fields;
    const struct object *hash;
    if (!hash_fields_parse(call, 2, 1, HASH_FIELDS_SYNTAX, &fields) || !hash_read(call, &hash))
        return LARDER_OK;
    int64_t origin_ms = (time & TIME_IS_RELATIVE) != 0 ? call->thread->now_ms : 0;
    reply_array(call->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        int64_t answer = -2;
        if (hash_find(call, hash, fields.items[i], scratch, &pair))
            answer = pair.expiry_ms == 0 ? -1 : pair.expiry_ms - origin_ms;
        if (answer > 0 && (time & TIME_IN_SECONDS) != 0)
            answer = answer / 1000 + (answer % 1000 >= 500);
        reply_integer(call->reply, answer);
    }
    return LARDER_OK;
}

enum larder_status command_httl(struct call *call) {
    return ask(call, TIME_IN_SECONDS | TIME_IS_RELATIVE);
}

enum larder_status command_hpttl(struct call *call) {
    return ask(call, TIME_IS_RELATIVE);
}

enum larder_status command_hexpiretime(struct call *call) {
    return ask(call, TIME_IN_SECONDS);
}

enum larder_status command_hpexpiretime(struct call *call) {
    return ask(call, 0);
}

enum larder_status command_hpersist(struct call *call) {
    struct hash_fields fields;
    struct hash_change change;
    if (!hash_fields_parse(call, 2, 1, HASH_FIELDS_WORD_MISSING, &fields) ||
        !hash_change_begin(call, &change))
        return LARDER_OK;
    enum larder_status status = hash_change_reserve(call, &change, &fields, false);
    if (status != LARDER_OK)
        return status;
    reply_array(call->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        if (!hash_find(call, change.edit.object, fields.items[i], scratch, &pair)) {
            reply_integer(call->reply, -2);
        } else if (pair.expiry_ms == 0) {
            reply_integer(call->reply, -1);
        } else {
            (void)hash_change_time(call, &change, fields.items[i], 0);
            reply_integer(call->reply, 1);
        }
    }
    hash_change_end(call, &change, "hexpired");
    return LARDER_OK;
}
