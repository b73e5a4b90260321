/* SPDX-License-Identifier: BSD-3-Clause */
/* XADD, XDEL, XTRIM, XSETID and XLEN: what changes the entries of a stream. */
#include "commands/stream_arguments.h"

enum { TRIM_WORDS = 3 };

/* ---- XADD ---- */

/* The id of the new entry. False: an error was replied. */
static bool choose_id(struct call *call, const struct object *stream,
                      const struct stream_add_options *options, struct stream_id *out) {
    struct stream_id last = stream_last_id(stream);
    if (stream_id_equal(last, STREAM_ID_MAX)) {
        reply_error(call->reply, "ERR The stream has exhausted the last possible ID, unable to "
                                 "add more items");
        return false;
    }
    struct stream_id next = last;
    (void)stream_id_increment(&next);
    *out = options->id;
    if (options->is_auto_id) {
        *out = (struct stream_id){(uint64_t)call->thread->now_ms, 0};
        if (out->ms <= last.ms)
            *out = next;
    } else if (options->is_auto_number && out->ms == last.ms && next.ms == last.ms) {
        *out = next;
    }
    if (stream_id_is_less(last, *out))
        return true;
    reply_error(call->reply, "ERR The ID specified in XADD is equal or smaller than the target "
                             "stream top item");
    return false;
}

/* MAXLEN = length or MINID = first id: what an exact trim of an equal stream comes down to. */
static void add_trim_words(struct stream_words *words, const struct object *stream,
                           const struct stream_trim *trim, uint8_t *text) {
    struct stream_state state = stream_get_state(stream);
    bool is_by_length = trim->is_by_length || state.length == 0;
    size_t size =
        is_by_length ? uint64_format(state.length, text) : stream_id_format(state.first_id, text);
    stream_words_add(words, is_by_length ? SLICE_LITERAL("MAXLEN") : SLICE_LITERAL("MINID"));
    stream_words_add(words, SLICE_LITERAL("="));
    stream_words_add(words, slice_of(text, size));
}

struct added {
    const struct stream_add_options *options;
    struct stream_id id;
    uint64_t trimmed;
};

static void emit_add(struct call *call, struct stream_words *words, const struct object *stream,
                     const struct added *added) {
    uint8_t trim_text[STREAM_ID_TEXT_MAX], id_text[STREAM_ID_TEXT_MAX];
    if (!stream_is_emitting(call))
        return;
    stream_words_add(words, call->argv[1]);
    if (added->trimmed > 0)
        add_trim_words(words, stream, &added->options->trim, trim_text);
    stream_words_add(words, slice_of(id_text, stream_id_format(added->id, id_text)));
    for (size_t i = added->options->id_index + 1; i < call->argc; i++)
        stream_words_add(words, call->argv[i]);
    call_effect(call, COMMAND_XADD, words->items, words->count);
}

/* The stream is there, or was created. */
REQUIRES(PARTITION_LOCK)
static enum larder_status add_entry(struct call *call, struct object_edit *edit,
                                    struct stream_words *words,
                                    const struct stream_add_options *options) {
    struct added added = {.options = options};
    size_t at = options->id_index + 1;
    if (!choose_id(call, edit->object, options, &added.id)) {
        call_leave_object(call, edit);
        return LARDER_OK;
    }
    enum larder_status status =
        stream_append(edit->object, call_objects(call), added.id, call->argv + at, call->argc - at);
    if (status != LARDER_OK) {
        call_leave_object(call, edit);
        if (status != LARDER_TOO_LARGE)
            return status;
        reply_error(call->reply, "ERR Elements are too large to be stored");
        return LARDER_OK;
    }
    if (options->has_trim)
        added.trimmed = stream_trim(edit->object, call->keyspace->allocator, &options->trim);
    const struct object *stream = edit->object;
    status = call_commit_object(call, edit);
    if (status != LARDER_OK)
        return status;
    call_notify(call, NOTICE_STREAM, "xadd", &edit->key);
    if (added.trimmed > 0)
        call_notify(call, NOTICE_STREAM, "xtrim", &edit->key);
    emit_add(call, words, stream, &added);
    stream_reply_id(call->reply, added.id);
    return LARDER_OK;
}

/* Room for the key and the stream itself. */
REQUIRES(PARTITION_LOCK)
static enum larder_status create_stream(struct call *call, struct object_edit *edit) {
    enum larder_status status = call_reserve(call, &edit->key, 0);
    if (status != LARDER_OK)
        return status;
    edit->object = stream_create(call_objects(call));
    return edit->object == NULL ? LARDER_NO_MEMORY : LARDER_OK;
}

enum larder_status command_xadd(struct call *call) {
    struct stream_add_options options;
    if (!stream_parse_options(call, true, &options))
        return LARDER_OK;
    size_t rest = call->argc - options.id_index;
    if (rest < 3 || rest % 2 == 0)
        return call_wrong_arity(call);
    if (!options.is_auto_id && !options.is_auto_number && stream_id_is_zero(options.id)) {
        reply_error(call->reply, "ERR The ID specified in XADD must be greater than 0-0");
        return LARDER_OK;
    }
    struct object_edit edit;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_STREAM, &edit))
        return LARDER_OK;
    if (edit.object == NULL && options.is_no_create) {
        reply_null(call->reply);
        return LARDER_OK;
    }
    struct stream_words words;
    enum larder_status status = stream_words_init(call, &words, call->argc + TRIM_WORDS);
    if (status == LARDER_OK && edit.object == NULL)
        status = create_stream(call, &edit);
    if (status == LARDER_OK)
        status = add_entry(call, &edit, &words, &options);
    stream_words_finish(call, &words);
    return status;
}

