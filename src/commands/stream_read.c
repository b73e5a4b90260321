/* SPDX-License-Identifier: BSD-3-Clause */
/* XREAD and XREADGROUP. A group's reading changes the group, of several streams at once perhaps:
 * so the reply is written and the entries are prepared to become pending first, for all streams,
 * and only when nothing can fail any more it is all committed. */
#include "commands/stream_arguments.h"

enum { GROUP_OPTION_WORDS = 3 }; /* GROUP group consumer, usually the first */

enum read_kind {
    READ_AFTER,   /* entries after an id */
    READ_LAST,    /* "+": the last entry */
    READ_NEW,     /* ">": what the group has not seen */
    READ_HISTORY, /* what is pending for the consumer, after an id */
};

struct read_stream {
    struct key key;
    struct object *object; /* NULL: not there, or not to be looked at */
    struct stream_group *group;
    struct stream_consumer *consumer;
    enum read_kind kind;
    bool is_new_consumer;
    struct stream_id after; /* reading begins behind it */
    struct stream_id last;  /* the last one delivered */
    size_t delivered;       /* entries */
};

struct read {
    struct call *call;
    bool is_group, is_no_ack, is_blocking;
    struct slice group, consumer;
    size_t count; /* at most, of each stream */
    size_t first; /* argument index of the first key */
    size_t stream_count;
    struct read_stream *streams;
    size_t answered; /* streams in the reply */
};

static bool refuse(struct read *read, const char *error) {
    reply_error(read->call->reply, error);
    return false;
}

/* ---- arguments ---- */

static bool parse_count(struct read *read, struct slice text) {
    int64_t count;
    if (!call_integer(read->call, text, &count))
        return false;
    read->count = count <= 0 ? SIZE_MAX : (size_t)count;
    return true;
}

static bool not_without_group(struct read *read, const char *option) {
    reply_error_format(read->call->reply,
                       "ERR The %s option is only supported by XREADGROUP. You called XREAD "
                       "instead.",
                       option);
    return false;
}

/* An option before STREAMS at *at, which is moved to its last word. */
static bool parse_option(struct read *read, size_t *at) {
    struct call *call = read->call;
    struct slice word = call->argv[*at];
    size_t more = call->argc - *at - 1;
    if (more >= 1 && slice_equal_word(word, "block")) {
        read->is_blocking = true;
        return call_timeout(call, call->argv[++*at], true);
    }
    if (more >= 1 && slice_equal_word(word, "count"))
        return parse_count(read, call->argv[++*at]);
    if (more >= 2 && slice_equal_word(word, "group")) {
        if (!read->is_group)
            return not_without_group(read, "GROUP");
        read->group = call->argv[++*at];
        read->consumer = call->argv[++*at];
        return true;
    }
    if (slice_equal_word(word, "noack")) {
        read->is_no_ack = true;
        return read->is_group || not_without_group(read, "NOACK");
    }
    call_syntax_error(call);
    return false;
}

static bool parse_options(struct read *read) {
    struct call *call = read->call;
    size_t at = 1;
    while (at < call->argc &&
           (at + 1 == call->argc || !slice_equal_word(call->argv[at], "streams"))) {
        if (!parse_option(read, &at))
            return false;
        at++;
    }
    if (at >= call->argc) {
        call_syntax_error(call);
        return false;
    }
    size_t words = call->argc - at - 1;
    if (words % 2 != 0)
        return refuse(read, "ERR Unbalanced XREAD list of streams: for each stream key an ID or "
                            "'$' must be specified.");
    if (read->is_group && read->group.data == NULL)
        return refuse(read, "ERR Missing GROUP option for XREADGROUP");
    /* Keys are looked for behind the first such word: what else is named so would be taken for it.
     */
    for (size_t i = GROUP_OPTION_WORDS + 1; read->is_group && i < at; i++) {
        if (slice_equal_word(call->argv[i], "streams")) {
            call_syntax_error(call);
            return false;
        }
    }
    read->first = at + 1;
    read->stream_count = words / 2;
    return true;
}

