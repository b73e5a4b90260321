/* SPDX-License-Identifier: BSD-3-Clause */
/* XINFO: the words are XINFO, the subcommand, key ... */
#include "commands/stream_arguments.h"

enum { FULL_COUNT = 10 };

static void reply_name(struct reply *reply, const char *name) {
    reply_bulk_text(reply, name);
}

static void reply_number(struct reply *reply, const char *name, int64_t number) {
    reply_name(reply, name);
    reply_integer(reply, number);
}

static void reply_named_id(struct reply *reply, const char *name, struct stream_id id) {
    reply_name(reply, name);
    stream_reply_id(reply, id);
}

/* The stream, or NULL: an error was replied. */
REQUIRES(PARTITION_LOCK)
static const struct object *find_stream(struct call *call) {
    const struct object *stream;
    struct key key = call_key_at(call, 2);
    if (!call_read_object(call, &key, OBJECT_STREAM, &stream))
        return NULL;
    if (stream == NULL)
        reply_error(call->reply, "ERR no such key");
    return stream;
}

/* ---- GROUPS and CONSUMERS ---- */

static void reply_progress(struct reply *reply, const struct object *stream,
                           const struct stream_group *group) {
    int64_t lag, read = stream_group_get_state(group).entries_read;
    reply_name(reply, "entries-read");
    if (read == STREAM_ENTRIES_READ_UNKNOWN)
        reply_null(reply);
    else
        reply_integer(reply, read);
    reply_name(reply, "lag");
    if (stream_group_lag(stream, group, &lag))
        reply_integer(reply, lag);
    else
        reply_null(reply);
}

enum larder_status command_xinfo_groups(struct call *call) {
    struct reply *reply = call->reply;
    const struct object *stream = find_stream(call);
    if (stream == NULL)
        return LARDER_OK;
    size_t count = stream_get_state(stream).group_count;
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++) {
        const struct stream_group *group = stream_group_at(stream, i);
        struct stream_group_state state = stream_group_get_state(group);
        reply_map(reply, 6);
        reply_name(reply, "name");
        reply_bulk(reply, state.name);
        reply_number(reply, "consumers", (int64_t)state.consumer_count);
        reply_number(reply, "pending", (int64_t)state.pending_count);
        reply_named_id(reply, "last-delivered-id", state.last_id);
        reply_progress(reply, stream, group);
    }
    return LARDER_OK;
}

enum larder_status command_xinfo_consumers(struct call *call) {
    struct reply *reply = call->reply;
    const struct object *stream = find_stream(call);
    if (stream == NULL)
        return LARDER_OK;
    struct slice key = call->argv[2], name = call->argv[3];
    const struct stream_group *group = stream_find_group(stream, name);
    if (group == NULL) {
        reply_error_format(reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                           (int)name.size, (const char *)name.data, (int)key.size,
                           (const char *)key.data);
        return LARDER_OK;
    }
    size_t count = stream_group_get_state(group).consumer_count;
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++) {
        struct stream_consumer_state state =
            stream_consumer_get_state(stream_consumer_at(group, i));
        reply_map(reply, 4);
        reply_name(reply, "name");
        reply_bulk(reply, state.name);
        reply_number(reply, "pending", (int64_t)state.pending_count);
        reply_number(reply, "idle", stream_idle_ms(call, state.seen_ms));
        reply_number(reply, "inactive",
                     state.active_ms < 0 ? -1 : stream_idle_ms(call, state.active_ms));
    }
    return LARDER_OK;
}

/* ---- STREAM ---- */

static void reply_state(struct reply *reply, const struct stream_state *state) {
    reply_number(reply, "length", (int64_t)state->length);
    reply_number(reply, "radix-tree-keys", (int64_t)state->node_count);
    reply_number(reply, "radix-tree-nodes", (int64_t)(state->node_count + state->page_count));
    reply_named_id(reply, "last-generated-id", state->last_id);
    reply_named_id(reply, "max-deleted-entry-id", state->max_deleted_id);
    reply_number(reply, "entries-added", (int64_t)state->entries_added);
    reply_named_id(reply, "recorded-first-entry-id", state->first_id);
}

static void reply_edge(struct reply *reply, const char *name, const struct object *stream,
                       bool is_last) {
    struct stream_cursor cursor;
    struct stream_entry entry;
    reply_name(reply, name);
    stream_cursor_init(&cursor, stream, STREAM_ID_MIN, STREAM_ID_MAX, is_last);
    if (stream_cursor_next(&cursor, &entry))
        stream_reply_entry(reply, entry);
    else
        reply_null(reply);
}

