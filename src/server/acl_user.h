/* SPDX-License-Identifier: BSD-3-Clause */
/* A user of the access lists: whether it may log in and with which passwords, and its selectors,
 * each of which permits certain commands on certain keys and channels. A command is permitted when
 * one selector permits all of it.
 *
 * A user is built by one thread (acl_user_create, acl_user_copy, then rules, acl_rules.h) and
 * published in the table of users (acl_users.h); from then on it is immutable and shared by
 * reference: any thread may read it. A change publishes a changed copy with the same `id`. */
#ifndef LARDER_SERVER_ACL_USER_H
#define LARDER_SERVER_ACL_USER_H

#include "base/alloc.h"
#include "base/slice.h"
#include "base/status.h"
#include "command_table.h"

#include <stdatomic.h>

enum {
    ACL_COMMAND_WORDS = (COMMAND_COUNT + 63) / 64,
    ACL_DIGEST_BYTES = 32,
    ACL_PASSWORD_HEX = 2 * ACL_DIGEST_BYTES,
};

/* One text of a list and what the list says about it. */
struct acl_text {
    char *data; /* owned, NUL-terminated for convenience; may hold any byte */
    size_t size;
    uint32_t tag;
};

struct acl_texts {
    struct acl_text *items;
    size_t count, capacity;
};

enum acl_key_access { ACL_KEY_READ = 1 << 0, ACL_KEY_WRITE = 1 << 1, ACL_KEY_ALL = 3 };

enum acl_selector_flag {
    ACL_SELECTOR_ALL_KEYS = 1 << 0,
    ACL_SELECTOR_ALL_CHANNELS = 1 << 1,
    ACL_SELECTOR_ALL_COMMANDS = 1 << 2, /* begins with +@all, so rules below take away from it */
};

struct acl_selector {
    uint32_t flags;                       /* enum acl_selector_flag */
    uint64_t commands[ACL_COMMAND_WORDS]; /* bit per enum command_id: permitted */
    struct acl_texts first_arguments;     /* tag: id of the command that it is permitted with */
    struct acl_texts rules;    /* of commands, as they are shown: "get", "@read"; tag: permits */
    struct acl_texts keys;     /* patterns; tag: enum acl_key_access */
    struct acl_texts channels; /* patterns */
};

enum acl_user_flag {
    ACL_USER_ON = 1 << 0,
    ACL_USER_NO_PASSWORD = 1 << 1,
    ACL_USER_SANITIZE = 1 << 2, /* the words are kept and shown; payloads are always checked */
    ACL_USER_SKIP_SANITIZE = 1 << 3,
};

struct acl_user {
    const struct allocator *allocator;
    _Atomic uint32_t reference_count;
    uint64_t id; /* of the user, the same in all its versions; 0 until it is published */
    struct slice name;
    uint32_t flags;             /* enum acl_user_flag */
    bool is_unrestricted;       /* the first selector permits everything; valid once published */
    struct acl_texts passwords; /* SHA-256 in lower-case hexadecimal */
    struct acl_selector *selectors; /* at least one: the user's own rules */
    size_t selector_count;
};

/* A new user: off, without passwords, permitting nothing, or every channel. Returns owned, one
 * reference; NULL when there is no memory. */
struct acl_user *acl_user_create(const struct allocator *allocator, struct slice name,
                                 bool with_all_channels) LARDER_NODISCARD;
/* Returns owned; NULL when there is no memory. */
struct acl_user *acl_user_copy(const struct acl_user *user) LARDER_NODISCARD;
struct acl_user *acl_user_acquire(struct acl_user *user);
/* NULL is allowed. */
void acl_user_release(struct acl_user *user);

/* Whether a name may be a user's: no spaces, no NUL. */
bool acl_name_is_valid(struct slice name);

/* The password's digest in hexadecimal. False: the digest could not be made. */
bool acl_password_digest(struct slice password, char out[ACL_PASSWORD_HEX]);
/* Whether the user may log in with this password: it is on, and needs none or this is one of its.
 * How long it takes tells nothing about the passwords. */
bool acl_user_accepts(const struct acl_user *user, struct slice password);

/* ---- parts, for acl_*.c ---- */

static inline bool acl_has_command(const struct acl_selector *selector, unsigned id) {
    return (selector->commands[id / 64] >> (id % 64) & 1) != 0;
}

/* Errors: LARDER_NO_MEMORY, nothing is added. */
enum larder_status acl_texts_add(const struct allocator *allocator, struct acl_texts *texts,
                                 struct slice text, uint32_t tag) LARDER_NODISCARD;
void acl_texts_remove(const struct allocator *allocator, struct acl_texts *texts, size_t index);
void acl_texts_clear(const struct allocator *allocator, struct acl_texts *texts);
/* Index of the text, or texts->count. */
size_t acl_texts_find(const struct acl_texts *texts, struct slice text);

static inline struct slice acl_text_slice(const struct acl_text *text) {
    return slice_of(text->data, text->size);
}

/* An empty selector; it holds nothing yet. */
void acl_selector_init(struct acl_selector *selector, bool with_all_channels);
void acl_selector_finish(const struct allocator *allocator, struct acl_selector *selector);
/* Takes ownership of what `selector` holds, also on failure. Errors: LARDER_NO_MEMORY. */
enum larder_status acl_user_add_selector(struct acl_user *user,
                                         struct acl_selector *selector) LARDER_NODISCARD;
/* All but the first. */
void acl_user_clear_selectors(struct acl_user *user);

#endif
