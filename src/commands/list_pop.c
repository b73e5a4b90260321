/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that take elements out of a list. The effect of a pop from the first list of several,
 * and of one that a client waited for, is a pop from the one that gave. */
#include "commands/functions.h"
#include "commands/list_edit.h"

static const char MUST_BE_POSITIVE[] = "ERR value is out of range, must be positive";

REQUIRES(PARTITION_LOCK)
static enum larder_status pop(struct call *call, enum list_end end) {
    struct object_edit edit;
    int64_t count = 1;
    bool has_count = call->argc > 2;
    if (call->argc > 3)
        return call_wrong_arity(call);
    if (has_count && !list_integer_from(call, call->argv[2], 0, MUST_BE_POSITIVE, &count))
        return LARDER_OK;
    if (!call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    if (!edit.is_there) {
        if (has_count)
            reply_null_array(call->reply);
        else
            reply_null(call->reply);
        return LARDER_OK;
    }
    if (count == 0) {
        reply_array(call->reply, 0);
        return LARDER_OK;
    }
    size_t length = object_length(edit.object);
    return list_pop(call, &edit, end, (uint64_t)count < length ? (size_t)count : length, has_count);
}

enum larder_status command_lpop(struct call *call) {
    return pop(call, LIST_HEAD);
}

enum larder_status command_rpop(struct call *call) {
    return pop(call, LIST_TAIL);
}

enum larder_status command_ltrim(struct call *call) {
    struct object_edit edit;
    int64_t start, stop;
    size_t index, count;
    if (!call_integer(call, call->argv[2], &start) || !call_integer(call, call->argv[3], &stop) ||
        !call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    reply_ok(call->reply);
    if (!edit.is_there)
        return LARDER_OK;
    size_t length = object_length(edit.object);
    list_range(start, stop, length, &index, &count);
    call_notify(call, NOTICE_LIST, "ltrim", &edit.key);
    if (count == length)
        return LARDER_OK;
    call_effect_verbatim(call);
    if (count > 0 && index + count < length)
        list_remove(&edit.object, call_objects(call), index + count, length - index - count);
    if (count == 0)
        list_take_out(call, &edit, 0, length);
    else if (index > 0)
        list_take_out(call, &edit, 0, index);
    else
        return call_commit_object(call, &edit);
    return LARDER_OK;
}

enum larder_status command_lrem(struct call *call) {
    struct object_edit edit;
    int64_t count;
    if (!list_signed_integer(call, call->argv[2], &count) ||
        !call_edit_object(call, &call->key, OBJECT_LIST, &edit))
        return LARDER_OK;
    if (!edit.is_there) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    size_t limit = count == 0 ? SIZE_MAX : count < 0 ? (size_t)-count : (size_t)count;
    size_t removed = list_remove_equal(&edit.object, call_objects(call), call->argv[3], limit,
                                       count < 0 ? LIST_TAIL : LIST_HEAD);
    reply_integer(call->reply, (int64_t)removed);
    if (removed == 0)
        return LARDER_OK;
    call_notify(call, NOTICE_LIST, "lrem", &edit.key);
    call_effect_verbatim(call);
    return call_commit_object(call, &edit);
}

/* ---- from the first list that has something ---- */

struct multi_pop {
    size_t first_key, key_count; /* arguments */
    enum list_end end;
    int64_t count;
    bool is_array; /* {key, {element ...}}, else {key, element} */
};

/* The first key that holds a list, as far as this call may look. False: there is none, and
 * *out_done tells whether an error was replied. */
REQUIRES(PARTITION_LOCK)
static bool find_list(struct call *call, const struct multi_pop *pop, struct object_edit *out,
                      bool *out_done) {
    bool is_served = call->only_key.data != NULL;
    *out_done = false;
    for (size_t i = pop->first_key; i < pop->first_key + pop->key_count; i++) {
        if (is_served && !slice_equal(call->argv[i], call->only_key))
            continue;
        struct key key = call_key_at(call, i);
        struct reply_mark mark = reply_mark(call->reply);
        if (!call_edit_object(call, &key, OBJECT_LIST, out)) {
            /* Who waits for a list is not told of something else that came to be in its place. */
            if (is_served)
                reply_cut(call->reply, mark);
            *out_done = !is_served;
            return false;
        }
        if (out->is_there)
            return true;
    }
    return false;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status pop_first(struct call *call, const struct multi_pop *pop,
                                    bool is_blocking) {
    struct object_edit edit;
    bool is_done;
    if (find_list(call, pop, &edit, &is_done)) {
        size_t length = object_length(edit.object);
        size_t count = (uint64_t)pop->count < length ? (size_t)pop->count : length;
        reply_array(call->reply, 2);
        reply_bulk(call->reply, edit.key.text);
        return list_pop(call, &edit, pop->end, count, pop->is_array);
    }
    if (is_done)
        return LARDER_OK;
    call->wait.is_array = true;
    if (is_blocking && (call->flags & CALL_MAY_BLOCK) != 0)
        return LARDER_AGAIN;
    reply_null_array(call->reply);
    return LARDER_OK;
}

static bool syntax_error(struct call *call) {
    call_syntax_error(call);
    return false;
}

/* [COUNT count] at the end, from argument `at` on. */
static bool parse_count(struct call *call, size_t at, struct multi_pop *out) {
    if (at == call->argc)
        return true;
    if (!slice_equal_word(call->argv[at], "COUNT") || at + 1 == call->argc)
        return syntax_error(call);
    if (!list_integer_from(call, call->argv[at + 1], 1, "ERR count should be greater than 0",
                           &out->count))
        return false;
    return at + 2 == call->argc || syntax_error(call);
}

/* numkeys key ... LEFT|RIGHT [COUNT count], from argument `at` on. False: an error was replied. */
static bool parse_multi_pop(struct call *call, size_t at, struct multi_pop *out) {
    int64_t key_count;
    if (!list_integer_from(call, call->argv[at], 1, "ERR numkeys should be greater than 0",
                           &key_count))
        return false;
    *out = (struct multi_pop){.first_key = at + 1, .count = 1, .is_array = true};
    if ((uint64_t)key_count >= call->argc - out->first_key)
        return syntax_error(call);
    out->key_count = (size_t)key_count;
    at = out->first_key + out->key_count;
    if (!list_end_parse(call->argv[at], &out->end))
        return syntax_error(call);
    return parse_count(call, at + 1, out);
}

enum larder_status command_lmpop(struct call *call) {
    struct multi_pop pop;
    return parse_multi_pop(call, 1, &pop) ? pop_first(call, &pop, false) : LARDER_OK;
}

enum larder_status command_blmpop(struct call *call) {
    struct multi_pop pop;
    if (!parse_multi_pop(call, 2, &pop) || !call_timeout(call, call->argv[1], false))
        return LARDER_OK;
    return pop_first(call, &pop, true);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status blocking_pop(struct call *call, enum list_end end) {
    struct multi_pop pop = {.first_key = 1, .key_count = call->argc - 2, .end = end, .count = 1};
    if (!call_timeout(call, call->argv[call->argc - 1], false))
        return LARDER_OK;
    return pop_first(call, &pop, true);
}

enum larder_status command_blpop(struct call *call) {
    return blocking_pop(call, LIST_HEAD);
}

enum larder_status command_brpop(struct call *call) {
    return blocking_pop(call, LIST_TAIL);
}