/* ---- XTRIM, XDEL ---- */

enum larder_status command_xtrim(struct call *call) {
    struct stream_add_options options;
    if (!stream_parse_options(call, false, &options))
        return LARDER_OK;
    struct object_edit edit;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_STREAM, &edit))
        return LARDER_OK;
    uint64_t trimmed = 0;
    if (edit.object != NULL)
        trimmed = stream_trim(edit.object, call->keyspace->allocator, &options.trim);
    reply_integer(call->reply, (int64_t)trimmed);
    if (trimmed == 0)
        return LARDER_OK;
    uint8_t text[STREAM_ID_TEXT_MAX];
    struct stream_words words = {.items = words.fixed, .capacity = STREAM_WORDS_FIXED};
    stream_words_add(&words, key.text);
    add_trim_words(&words, edit.object, &options.trim, text);
    call_notify(call, NOTICE_STREAM, "xtrim", &key);
    call_effect(call, COMMAND_XTRIM, words.items, words.count);
    return call_commit_object(call, &edit);
}

enum larder_status command_xdel(struct call *call) {
    struct object_edit edit;
    struct key key = call_key_at(call, 1);
    struct stream_id id;
    if (!call_edit_object(call, &key, OBJECT_STREAM, &edit))
        return LARDER_OK;
    if (edit.object == NULL) {
        reply_integer(call->reply, 0);
        return LARDER_OK;
    }
    for (size_t i = 2; i < call->argc; i++)
        if (!stream_argument_id(call, call->argv[i], &id))
            return LARDER_OK;
    int64_t deleted = 0;
    for (size_t i = 2; i < call->argc; i++) {
        (void)stream_id_parse(call->argv[i], STREAM_ID_EXACT, 0, &id, NULL);
        deleted += stream_delete(edit.object, call->keyspace->allocator, id);
    }
    reply_integer(call->reply, deleted);
    if (deleted == 0)
        return LARDER_OK;
    call_notify(call, NOTICE_STREAM, "xdel", &key);
    call_effect_verbatim(call);
    return call_commit_object(call, &edit);
}

enum larder_status command_xlen(struct call *call) {
    const struct object *stream;
    struct key key = call_key_at(call, 1);
    if (call_read_object(call, &key, OBJECT_STREAM, &stream))
        reply_integer(call->reply, stream == NULL ? 0 : (int64_t)stream_length(stream));
    return LARDER_OK;
}

/* ---- XSETID ---- */

struct set_id {
    struct stream_id last_id, max_deleted_id;
    int64_t entries_added; /* -1: as it is */
};

static bool refuse(struct call *call, const char *error) {
    reply_error(call->reply, error);
    return false;
}

static bool parse_set_id(struct call *call, struct set_id *out) {
    *out = (struct set_id){.entries_added = -1};
    if (!stream_argument_id(call, call->argv[2], &out->last_id))
        return false;
    for (size_t i = 3; i < call->argc; i += 2) {
        struct slice word = call->argv[i];
        bool has_more = i + 1 < call->argc;
        if (has_more && slice_equal_word(word, "entriesadded")) {
            if (!call_integer(call, call->argv[i + 1], &out->entries_added))
                return false;
            if (out->entries_added < 0)
                return refuse(call, "ERR entries_added must be positive");
        } else if (has_more && slice_equal_word(word, "maxdeletedid")) {
            if (!stream_argument_id(call, call->argv[i + 1], &out->max_deleted_id))
                return false;
            if (stream_id_is_less(out->last_id, out->max_deleted_id))
                return refuse(call, "ERR The ID specified in XSETID is smaller than the provided "
                                    "max_deleted_entry_id");
        } else {
            return refuse(call, "ERR syntax error");
        }
    }
    return true;
}

/* Whether the entries that are there allow it. */
static bool check_set_id(struct call *call, const struct object *stream,
                         const struct set_id *wanted) {
    struct stream_cursor cursor;
    struct stream_entry entry;
    stream_cursor_init(&cursor, stream, STREAM_ID_MIN, STREAM_ID_MAX, true);
    if (!stream_cursor_next(&cursor, &entry))
        return true;
    if (stream_id_is_less(wanted->last_id, entry.id))
        return refuse(call, "ERR The ID specified in XSETID is smaller than the target stream top "
                            "item");
    if (wanted->entries_added >= 0 && stream_length(stream) > (uint64_t)wanted->entries_added)
        return refuse(call, "ERR The entries_added specified in XSETID is smaller than the target "
                            "stream length");
    return true;
}

enum larder_status command_xsetid(struct call *call) {
    struct set_id wanted;
    struct object_edit edit;
    if (!parse_set_id(call, &wanted))
        return LARDER_OK;
    struct key key = call_key_at(call, 1);
    if (!call_edit_object(call, &key, OBJECT_STREAM, &edit))
        return LARDER_OK;
    if (edit.object == NULL) {
        reply_error(call->reply, "ERR no such key");
        return LARDER_OK;
    }
    if (!check_set_id(call, edit.object, &wanted))
        return LARDER_OK;
    struct stream_state state = stream_get_state(edit.object);
    bool has_deleted = !stream_id_is_zero(wanted.max_deleted_id);
    stream_set_state(
        edit.object, wanted.last_id, has_deleted ? wanted.max_deleted_id : state.max_deleted_id,
        wanted.entries_added < 0 ? state.entries_added : (uint64_t)wanted.entries_added);
    call_notify(call, NOTICE_STREAM, "xsetid", &key);
    call_effect_verbatim(call);
    reply_ok(call->reply);
    stream_commit_groups(call, &edit);
    return LARDER_OK;
}
