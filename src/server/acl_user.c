/* SPDX-License-Identifier: BSD-3-Clause */
/* Users and their parts as memory: created, copied, shared by reference. Passwords are kept as
 * digests; comparing two digests in constant time shows neither content nor length of the right
 * password in the time an answer takes. */
#include "server/acl_user.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

/* ---- lists of texts ---- */

static bool grow(const struct allocator *allocator, struct acl_texts *texts) {
    size_t capacity = texts->capacity == 0 ? 4 : 2 * texts->capacity;
    struct acl_text *items = allocator_resize(
        allocator, texts->items, texts->capacity * sizeof(*items), capacity * sizeof(*items));
    if (items == NULL)
        return false;
    texts->items = items;
    texts->capacity = capacity;
    return true;
}

enum larder_status acl_texts_add(const struct allocator *allocator, struct acl_texts *texts,
                                 struct slice text, uint32_t tag) {
    if (texts->count == texts->capacity && !grow(allocator, texts))
        return LARDER_NO_MEMORY;
    char *data = allocator_allocate(allocator, text.size + 1);
    if (data == NULL)
        return LARDER_NO_MEMORY;
    if (text.size > 0)
        memcpy(data, text.data, text.size);
    data[text.size] = '\0';
    texts->items[texts->count++] = (struct acl_text){data, text.size, tag};
    return LARDER_OK;
}

static void release_text(const struct allocator *allocator, struct acl_text *text) {
    allocator_release(allocator, text->data, text->size + 1);
}

void acl_texts_remove(const struct allocator *allocator, struct acl_texts *texts, size_t index) {
    release_text(allocator, &texts->items[index]);
    texts->count--;
    memmove(&texts->items[index], &texts->items[index + 1],
            (texts->count - index) * sizeof(*texts->items));
}

void acl_texts_clear(const struct allocator *allocator, struct acl_texts *texts) {
    for (size_t i = 0; i < texts->count; i++)
        release_text(allocator, &texts->items[i]);
    allocator_release(allocator, texts->items, texts->capacity * sizeof(*texts->items));
    *texts = (struct acl_texts){0};
}

size_t acl_texts_find(const struct acl_texts *texts, struct slice text) {
    size_t i = 0;
    while (i < texts->count && !slice_equal(acl_text_slice(&texts->items[i]), text))
        i++;
    return i;
}

static bool copy_texts(const struct allocator *allocator, const struct acl_texts *from,
                       struct acl_texts *to) {
    for (size_t i = 0; i < from->count; i++)
        if (acl_texts_add(allocator, to, acl_text_slice(&from->items[i]), from->items[i].tag) !=
            LARDER_OK)
            return false;
    return true;
}

/* ---- selectors ---- */

void acl_selector_init(struct acl_selector *selector, bool with_all_channels) {
    *selector = (struct acl_selector){0};
    if (with_all_channels)
        selector->flags = ACL_SELECTOR_ALL_CHANNELS;
}

void acl_selector_finish(const struct allocator *allocator, struct acl_selector *selector) {
    acl_texts_clear(allocator, &selector->first_arguments);
    acl_texts_clear(allocator, &selector->rules);
    acl_texts_clear(allocator, &selector->keys);
    acl_texts_clear(allocator, &selector->channels);
}

/* What it holds so far is to be finished even on failure. */
static bool copy_selector(const struct allocator *allocator, const struct acl_selector *from,
                          struct acl_selector *to) {
    acl_selector_init(to, false);
    to->flags = from->flags;
    memcpy(to->commands, from->commands, sizeof(to->commands));
    return copy_texts(allocator, &from->first_arguments, &to->first_arguments) &&
           copy_texts(allocator, &from->rules, &to->rules) &&
           copy_texts(allocator, &from->keys, &to->keys) &&
           copy_texts(allocator, &from->channels, &to->channels);
}

enum larder_status acl_user_add_selector(struct acl_user *user, struct acl_selector *selector) {
    size_t count = user->selector_count;
    struct acl_selector *selectors =
        allocator_resize(user->allocator, user->selectors, count * sizeof(*selectors),
                         (count + 1) * sizeof(*selectors));
    if (selectors == NULL) {
        acl_selector_finish(user->allocator, selector);
        return LARDER_NO_MEMORY;
    }
    selectors[count] = *selector;
    user->selectors = selectors;
    user->selector_count = count + 1;
    return LARDER_OK;
}

