/* SPDX-License-Identifier: BSD-3-Clause */
/* CONFIG: the configuration is read and changed under CONFIG_LOCK. */
#include "server/acl_file.h"
#include "server/figures.h"
#include "server/session_commands.h"

struct get_context {
    struct reply *reply;
    size_t count;
};

static void report(void *context, struct slice name, struct slice value) {
    struct get_context *get = context;
    reply_bulk(get->reply, name);
    reply_bulk(get->reply, value);
    get->count++;
}

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

void session_command_config_get(struct session *session, struct call *call) {
    struct server *server = session->server;
    struct get_context get = {call->reply, 0};
    struct reply_mark mark = reply_mark(call->reply);
    size_t begin = reply_deferred_begin(call->reply);
    server_config_lock(server);
    enum larder_status status =
        config_get(&server->config, call->argv + 2, call->argc - 2, report, &get);
    server_config_unlock(server);
    if (status == LARDER_OK) {
        reply_deferred_end(call->reply, begin, '%', get.count);
        return;
    }
    reply_cut(call->reply, mark);
    reply_no_memory(call);
}

static void log_warning(void *context, const char *text) {
    struct log *log = context;
    log_write(log, LOG_LEVEL_WARNING, "%s", text);
}

void session_command_config_set(struct session *session, struct call *call) {
    struct server *server = session->server;
    const struct connection *c = &session->connection;
    struct config_warnings warnings = {log_warning, server->log};
    struct config_error error = {{0}};
    if (call->argc % 2 != 0) {
        (void)!call_syntax_error(call);
        return;
    }
    server_config_lock(server);
    enum larder_status status = config_set(&server->config, call->argv + 2, (call->argc - 2) / 2,
                                           c->is_unix || c->is_loopback, warnings, &error);
    server_config_unlock(server);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    else if (status == LARDER_NO_MEMORY)
        reply_no_memory(call);
    else
        reply_error_format(call->reply, "ERR %s", error.text);
}

void session_command_config_rewrite(struct session *session, struct call *call) {
    struct server *server = session->server;
    struct config_error error = {{0}};
    server_config_lock(server);
    enum larder_status status = acl_note_in_config(server);
    if (status == LARDER_OK)
        status = config_rewrite(&server->config, NULL, &error);
    server_config_unlock(server);
    if (status == LARDER_OK) {
        log_write(server->log, LOG_LEVEL_NOTICE, "CONFIG REWRITE executed with success.");
        reply_ok(call->reply);
    } else if (status == LARDER_NOT_FOUND) {
        reply_error(call->reply, "ERR The server is running without a config file");
    } else {
        const char *text = error.text[0] != '\0' ? error.text : larder_status_text(status);
        log_write(server->log, LOG_LEVEL_WARNING, "CONFIG REWRITE failed: %s", text);
        reply_error_format(call->reply, "ERR Rewriting config file: %s", text);
    }
}

void session_command_config_resetstat(struct session *session, struct call *call) {
    if (figures_reset(session->server) == LARDER_OK)
        reply_ok(call->reply);
    else
        reply_no_memory(call);
}
