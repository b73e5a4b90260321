/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands that read a list. */
#include "commands/functions.h"
#include "commands/list_edit.h"

enum larder_status command_llen(struct call *call) {
    const struct object *list;
    if (call_read_object(call, &call->key, OBJECT_LIST, &list))
        reply_integer(call->reply, list == NULL ? 0 : (int64_t)object_length(list));
    return LARDER_OK;
}

enum larder_status command_lindex(struct call *call) {
    const struct object *list;
    int64_t index;
    if (!call_read_object(call, &call->key, OBJECT_LIST, &list))
        return LARDER_OK;
    if (list == NULL) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    if (!call_integer(call, call->argv[2], &index))
        return LARDER_OK;
    int64_t length = (int64_t)object_length(list);
    if (index < 0)
        index += length;
    if (index < 0 || index >= length)
        reply_null(call->reply);
    else
        list_reply(call, list, (size_t)index, 1);
    return LARDER_OK;
}

enum larder_status command_lrange(struct call *call) {
    const struct object *list;
    int64_t start, stop;
    size_t index = 0, count = 0;
    if (!call_integer(call, call->argv[2], &start) || !call_integer(call, call->argv[3], &stop) ||
        !call_read_object(call, &call->key, OBJECT_LIST, &list))
        return LARDER_OK;
    if (list != NULL)
        list_range(start, stop, object_length(list), &index, &count);
    reply_array(call->reply, count);
    if (count > 0)
        list_reply(call, list, index, count);
    return LARDER_OK;
}

/* ---- LPOS ---- */

struct lpos_options {
    uint64_t rank; /* the first match to tell of; 1: the first that is met */
    bool is_from_tail;
    bool has_count;
    int64_t count;  /* matches to tell of; 0: all */
    int64_t length; /* MAXLEN: elements to look at; 0: all */
};

static bool parse_rank(struct call *call, struct slice text, struct lpos_options *options) {
    int64_t rank;
    if (!list_signed_integer(call, text, &rank))
        return false;
    if (rank == 0) {
        reply_error(call->reply,
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                    "second ... or use negative to start from the end of the list");
        return false;
    }
    options->is_from_tail = rank < 0;
    options->rank = (uint64_t)(rank < 0 ? -rank : rank);
    return true;
}

/* False: an error was replied. */
static bool parse_lpos(struct call *call, struct lpos_options *options) {
    *options = (struct lpos_options){.rank = 1};
    for (size_t i = 3; i < call->argc; i += 2) {
        struct slice word = call->argv[i];
        if (i + 1 == call->argc) {
            call_syntax_error(call);
            return false;
        }
        struct slice text = call->argv[i + 1];
        if (slice_equal_word(word, "RANK")) {
            if (!parse_rank(call, text, options))
                return false;
        } else if (slice_equal_word(word, "COUNT")) {
            options->has_count = true;
            if (!list_integer_from(call, text, 0, "ERR COUNT can't be negative", &options->count))
                return false;
        } else if (slice_equal_word(word, "MAXLEN")) {
            if (!list_integer_from(call, text, 0, "ERR MAXLEN can't be negative", &options->length))
                return false;
        } else {
            call_syntax_error(call);
            return false;
        }
    }
    return true;
}

/* Reply the positions of the matches that were asked for; returns how many. */
static size_t reply_matches(struct call *call, const struct object *list,
                            const struct lpos_options *options) {
    struct list_cursor cursor;
    size_t length = object_length(list), told = 0;
    size_t wanted = !options->has_count   ? 1
                    : options->count == 0 ? SIZE_MAX
                                          : (size_t)options->count;
    size_t looked_at = options->length == 0 ? length : (size_t)options->length;
    uint64_t matches = 0;
    bool is_there = list_seek(list, options->is_from_tail ? length - 1 : 0, &cursor);
    for (size_t i = 0; is_there && i < looked_at && told < wanted; i++) {
        if (packed_equal(cursor.at, call->argv[2]) && ++matches >= options->rank) {
            reply_integer(call->reply, (int64_t)(options->is_from_tail ? length - 1 - i : i));
            told++;
        }
        is_there = options->is_from_tail ? list_previous(&cursor) : list_next(&cursor);
    }
    return told;
}

enum larder_status command_lpos(struct call *call) {
    struct lpos_options options;
    const struct object *list;
    if (!parse_lpos(call, &options) || !call_read_object(call, &call->key, OBJECT_LIST, &list))
        return LARDER_OK;
    if (!options.has_count) {
        if (list == NULL || reply_matches(call, list, &options) == 0)
            reply_null(call->reply);
        return LARDER_OK;
    }
    if (list == NULL) {
        reply_array(call->reply, 0);
        return LARDER_OK;
    }
    size_t begin = reply_deferred_begin(call->reply);
    reply_deferred_end(call->reply, begin, '*', reply_matches(call, list, &options));
    return LARDER_OK;
}
