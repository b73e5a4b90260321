/* SPDX-License-Identifier: BSD-3-Clause */
/* ACL: showing users, categories and the log, and trying what a user may do. Users are immutable:
 * they are looked at by reference. */
#include "server/acl.h"
#include "server/acl_rules.h"
#include "server/session_commands.h"

#include "base/command_keys.h"
#include "commands/functions.h"
#include "os/clock.h"

#include <stdio.h>

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

/* Characters of a word that are worth showing in an error. */
static int shown(struct slice word) {
    enum { SHOWN_BYTES = 128 };
    return (int)(word.size < SHOWN_BYTES ? word.size : SHOWN_BYTES);
}

/* ---- what users there are ---- */

void session_command_acl_whoami(struct session *session, struct call *call) {
    reply_bulk(call->reply, session->user->name);
}

void session_command_acl_users(struct session *session, struct call *call) {
    size_t count;
    struct acl_user **users = acl_list(session->server, &count);
    if (users == NULL) {
        reply_no_memory(call);
        return;
    }
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk(call->reply, users[i]->name);
    acl_list_destroy(session->server, users, count);
}

void session_command_acl_list(struct session *session, struct call *call) {
    size_t count;
    struct acl_user **users = acl_list(session->server, &count);
    if (users == NULL) {
        reply_no_memory(call);
        return;
    }
    struct text_buffer text;
    text_buffer_init(&text, session->server->allocator);
    struct reply_mark begin = reply_mark(call->reply);
    reply_array(call->reply, count);
    for (size_t i = 0; i < count; i++) {
        text.size = 0;
        text_buffer_append(&text, SLICE_LITERAL("user "));
        text_buffer_append(&text, users[i]->name);
        text_buffer_append(&text, SLICE_LITERAL(" "));
        acl_describe_user(users[i], &text);
        reply_bulk(call->reply, text_buffer_slice(&text));
    }
    acl_list_destroy(session->server, users, count);
    if (text.is_out_of_memory) {
        reply_cut(call->reply, begin);
        reply_no_memory(call);
    }
    text_buffer_finish(&text);
}

typedef void describe_function(const struct acl_selector *selector, struct text_buffer *out);

static void reply_described(struct reply *reply, const char *name, describe_function *describe,
                            const struct acl_selector *selector, struct text_buffer *text) {
    text->size = 0;
    describe(selector, text);
    reply_bulk_text(reply, name);
    reply_bulk(reply, text_buffer_slice(text));
}

static void reply_selector(struct reply *reply, const struct acl_selector *selector,
                           struct text_buffer *text) {
    reply_described(reply, "commands", acl_describe_commands, selector, text);
    reply_described(reply, "keys", acl_describe_keys, selector, text);
    reply_described(reply, "channels", acl_describe_channels, selector, text);
}

static void reply_user(struct reply *reply, const struct acl_user *user, struct text_buffer *text) {
    const char *names[ACL_FLAG_NAMES_MAX];
    size_t count = acl_user_flag_names(user, names);
    reply_map(reply, 6);
    reply_bulk_text(reply, "flags");
    reply_set(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(reply, names[i]);
    reply_bulk_text(reply, "passwords");
    reply_array(reply, user->passwords.count);
    for (size_t i = 0; i < user->passwords.count; i++)
        reply_bulk(reply, acl_text_slice(&user->passwords.items[i]));
    reply_selector(reply, &user->selectors[0], text);
    reply_bulk_text(reply, "selectors");
    reply_array(reply, user->selector_count - 1);
    for (size_t i = 1; i < user->selector_count; i++) {
        reply_map(reply, 3);
        reply_selector(reply, &user->selectors[i], text);
    }
}

void session_command_acl_getuser(struct session *session, struct call *call) {
    struct acl_user *user = acl_find(session->server, call->argv[2]);
    if (user == NULL) {
        reply_null(call->reply);
        return;
    }
    struct text_buffer text;
    struct reply_mark begin = reply_mark(call->reply);
    text_buffer_init(&text, session->server->allocator);
    reply_user(call->reply, user, &text);
    if (text.is_out_of_memory) {
        reply_cut(call->reply, begin);
        reply_no_memory(call);
    }
    text_buffer_finish(&text);
    acl_user_release(user);
}

/* ---- categories and trials ---- */

void session_command_acl_cat(struct session *session, struct call *call) {
    (void)session;
    size_t count = 0;
    if (call->argc > 3) {
        session_refuse_subcommand(call);
        return;
    }
    if (call->argc == 2) {
        while (ACL_CATEGORY_NAMES[count] != NULL)
            count++;
        reply_array(call->reply, count);
        for (size_t i = 0; i < count; i++)
            reply_bulk_text(call->reply, ACL_CATEGORY_NAMES[i]);
        return;
    }
    uint64_t category = acl_category_find(call->argv[2]);
    if (category == 0) {
        reply_error_format(call->reply, "ERR Unknown category '%.*s'", shown(call->argv[2]),
                           (const char *)call->argv[2].data);
        return;
    }
    size_t begin = reply_deferred_begin(call->reply);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if ((command_table[i].categories & category) == 0 || !command_is_built(&command_table[i]))
            continue;
        reply_bulk_text(call->reply, command_table[i].name);
        count++;
    }
    reply_deferred_end(call->reply, begin, '*', count);
}