static bool is_word(struct slice text, char word) {
    return text.size == 1 && text.data[0] == (uint8_t)word;
}

/* Where to read of a stream from. */
static bool parse_start(struct read *read, struct read_stream *stream, struct slice text) {
    stream->kind = read->is_group ? READ_HISTORY : READ_AFTER;
    if (is_word(text, '$')) {
        if (read->is_group)
            return refuse(read, "ERR The $ ID is meaningless in the context of XREADGROUP: you "
                                "want to read the history of this consumer by specifying a proper "
                                "ID, or use the > ID to get new messages. The $ ID would just "
                                "return an empty result set.");
        if (stream->object != NULL)
            stream->after = stream_last_id(stream->object);
        return true;
    }
    if (is_word(text, '>')) {
        stream->kind = READ_NEW;
        return read->is_group ||
               refuse(read, "ERR The > ID can be specified only when calling XREADGROUP using the "
                            "GROUP <group> <consumer> option.");
    }
    if (is_word(text, '+') && !read->is_group) {
        stream->kind = READ_LAST;
        return true;
    }
    if (!stream_argument_id(read->call, text, &stream->after))
        return false;
    if (read->is_group && stream_id_equal(stream->after, STREAM_ID_MAX))
        stream->kind = READ_NEW;
    return true;
}

/* The client waits, and what it waited for is gone. */
static bool refuse_vanished(struct read *read, bool has_key) {
    return refuse(read, has_key ? "NOGROUP the consumer group this client was blocked on no longer "
                                  "exists"
                                : "UNBLOCKED the stream key no longer exists");
}

static bool find_group(struct read *read, struct read_stream *stream) {
    const struct slice key = stream->key.text;
    bool is_waiting = read->call->only_key.data != NULL;
    if (stream->object != NULL)
        stream->group = stream_find_group(stream->object, read->group);
    if (stream->group != NULL)
        return true;
    if (is_waiting)
        return refuse_vanished(read, stream->object != NULL);
    reply_error_format(read->call->reply,
                       "NOGROUP No such key '%.*s' or consumer group '%.*s' in XREADGROUP with "
                       "GROUP option",
                       (int)key.size, (const char *)key.data, (int)read->group.size,
                       (const char *)read->group.data);
    return false;
}

/* The stream at a key. False: an error was replied. */
REQUIRES(PARTITION_LOCK)
static bool find_object(struct read *read, struct read_stream *stream) {
    struct call *call = read->call;
    struct entry entry;
    bool is_waiting = call->only_key.data != NULL;
    bool is_there = read->is_group ? call_write(call, &stream->key, &entry)
                                   : call_read(call, &stream->key, &entry);
    if (!is_there)
        return true;
    if (entry.value.kind != VALUE_OBJECT || entry.value.object->type->kind != OBJECT_STREAM) {
        if (is_waiting && !read->is_group)
            return true;
        if (is_waiting)
            return refuse_vanished(read, false);
        call_wrong_type(call);
        return false;
    }
    stream->object = entry.value.object;
    return true;
}

/* Whether a stream is to be looked at: of a client that waits, only the key that changed. */
static bool is_looked_at(const struct read *read, const struct read_stream *stream) {
    struct slice only = read->call->only_key;
    return only.data == NULL || slice_equal(only, stream->key.text);
}

REQUIRES(PARTITION_LOCK)
static bool parse_streams(struct read *read) {
    for (size_t i = 0; i < read->stream_count; i++) {
        struct read_stream *stream = &read->streams[i];
        *stream = (struct read_stream){.key = call_key_at(read->call, read->first + i)};
        if (!is_looked_at(read, stream))
            continue;
        if (!find_object(read, stream) || (read->is_group && !find_group(read, stream)) ||
            !parse_start(read, stream, read->call->argv[read->first + read->stream_count + i]))
            return false;
    }
    return true;
}

/* ---- the reply ---- */

static void begin_stream(struct read *read, const struct read_stream *stream) {
    struct reply *reply = read->call->reply;
    read->answered++;
    if (reply->protocol != 3)
        reply_array(reply, 2);
    reply_bulk(reply, stream->key.text);
}