/* The pending entries of a group, or of a consumer: without its name then. */
static void reply_pending(struct reply *reply, const struct stream_group *group,
                          const struct stream_consumer *consumer, size_t count) {
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_id id;
    size_t shown = 0, begin = reply_deferred_begin(reply);
    stream_pending_seek(&cursor, group, consumer, STREAM_ID_MIN);
    for (; shown < count && stream_pending_next(&cursor, &id, &pending); shown++) {
        reply_array(reply, consumer == NULL ? 4 : 3);
        stream_reply_id(reply, id);
        if (consumer == NULL)
            reply_bulk(reply, stream_consumer_get_state(pending->consumer).name);
        reply_integer(reply, pending->time_ms);
        reply_integer(reply, (int64_t)pending->count);
    }
    reply_deferred_end(reply, begin, '*', shown);
}

static void reply_group(struct reply *reply, const struct object *stream,
                        const struct stream_group *group, size_t count) {
    struct stream_group_state state = stream_group_get_state(group);
    reply_map(reply, 7);
    reply_name(reply, "name");
    reply_bulk(reply, state.name);
    reply_named_id(reply, "last-delivered-id", state.last_id);
    reply_progress(reply, stream, group);
    reply_number(reply, "pel-count", (int64_t)state.pending_count);
    reply_name(reply, "pending");
    reply_pending(reply, group, NULL, count);
    reply_name(reply, "consumers");
    reply_array(reply, state.consumer_count);
    for (size_t i = 0; i < state.consumer_count; i++) {
        const struct stream_consumer *consumer = stream_consumer_at(group, i);
        struct stream_consumer_state of_consumer = stream_consumer_get_state(consumer);
        reply_map(reply, 5);
        reply_name(reply, "name");
        reply_bulk(reply, of_consumer.name);
        reply_number(reply, "seen-time", of_consumer.seen_ms);
        reply_number(reply, "active-time", of_consumer.active_ms);
        reply_number(reply, "pel-count", (int64_t)of_consumer.pending_count);
        reply_name(reply, "pending");
        reply_pending(reply, group, consumer, count);
    }
}

static void reply_full(struct reply *reply, const struct object *stream, size_t count) {
    struct stream_state state = stream_get_state(stream);
    struct stream_cursor cursor;
    struct stream_entry entry;
    reply_map(reply, 9);
    reply_state(reply, &state);
    reply_name(reply, "entries");
    size_t shown = 0, begin = reply_deferred_begin(reply);
    stream_cursor_init(&cursor, stream, STREAM_ID_MIN, STREAM_ID_MAX, false);
    for (; shown < count && stream_cursor_next(&cursor, &entry); shown++)
        stream_reply_entry(reply, entry);
    reply_deferred_end(reply, begin, '*', shown);
    reply_name(reply, "groups");
    reply_array(reply, state.group_count);
    for (size_t i = 0; i < state.group_count; i++)
        reply_group(reply, stream, stream_group_at(stream, i), count);
}

/* [FULL [COUNT n]]. False: an error was replied. */
static bool parse_full(struct call *call, bool *out_is_full, int64_t *out_count) {
    size_t argc = call->argc;
    *out_is_full = argc > 3;
    *out_count = FULL_COUNT;
    bool is_fine =
        argc == 3 || ((argc == 4 || argc == 6) && slice_equal_word(call->argv[3], "full") &&
                      (argc == 4 || slice_equal_word(call->argv[4], "count")));
    if (!is_fine) {
        struct slice word = call->argv[1];
        reply_error_format(call->reply,
                           "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try "
                           "XINFO HELP.",
                           (int)word.size, (const char *)word.data);
        return false;
    }
    if (argc != 6)
        return true;
    if (!call_integer(call, call->argv[5], out_count))
        return false;
    if (*out_count < 0)
        *out_count = FULL_COUNT;
    return true;
}

enum larder_status command_xinfo_stream(struct call *call) {
    struct reply *reply = call->reply;
    const struct object *stream = find_stream(call);
    bool is_full;
    int64_t count;
    if (stream == NULL || !parse_full(call, &is_full, &count))
        return LARDER_OK;
    if (is_full) {
        reply_full(reply, stream, count == 0 ? SIZE_MAX : (size_t)count);
        return LARDER_OK;
    }
    struct stream_state state = stream_get_state(stream);
    reply_map(reply, 10);
    reply_state(reply, &state);
    reply_number(reply, "groups", (int64_t)state.group_count);
    reply_edge(reply, "first-entry", stream, false);
    reply_edge(reply, "last-entry", stream, true);
    return LARDER_OK;
}

enum larder_status command_xinfo_help(struct call *call) {
    static const char *const LINES[] = {
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <group>",
        "    The consumers of a group.",
        "GROUPS <key>",
        "    The groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    A stream as a whole; FULL: with entries, groups and what is pending.",
        "HELP",
        "    This text.",
    };
    size_t count = sizeof(LINES) / sizeof(*LINES);
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_simple(call->reply, LINES[i]);
    return LARDER_OK;
}
