/* SPDX-License-Identifier: BSD-3-Clause */
/* HGETEX, HGETDEL and HSETEX: fields that are read and changed, or written with a time. */
#include "commands/functions.h"
#include "commands/hash_fields.h"

enum option {
    OPTION_EX = 1 << 0,
    OPTION_PX = 1 << 1,
    OPTION_EXAT = 1 << 2,
    OPTION_PXAT = 1 << 3,
    OPTION_PERSIST = 1 << 4,
    OPTION_KEEPTTL = 1 << 5,
    OPTION_FNX = 1 << 6,
    OPTION_FXX = 1 << 7,
    OPTION_NX = 1 << 8,
    OPTION_XX = 1 << 9,
    OPTION_TIMES = OPTION_EX | OPTION_PX | OPTION_EXAT | OPTION_PXAT,
    OPTION_LIFETIMES = OPTION_TIMES | OPTION_PERSIST | OPTION_KEEPTTL,
    OPTION_GETEX = OPTION_TIMES | OPTION_PERSIST,
    OPTION_SETEX = OPTION_TIMES | OPTION_KEEPTTL | OPTION_FNX | OPTION_FXX | OPTION_NX | OPTION_XX,
};

struct options {
    unsigned flags;
    size_t time_at;    /* index of the word with the time; 0: there is none */
    int64_t expiry_ms; /* of OPTION_TIMES */
};

static unsigned option_of(struct slice word) {
    static const char *const WORDS[] = {"EX",      "PX",  "EXAT", "PXAT", "PERSIST",
                                        "KEEPTTL", "FNX", "FXX",  "NX",   "XX"};
    for (unsigned i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (slice_equal_word(word, WORDS[i]))
            return 1u << i;
    return 0;
}

/* Others; an option may come twice. */
static unsigned excluded_by(unsigned option) {
    unsigned kin = OPTION_NX | OPTION_XX;
    if ((option & OPTION_LIFETIMES) != 0)
        kin = OPTION_LIFETIMES;
    else if ((option & (OPTION_FNX | OPTION_FXX)) != 0)
        kin = OPTION_FNX | OPTION_FXX;
    return kin & ~option;
}

/* The words from argv[2] to argv[end]. False: an error was replied. */
static bool parse_words(struct call *call, unsigned allowed, size_t end, struct options *out) {
    *out = (struct options){0};
    for (size_t at = 2; at < end; at++) {
        unsigned option = option_of(call->argv[at]);
        bool has_time = (option & OPTION_TIMES) != 0;
        if ((option & allowed) == 0 || (out->flags & excluded_by(option)) != 0 ||
            (has_time && at + 1 >= end)) {
            (void)call_syntax_error(call);
            return false;
        }
        out->flags |= option;
        if (has_time)
            out->time_at = ++at;
    }
    return true;
}

static bool parse_time(struct call *call, struct options *options) {
    if (options->time_at == 0)
        return true;
    unsigned time = (options->flags & (OPTION_EX | OPTION_EXAT)) != 0 ? TIME_IN_SECONDS : 0;
    if ((options->flags & (OPTION_EX | OPTION_PX)) != 0)
        time |= TIME_IS_RELATIVE;
    return hash_fields_time(call, call->argv[options->time_at], time, &options->expiry_ms);
}

/* Options, FIELDS and what follows it, `width` words for each field; the time is left to
 * parse_time. False: an error was replied. */
static bool parse(struct call *call, unsigned allowed, size_t width, struct options *options,
                  struct hash_fields *fields) {
    size_t at = hash_fields_word(call, 2);
    return (at == call->argc || parse_words(call, allowed, at, options)) &&
           hash_fields_parse(call, at, width, HASH_FIELDS_NUMBER, fields);
}

static bool has_any(struct call *call, const struct object *hash,
                    const struct hash_fields *fields) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct hash_pair pair;
    for (size_t i = 0; i < fields->count; i++)
        if (hash_find(call, hash, fields->items[i], scratch, &pair))
            return true;
    return false;
}

enum larder_status command_hgetex(struct call *call) {
    struct options options;
    struct hash_fields fields;
    struct hash_change change;
    if (!parse(call, OPTION_GETEX, 1, &options, &fields) || !hash_change_begin(call, &change))
        return LARDER_OK;
    if (!parse_time(call, &options)) {
        call_leave_object(call, &change.edit);
        return LARDER_OK;
    }
    bool has_times = (options.flags & OPTION_TIMES) != 0;
    bool gives_times = has_times && !call_is_past(call, options.expiry_ms) &&
                       has_any(call, change.edit.object, &fields);
    enum larder_status status = hash_change_reserve(call, &change, &fields, gives_times);
    if (status != LARDER_OK)
        return status;
    reply_array(call->reply, fields.count);
    for (size_t i = 0; i < fields.count; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        if (!hash_find(call, change.edit.object, fields.items[i], scratch, &pair)) {
            reply_null(call->reply);
            continue;
        }
        reply_bulk(call->reply, pair.value);
        if (has_times || ((options.flags & OPTION_PERSIST) != 0 && pair.expiry_ms != 0))
            (void)hash_change_time(call, &change, fields.items[i], options.expiry_ms);
    }
    hash_change_end(call, &change, "hexpired");
    return LARDER_OK;
}