/* The cursor over what there is to deliver. False: nothing. */
static bool find_entries(struct read_stream *stream, struct stream_cursor *cursor,
                         struct stream_entry *first) {
    struct stream_id start = stream->after;
    if (stream->object == NULL)
        return false;
    if (stream->kind == READ_LAST) {
        stream_cursor_init(cursor, stream->object, STREAM_ID_MIN, STREAM_ID_MAX, true);
        return stream_cursor_next(cursor, first);
    }
    if (!stream_id_increment(&start))
        return false;
    stream_cursor_init(cursor, stream->object, start, STREAM_ID_MAX, false);
    return stream_cursor_next(cursor, first);
}

static enum larder_status prepare(struct read *read, struct read_stream *stream,
                                  struct stream_id id) {
    if (!read->is_group || read->is_no_ack)
        return LARDER_OK;
    return stream_claim_prepare(stream->object, read->call->keyspace->allocator, stream->group,
                                stream->consumer, id);
}

/* The consumer, who is created with the first thing that there is to answer. */
static enum larder_status find_consumer(struct read *read, struct read_stream *stream) {
    const struct call *call = read->call;
    stream->consumer = stream_find_consumer(stream->group, read->consumer);
    if (stream->consumer != NULL)
        return LARDER_OK;
    stream->consumer = stream_create_consumer(stream->object, call->keyspace->allocator,
                                              stream->group, read->consumer, call->thread->now_ms);
    stream->is_new_consumer = stream->consumer != NULL;
    return stream->consumer == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

/* Entries after an id, or new ones of a group. */
static enum larder_status deliver(struct read *read, struct read_stream *stream) {
    struct reply *reply = read->call->reply;
    struct stream_cursor cursor;
    struct stream_entry entry;
    enum larder_status status = LARDER_OK;
    bool is_more = find_entries(stream, &cursor, &entry);
    if (!is_more)
        return LARDER_OK;
    if (read->is_group)
        status = find_consumer(read, stream);
    begin_stream(read, stream);
    size_t count = stream->kind == READ_LAST ? 1 : read->count;
    size_t begin = reply_deferred_begin(reply);
    while (is_more && status == LARDER_OK && stream->delivered < count) {
        status = prepare(read, stream, entry.id);
        stream_reply_entry(reply, entry);
        stream->last = entry.id;
        stream->delivered++;
        is_more = stream_cursor_next(&cursor, &entry);
    }
    reply_deferred_end(reply, begin, '*', stream->delivered);
    return status;
}

/* What is pending for the consumer; entries that were deleted are shown without content. */
static void show_history(struct read *read, struct read_stream *stream) {
    struct reply *reply = read->call->reply;
    struct stream_id start = stream->after;
    struct stream_pending_cursor cursor = {.place = {.page = NULL}};
    struct stream_pending *pending;
    struct stream_entry entry;
    begin_stream(read, stream);
    size_t begin = reply_deferred_begin(reply);
    if (stream_id_increment(&start))
        stream_pending_seek(&cursor, stream->group, stream->consumer, start);
    while (stream->delivered < read->count &&
           stream_pending_next(&cursor, &stream->last, &pending)) {
        stream->delivered++;
        if (stream_find(stream->object, stream->last, &entry)) {
            stream_reply_entry(reply, entry);
        } else {
            reply_array(reply, 2);
            stream_reply_id(reply, stream->last);
            reply_null_array(reply);
        }
    }
    reply_deferred_end(reply, begin, '*', stream->delivered);
}

/* ---- reading as a group ---- */

/* The same stream may be named twice: the second reading goes on where the first stops. */
static struct stream_id new_entries_after(const struct read *read,
                                          const struct read_stream *stream) {
    struct stream_id after = stream_group_get_state(stream->group).last_id;
    for (const struct read_stream *s = read->streams; s < stream; s++)
        if (s->object == stream->object && s->kind == READ_NEW && s->delivered > 0)
            after = s->last;
    return after;
}

static enum larder_status read_stream(struct read *read, struct read_stream *stream) {
    if (stream->object == NULL)
        return LARDER_OK;
    if (stream->kind == READ_NEW)
        stream->after = new_entries_after(read, stream);
    if (stream->kind != READ_HISTORY)
        return deliver(read, stream);
    enum larder_status status = find_consumer(read, stream);
    if (status == LARDER_OK)
        show_history(read, stream);
    return status;
}

/* Room for the effects of what was prepared. */
static enum larder_status reserve_effects(struct read *read) {
    size_t bound = 0;
    for (size_t i = 0; i < read->stream_count; i++) {
        const struct read_stream *stream = &read->streams[i];
        size_t claims = read->is_no_ack && stream->kind == READ_NEW ? 0 : stream->delivered;
        bound +=
            (claims + 2) * stream_claim_effect_bound(stream->key.text, read->group, read->consumer);
    }
    return call_reserve_effect(read->call, bound);
}

/* Undo what was prepared. */
static void abort_stream(struct read *read, struct read_stream *stream) {
    const struct allocator *allocator = read->call->keyspace->allocator;
    struct stream_cursor cursor;
    struct stream_entry entry;
    if (stream->consumer == NULL)
        return;
    bool is_more =
        stream->kind == READ_NEW && !read->is_no_ack && find_entries(stream, &cursor, &entry);
    for (size_t i = 0; is_more && i < stream->delivered; i++) {
        stream_claim_abort(stream->object, allocator, stream->group, stream->consumer, entry.id);
        is_more = stream_cursor_next(&cursor, &entry);
    }
}

static void commit_new(struct read *read, struct read_stream *stream) {
    struct call *call = read->call;
    const struct slice names[3] = {stream->key.text, read->group, read->consumer};
    int64_t now_ms = call->thread->now_ms;
    struct stream_id claimed[STREAM_CLAIMS_MAX];
    size_t claimed_count = 0;
    struct stream_cursor cursor;
    struct stream_entry entry;
    bool is_more = find_entries(stream, &cursor, &entry);
    for (size_t i = 0; is_more && i < stream->delivered; i++) {
        if (!read->is_no_ack) {
            stream_claim_commit(stream->object, call->keyspace->allocator, stream->group,
                                stream->consumer, entry.id, now_ms, 1);
            claimed[claimed_count++] = entry.id;
        }
        if (claimed_count == STREAM_CLAIMS_MAX) {
            stream_effect_claims(call, names, claimed, claimed_count, now_ms, 1);
            claimed_count = 0;
        }
        stream_group_advance(stream->object, stream->group, entry.id);
        is_more = stream_cursor_next(&cursor, &entry);
    }
    stream_effect_claims(call, names, claimed, claimed_count, now_ms, 1);
    stream_effect_group_state(call, stream->key.text, stream->group);
}

/* Entries shown again count as delivered again, but for those that were deleted. */
static void commit_history(struct read *read, struct read_stream *stream) {
    struct call *call = read->call;
    struct stream_id id = stream->after;
    struct stream_pending_cursor cursor;
    struct stream_pending *pending;
    struct stream_entry entry;
    (void)stream_id_increment(&id);
    stream_pending_seek(&cursor, stream->group, stream->consumer, id);
    for (size_t i = 0; i < stream->delivered && stream_pending_next(&cursor, &id, &pending); i++) {
        if (!stream_find(stream->object, id, &entry))
            continue;
        pending->time_ms = call->thread->now_ms;
        pending->count++;
        stream_effect_claim(call, stream->key.text, read->group, read->consumer, id,
                            pending->time_ms, pending->count);
    }
}

REQUIRES(PARTITION_LOCK)
static void commit_stream(struct read *read, struct read_stream *stream) {
    struct call *call = read->call;
    if (stream->consumer == NULL)
        return;
    int64_t now_ms = call->thread->now_ms;
    struct stream_consumer_state state = stream_consumer_get_state(stream->consumer);
    bool is_active = stream->kind == READ_NEW && stream->delivered > 0;
    stream_consumer_set(stream->consumer, now_ms, is_active ? now_ms : state.active_ms);
    if (stream->is_new_consumer) {
        stream_effect_consumer(call, stream->key.text, read->group, read->consumer);
        call_notify(call, NOTICE_STREAM, "xgroup-createconsumer", &stream->key);
    }
    if (stream->delivered > 0 && stream->kind == READ_NEW)
        commit_new(read, stream);
    if (stream->delivered > 0 && stream->kind == READ_HISTORY)
        commit_history(read, stream);
    struct object_edit edit;
    bool is_changed = stream->is_new_consumer || stream->delivered > 0;
    if (call_edit_object(call, &stream->key, OBJECT_STREAM, &edit) && is_changed)
        stream_commit_groups(call, &edit);
}

REQUIRES(PARTITION_LOCK)
static void abort_all(struct read *read) {
    struct call *call = read->call;
    for (size_t i = 0; i < read->stream_count; i++)
        abort_stream(read, &read->streams[i]);
    for (size_t i = 0; i < read->stream_count; i++) {
        struct read_stream *stream = &read->streams[i];
        struct object_edit edit;
        if (stream->is_new_consumer)
            stream_delete_consumer(stream->object, call->keyspace->allocator, stream->group,
                                   stream->consumer);
        if (stream->consumer != NULL && call_edit_object(call, &stream->key, OBJECT_STREAM, &edit))
            call_leave_object(call, &edit);
    }
}

/* ---- waiting ---- */

/* What "$" and "+" stand for now has to stand when it is called again. */
static enum larder_status wait(struct read *read) {
    struct call *call = read->call;
    call->wait.is_array = true;
    for (size_t i = 0; call->only_key.data == NULL && i < read->stream_count; i++) {
        size_t index = read->first + read->stream_count + i;
        struct stream_id id = {0, 0};
        uint8_t text[STREAM_ID_TEXT_MAX];
        if (!is_word(call->argv[index], '$') && !is_word(call->argv[index], '+'))
            continue;
        if (read->streams[i].object != NULL)
            id = stream_last_id(read->streams[i].object);
        enum larder_status status =
            call_wait_argument(call, index, slice_of(text, stream_id_format(id, text)));
        if (status != LARDER_OK)
            return status;
    }
    return LARDER_AGAIN;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status read_all(struct read *read) {
    struct call *call = read->call;
    enum larder_status status = LARDER_OK;
    size_t begin = reply_deferred_begin(call->reply);
    for (size_t i = 0; i < read->stream_count && status == LARDER_OK; i++)
        status = read_stream(read, &read->streams[i]);
    bool is_waiting = read->is_blocking && (call->flags & CALL_MAY_BLOCK) != 0;
    if (read->answered > 0)
        reply_deferred_end(call->reply, begin, call->reply->protocol == 3 ? '%' : '*',
                           read->answered);
    else if (status == LARDER_OK && is_waiting)
        status = wait(read);
    else
        reply_null_array(call->reply);
    if (!read->is_group)
        return status;
    enum larder_status result = status;
    if (status == LARDER_AGAIN)
        status = LARDER_OK;
    if (call->reply->failed)
        status = LARDER_NO_MEMORY;
    if (status == LARDER_OK)
        status = reserve_effects(read);
    if (status != LARDER_OK) {
        abort_all(read);
        return status;
    }
    for (size_t i = 0; i < read->stream_count; i++)
        commit_stream(read, &read->streams[i]);
    return result;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status read_streams(struct call *call, bool is_group) {
    struct read read = {.call = call, .is_group = is_group, .count = SIZE_MAX};
    if (!parse_options(&read))
        return LARDER_OK;
    size_t bytes = read.stream_count * sizeof(*read.streams);
    read.streams = allocator_allocate(call->keyspace->allocator, bytes);
    if (read.streams == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    if (parse_streams(&read))
        status = read_all(&read);
    allocator_release(call->keyspace->allocator, read.streams, bytes);
    return status;
}

enum larder_status command_xread(struct call *call) {
    return read_streams(call, false);
}

enum larder_status command_xreadgroup(struct call *call) {
    return read_streams(call, true);
}
