/* SPDX-License-Identifier: BSD-3-Clause */
/* XRANGE and XREVRANGE. */
#include "commands/stream_arguments.h"

/* COUNT among the last arguments; -1: not given. */
static bool parse_count(struct call *call, int64_t *out) {
    *out = -1;
    for (size_t i = 4; i < call->argc; i += 2) {
        if (i + 1 == call->argc || !slice_equal_word(call->argv[i], "count")) {
            call_syntax_error(call);
            return false;
        }
        if (!call_integer(call, call->argv[i + 1], out))
            return false;
        if (*out < 0)
            *out = 0;
    }
    return true;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status range(struct call *call, bool is_reverse) {
    struct stream_id start, end;
    int64_t count;
    if (!stream_argument_start(call, call->argv[is_reverse ? 3 : 2], &start) ||
        !stream_argument_end(call, call->argv[is_reverse ? 2 : 3], &end) ||
        !parse_count(call, &count))
        return LARDER_OK;
    const struct object *stream;
    struct key key = call_key_at(call, 1);
    if (!call_read_object(call, &key, OBJECT_STREAM, &stream))
        return LARDER_OK;
    if (stream == NULL) {
        reply_array(call->reply, 0);
        return LARDER_OK;
    }
    if (count == 0) {
        reply_null_array(call->reply);
        return LARDER_OK;
    }
    struct stream_cursor cursor;
    struct stream_entry entry;
    size_t found = 0, begin = reply_deferred_begin(call->reply);
    stream_cursor_init(&cursor, stream, start, end, is_reverse);
    while ((count < 0 || found < (size_t)count) && stream_cursor_next(&cursor, &entry)) {
        stream_reply_entry(call->reply, entry);
        found++;
    }
    reply_deferred_end(call->reply, begin, '*', found);
    return LARDER_OK;
}

enum larder_status command_xrange(struct call *call) {
    return range(call, false);
}

enum larder_status command_xrevrange(struct call *call) {
    return range(call, true);
}
