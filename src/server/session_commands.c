/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of commands about sessions and the server, and HELP, which follows from it. */
#include "server/session_commands.h"

#include "base/text_buffer.h"

const session_command session_commands[COMMAND_COUNT] = {
    [COMMAND_AUTH] = session_command_auth,
    [COMMAND_CLIENT_CAPA] = session_command_client_capa,
    [COMMAND_CLIENT_GETNAME] = session_command_client_getname,
    [COMMAND_CLIENT_HELP] = session_command_help,
    [COMMAND_CLIENT_ID] = session_command_client_id,
    [COMMAND_CLIENT_INFO] = session_command_client_info,
    [COMMAND_CLIENT_KILL] = session_command_client_kill,
    [COMMAND_CLIENT_LIST] = session_command_client_list,
    [COMMAND_CLIENT_NO_EVICT] = session_command_client_no_evict,
    [COMMAND_CLIENT_NO_TOUCH] = session_command_client_no_touch,
    [COMMAND_CLIENT_PAUSE] = session_command_client_pause,
    [COMMAND_CLIENT_REPLY] = session_command_client_reply,
    [COMMAND_CLIENT_SETINFO] = session_command_client_setinfo,
    [COMMAND_CLIENT_SETNAME] = session_command_client_setname,
    [COMMAND_CLIENT_UNPAUSE] = session_command_client_unpause,
    [COMMAND_COMMAND] = session_command_command,
    [COMMAND_COMMAND_COUNT] = session_command_command_count,
    [COMMAND_COMMAND_DOCS] = session_command_command_docs,
    [COMMAND_COMMAND_GETKEYS] = session_command_command_getkeys,
    [COMMAND_COMMAND_GETKEYSANDFLAGS] = session_command_command_getkeysandflags,
    [COMMAND_COMMAND_HELP] = session_command_help,
    [COMMAND_COMMAND_INFO] = session_command_command_info,
    [COMMAND_COMMAND_LIST] = session_command_command_list,
    [COMMAND_CONFIG_GET] = session_command_config_get,
    [COMMAND_CONFIG_HELP] = session_command_help,
    [COMMAND_CONFIG_RESETSTAT] = session_command_config_resetstat,
    [COMMAND_CONFIG_REWRITE] = session_command_config_rewrite,
    [COMMAND_CONFIG_SET] = session_command_config_set,
    [COMMAND_DBSIZE] = session_command_dbsize,
    [COMMAND_DEBUG] = session_command_debug,
    [COMMAND_ECHO] = session_command_echo,
    [COMMAND_FLUSHALL] = session_command_flushall,
    [COMMAND_FLUSHDB] = session_command_flushdb,
    [COMMAND_HELLO] = session_command_hello,
    [COMMAND_INFO] = session_command_info,
    [COMMAND_KEYS] = session_command_keys,
    [COMMAND_LATENCY_DOCTOR] = session_command_latency_doctor,
    [COMMAND_LATENCY_GRAPH] = session_command_latency_graph,
    [COMMAND_LATENCY_HELP] = session_command_help,
    [COMMAND_LATENCY_HISTOGRAM] = session_command_latency_histogram,
    [COMMAND_LATENCY_HISTORY] = session_command_latency_history,
    [COMMAND_LATENCY_LATEST] = session_command_latency_latest,
    [COMMAND_LATENCY_RESET] = session_command_latency_reset,
    [COMMAND_LOLWUT] = session_command_lolwut,
    [COMMAND_MEMORY_DOCTOR] = session_command_memory_doctor,
    [COMMAND_MEMORY_HELP] = session_command_help,
    [COMMAND_MEMORY_MALLOC_STATS] = session_command_memory_malloc_stats,
    [COMMAND_MEMORY_PURGE] = session_command_memory_purge,
    [COMMAND_MEMORY_STATS] = session_command_memory_stats,
    [COMMAND_MEMORY_USAGE] = session_command_memory_usage,
    [COMMAND_MONITOR] = session_command_monitor,
    [COMMAND_PING] = session_command_ping,
    [COMMAND_QUIT] = session_command_quit,
    [COMMAND_RANDOMKEY] = session_command_randomkey,
    [COMMAND_RESET] = session_command_reset,
    [COMMAND_ROLE] = session_command_role,
    [COMMAND_SCAN] = session_command_scan,
    [COMMAND_SELECT] = session_command_select,
    [COMMAND_SHUTDOWN] = session_command_shutdown,
    [COMMAND_SLOWLOG_GET] = session_command_slowlog_get,
    [COMMAND_SLOWLOG_HELP] = session_command_help,
    [COMMAND_SLOWLOG_LEN] = session_command_slowlog_len,
    [COMMAND_SLOWLOG_RESET] = session_command_slowlog_reset,
    [COMMAND_SWAPDB] = session_command_swapdb,
    [COMMAND_TIME] = session_command_time,
    [COMMAND_WAIT] = session_command_wait,
#define COMMAND_ROW(id, function) [COMMAND_##id] = function,
    TRANSACTION_COMMANDS(COMMAND_ROW) PUBSUB_COMMANDS(COMMAND_ROW) SCRIPT_COMMANDS(COMMAND_ROW)
        ACL_COMMANDS(COMMAND_ROW) TRACKING_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
};

