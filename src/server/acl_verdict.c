/* SPDX-License-Identifier: BSD-3-Clause */
/* Each selector is asked in turn; the first that permits all settles it. Keys are found once, by
 * the key specs of the command, and only when some selector does not permit all keys. */
#include "server/acl_verdict.h"

#include "base/command_keys.h"
#include "base/glob.h"

enum { KEYS_INLINE = 32 };

/* The keys of the command being checked, found when the first selector wants to know. */
struct found_keys {
    const struct allocator *allocator;
    struct command_key inline_items[KEYS_INLINE];
    struct command_keys keys;
    size_t allocated_bytes;
    bool is_found;
};

struct question {
    const struct command_spec *spec;
    size_t argc;
    const struct slice *argv;
    struct found_keys *found;
    size_t position; /* of the word that was denied */
};

static bool find_keys(struct question *q) {
    struct found_keys *f = q->found;
    if (f->is_found)
        return true;
    f->keys = (struct command_keys){f->inline_items, KEYS_INLINE, 0};
    if (command_get_keys(q->spec, q->argc, q->argv, &f->keys) != LARDER_OK)
        f->keys.count = 0; /* the command will refuse its words */
    if (f->keys.count > KEYS_INLINE) {
        f->allocated_bytes = f->keys.count * sizeof(struct command_key);
        f->keys.items = allocator_allocate(f->allocator, f->allocated_bytes);
        f->keys.capacity = f->keys.count;
        if (f->keys.items == NULL)
            return false;
        if (command_get_keys(q->spec, q->argc, q->argv, &f->keys) != LARDER_OK)
            f->keys.count = 0;
    }
    f->is_found = true;
    return true;
}

/* ---- commands ---- */

static bool equals_any_case(struct slice a, struct slice b) {
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        uint8_t x = a.data[i], y = b.data[i];
        x = (uint8_t)(x >= 'A' && x <= 'Z' ? x + 32 : x);
        y = (uint8_t)(y >= 'A' && y <= 'Z' ? y + 32 : y);
        if (x != y)
            return false;
    }
    return true;
}

static bool permits_command(const struct acl_selector *selector, const struct question *q) {
    if ((q->spec->flags & COMMAND_FLAG_NO_AUTH) != 0 ||
        acl_has_command(selector, (unsigned)q->spec->id))
        return true;
    for (size_t i = 0; i < selector->first_arguments.count && q->argc > 1; i++) {
        const struct acl_text *text = &selector->first_arguments.items[i];
        if (text->tag == (unsigned)q->spec->id && equals_any_case(q->argv[1], acl_text_slice(text)))
            return true;
    }
    return false;
}

/* ---- keys ---- */

static uint32_t access_of(uint32_t flags) {
    uint32_t access = 0;
    if ((flags & COMMAND_KEY_ACCESS) != 0)
        access |= ACL_KEY_READ;
    if ((flags & (COMMAND_KEY_UPDATE | COMMAND_KEY_INSERT | COMMAND_KEY_DELETE)) != 0)
        access |= ACL_KEY_WRITE;
    return access;
}

static bool permits_key(const struct acl_selector *selector, struct slice key, uint32_t access) {
    for (size_t i = 0; i < selector->keys.count; i++) {
        const struct acl_text *pattern = &selector->keys.items[i];
        if ((pattern->tag & access) != access)
            continue;
        struct slice text = acl_text_slice(pattern);
        if (glob_is_all(text) || glob_match(text, key))
            return true;
    }
    return false;
}

static bool permits_keys(const struct acl_selector *selector, struct question *q) {
    for (size_t i = 0; i < q->found->keys.count; i++) {
        const struct command_key *key = &q->found->keys.items[i];
        if (permits_key(selector, q->argv[key->position], access_of(key->flags)))
            continue;
        q->position = key->position;
        return false;
    }
    return true;
}

/* ---- channels ---- */

static bool permits_channel(const struct acl_selector *selector, struct slice channel,
                            bool is_pattern) {
    if ((selector->flags & ACL_SELECTOR_ALL_CHANNELS) != 0)
        return true;
    for (size_t i = 0; i < selector->channels.count; i++) {
        struct slice text = acl_text_slice(&selector->channels.items[i]);
        bool matches = is_pattern ? slice_equal(text, channel)
                                  : glob_is_all(text) || glob_match(text, channel);
        if (matches)
            return true;
    }
    return false;
}

