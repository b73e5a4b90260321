/* SPDX-License-Identifier: BSD-3-Clause */
/* Access control of the server: the table of users, which user each session is, and whether a
 * session may run a command.
 *
 * Users are immutable and shared by reference (acl_user.h). The table is read and changed under
 * ACL_LOCK; who changes it holds CONFIG_LOCK as well, so changes come one after the other. Every
 * change raises `version`; a session compares it before each command and, when it differs, takes
 * the present user of the same id. So nothing is locked on the way of a command, and a change holds
 * from the next command of every session on. Sessions whose user is gone are closed. */
#ifndef LARDER_SERVER_ACL_H
#define LARDER_SERVER_ACL_H

#include "server/acl_log.h"
#include "server/acl_verdict.h"
#include "server/session.h"

struct acl {
    const struct allocator *allocator;
    struct lock lock;
    /* guarded by ACL_LOCK */
    struct acl_user **users; /* sorted by name; a reference each */
    size_t count, capacity;
    uint64_t next_id;
    struct acl_log log;
    /* atomic */
    _Atomic uint64_t version;
    _Atomic size_t log_max;
    _Atomic uint64_t denied[4]; /* by enum acl_reason */
};

/* ---- life ---- */

/* The table with the users of the configuration. Errors: LARDER_NO_MEMORY; LARDER_INVALID and
 * others with a text. */
enum larder_status acl_create(struct server *server, struct error_text *error) LARDER_NODISCARD;
/* All sessions are closed. */
void acl_destroy(struct server *server);

/* ---- the table ---- */

/* Returns owned, NULL when there is none. Takes ACL_LOCK. */
struct acl_user *acl_find(struct server *server, struct slice name) LARDER_NODISCARD;
/* All users in the order of their names. Returns owned references in an owned array, NULL when
 * there is no memory; for acl_list_destroy. */
struct acl_user **acl_list(struct server *server, size_t *out_count) LARDER_NODISCARD;
void acl_list_destroy(struct server *server, struct acl_user **users, size_t count);

/* Put a user into the table, in the place of the one of its name. Takes ownership of the reference,
 * also on failure. Errors: LARDER_NO_MEMORY. */
enum larder_status acl_publish(struct server *server, struct acl_user *user)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;
/* Replace all users: those of the same name keep their sessions. `users` has one named "default"
 * and no name twice. Takes ownership of the references, also on failure.
 * Errors: LARDER_NO_MEMORY. */
enum larder_status acl_publish_all(struct server *server, struct acl_user **users, size_t count)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;
/* False: there is none. */
bool acl_remove(struct server *server, struct slice name) REQUIRES(CONFIG_LOCK);

/* The user "default" as it is without any rule, with this password or, empty, none. Returns owned,
 * NULL without memory. */
struct acl_user *acl_create_default(const struct allocator *allocator,
                                    struct slice password) LARDER_NODISCARD;
/* Whether the default user needs a password. */
bool acl_default_has_password(struct server *server);
/* Make this the password of the default user, and its only one. Errors: LARDER_NO_MEMORY. */
enum larder_status acl_set_default_password(struct server *server, struct slice password)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;

/* ---- sessions: their thread ---- */

/* A new session, or one that was reset, is the default user. */
void acl_session_open(struct session *session);
/* Log in: the session becomes this user. False: wrong, which is logged; `word` is the command's
 * name as it was sent. */
bool acl_authenticate(struct session *session, struct slice name, struct slice password,
                      struct slice word);
/* Whether the session has to log in before it may do anything. */
static inline bool acl_must_authenticate(const struct session *session) {
    return (session->flags & SESSION_AUTHENTICATED) == 0 &&
           atomic_load_explicit(&session->server->requires_password, memory_order_relaxed);
}

/* The table changed: see what the session's user is now. False: it is gone, or has lost a channel
 * that the session is subscribed to: the session is to be closed. */
bool acl_session_renew(struct session *session);
static inline bool acl_session_is_current(const struct session *session) {
    /* acquire pairs with the release of the change: its user is seen with its version */
    return session->acl_version ==
           atomic_load_explicit(&session->server->acl->version, memory_order_acquire);
}

/* ---- commands ---- */

/* Whether the session's user may run this command. What is refused is counted and logged. Called
 * for each command as it comes (MULTI: when it is queued and again in EXEC), and for each command
 * of a script. The session is current (acl_session_renew). */
enum acl_verdict acl_check_restricted(struct session *session, const struct command_spec *spec,
                                      size_t argc, const struct slice *argv,
                                      enum acl_context context);
static inline enum acl_verdict acl_check(struct session *session, const struct command_spec *spec,
                                         size_t argc, const struct slice *argv,
                                         enum acl_context context) {
    if (!session->is_restricted)
        return ACL_ALLOWED;
    return acl_check_restricted(session, spec, argc, argv, context);
}

/* What the user's rights say to a command that may run: CALL_SOME_KEYS or nothing. */
uint32_t acl_call_flags_restricted(const struct session *session, const struct command_spec *spec,
                                   size_t argc, const struct slice *argv);
static inline uint32_t acl_call_flags(const struct session *session,
                                      const struct command_spec *spec, size_t argc,
                                      const struct slice *argv) {
    return session->is_restricted ? acl_call_flags_restricted(session, spec, argc, argv) : 0;
}

/* The error reply that goes with a refusal, without '-'. ACL_CONTEXT_MULTI: what EXEC answers when
 * the rules changed since the command was queued; ACL_CONTEXT_SCRIPT: what a script gets. */
enum { ACL_REFUSAL_MAX = 256 };
void acl_refusal(enum acl_verdict verdict, enum acl_context context,
                 const struct command_spec *spec, char out[ACL_REFUSAL_MAX]);

void acl_lock(struct acl *acl) ACQUIRE(ACL_LOCK);
void acl_unlock(struct acl *acl) RELEASE(ACL_LOCK);

#endif