/* The command that the words call; NULL: the error was written. */
static const struct command_spec *find_called(struct call *call, size_t argc,
                                              const struct slice *argv) {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    if (spec != NULL && spec->subcommand_count > 0 && argc > 1)
        spec = command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
    if (spec == NULL || !command_is_built(spec)) {
        reply_error_format(call->reply, "ERR Command '%.*s' not found", shown(argv[0]),
                           (const char *)argv[0].data);
        return NULL;
    }
    bool is_bare = command_functions[spec->id] == NULL && session_commands[spec->id] == NULL;
    if (!is_bare && command_arity_fits(spec, argc))
        return spec;
    reply_error_format(call->reply, "ERR wrong number of arguments for '%s' command", spec->name);
    return NULL;
}

static void reply_verdict(struct call *call, enum acl_verdict verdict,
                          const struct command_spec *spec, struct slice word) {
    enum { WORD_SHOWN = 400 };
    char text[WORD_SHOWN + 80];
    int size = (int)(word.size < WORD_SHOWN ? word.size : WORD_SHOWN);
    if (verdict == ACL_ALLOWED) {
        reply_ok(call->reply);
        return;
    }
    if (verdict == ACL_NO_MEMORY) {
        reply_no_memory(call);
        return;
    }
    int used;
    if (verdict == ACL_DENIED_COMMAND)
        used = snprintf(text, sizeof(text), "This user has no permissions to run the '%s' command",
                        spec->name);
    else
        used =
            snprintf(text, sizeof(text), "This user has no permissions to access the '%.*s' %s",
                     size, (const char *)word.data, verdict == ACL_DENIED_KEY ? "key" : "channel");
    reply_bulk(call->reply, slice_of(text, (size_t)used));
}

void session_command_acl_dryrun(struct session *session, struct call *call) {
    const struct slice *argv = call->argv + 3;
    size_t argc = call->argc - 3, position;
    struct acl_user *user = acl_find(session->server, call->argv[2]);
    if (user == NULL) {
        reply_error_format(call->reply, "ERR User '%.*s' not found", shown(call->argv[2]),
                           (const char *)call->argv[2].data);
        return;
    }
    const struct command_spec *spec = find_called(call, argc, argv);
    if (spec != NULL) {
        enum acl_verdict verdict =
            acl_user_verdict(user, session->server->allocator, spec, argc, argv, &position);
        reply_verdict(call, verdict, spec, argv[position]);
    }
    acl_user_release(user);
}

/* ---- the log ---- */

static void reply_entry(struct reply *reply, const struct acl_log_entry *entry, int64_t now_ms) {
    static const char *const REASONS[] = {
        [ACL_REASON_COMMAND] = "command",
        [ACL_REASON_KEY] = "key",
        [ACL_REASON_CHANNEL] = "channel",
        [ACL_REASON_AUTH] = "auth",
    };
    static const char *const CONTEXTS[] = {
        [ACL_CONTEXT_TOPLEVEL] = "toplevel",
        [ACL_CONTEXT_MULTI] = "multi",
        [ACL_CONTEXT_SCRIPT] = "lua",
    };
    reply_map(reply, 10);
    reply_bulk_text(reply, "count");
    reply_integer(reply, (int64_t)entry->count);
    reply_bulk_text(reply, "reason");
    reply_bulk_text(reply, REASONS[entry->reason]);
    reply_bulk_text(reply, "context");
    reply_bulk_text(reply, CONTEXTS[entry->context]);
    reply_bulk_text(reply, "object");
    reply_bulk(reply, entry->object);
    reply_bulk_text(reply, "username");
    reply_bulk(reply, entry->user);
    reply_bulk_text(reply, "age-seconds");
    reply_double(reply, (double)(now_ms - entry->updated_ms) / 1000);
    reply_bulk_text(reply, "client-info");
    reply_bulk(reply, entry->client);
    reply_bulk_text(reply, "entry-id");
    reply_integer(reply, (int64_t)entry->id);
    reply_bulk_text(reply, "timestamp-created");
    reply_integer(reply, entry->created_ms);
    reply_bulk_text(reply, "timestamp-last-updated");
    reply_integer(reply, entry->updated_ms);
}

void session_command_acl_log(struct session *session, struct call *call) {
    struct acl *acl = session->server->acl;
    int64_t wanted = 10;
    if (call->argc > 3) {
        session_refuse_subcommand(call);
        return;
    }
    if (call->argc == 3 && slice_equal_word(call->argv[2], "reset")) {
        acl_lock(acl);
        acl_log_limit(&acl->log, 0);
        acl_unlock(acl);
        reply_ok(call->reply);
        return;
    }
    if (call->argc == 3 && !call_integer(call, call->argv[2], &wanted))
        return;
    int64_t now_ms = (int64_t)(clock_wall_us() / 1000);
    acl_lock(acl);
    size_t count = wanted < 0                           ? 0
                   : (uint64_t)wanted < acl->log.length ? (size_t)wanted
                                                        : acl->log.length;
    reply_array(call->reply, count);
    const struct acl_log_entry *entry = acl->log.newest;
    for (size_t i = 0; i < count; i++, entry = entry->older)
        reply_entry(call->reply, entry, now_ms);
    acl_unlock(acl);
}
