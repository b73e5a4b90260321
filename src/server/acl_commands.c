/* SPDX-License-Identifier: BSD-3-Clause */
/* ACL: changing users, which are copied, changed and published under CONFIG_LOCK, one change after
 * the other; their files; passwords. */
#include "server/acl_file.h"
#include "server/acl_rules.h"
#include "server/session_commands.h"

#include "os/process.h"

static void reply_no_memory(struct call *call) {
    reply_error(call->reply, "OOM not enough memory for the operation");
}

/* Characters of a word that are worth showing in an error. */
static int shown(struct slice word) {
    enum { SHOWN_BYTES = 128 };
    return (int)(word.size < SHOWN_BYTES ? word.size : SHOWN_BYTES);
}

/* ---- changing them ---- */

/* The user as the words make it. NULL: the error was written. */
static struct acl_user *make_user(struct session *session, struct call *call,
                                  const struct acl_words *words) REQUIRES(CONFIG_LOCK) {
    struct server *server = session->server;
    bool with_all_channels = server->config.acl_pubsub_default == CONFIG_ACL_ALL_CHANNELS;
    struct acl_user *old = acl_find(server, call->argv[2]);
    struct acl_user *user =
        old != NULL ? acl_user_copy(old)
                    : acl_user_create(server->allocator, call->argv[2], with_all_channels);
    acl_user_release(old);
    enum larder_status status = user == NULL ? LARDER_NO_MEMORY : LARDER_OK;
    const char *reason = NULL;
    for (size_t i = 0; i < words->count && status == LARDER_OK; i++) {
        status = acl_rule_apply(user, words->items[i], with_all_channels, &reason);
        if (status == LARDER_INVALID)
            reply_error_format(call->reply, "ERR Error in ACL SETUSER modifier '%.*s': %s",
                               shown(words->items[i]), (const char *)words->items[i].data, reason);
    }
    if (status == LARDER_OK)
        return user;
    if (status == LARDER_NO_MEMORY)
        reply_no_memory(call);
    acl_user_release(user);
    return NULL;
}

static void set_user(struct session *session, struct call *call, const struct acl_words *words) {
    struct server *server = session->server;
    server_config_lock(server);
    struct acl_user *user = make_user(session, call, words);
    enum larder_status status = user == NULL ? LARDER_INVALID : acl_publish(server, user);
    server_config_unlock(server);
    if (status == LARDER_OK)
        reply_ok(call->reply);
    else if (user != NULL)
        reply_no_memory(call);
}

void session_command_acl_setuser(struct session *session, struct call *call) {
    if (!acl_name_is_valid(call->argv[2])) {
        reply_error(call->reply, "ERR Usernames can't contain spaces or null characters");
        return;
    }
    struct acl_words words;
    enum larder_status status =
        acl_words_init(&words, session->server->allocator, call->argv + 3, call->argc - 3);
    if (status == LARDER_OK)
        set_user(session, call, &words);
    else if (status == LARDER_INVALID)
        reply_error_format(call->reply,
                           "ERR Unmatched parenthesis in acl selector starting at '%.*s'.",
                           shown(words.unmatched), (const char *)words.unmatched.data);
    else
        reply_no_memory(call);
    acl_words_finish(&words);
}

void session_command_acl_deluser(struct session *session, struct call *call) {
    struct server *server = session->server;
    int64_t count = 0;
    for (size_t i = 2; i < call->argc; i++) {
        if (slice_equal(call->argv[i], SLICE_LITERAL("default"))) {
            reply_error(call->reply, "ERR The 'default' user cannot be removed");
            return;
        }
    }
    server_config_lock(server);
    for (size_t i = 2; i < call->argc; i++)
        count += acl_remove(server, call->argv[i]);
    server_config_unlock(server);
    reply_integer(call->reply, count);
    if (!acl_session_renew(session))
        session_close_after_reply(session);
}

/* ---- files ---- */

/* False: the error was written. */
static bool has_file(struct server *server, struct call *call) REQUIRES(CONFIG_LOCK) {
    if (server->config.aclfile.size > 0)
        return true;
    reply_error(call->reply,
                "ERR This Redis instance is not configured to use an ACL file. You may want to "
                "specify users via the ACL SETUSER command and then issue a CONFIG REWRITE "
                "(assuming you have a Redis configuration file set) in order to store users in the "
                "Redis configuration.");
    return false;
}

/* An error reply of any length. */
static void reply_long_error(struct call *call, struct text_buffer *text) {
    struct text_buffer line;
    text_buffer_init(&line, text->allocator);
    text_buffer_append(&line, SLICE_LITERAL("ERR "));
    text_buffer_append(&line, text_buffer_slice(text));
    if (line.is_out_of_memory || text->is_out_of_memory)
        reply_no_memory(call);
    else
        reply_error(call->reply, line.data);
    text_buffer_finish(&line);
}

void session_command_acl_load(struct session *session, struct call *call) {
    struct server *server = session->server;
    struct text_buffer errors;
    text_buffer_init(&errors, server->allocator);
    server_config_lock(server);
    bool is_configured = has_file(server, call);
    enum larder_status status = is_configured ? acl_load_file(server, &errors) : LARDER_INVALID;
    server_config_unlock(server);
    if (is_configured && status == LARDER_OK)
        reply_ok(call->reply);
    else if (is_configured && status == LARDER_NO_MEMORY)
        reply_no_memory(call);
    else if (is_configured)
        reply_long_error(call, &errors);
    text_buffer_finish(&errors);
    if (!acl_session_renew(session))
        session_close_after_reply(session);
}

void session_command_acl_save(struct session *session, struct call *call) {
    struct server *server = session->server;
    struct error_text error = {{0}};
    server_config_lock(server);
    bool is_configured = has_file(server, call);
    enum larder_status status = is_configured ? acl_save_file(server, &error) : LARDER_OK;
    server_config_unlock(server);
    if (!is_configured)
        return;
    if (status == LARDER_OK) {
        reply_ok(call->reply);
        return;
    }
    log_write(server->log, LOG_LEVEL_WARNING, "ACL SAVE failed: %s",
              error.text[0] != '\0' ? error.text : larder_status_text(status));
    reply_error(call->reply, "ERR There was an error trying to save the ACLs. Please check the "
                             "server logs for more information");
}

/* ---- passwords ---- */

void session_command_acl_genpass(struct session *session, struct call *call) {
    enum { BITS_DEFAULT = 256, BITS_MAX = 4096 };
    (void)session;
    int64_t bits = BITS_DEFAULT;
    if (call->argc > 3) {
        session_refuse_subcommand(call);
        return;
    }
    if (call->argc == 3 && !call_integer(call, call->argv[2], &bits))
        return;
    if (bits <= 0 || bits > BITS_MAX) {
        reply_error(call->reply, "ERR ACL GENPASS argument must be the number of bits for the "
                                 "output password, a positive number up to 4096");
        return;
    }
    uint8_t bytes[BITS_MAX / 8];
    char text[BITS_MAX / 4 + 1];
    size_t digits = ((size_t)bits + 3) / 4;
    if (secure_random_bytes(bytes, (digits + 1) / 2) != LARDER_OK) {
        reply_error(call->reply, "ERR no random numbers are available");
        return;
    }
    for (size_t i = 0; i < digits; i++)
        text[i] = "0123456789abcdef"[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
    reply_bulk(call->reply, slice_of(text, digits));
}