enum larder_status command_hgetdel(struct call *call) {
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
            reply_null(call->reply);
            continue;
        }
        reply_bulk(call->reply, pair.value);
        hash_change_remove(call, &change, fields.items[i]);
    }
    hash_change_end(call, &change, "hdel");
    return LARDER_OK;
}

/* ---- HSETEX ---- */

static bool are_fields_allowed(struct call *call, const struct object *hash,
                               const struct hash_fields *fields, unsigned flags) {
    for (size_t i = 0; i < fields->count && (flags & (OPTION_FNX | OPTION_FXX)) != 0; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        bool is_there = hash_find(call, hash, fields->items[2 * i], scratch, &pair);
        if ((flags & (is_there ? OPTION_FNX : OPTION_FXX)) != 0)
            return false;
    }
    return true;
}

static enum larder_status reserve_effects(struct call *call, const struct hash_fields *fields) {
    enum { WORDS_BYTES = 96 };
    size_t size = 0;
    for (size_t i = 0; i < fields->count; i++)
        size += effects_part_bound(7, call->key.text.size + fields->items[2 * i].size +
                                          fields->items[2 * i + 1].size + WORDS_BYTES);
    return call_reserve_effect(call, size);
}

/* The time is over before the fields are set: they are removed, and it is told as if they had been
 * there for a moment. */
REQUIRES(PARTITION_LOCK)
static void remove_pairs(struct call *call, struct hash_change *change,
                         const struct hash_fields *fields) {
    for (size_t i = 0; i < fields->count && change->edit.object != NULL; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        if (hash_find(call, change->edit.object, fields->items[2 * i], scratch, &pair))
            hash_change_remove(call, change, fields->items[2 * i]);
    }
    static const char *const EVENTS[] = {"hset", "hexpire", "hexpired"};
    const struct key *key = &change->edit.key;
    for (size_t i = 0; i < sizeof(EVENTS) / sizeof(*EVENTS); i++)
        call_notify(call, NOTICE_HASH, EVENTS[i], key);
    if (change->removed > 0) {
        (void)!call_commit_object(call, &change->edit);
        return;
    }
    call_leave_object(call, &change->edit);
    if (change->edit.object == NULL)
        call_notify(call, NOTICE_GENERIC, "del", key);
}

/* The effect of a pair carries the time that its field has now. */
REQUIRES(PARTITION_LOCK)
static void emit_pairs(struct call *call, const struct object *hash,
                       const struct hash_fields *fields) {
    for (size_t i = 0; i < fields->count; i++) {
        uint8_t scratch[INT64_TEXT_MAX];
        struct hash_pair pair;
        if (hash_get(hash, call_objects(call), fields->items[2 * i], 0, scratch, &pair))
            hash_effect_set(call, pair.field, pair.value, pair.expiry_ms);
    }
}

REQUIRES(PARTITION_LOCK)
static enum larder_status set_pairs(struct call *call, struct hash_change *change,
                                    const struct hash_fields *fields,
                                    const struct options *options) {
    size_t added;
    int64_t expiry_ms =
        (options->flags & OPTION_KEEPTTL) != 0 ? HASH_KEEP_EXPIRY : options->expiry_ms;
    enum larder_status status = hash_set(&change->edit.object, call_objects(call), fields->items,
                                         fields->count, expiry_ms, hash_now(call), &added);
    if (status != LARDER_OK) {
        call_leave_object(call, &change->edit);
        return status;
    }
    status = call_commit_object(call, &change->edit);
    if (status != LARDER_OK)
        return status;
    emit_pairs(call, change->edit.object, fields);
    call_notify(call, NOTICE_HASH, "hset", &change->edit.key);
    if ((options->flags & OPTION_TIMES) != 0)
        call_notify(call, NOTICE_HASH, "hexpire", &change->edit.key);
    return LARDER_OK;
}

/* Whether the conditions are met; if not, or the time is wrong, that is replied. */
static bool is_allowed(struct call *call, const struct object *hash,
                       const struct hash_fields *fields, struct options *options) {
    bool is_met = (options->flags & (hash != NULL ? OPTION_NX : OPTION_XX)) == 0;
    if (is_met && !parse_time(call, options))
        return false;
    is_met = is_met && are_fields_allowed(call, hash, fields, options->flags);
    if (!is_met)
        reply_integer(call->reply, 0);
    return is_met;
}

enum larder_status command_hsetex(struct call *call) {
    struct options options;
    struct hash_fields fields;
    struct hash_change change;
    if (!parse(call, OPTION_SETEX, 2, &options, &fields) || !hash_change_begin(call, &change))
        return LARDER_OK;
    bool is_going_on = is_allowed(call, change.edit.object, &fields, &options);
    enum larder_status status = is_going_on ? reserve_effects(call, &fields) : LARDER_OK;
    if (!is_going_on || status != LARDER_OK) {
        call_leave_object(call, &change.edit);
        return status;
    }
    if ((options.flags & OPTION_TIMES) != 0 && call_is_past(call, options.expiry_ms))
        remove_pairs(call, &change, &fields);
    else
        status = set_pairs(call, &change, &fields, &options);
    if (status == LARDER_OK)
        reply_integer(call->reply, 1);
    return status;
}
