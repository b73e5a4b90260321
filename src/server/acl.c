/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of users: a sorted array of references. A change bumps the version only after the table
 * has the new user, and wakes all threads, so that sessions which do nothing are renewed too. */
#include "server/acl.h"

#include "server/acl_file.h"
#include "server/acl_rules.h"

static const struct slice DEFAULT_NAME = {(const uint8_t *)"default", 7};

void acl_lock(struct acl *acl) NO_THREAD_SAFETY {
    lock_acquire(&acl->lock);
}

void acl_unlock(struct acl *acl) NO_THREAD_SAFETY {
    lock_release(&acl->lock);
}

/* ---- the array ---- */

/* Index of the first user whose name is not before this one. */
static size_t lower_bound(const struct acl *acl, struct slice name) REQUIRES(ACL_LOCK) {
    size_t low = 0, high = acl->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(acl->users[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct acl_user *at_name(const struct acl *acl, struct slice name) REQUIRES(ACL_LOCK) {
    size_t at = lower_bound(acl, name);
    return at < acl->count && slice_equal(acl->users[at]->name, name) ? acl->users[at] : NULL;
}

static bool reserve(struct acl *acl, size_t count) REQUIRES(ACL_LOCK) {
    if (count <= acl->capacity)
        return true;
    size_t capacity = count + count / 2 + 4;
    struct acl_user **users =
        allocator_resize(acl->allocator, acl->users, acl->capacity * sizeof(struct acl_user *),
                         capacity * sizeof(struct acl_user *));
    if (users == NULL)
        return false;
    acl->users = users;
    acl->capacity = capacity;
    return true;
}

/* Room was reserved. Returns the user that was in its place, or NULL. */
static struct acl_user *put(struct acl *acl, struct acl_user *user) REQUIRES(ACL_LOCK) {
    size_t at = lower_bound(acl, user->name);
    bool is_there = at < acl->count && slice_equal(acl->users[at]->name, user->name);
    struct acl_user *old = is_there ? acl->users[at] : NULL;
    user->id = is_there ? old->id : ++acl->next_id;
    user->is_unrestricted = acl_user_permits_all(user);
    if (!is_there) {
        memmove(&acl->users[at + 1], &acl->users[at],
                (acl->count - at) * sizeof(struct acl_user *));
        acl->count++;
    }
    acl->users[at] = user;
    return old;
}

struct acl_user *acl_find(struct server *server, struct slice name) {
    acl_lock(server->acl);
    struct acl_user *user = at_name(server->acl, name);
    if (user != NULL)
        (void)acl_user_acquire(user);
    acl_unlock(server->acl);
    return user;
}

struct acl_user **acl_list(struct server *server, size_t *out_count) {
    struct acl *acl = server->acl;
    acl_lock(acl);
    size_t count = *out_count = acl->count;
    struct acl_user **users = allocator_allocate(acl->allocator, count * sizeof(struct acl_user *));
    for (size_t i = 0; i < count && users != NULL; i++)
        users[i] = acl_user_acquire(acl->users[i]);
    acl_unlock(acl);
    return users;
}

void acl_list_destroy(struct server *server, struct acl_user **users, size_t count) {
    for (size_t i = 0; i < count; i++)
        acl_user_release(users[i]);
    allocator_release(server->allocator, users, count * sizeof(struct acl_user *));
}

/* ---- changes ---- */

/* The table has changed. */
static void announce(struct server *server) {
    struct acl_user *user = acl_find(server, DEFAULT_NAME);
    bool is_open = user != NULL && (user->flags & ACL_USER_NO_PASSWORD) != 0 &&
                   (user->flags & ACL_USER_ON) != 0;
    acl_user_release(user);
    atomic_store_explicit(&server->requires_password, !is_open, memory_order_relaxed);
    /* release pairs with the acquire of acl_session_is_current */
    atomic_fetch_add_explicit(&server->acl->version, 1, memory_order_release);
    server_stats_lock(server);
    bool has_sessions = server->session_count > 0;
    server_stats_unlock(server);
    for (unsigned i = 0; i < server->thread_count && has_sessions; i++)
        server_thread_wake(&server->threads[i]);
}

enum larder_status acl_publish(struct server *server, struct acl_user *user) {
    struct acl *acl = server->acl;
    acl_lock(acl);
    bool has_room = reserve(acl, acl->count + 1);
    struct acl_user *old = has_room ? put(acl, user) : user;
    acl_unlock(acl);
    acl_user_release(old);
    if (!has_room)
        return LARDER_NO_MEMORY;
    announce(server);
    return LARDER_OK;
}

static bool is_among(struct acl_user *const *users, size_t count, struct slice name) {
    for (size_t i = 0; i < count; i++)
        if (slice_equal(users[i]->name, name))
            return true;
    return false;
}

enum larder_status acl_publish_all(struct server *server, struct acl_user **users, size_t count) {
    struct acl *acl = server->acl;
    acl_lock(acl);
    bool has_room = reserve(acl, acl->count + count);
    for (size_t i = acl->count; i-- > 0 && has_room;) {
        struct acl_user *user = acl->users[i];
        if (is_among(users, count, user->name))
            continue;
        acl->count--;
        memmove(&acl->users[i], &acl->users[i + 1], (acl->count - i) * sizeof(struct acl_user *));
        acl_user_release(user);
    }
    for (size_t i = 0; i < count; i++)
        acl_user_release(has_room ? put(acl, users[i]) : users[i]);
    acl_unlock(acl);
    if (!has_room)
        return LARDER_NO_MEMORY;
    announce(server);
    return LARDER_OK;
}

bool acl_remove(struct server *server, struct slice name) {
    struct acl *acl = server->acl;
    acl_lock(acl);
    size_t at = lower_bound(acl, name);
    struct acl_user *user =
        at < acl->count && slice_equal(acl->users[at]->name, name) ? acl->users[at] : NULL;
    if (user != NULL) {
        acl->count--;
        memmove(&acl->users[at], &acl->users[at + 1],
                (acl->count - at) * sizeof(struct acl_user *));
    }
    acl_unlock(acl);
    if (user == NULL)
        return false;
    acl_user_release(user);
    announce(server);
    return true;
}

/* ---- the default user ---- */

static enum larder_status use_password(struct acl_user *user, struct slice password) {
    char hex[ACL_PASSWORD_HEX];
    acl_texts_clear(user->allocator, &user->passwords);
    user->flags |= ACL_USER_NO_PASSWORD;
    if (password.size == 0)
        return LARDER_OK;
    if (!acl_password_digest(password, hex))
        return LARDER_NO_MEMORY;
    user->flags &= ~(uint32_t)ACL_USER_NO_PASSWORD;
    return acl_texts_add(user->allocator, &user->passwords, slice_of(hex, sizeof(hex)), 0);
}

struct acl_user *acl_create_default(const struct allocator *allocator, struct slice password) {
    static const char *const RULES[] = {"+@all", "~*", "&*", "on"};
    struct acl_user *user = acl_user_create(allocator, DEFAULT_NAME, false);
    const char *reason;
    enum larder_status status = user == NULL ? LARDER_NO_MEMORY : LARDER_OK;
    for (size_t i = 0; i < sizeof(RULES) / sizeof(RULES[0]) && status == LARDER_OK; i++)
        status = acl_rule_apply(user, slice_of_string(RULES[i]), false, &reason);
    if (status == LARDER_OK)
        status = use_password(user, password);
    if (status == LARDER_OK)
        return user;
    acl_user_release(user);
    return NULL;
}

bool acl_default_has_password(struct server *server) {
    struct acl_user *user = acl_find(server, DEFAULT_NAME);
    bool has_password = user != NULL && (user->flags & ACL_USER_NO_PASSWORD) == 0;
    acl_user_release(user);
    return has_password;
}

enum larder_status acl_set_default_password(struct server *server, struct slice password) {
    struct acl_user *old = acl_find(server, DEFAULT_NAME);
    struct acl_user *user = old == NULL ? NULL : acl_user_copy(old);
    acl_user_release(old);
    if (user == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = use_password(user, password);
    if (status == LARDER_OK)
        return acl_publish(server, user);
    acl_user_release(user);
    return status;
}

/* ---- life ---- */

static enum larder_status fill(struct server *server, struct error_text *error)
    REQUIRES(CONFIG_LOCK) {
    struct acl_user *user =
        acl_create_default(server->allocator, option_text_slice(&server->config.requirepass));
    enum larder_status status = user == NULL ? LARDER_NO_MEMORY : acl_publish(server, user);
    return status == LARDER_OK ? acl_load_at_start(server, error) : status;
}

enum larder_status acl_create(struct server *server, struct error_text *error) {
    struct acl *acl = allocator_allocate_zeroed(server->allocator, sizeof(*acl));
    if (acl == NULL)
        return LARDER_NO_MEMORY;
    acl->allocator = server->allocator;
    acl_log_init(&acl->log, server->allocator);
    atomic_store_explicit(&acl->log_max, (size_t)server->config.acllog_max_len,
                          memory_order_relaxed);
    server->acl = acl;
    server_config_lock(server);
    enum larder_status status = fill(server, error);
    server_config_unlock(server);
    return status;
}

void acl_destroy(struct server *server) {
    struct acl *acl = server->acl;
    if (acl == NULL)
        return;
    for (size_t i = 0; i < acl->count; i++)
        acl_user_release(acl->users[i]);
    allocator_release(acl->allocator, acl->users, acl->capacity * sizeof(struct acl_user *));
    acl_log_finish(&acl->log);
    allocator_release(acl->allocator, acl, sizeof(*acl));
    server->acl = NULL;
}