void acl_user_clear_selectors(struct acl_user *user) {
    size_t count = user->selector_count;
    if (count <= 1)
        return;
    for (size_t i = 1; i < count; i++)
        acl_selector_finish(user->allocator, &user->selectors[i]);
    /* A heap that can't give back part of a block keeps the block: then the list stays long, and
     * its ends are empty, which permits as little. */
    struct acl_selector *selectors = allocator_resize(
        user->allocator, user->selectors, count * sizeof(*selectors), sizeof(*selectors));
    if (selectors != NULL) {
        user->selectors = selectors;
        user->selector_count = 1;
        return;
    }
    for (size_t i = 1; i < count; i++)
        acl_selector_init(&user->selectors[i], false);
}

/* ---- users ---- */

static struct acl_user *create_empty(const struct allocator *allocator, struct slice name) {
    struct acl_user *user = allocator_allocate_zeroed(allocator, sizeof(*user) + name.size + 1);
    if (user == NULL)
        return NULL;
    user->allocator = allocator;
    atomic_init(&user->reference_count, 1);
    char *text = (char *)(user + 1);
    if (name.size > 0)
        memcpy(text, name.data, name.size);
    user->name = slice_of(text, name.size);
    return user;
}

struct acl_user *acl_user_create(const struct allocator *allocator, struct slice name,
                                 bool with_all_channels) {
    struct acl_user *user = create_empty(allocator, name);
    struct acl_selector root;
    acl_selector_init(&root, with_all_channels);
    if (user == NULL || acl_user_add_selector(user, &root) == LARDER_OK)
        return user;
    acl_user_release(user);
    return NULL;
}

struct acl_user *acl_user_copy(const struct acl_user *user) {
    struct acl_user *copy = create_empty(user->allocator, user->name);
    if (copy == NULL)
        return NULL;
    copy->id = user->id;
    copy->flags = user->flags;
    bool is_copied = copy_texts(user->allocator, &user->passwords, &copy->passwords);
    for (size_t i = 0; i < user->selector_count && is_copied; i++) {
        struct acl_selector selector;
        is_copied = copy_selector(user->allocator, &user->selectors[i], &selector);
        is_copied = acl_user_add_selector(copy, &selector) == LARDER_OK && is_copied;
    }
    if (is_copied)
        return copy;
    acl_user_release(copy);
    return NULL;
}

struct acl_user *acl_user_acquire(struct acl_user *user) {
    /* relaxed: whoever acquires holds a reference or the lock of the table */
    atomic_fetch_add_explicit(&user->reference_count, 1, memory_order_relaxed);
    return user;
}

void acl_user_release(struct acl_user *user) {
    /* acq_rel: the last one to release sees what the others did before they released */
    if (user == NULL ||
        atomic_fetch_sub_explicit(&user->reference_count, 1, memory_order_acq_rel) > 1)
        return;
    const struct allocator *allocator = user->allocator;
    acl_texts_clear(allocator, &user->passwords);
    for (size_t i = 0; i < user->selector_count; i++)
        acl_selector_finish(allocator, &user->selectors[i]);
    allocator_release(allocator, user->selectors, user->selector_count * sizeof(*user->selectors));
    allocator_release(allocator, user, sizeof(*user) + user->name.size + 1);
}

bool acl_name_is_valid(struct slice name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '\0' || name.data[i] == ' ' ||
            (name.data[i] >= '\t' && name.data[i] <= '\r'))
            return false;
    return true;
}

/* ---- passwords ---- */

bool acl_password_digest(struct slice password, char out[ACL_PASSWORD_HEX]) {
    static const char DIGITS[] = "0123456789abcdef";
    uint8_t digest[ACL_DIGEST_BYTES];
    unsigned size = 0;
    if (EVP_Digest(password.data, password.size, digest, &size, EVP_sha256(), NULL) != 1 ||
        size != sizeof(digest))
        return false;
    for (size_t i = 0; i < sizeof(digest); i++) {
        out[2 * i] = DIGITS[digest[i] >> 4];
        out[2 * i + 1] = DIGITS[digest[i] & 15];
    }
    return true;
}

bool acl_user_accepts(const struct acl_user *user, struct slice password) {
    char given[ACL_PASSWORD_HEX];
    if ((user->flags & ACL_USER_ON) == 0)
        return false;
    if ((user->flags & ACL_USER_NO_PASSWORD) != 0)
        return true;
    if (!acl_password_digest(password, given))
        return false;
    bool is_right = false;
    for (size_t i = 0; i < user->passwords.count; i++)
        if (CRYPTO_memcmp(user->passwords.items[i].data, given, sizeof(given)) == 0)
            is_right = true;
    OPENSSL_cleanse(given, sizeof(given));
    return is_right;
}