void session_show_flags(struct session *session) {
    atomic_store_explicit(&session->shown_flags, session->flags, memory_order_relaxed);
    atomic_store_explicit(&session->shown_protocol, session->protocol, memory_order_relaxed);
    atomic_store_explicit(&session->shown_database, session->database, memory_order_relaxed);
}

static void append_upper(struct text_buffer *out, const char *text) {
    for (; *text != '\0'; text++) {
        char c = (char)(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
        text_buffer_append(out, slice_of(&c, 1));
    }
}

void session_refuse_subcommand(struct call *call) {
    enum { SHOWN_BYTES = 128 };
    char container[32] = "";
    const char *name =
        call->spec->parent >= 0 ? command_table[call->spec->parent].name : call->spec->name;
    for (size_t i = 0; name[i] != '\0' && i + 1 < sizeof(container); i++)
        container[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    struct slice word = call->argv[1];
    reply_error_format(call->reply,
                       "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try %s "
                       "HELP.",
                       (int)(word.size < SHOWN_BYTES ? word.size : SHOWN_BYTES),
                       (const char *)word.data, container);
}

/* ---- HELP ---- */

static void append_arguments(struct text_buffer *out, const struct command_argument *arguments,
                             size_t count, const char *separator);

static void append_argument(struct text_buffer *out, const struct command_argument *a) {
    bool is_optional = (a->flags & COMMAND_ARGUMENT_OPTIONAL) != 0;
    if (is_optional)
        text_buffer_format(out, "[");
    if (a->token != NULL && a->token[0] != '\0')
        text_buffer_format(out, "%s%s", a->token,
                           a->type == COMMAND_ARGUMENT_PURE_TOKEN ? "" : " ");
    if (a->type == COMMAND_ARGUMENT_ONEOF) {
        text_buffer_format(out, is_optional ? "" : "(");
        append_arguments(out, a->arguments, a->argument_count, "|");
        text_buffer_format(out, is_optional ? "" : ")");
    } else if (a->type == COMMAND_ARGUMENT_BLOCK) {
        append_arguments(out, a->arguments, a->argument_count, " ");
    } else if (a->type != COMMAND_ARGUMENT_PURE_TOKEN) {
        text_buffer_format(out, "<%s>", a->display_text != NULL ? a->display_text : a->name);
    }
    if ((a->flags & COMMAND_ARGUMENT_MULTIPLE) != 0)
        text_buffer_format(out, " [...]");
    if (is_optional)
        text_buffer_format(out, "]");
}

static void append_arguments(struct text_buffer *out, const struct command_argument *arguments,
                             size_t count, const char *separator) {
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            text_buffer_format(out, "%s", separator);
        append_argument(out, &arguments[i]);
    }
}

static void reply_line(struct reply *reply, struct text_buffer *line) {
    if (line->is_out_of_memory || line->data == NULL)
        reply_simple(reply, "");
    else
        reply_simple(reply, line->data);
    line->size = 0;
}

void session_command_help(struct session *session, struct call *call) {
    const struct command_spec *container = &command_table[call->spec->parent];
    struct text_buffer line;
    text_buffer_init(&line, session->server->allocator);
    size_t begin = reply_deferred_begin(call->reply), count = 1;
    append_upper(&line, container->name);
    text_buffer_format(&line, " <subcommand> [<argument> ...]. Subcommands are:");
    reply_line(call->reply, &line);
    for (size_t i = 0; i < container->subcommand_count; i++) {
        const struct command_spec *spec = &container->subcommands[i];
        if (!command_is_built(spec) || spec == call->spec)
            continue;
        append_upper(&line, spec->short_name);
        text_buffer_format(&line, spec->argument_count > 0 ? " " : "");
        append_arguments(&line, spec->arguments, spec->argument_count, " ");
        reply_line(call->reply, &line);
        text_buffer_format(&line, "    %s", spec->summary);
        reply_line(call->reply, &line);
        count += 2;
    }
    reply_simple(call->reply, "HELP");
    reply_simple(call->reply, "    Shows this list.");
    reply_deferred_end(call->reply, begin, '*', count + 2);
    text_buffer_finish(&line);
}
