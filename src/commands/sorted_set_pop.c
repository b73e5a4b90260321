/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking members off either end: ZPOPMIN and ZPOPMAX, ZMPOP, and the blocking forms. The effect is
 * that of ZPOPMIN or ZPOPMAX on the key that had something. */
#include "commands/functions.h"
#include "commands/sorted_set_range.h"

enum pop_shape {
    POP_FLAT,   /* member, score, ... */
    POP_NESTED, /* [member, score], ... */
    POP_KEYED,  /* key, member, score */
    POP_GROUP,  /* key, [[member, score], ...] */
};

struct pop {
    bool is_max;
    enum pop_shape shape;
    size_t count;           /* at most */
    size_t first_key, keys; /* arguments */
};

static const char *event_of(const struct pop *pop) {
    return pop->is_max ? "zpopmax" : "zpopmin";
}

static void reply_header(struct call *call, const struct pop *pop, const struct key *key,
                         size_t count) {
    switch (pop->shape) {
    case POP_FLAT: reply_array(call->reply, 2 * count); return;
    case POP_NESTED: reply_array(call->reply, count); return;
    case POP_KEYED: reply_array(call->reply, 3); break;
    case POP_GROUP: reply_array(call->reply, 2); break;
    }
    reply_bulk(call->reply, key->text);
    if (pop->shape == POP_GROUP)
        reply_array(call->reply, count);
}

static bool step(struct sorted_set_cursor *cursor, bool is_max, struct scored_member *out) {
    return is_max ? sorted_set_previous(cursor, out) : sorted_set_next(cursor, out);
}

/* Room in the reply for all that will be shown. */
static bool reserve_reply(struct call *call, const struct pop *pop, const struct object_edit *edit,
                          size_t count) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    size_t size = CALL_REPLY_RESERVED + edit->key.text.size;
    sorted_set_seek(edit->object, pop->is_max ? object_length(edit->object) : 0, &cursor);
    for (size_t i = 0; i < count && step(&cursor, pop->is_max, &member); i++)
        size += reply_scored_bound(member.member);
    return reply_reserve(call->reply, size);
}

static void reply_members(struct call *call, const struct pop *pop, const struct object_edit *edit,
                          size_t count) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    bool is_nested = pop->shape == POP_NESTED || pop->shape == POP_GROUP;
    reply_header(call, pop, &edit->key, count);
    sorted_set_seek(edit->object, pop->is_max ? object_length(edit->object) : 0, &cursor);
    for (size_t i = 0; i < count && step(&cursor, pop->is_max, &member); i++) {
        if (is_nested)
            reply_array(call->reply, 2);
        reply_bulk(call->reply, member.member);
        reply_double(call->reply, member.score);
    }
}

static enum larder_status pop_members(struct call *call, const struct pop *pop,
                                      struct object_edit *edit) REQUIRES(PARTITION_LOCK);

static enum larder_status pop_members(struct call *call, const struct pop *pop,
                                      struct object_edit *edit) {
    size_t length = object_length(edit->object);
    size_t count = pop->count < length ? pop->count : length;
    if (!reserve_reply(call, pop, edit, count)) {
        call_leave_object(call, edit);
        return LARDER_NO_MEMORY;
    }
    reply_members(call, pop, edit, count);
    sorted_set_remove_range(&edit->object, call_objects(call), pop->is_max ? length - count : 0,
                            count);
    call_notify(call, NOTICE_SORTED_SET, event_of(pop), &edit->key);
    enum larder_status status = call_commit_object(call, edit);
    if (status != LARDER_OK)
        return status;
    uint8_t text[INT64_TEXT_MAX];
    struct slice arguments[2] = {edit->key.text,
                                 slice_of(text, uint64_format((uint64_t)count, text))};
    call_effect(call, pop->is_max ? COMMAND_ZPOPMAX : COMMAND_ZPOPMIN, arguments, 2);
    return LARDER_OK;
}

/* Whether a command that waited may look at the key now. */
static bool is_candidate(const struct call *call, struct slice key) {
    return call->only_key.data == NULL || slice_equal(call->only_key, key);
}

/* A key of another type that came into being meanwhile goes on being waited for. */
static bool is_other_type(struct call *call, const struct key *key) REQUIRES(PARTITION_LOCK);

static bool is_other_type(struct call *call, const struct key *key) {
    struct entry entry;
    return call->only_key.data != NULL && call_peek(call, key, &entry) &&
           (entry.value.kind != VALUE_OBJECT ||
            entry.value.object->type->kind != OBJECT_SORTED_SET);
}

/* Pops from the first key that has something. *out_found false: none has, nothing was replied. */
static enum larder_status pop_first(struct call *call, const struct pop *pop, bool *out_found)
    REQUIRES(PARTITION_LOCK);