static bool permits_channels(const struct acl_selector *selector, struct question *q) {
    size_t end;
    switch (q->spec->id) {
    case COMMAND_SUBSCRIBE:
    case COMMAND_SSUBSCRIBE:
    case COMMAND_PSUBSCRIBE: end = q->argc; break;
    case COMMAND_PUBLISH:
    case COMMAND_SPUBLISH: end = q->argc < 2 ? q->argc : 2; break;
    default: return true;
    }
    for (size_t i = 1; i < end; i++) {
        if (permits_channel(selector, q->argv[i], q->spec->id == COMMAND_PSUBSCRIBE))
            continue;
        q->position = i;
        return false;
    }
    return true;
}

static bool reads_all_keys(const struct acl_selector *selector) {
    if ((selector->flags & ACL_SELECTOR_ALL_KEYS) != 0)
        return true;
    for (size_t i = 0; i < selector->keys.count; i++)
        if ((selector->keys.items[i].tag & ACL_KEY_READ) != 0 &&
            glob_is_all(acl_text_slice(&selector->keys.items[i])))
            return true;
    return false;
}

/* ---- all of it ---- */

static enum acl_verdict ask(const struct acl_selector *selector, struct question *q) {
    q->position = 0;
    if (!permits_command(selector, q))
        return ACL_DENIED_COMMAND;
    if ((selector->flags & ACL_SELECTOR_ALL_KEYS) == 0 && command_has_keys(q->spec)) {
        if (!find_keys(q))
            return ACL_NO_MEMORY;
        if (!permits_keys(selector, q))
            return ACL_DENIED_KEY;
    }
    if ((selector->flags & ACL_SELECTOR_ALL_CHANNELS) == 0 && !permits_channels(selector, q))
        return ACL_DENIED_CHANNEL;
    return ACL_ALLOWED;
}

enum acl_verdict acl_user_verdict(const struct acl_user *user, const struct allocator *allocator,
                                  const struct command_spec *spec, size_t argc,
                                  const struct slice *argv, size_t *out_position) {
    struct found_keys found = {.allocator = allocator};
    struct question q = {.spec = spec, .argc = argc, .argv = argv, .found = &found};
    enum acl_verdict worst = ACL_DENIED_COMMAND;
    *out_position = 0;
    for (size_t i = 0; i < user->selector_count; i++) {
        enum acl_verdict verdict = ask(&user->selectors[i], &q);
        if (verdict == ACL_ALLOWED || verdict == ACL_NO_MEMORY) {
            worst = verdict;
            break;
        }
        if (verdict > worst || (verdict == worst && q.position > *out_position)) {
            worst = verdict;
            *out_position = q.position;
        }
    }
    allocator_release(allocator, found.allocated_bytes > 0 ? found.keys.items : NULL,
                      found.allocated_bytes);
    return worst;
}

bool acl_user_reads_all_keys(const struct acl_user *user, const struct allocator *allocator,
                             const struct command_spec *spec, size_t argc,
                             const struct slice *argv) {
    struct found_keys found = {.allocator = allocator};
    struct question q = {.spec = spec, .argc = argc, .argv = argv, .found = &found};
    bool does = false;
    for (size_t i = 0; i < user->selector_count && !does; i++)
        does = reads_all_keys(&user->selectors[i]) && ask(&user->selectors[i], &q) == ACL_ALLOWED;
    allocator_release(allocator, found.allocated_bytes > 0 ? found.keys.items : NULL,
                      found.allocated_bytes);
    return does;
}

bool acl_user_permits_all(const struct acl_user *user) {
    const struct acl_selector *root = &user->selectors[0];
    uint32_t all = ACL_SELECTOR_ALL_KEYS | ACL_SELECTOR_ALL_CHANNELS | ACL_SELECTOR_ALL_COMMANDS;
    if ((root->flags & all) != all)
        return false;
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (!acl_has_command(root, (unsigned)i))
            return false;
    return true;
}

bool acl_user_permits_channel(const struct acl_user *user, struct slice channel, bool is_pattern) {
    for (size_t i = 0; i < user->selector_count; i++)
        if (permits_channel(&user->selectors[i], channel, is_pattern))
            return true;
    return false;
}
