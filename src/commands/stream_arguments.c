/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids, ranges and trimming options among the arguments of stream commands. */
#include "commands/stream_arguments.h"

enum {
    LIMIT_NODES = 100,     /* approximate trimming stops after this many full nodes */
    LIMIT_UNKNOWN = 10000, /* entries, where nodes have no limit */
    LIMIT_MAX = 1000000,
};

static bool bad_id(struct call *call) {
    reply_error(call->reply, "ERR Invalid stream ID specified as stream command argument");
    return false;
}

bool stream_argument_id(struct call *call, struct slice text, struct stream_id *out) {
    return stream_id_parse(text, STREAM_ID_EXACT, 0, out, NULL) || bad_id(call);
}

/* *out_excludes: the id itself is left out. */
static bool parse_bound(struct call *call, struct slice text, uint64_t missing_sequence,
                        struct stream_id *out, bool *out_excludes) {
    *out_excludes = text.size > 1 && text.data[0] == '(';
    if (!*out_excludes)
        return stream_id_parse(text, STREAM_ID_EDGES, missing_sequence, out, NULL) || bad_id(call);
    text = slice_of(text.data + 1, text.size - 1);
    return stream_id_parse(text, STREAM_ID_EXACT, missing_sequence, out, NULL) || bad_id(call);
}

bool stream_argument_start(struct call *call, struct slice text, struct stream_id *out) {
    bool excludes;
    if (!parse_bound(call, text, 0, out, &excludes))
        return false;
    if (!excludes || stream_id_increment(out))
        return true;
    reply_error(call->reply, "ERR invalid start ID for the interval");
    return false;
}

bool stream_argument_end(struct call *call, struct slice text, struct stream_id *out) {
    bool excludes;
    if (!parse_bound(call, text, UINT64_MAX, out, &excludes))
        return false;
    if (!excludes || stream_id_decrement(out))
        return true;
    reply_error(call->reply, "ERR invalid end ID for the interval");
    return false;
}

/* ---- options of XADD and XTRIM ---- */

struct option_reader {
    struct call *call;
    struct stream_add_options *options;
    size_t at;     /* of the option being read */
    int64_t limit; /* LIMIT, or -1 */
};

static bool refuse(struct option_reader *reader, const char *error) {
    reply_error(reader->call->reply, error);
    return false;
}

static bool is_word(struct slice text, char word) {
    return text.size == 1 && text.data[0] == (uint8_t)word;
}

/* MAXLEN or MINID [= | ~] threshold */
static bool read_threshold(struct option_reader *reader, bool is_by_length) {
    struct call *call = reader->call;
    struct stream_trim *trim = &reader->options->trim;
    int64_t length = 0;
    if (reader->options->has_trim)
        return refuse(reader, "ERR syntax error, MAXLEN and MINID options at the same time are "
                              "not compatible");
    struct slice next = call->argv[reader->at + 1];
    bool has_operator = reader->at + 2 < call->argc && (is_word(next, '~') || is_word(next, '='));
    reader->at += has_operator ? 2 : 1;
    if (is_by_length ? !call_integer(call, call->argv[reader->at], &length)
                     : !stream_argument_id(call, call->argv[reader->at], &trim->min_id))
        return false;
    if (length < 0)
        return refuse(reader, "ERR The MAXLEN argument must be >= 0.");
    reader->options->has_trim = true;
    trim->is_by_length = is_by_length;
    trim->is_approximate = has_operator && is_word(next, '~');
    trim->max_length = (uint64_t)length;
    return true;
}

static bool read_limit(struct option_reader *reader) {
    if (!call_integer(reader->call, reader->call->argv[++reader->at], &reader->limit))
        return false;
    return reader->limit >= 0 || refuse(reader, "ERR The LIMIT argument must be >= 0.");
}

static bool read_id(struct option_reader *reader, struct slice text) {
    struct stream_add_options *options = reader->options;
    bool has_number = true;
    options->id_index = reader->at;
    options->is_auto_id = is_word(text, '*');
    if (!options->is_auto_id &&
        !stream_id_parse(text, STREAM_ID_ANY_SEQUENCE, 0, &options->id, &has_number))
        return bad_id(reader->call);
    options->is_auto_number = !has_number;
    return true;
}

static bool read_options(struct option_reader *reader, bool is_add) {
    const struct call *call = reader->call;
    for (; reader->at < call->argc; reader->at++) {
        struct slice word = call->argv[reader->at];
        bool has_more = reader->at + 1 < call->argc, is_fine;
        if (is_add && is_word(word, '*'))
            return read_id(reader, word);
        if (has_more && slice_equal_word(word, "maxlen"))
            is_fine = read_threshold(reader, true);
        else if (has_more && slice_equal_word(word, "minid"))
            is_fine = read_threshold(reader, false);
        else if (has_more && slice_equal_word(word, "limit"))
            is_fine = read_limit(reader);
        else if (is_add && slice_equal_word(word, "nomkstream"))
            is_fine = reader->options->is_no_create = true;
        else if (is_add)
            return read_id(reader, word);
        else
            is_fine = refuse(reader, "ERR syntax error");
        if (!is_fine)
            return false;
    }
    return true;
}

static uint64_t default_limit(const struct call *call) {
    int64_t entries = object_limit(&call_objects(call)->limits->stream_node_entries);
    if (entries <= 0)
        return LIMIT_UNKNOWN;
    return entries > LIMIT_MAX / LIMIT_NODES ? LIMIT_MAX : (uint64_t)entries * LIMIT_NODES;
}

static bool check_limit(struct option_reader *reader) {
    struct stream_trim *trim = &reader->options->trim;
    if (reader->limit > 0 && !reader->options->has_trim)
        return refuse(reader, "ERR syntax error, LIMIT cannot be used without specifying a "
                              "trimming strategy");
    if (reader->limit >= 0 && !trim->is_approximate)
        return refuse(reader,
                      "ERR syntax error, LIMIT cannot be used without the special ~ option");
    if (reader->limit >= 0)
        trim->limit = (uint64_t)reader->limit;
    else if (trim->is_approximate)
        trim->limit = default_limit(reader->call);
    return true;
}

bool stream_parse_options(struct call *call, bool is_add, struct stream_add_options *out) {
    struct option_reader reader = {.call = call, .options = out, .at = 2, .limit = -1};
    *out = (struct stream_add_options){.id_index = call->argc};
    if (!read_options(&reader, is_add) || !check_limit(&reader))
        return false;
    if (is_add || out->has_trim)
        return true;
    return refuse(&reader, "ERR syntax error, XTRIM must be called with a trimming strategy");
}

/* ---- groups ---- */

struct stream_group *stream_argument_group(struct call *call, const struct object *object,
                                           struct slice key, struct slice name) {
    struct stream_group *group = object == NULL ? NULL : stream_find_group(object, name);
    if (group == NULL)
        reply_error_format(call->reply, "NOGROUP No such key '%.*s' or consumer group '%.*s'",
                           (int)key.size, (const char *)key.data, (int)name.size,
                           (const char *)name.data);
    return group;
}

void stream_commit_groups(struct call *call, struct object_edit *edit) {
    call_leave_object(call, edit);
    call_use(call, &edit->key, &edit->entry);
    call->changed = true;
}