static enum larder_status pop_first(struct call *call, const struct pop *pop, bool *out_found) {
    *out_found = true;
    for (size_t i = 0; i < pop->keys; i++) {
        size_t at = pop->first_key + i;
        if (!is_candidate(call, call->argv[at]))
            continue;
        struct object_edit edit;
        struct key key = call_key_at(call, at);
        if (is_other_type(call, &key))
            continue;
        if (!call_edit_object(call, &key, OBJECT_SORTED_SET, &edit))
            return LARDER_OK;
        if (edit.object != NULL)
            return pop_members(call, pop, &edit);
    }
    *out_found = false;
    return LARDER_OK;
}

/* ---- at once ---- */

static enum larder_status pop_one_key(struct call *call, bool is_max) REQUIRES(PARTITION_LOCK);

static enum larder_status pop_one_key(struct call *call, bool is_max) {
    struct pop pop = {is_max, POP_FLAT, 1, 1, 1};
    int64_t count = 1;
    if (call->argc > 3)
        return call_syntax_error(call);
    if (call->argc == 3) {
        if (!slice_to_int64(call->argv[2], &count) || count < 0) {
            reply_error(call->reply, "ERR value is out of range, must be positive");
            return LARDER_OK;
        }
        pop.shape = call->reply->protocol == 3 ? POP_NESTED : POP_FLAT;
        pop.count = (size_t)count;
    }
    struct object_edit edit;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_SORTED_SET, &edit))
        return LARDER_OK;
    if (edit.object == NULL || count == 0) {
        reply_array(call->reply, 0);
        return LARDER_OK;
    }
    return pop_members(call, &pop, &edit);
}

enum larder_status command_zpopmin(struct call *call) {
    return pop_one_key(call, false);
}

enum larder_status command_zpopmax(struct call *call) {
    return pop_one_key(call, true);
}

/* An integer above 0, or the error. */
static bool parse_positive(struct call *call, struct slice text, const char *error, size_t *out) {
    int64_t value;
    if (!slice_to_int64(text, &value) || value < 1) {
        reply_error(call->reply, error);
        return false;
    }
    *out = (size_t)value;
    return true;
}

/* numkeys key ... MIN|MAX [COUNT count] from argv[at] on. False: the known error was replied. */
static bool parse_group(struct call *call, size_t at, struct pop *pop) {
    *pop = (struct pop){.shape = POP_GROUP, .count = 1, .first_key = at + 1};
    if (!parse_positive(call, call->argv[at], "ERR numkeys should be greater than 0", &pop->keys))
        return false;
    bool is_valid = pop->keys < call->argc - at - 1;
    if (is_valid) {
        at = pop->first_key + pop->keys;
        pop->is_max = slice_equal_word(call->argv[at], "MAX");
        is_valid = pop->is_max || slice_equal_word(call->argv[at], "MIN");
    }
    if (is_valid && at + 1 < call->argc) {
        is_valid = at + 2 < call->argc && slice_equal_word(call->argv[at + 1], "COUNT");
        if (is_valid && !parse_positive(call, call->argv[at + 2],
                                        "ERR count should be greater than 0", &pop->count))
            return false;
        is_valid = is_valid && at + 3 == call->argc;
    }
    if (!is_valid)
        (void)call_syntax_error(call);
    return is_valid;
}

enum larder_status command_zmpop(struct call *call) {
    struct pop pop;
    bool is_found;
    if (!parse_group(call, 1, &pop))
        return LARDER_OK;
    enum larder_status status = pop_first(call, &pop, &is_found);
    if (!is_found)
        reply_null_array(call->reply);
    return status;
}

/* ---- waiting ---- */

static enum larder_status pop_or_wait(struct call *call, const struct pop *pop,
                                      struct slice timeout) REQUIRES(PARTITION_LOCK);

static enum larder_status pop_or_wait(struct call *call, const struct pop *pop,
                                      struct slice timeout) {
    bool is_found;
    if (!call_timeout(call, timeout, false))
        return LARDER_OK;
    enum larder_status status = pop_first(call, pop, &is_found);
    if (is_found)
        return status;
    if ((call->flags & CALL_MAY_BLOCK) == 0) {
        reply_null_array(call->reply);
        return LARDER_OK;
    }
    call->wait.is_array = true;
    return LARDER_AGAIN;
}

static enum larder_status pop_keys(struct call *call, bool is_max) REQUIRES(PARTITION_LOCK);

static enum larder_status pop_keys(struct call *call, bool is_max) {
    struct pop pop = {is_max, POP_KEYED, 1, 1, call->argc - 2};
    return pop_or_wait(call, &pop, call->argv[call->argc - 1]);
}

enum larder_status command_bzpopmin(struct call *call) {
    return pop_keys(call, false);
}

enum larder_status command_bzpopmax(struct call *call) {
    return pop_keys(call, true);
}

enum larder_status command_bzmpop(struct call *call) {
    struct pop pop;
    if (!parse_group(call, 2, &pop))
        return LARDER_OK;
    return pop_or_wait(call, &pop, call->argv[1]);
}
