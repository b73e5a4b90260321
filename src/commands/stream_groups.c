/* SPDX-License-Identifier: BSD-3-Clause */
/* XGROUP: the words are XGROUP, the subcommand, key, group ... */
#include "commands/stream_arguments.h"

enum {
    KEY = 2,
    GROUP = 3,
    ID = 4,
    CONSUMER = 4,
    OPTIONS = 5,
    CREATE_WORDS_MAX = 8, /* no option twice */
    SETID_WORDS_MAX = 7,
};

struct group_options {
    bool creates_stream; /* MKSTREAM */
    int64_t entries_read;
};

static bool refuse_syntax(struct call *call) {
    struct slice word = call->argv[1];
    reply_error_format(call->reply,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try XGROUP "
                       "HELP.",
                       (int)word.size, (const char *)word.data);
    return false;
}

static bool parse_options(struct call *call, bool is_create, struct group_options *out) {
    *out = (struct group_options){.entries_read = STREAM_ENTRIES_READ_UNKNOWN};
    for (size_t i = OPTIONS; i < call->argc; i++) {
        if (is_create && slice_equal_word(call->argv[i], "mkstream")) {
            out->creates_stream = true;
        } else if (i + 1 < call->argc && slice_equal_word(call->argv[i], "entriesread")) {
            if (!call_integer(call, call->argv[++i], &out->entries_read))
                return false;
            if (out->entries_read < STREAM_ENTRIES_READ_UNKNOWN) {
                reply_error(call->reply, "ERR value for ENTRIESREAD must be positive or -1");
                return false;
            }
        } else {
            return refuse_syntax(call);
        }
    }
    return true;
}

/* The stream to be changed. False: an error was replied. */
REQUIRES(PARTITION_LOCK)
static bool edit_stream(struct call *call, bool may_create, struct object_edit *out) {
    struct key key = call_key_at(call, KEY);
    if (!call_edit_object(call, &key, OBJECT_STREAM, out))
        return false;
    if (out->object != NULL || may_create)
        return true;
    reply_error(call->reply, "ERR The XGROUP subcommand requires the key to exist. Note that for "
                             "CREATE you may want to use the MKSTREAM option to create an empty "
                             "stream automatically.");
    return false;
}

/* The group that has to exist. NULL: an error was replied. */
static struct stream_group *find_group(struct call *call, const struct object_edit *edit) {
    struct slice name = call->argv[GROUP], key = call->argv[KEY];
    struct stream_group *group = stream_find_group(edit->object, name);
    if (group == NULL)
        reply_error_format(call->reply, "NOGROUP No such consumer group '%.*s' for key name '%.*s'",
                           (int)name.size, (const char *)name.data, (int)key.size,
                           (const char *)key.data);
    return group;
}

/* An id, or "$" for the last one of the stream; SETID takes "-" and "+", too. */
static bool parse_id(struct call *call, const struct object *stream, bool is_create,
                     struct stream_id *out) {
    struct slice text = call->argv[ID];
    bool is_edge = text.size == 1 && (text.data[0] == '-' || text.data[0] == '+');
    if (is_edge && !is_create)
        return stream_id_parse(text, STREAM_ID_EDGES, 0, out, NULL);
    if (!slice_equal(text, SLICE_LITERAL("$")))
        return stream_argument_id(call, text, out);
    *out = stream == NULL ? STREAM_ID_MIN : stream_last_id(stream);
    return true;
}

/* ---- CREATE and SETID ---- */

/* XGROUP CREATE | SETID key group id [MKSTREAM] ENTRIESREAD n */
static void emit_group(struct call *call, const struct stream_group *group, bool is_create) {
    uint8_t id_text[STREAM_ID_TEXT_MAX], read_text[INT64_TEXT_MAX];
    struct stream_group_state state = stream_group_get_state(group);
    struct slice words[] = {
        call->argv[KEY],
        state.name,
        slice_of(id_text, stream_id_format(state.last_id, id_text)),
        SLICE_LITERAL("ENTRIESREAD"),
        slice_of(read_text, int64_format(state.entries_read, read_text)),
        SLICE_LITERAL("MKSTREAM"),
    };
    call_effect(call, is_create ? COMMAND_XGROUP_CREATE : COMMAND_XGROUP_SETID, words,
                is_create ? 6 : 5);
}

REQUIRES(PARTITION_LOCK)
static enum larder_status create_group(struct call *call, struct object_edit *edit,
                                       struct stream_id id, int64_t entries_read) {
    if (edit->object == NULL) {
        enum larder_status status = call_reserve(call, &edit->key, 0);
        if (status != LARDER_OK)
            return status;
        edit->object = stream_create(call_objects(call));
    }
    if (edit->object == NULL)
        return LARDER_NO_MEMORY;
    struct stream_group *group = stream_create_group(edit->object, call->keyspace->allocator,
                                                     call->argv[GROUP], id, entries_read);
    if (group == NULL) {
        call_leave_object(call, edit);
        return LARDER_NO_MEMORY;
    }
    enum larder_status status = LARDER_OK;
    if (edit->is_there)
        stream_commit_groups(call, edit);
    else
        status = call_commit_object(call, edit);
    if (status != LARDER_OK)
        return status;
    call_notify(call, NOTICE_STREAM, "xgroup-create", &edit->key);
    emit_group(call, group, true);
    reply_ok(call->reply);
    return LARDER_OK;
}

