/* SPDX-License-Identifier: BSD-3-Clause */
/* XACK and XPENDING. */
#include "commands/stream_arguments.h"

enum larder_status command_xack(struct call *call) {
    struct object_edit edit;
    struct stream_id id;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_STREAM, &edit))
        return LARDER_OK;
    struct stream_group *group =
        edit.object == NULL ? NULL : stream_find_group(edit.object, call->argv[2]);
    if (group == NULL) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    for (size_t i = 3; i < call->argc; i++)
        if (!stream_argument_id(call, call->argv[i], &id))
            return LARDER_OK;
    int64_t count = 0;
    for (size_t i = 3; i < call->argc; i++) {
        (void)stream_id_parse(call->argv[i], STREAM_ID_EXACT, 0, &id, NULL);
        count += stream_acknowledge(edit.object, call->keyspace->allocator, group, id);
    }
    reply_integer(call->reply, count);
    if (count > 0) {
        call_effect_verbatim(call);
        stream_commit_groups(call, &edit);
    }
    return LARDER_OK;
}

/* ---- XPENDING ---- */

struct pending_query {
    bool is_summary;
    int64_t min_idle_ms, count;
    struct stream_id start, end;
    struct slice consumer; /* data NULL: of any */
};

static bool parse_query(struct call *call, struct pending_query *out) {
    size_t at = 3;
    *out = (struct pending_query){.is_summary = call->argc == 3};
    if (out->is_summary)
        return true;
    if (call->argc < 6 || call->argc > 9) {
        call_syntax_error(call);
        return false;
    }
    if (slice_equal_word(call->argv[at], "idle")) {
        if (!call_integer(call, call->argv[at + 1], &out->min_idle_ms))
            return false;
        if (call->argc < 8) {
            call_syntax_error(call);
            return false;
        }
        at += 2;
    }
    if (!call_integer(call, call->argv[at + 2], &out->count) ||
        !stream_argument_start(call, call->argv[at], &out->start) ||
        !stream_argument_end(call, call->argv[at + 1], &out->end))
        return false;
    if (at + 3 < call->argc)
        out->consumer = call->argv[at + 3];
    return true;
}

static void show_summary(struct call *call, const struct stream_group *group) {
    struct reply *reply = call->reply;
    struct stream_group_state state = stream_group_get_state(group);
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id first = {0, 0}, last = {0, 0};
    reply_array(reply, 4);
    reply_integer(reply, (int64_t)state.pending_count);
    if (!stream_pending_last(group, &last)) {
        reply_null(reply);
        reply_null(reply);
        reply_null_array(reply);
        return;
    }
    stream_pending_seek(&cursor, group, NULL, STREAM_ID_MIN);
    (void)stream_pending_next(&cursor, &first, &pending);
    stream_reply_id(reply, first);
    stream_reply_id(reply, last);
    size_t shown = 0, begin = reply_deferred_begin(reply);
    for (size_t i = 0; i < state.consumer_count; i++) {
        struct stream_consumer_state consumer =
            stream_consumer_get_state(stream_consumer_at(group, i));
        if (consumer.pending_count == 0)
            continue;
        reply_array(reply, 2);
        reply_bulk(reply, consumer.name);
        reply_bulk_integer(reply, (int64_t)consumer.pending_count);
        shown++;
    }
    reply_deferred_end(reply, begin, '*', shown);
}

static void show_pending(struct call *call, const struct stream_group *group,
                         const struct stream_consumer *consumer,
                         const struct pending_query *query) {
    struct reply *reply = call->reply;
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    int64_t shown = 0;
    size_t begin = reply_deferred_begin(reply);
    stream_pending_seek(&cursor, group, consumer, query->start);
    while (shown < query->count && stream_pending_next(&cursor, &id, &pending) &&
           !stream_id_is_less(query->end, id)) {
        int64_t idle_ms = stream_idle_ms(call, pending->time_ms);
        if (query->min_idle_ms != 0 && idle_ms < query->min_idle_ms)
            continue;
        reply_array(reply, 4);
        stream_reply_id(reply, id);
        reply_bulk(reply, stream_consumer_get_state(pending->consumer).name);
        reply_integer(reply, idle_ms);
        reply_integer(reply, (int64_t)pending->count);
        shown++;
    }
    reply_deferred_end(reply, begin, '*', (size_t)shown);
}

enum larder_status command_xpending(struct call *call) {
    struct pending_query query;
    const struct object *stream;
    if (!parse_query(call, &query))
        return LARDER_OK;
    struct key key = call_key_at(call, 1);
    if (!call_read_object(call, &key, OBJECT_STREAM, &stream))
        return LARDER_OK;
    const struct stream_group *group = stream_argument_group(call, stream, key.text, call->argv[2]);
    if (group == NULL)
        return LARDER_OK;
    const struct stream_consumer *consumer = NULL;
    if (query.is_summary) {
        show_summary(call, group);
        return LARDER_OK;
    }
    if (query.consumer.data != NULL) {
        consumer = stream_find_consumer(group, query.consumer);
        if (consumer == NULL) {
            reply_array(call->reply, 0);
            return LARDER_OK;
        }
    }
    show_pending(call, group, consumer, &query);
    return LARDER_OK;
}
