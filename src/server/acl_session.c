/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions and their users: logging in, keeping up with changes, checking commands. A session's
 * user is set under STATS_LOCK, because other threads show its name; its own thread reads it
 * freely. */
#include "server/acl.h"

#include "base/text_buffer.h"
#include "os/clock.h"
#include "server/pubsub.h"

#include <stdio.h>

/* Takes over the reference. */
static void become(struct session *session, struct acl_user *user, uint64_t version) {
    server_stats_lock(session->server);
    struct acl_user *old = session->user;
    session->user = user;
    server_stats_unlock(session->server);
    session->acl_version = version;
    session->is_restricted = user != NULL && !user->is_unrestricted;
    acl_user_release(old);
}

static uint64_t present_version(const struct session *session) {
    /* acquire pairs with the release of the change: a user found later is at least as new */
    return atomic_load_explicit(&session->server->acl->version, memory_order_acquire);
}

void acl_session_open(struct session *session) {
    uint64_t version = present_version(session);
    struct acl_user *user = acl_find(session->server, SLICE_LITERAL("default"));
    session->flags &= ~(uint32_t)SESSION_AUTHENTICATED;
    if (user != NULL && (user->flags & ACL_USER_NO_PASSWORD) != 0 &&
        (user->flags & ACL_USER_ON) != 0)
        session->flags |= SESSION_AUTHENTICATED;
    become(session, user, version);
}

static bool permits_plain(void *context, struct slice name) {
    return acl_user_permits_channel(context, name, false);
}

static bool permits_pattern(void *context, struct slice name) {
    return acl_user_permits_channel(context, name, true);
}

/* Whether the user may still have all the session's subscriptions. */
static bool keeps_channels(const struct session *session, struct acl_user *user) {
    return pubsub_all_pass(session, CHANNEL_PLAIN, permits_plain, user) &&
           pubsub_all_pass(session, CHANNEL_SHARD, permits_plain, user) &&
           pubsub_all_pass(session, CHANNEL_PATTERN, permits_pattern, user);
}

bool acl_session_renew(struct session *session) {
    if (acl_session_is_current(session) || session->user == NULL)
        return session->user != NULL;
    uint64_t version = present_version(session);
    struct acl_user *user = acl_find(session->server, session->user->name);
    if (user == NULL || user->id != session->user->id || !keeps_channels(session, user)) {
        acl_user_release(user);
        return false;
    }
    become(session, user, version);
    return true;
}

/* ---- refusals ---- */

/* Who it was, as CLIENT INFO says it. */
static void describe_client(struct session *session, struct text_buffer *out) {
    server_stats_lock(session->server);
    session_describe(session, session->thread->now_ms, out);
    server_stats_unlock(session->server);
}

static void note(struct session *session, struct acl_log_entry *entry) {
    struct acl *acl = session->server->acl;
    struct text_buffer client;
    text_buffer_init(&client, session->server->allocator);
    describe_client(session, &client);
    entry->client = text_buffer_slice(&client);
    entry->updated_ms = (int64_t)(clock_wall_us() / 1000);
    atomic_fetch_add_explicit(&acl->denied[entry->reason], 1, memory_order_relaxed);
    acl_lock(acl);
    acl_log_add(&acl->log, entry, atomic_load_explicit(&acl->log_max, memory_order_relaxed));
    acl_unlock(acl);
    text_buffer_finish(&client);
}

bool acl_authenticate(struct session *session, struct slice name, struct slice password,
                      struct slice word) {
    uint64_t version = present_version(session);
    struct acl_user *user = acl_find(session->server, name);
    if (user != NULL && acl_user_accepts(user, password)) {
        session->flags |= SESSION_AUTHENTICATED;
        become(session, user, version);
        return true;
    }
    acl_user_release(user);
    struct acl_log_entry entry = {
        .reason = ACL_REASON_AUTH,
        .context = ACL_CONTEXT_TOPLEVEL,
        .object = word,
        .user = name,
    };
    note(session, &entry);
    return false;
}

enum acl_verdict acl_check_restricted(struct session *session, const struct command_spec *spec,
                                      size_t argc, const struct slice *argv,
                                      enum acl_context context) {
    size_t position;
    enum acl_verdict verdict =
        acl_user_verdict(session->user, session->server->allocator, spec, argc, argv, &position);
    if (verdict == ACL_ALLOWED || verdict == ACL_NO_MEMORY)
        return verdict;
    struct acl_log_entry entry = {
        .reason = verdict == ACL_DENIED_COMMAND ? ACL_REASON_COMMAND
                  : verdict == ACL_DENIED_KEY   ? ACL_REASON_KEY
                                                : ACL_REASON_CHANNEL,
        .context = context,
        .object = verdict == ACL_DENIED_COMMAND ? slice_of_string(spec->name) : argv[position],
        .user = session->user->name,
    };
    note(session, &entry);
    return verdict;
}

uint32_t acl_call_flags_restricted(const struct session *session, const struct command_spec *spec,
                                   size_t argc, const struct slice *argv) {
    bool is_sort = spec->id == COMMAND_SORT || spec->id == COMMAND_SORT_RO;
    if (!is_sort ||
        acl_user_reads_all_keys(session->user, session->server->allocator, spec, argc, argv))
        return 0;
    return CALL_SOME_KEYS;
}

void acl_refusal(enum acl_verdict verdict, enum acl_context context,
                 const struct command_spec *spec, char out[ACL_REFUSAL_MAX]) {
    static const char *const PLAIN[] = {
        [ACL_DENIED_KEY] = "NOPERM this user has no permissions to access one of the keys used as "
                           "arguments",
        [ACL_DENIED_CHANNEL] = "NOPERM this user has no permissions to access one of the channels "
                               "used as arguments",
        [ACL_NO_MEMORY] = "OOM not enough memory for the operation",
    };
    static const char *const MULTI[] = {
        [ACL_DENIED_COMMAND] = "no permission to execute the command or subcommand",
        [ACL_DENIED_KEY] = "no permission to touch the specified keys",
        [ACL_DENIED_CHANNEL] =
            "no permission to access one of the channels used as arguments to the command",
    };
    static const char *const SCRIPT[] = {
        [ACL_DENIED_COMMAND] =
            "ERR The user executing the script can't run this command or subcommand",
        [ACL_DENIED_KEY] = "ERR The user executing the script can't access at least one of the "
                           "keys mentioned in the command arguments",
        [ACL_DENIED_CHANNEL] = "ERR The user executing the script can't publish to the channel "
                               "mentioned in the command",
    };
    bool is_permission = verdict <= ACL_DENIED_CHANNEL;
    if (context == ACL_CONTEXT_MULTI && is_permission)
        (void)snprintf(out, ACL_REFUSAL_MAX,
                       "NOPERM ACLs rules changed between the moment the transaction was "
                       "accumulated and the EXEC call. This command is no longer allowed for the "
                       "following reason: %s",
                       MULTI[verdict]);
    else if (context == ACL_CONTEXT_SCRIPT && is_permission)
        (void)snprintf(out, ACL_REFUSAL_MAX, "%s", SCRIPT[verdict]);
    else if (verdict == ACL_DENIED_COMMAND)
        (void)snprintf(out, ACL_REFUSAL_MAX,
                       "NOPERM this user has no permissions to run the '%s' command", spec->name);
    else
        (void)snprintf(out, ACL_REFUSAL_MAX, "%s", PLAIN[verdict]);
}
