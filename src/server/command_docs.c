/* SPDX-License-Identifier: BSD-3-Clause */
/* COMMAND DOCS: the documentation of commands as maps. */
#include "server/session_commands.h"

static void reply_text_pair(struct reply *reply, const char *name, const char *value) {
    reply_bulk_text(reply, name);
    reply_bulk_text(reply, value);
}

/* ---- arguments ---- */

static void reply_arguments(struct reply *reply, const struct command_argument *arguments,
                            size_t count);

static void reply_argument_flags(struct reply *reply, unsigned flags) {
    static const struct {
        unsigned bit;
        const char *name;
    } NAMES[] = {{COMMAND_ARGUMENT_OPTIONAL, "optional"},
                 {COMMAND_ARGUMENT_MULTIPLE, "multiple"},
                 {COMMAND_ARGUMENT_MULTIPLE_TOKEN, "multiple_token"}};
    reply_bulk_text(reply, "flags");
    reply_set(reply, (size_t)__builtin_popcount(flags));
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if ((flags & NAMES[i].bit) != 0)
            reply_simple(reply, NAMES[i].name);
}

static void reply_argument(struct reply *reply, const struct command_argument *a) {
    static const char *const TYPES[] = {
        [COMMAND_ARGUMENT_STRING] = "string",         [COMMAND_ARGUMENT_INTEGER] = "integer",
        [COMMAND_ARGUMENT_DOUBLE] = "double",         [COMMAND_ARGUMENT_KEY] = "key",
        [COMMAND_ARGUMENT_PATTERN] = "pattern",       [COMMAND_ARGUMENT_UNIX_TIME] = "unix-time",
        [COMMAND_ARGUMENT_PURE_TOKEN] = "pure-token", [COMMAND_ARGUMENT_ONEOF] = "oneof",
        [COMMAND_ARGUMENT_BLOCK] = "block",
    };
    bool is_group = a->type == COMMAND_ARGUMENT_ONEOF || a->type == COMMAND_ARGUMENT_BLOCK;
    const char *display = a->display_text != NULL ? a->display_text : is_group ? NULL : a->name;
    size_t count = 2u + (display != NULL) + (a->key_spec_index >= 0) + (a->token != NULL) +
                   (a->since != NULL) + (a->deprecated_since != NULL) + (a->flags != 0) + is_group;
    reply_map(reply, count);
    reply_text_pair(reply, "name", a->name);
    reply_text_pair(reply, "type", TYPES[a->type]);
    if (display != NULL)
        reply_text_pair(reply, "display_text", display);
    if (a->key_spec_index >= 0) {
        reply_bulk_text(reply, "key_spec_index");
        reply_integer(reply, a->key_spec_index);
    }
    if (a->token != NULL)
        reply_text_pair(reply, "token", a->token);
    if (a->since != NULL)
        reply_text_pair(reply, "since", a->since);
    if (a->deprecated_since != NULL)
        reply_text_pair(reply, "deprecated_since", a->deprecated_since);
    if (a->flags != 0)
        reply_argument_flags(reply, a->flags);
    if (is_group) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, a->arguments, a->argument_count);
    }
}

static void reply_arguments(struct reply *reply, const struct command_argument *arguments,
                            size_t count) {
    reply_array(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_argument(reply, &arguments[i]);
}

/* ---- commands ---- */

static void reply_doc_flags(struct reply *reply, unsigned flags) {
    reply_bulk_text(reply, "doc_flags");
    reply_set(reply, (size_t)__builtin_popcount(flags));
    if ((flags & COMMAND_DOC_DEPRECATED) != 0)
        reply_simple(reply, "deprecated");
    if ((flags & COMMAND_DOC_SYSCMD) != 0)
        reply_simple(reply, "syscmd");
}

static void reply_history(struct reply *reply, const struct command_spec *spec) {
    reply_bulk_text(reply, "history");
    reply_set(reply, spec->history_count);
    for (size_t i = 0; i < spec->history_count; i++) {
        reply_array(reply, 2);
        reply_bulk_text(reply, spec->history[i].version);
        reply_bulk_text(reply, spec->history[i].text);
    }
}

static void reply_doc(struct reply *reply, const struct command_spec *spec);

static void reply_subcommands(struct reply *reply, const struct command_spec *spec) {
    reply_bulk_text(reply, "subcommands");
    size_t begin = reply_deferred_begin(reply), count = 0;
    for (size_t i = 0; i < spec->subcommand_count; i++) {
        if (!command_is_built(&spec->subcommands[i]))
            continue;
        reply_bulk_text(reply, spec->subcommands[i].name);
        reply_doc(reply, &spec->subcommands[i]);
        count++;
    }
    reply_deferred_end(reply, begin, '%', count);
}

static void reply_doc(struct reply *reply, const struct command_spec *spec) {
    size_t count = 3u + (spec->complexity != NULL) + (spec->doc_flags != 0) +
                   (spec->deprecated_since != NULL) + (spec->replaced_by != NULL) +
                   (spec->history_count > 0) + (spec->argument_count > 0) +
                   (spec->subcommand_count > 0);
    reply_map(reply, count);
    reply_text_pair(reply, "summary", spec->summary);
    reply_text_pair(reply, "since", spec->since);
    reply_text_pair(reply, "group", spec->group);
    if (spec->complexity != NULL)
        reply_text_pair(reply, "complexity", spec->complexity);
    if (spec->doc_flags != 0)
        reply_doc_flags(reply, spec->doc_flags);
    if (spec->deprecated_since != NULL)
        reply_text_pair(reply, "deprecated_since", spec->deprecated_since);
    if (spec->replaced_by != NULL)
        reply_text_pair(reply, "replaced_by", spec->replaced_by);
    if (spec->history_count > 0)
        reply_history(reply, spec);
    if (spec->argument_count > 0) {
        reply_bulk_text(reply, "arguments");
        reply_arguments(reply, spec->arguments, spec->argument_count);
    }
    if (spec->subcommand_count > 0)
        reply_subcommands(reply, spec);
}

void session_command_command_docs(struct session *session, struct call *call) {
    (void)session;
    struct reply *reply = call->reply;
    size_t begin = reply_deferred_begin(reply), count = 0;
    for (size_t i = 0; i < COMMAND_COUNT && call->argc == 2; i++) {
        const struct command_spec *spec = &command_table[i];
        if (spec->parent >= 0 || !command_is_built(spec))
            continue;
        reply_bulk_text(reply, spec->name);
        reply_doc(reply, spec);
        count++;
    }
    for (size_t i = 2; i < call->argc; i++) {
        const struct command_spec *spec = command_find_full(call->argv[i]);
        if (spec == NULL)
            continue;
        reply_bulk_text(reply, spec->name);
        reply_doc(reply, spec);
        count++;
    }
    reply_deferred_end(reply, begin, '%', count);
}