enum larder_status command_xgroup_create(struct call *call) {
    struct group_options options;
    struct object_edit edit;
    struct stream_id id;
    if (!parse_options(call, true, &options) || !edit_stream(call, options.creates_stream, &edit))
        return LARDER_OK;
    if (call->argc > CREATE_WORDS_MAX ? !refuse_syntax(call)
                                      : !parse_id(call, edit.object, true, &id))
        return LARDER_OK;
    bool is_there =
        edit.object != NULL && stream_find_group(edit.object, call->argv[GROUP]) != NULL;
    if (!is_there) {
        size_t words = call->argv[KEY].size + call->argv[GROUP].size + 128;
        enum larder_status status = call_reserve_effect(call, effects_part_bound(6, words));
        if (status != LARDER_OK)
            return status;
        return create_group(call, &edit, id, options.entries_read);
    }
    reply_error(call->reply, "BUSYGROUP Consumer Group name already exists");
    return LARDER_OK;
}

enum larder_status command_xgroup_setid(struct call *call) {
    struct group_options options;
    struct object_edit edit;
    struct stream_id id;
    if (!parse_options(call, false, &options) || !edit_stream(call, false, &edit))
        return LARDER_OK;
    struct stream_group *group = find_group(call, &edit);
    if (group == NULL)
        return LARDER_OK;
    if (call->argc > SETID_WORDS_MAX ? !refuse_syntax(call)
                                     : !parse_id(call, edit.object, false, &id))
        return LARDER_OK;
    size_t words = call->argv[KEY].size + call->argv[GROUP].size + 128;
    enum larder_status status = call_reserve_effect(call, effects_part_bound(6, words));
    if (status != LARDER_OK)
        return status;
    stream_group_set(group, id, options.entries_read);
    call_notify(call, NOTICE_STREAM, "xgroup-setid", &edit.key);
    emit_group(call, group, false);
    reply_ok(call->reply);
    stream_commit_groups(call, &edit);
    return LARDER_OK;
}

/* ---- the others ---- */

/* A group of many pending entries is freed in slices, once the lock is released. */
static void remove_group(struct call *call, struct object *stream, struct stream_group *group) {
    enum { FREED_AT_ONCE = 64 };
    const struct allocator *allocator = call->keyspace->allocator;
    struct stream_group_state state = stream_group_get_state(group);
    struct object *detached = NULL;
    if (state.pending_count + state.consumer_count > FREED_AT_ONCE)
        detached = stream_detach_group(stream, allocator, group);
    if (detached != NULL)
        store_thread_drop_object(call->thread, detached);
    else
        stream_destroy_group(stream, allocator, group);
}

enum larder_status command_xgroup_destroy(struct call *call) {
    struct object_edit edit;
    if (!edit_stream(call, false, &edit))
        return LARDER_OK;
    struct stream_group *group = stream_find_group(edit.object, call->argv[GROUP]);
    reply_integer(call->reply, group != NULL);
    if (group == NULL)
        return LARDER_OK;
    remove_group(call, edit.object, group);
    call_notify(call, NOTICE_STREAM, "xgroup-destroy", &edit.key);
    call_effect(call, COMMAND_XGROUP_DESTROY, call->argv + KEY, 2);
    return call_commit_object(call, &edit);
}

enum larder_status command_xgroup_createconsumer(struct call *call) {
    struct object_edit edit;
    if (!edit_stream(call, false, &edit))
        return LARDER_OK;
    struct stream_group *group = find_group(call, &edit);
    if (group == NULL)
        return LARDER_OK;
    struct slice name = call->argv[CONSUMER];
    bool is_there = stream_find_consumer(group, name) != NULL;
    if (!is_there && stream_create_consumer(edit.object, call->keyspace->allocator, group, name,
                                            call->thread->now_ms) == NULL) {
        call_leave_object(call, &edit);
        return LARDER_NO_MEMORY;
    }
    reply_integer(call->reply, !is_there);
    if (is_there)
        return LARDER_OK;
    call_notify(call, NOTICE_STREAM, "xgroup-createconsumer", &edit.key);
    call_effect(call, COMMAND_XGROUP_CREATECONSUMER, call->argv + KEY, 3);
    stream_commit_groups(call, &edit);
    return LARDER_OK;
}

enum larder_status command_xgroup_delconsumer(struct call *call) {
    struct object_edit edit;
    if (!edit_stream(call, false, &edit))
        return LARDER_OK;
    struct stream_group *group = find_group(call, &edit);
    if (group == NULL)
        return LARDER_OK;
    struct stream_consumer *consumer = stream_find_consumer(group, call->argv[CONSUMER]);
    if (consumer == NULL) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    reply_integer(call->reply, (int64_t)stream_consumer_get_state(consumer).pending_count);
    stream_delete_consumer(edit.object, call->keyspace->allocator, group, consumer);
    call_notify(call, NOTICE_STREAM, "xgroup-delconsumer", &edit.key);
    call_effect(call, COMMAND_XGROUP_DELCONSUMER, call->argv + KEY, 3);
    stream_commit_groups(call, &edit);
    return LARDER_OK;
}

enum larder_status command_xgroup_help(struct call *call) {
    static const char *const LINES[] = {
        "XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <count>]",
        "    Add a group that begins behind an id; MKSTREAM makes the stream if it is missing.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Add a consumer to a group.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Remove a consumer with what is pending for it.",
        "DESTROY <key> <group>",
        "    Remove a group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <count>]",
        "    Set the id that a group goes on behind.",
        "HELP",
        "    This text.",
    };
    size_t count = sizeof(LINES) / sizeof(*LINES);
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_simple(call->reply, LINES[i]);
    return LARDER_OK;
}
