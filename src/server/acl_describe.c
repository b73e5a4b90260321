/* SPDX-License-Identifier: BSD-3-Clause */
/* Users as words, and words as they come: of a selector in parentheses several, joined again. */
#include "server/acl_rules.h"

static void append(struct text_buffer *out, const char *text) {
    text_buffer_append(out, slice_of_string(text));
}

/* ---- words ---- */

enum larder_status acl_words_init(struct acl_words *words, const struct allocator *allocator,
                                  const struct slice *given, size_t count) {
    *words = (struct acl_words){.allocator = allocator, .capacity = count + 1};
    for (size_t i = 0; i < count; i++)
        words->text_size += given[i].size + 1;
    words->items = allocator_allocate(allocator, words->capacity * sizeof(*words->items));
    words->text = allocator_allocate(allocator, ++words->text_size);
    if (words->items == NULL || words->text == NULL)
        return LARDER_NO_MEMORY;
    uint8_t *at = words->text;
    struct slice *open = NULL;
    for (size_t i = 0; i < count; i++) {
        struct slice word = given[i];
        bool closes = word.size > 0 && word.data[word.size - 1] == ')';
        bool begins = !closes && word.size > 0 && word.data[0] == '(';
        if (open == NULL && !begins) {
            words->items[words->count++] = word;
            continue;
        }
        if (begins) { /* anew where one is open, as Redis does */
            if (open == NULL)
                open = &words->items[words->count++];
            *open = slice_of(at, 0);
            words->unmatched = word;
        } else {
            *at++ = ' ';
        }
        if (word.size > 0)
            memcpy(at, word.data, word.size);
        at += word.size;
        open->size = (size_t)(at - open->data);
        if (closes)
            open = NULL;
    }
    return open == NULL ? LARDER_OK : LARDER_INVALID;
}

void acl_words_finish(struct acl_words *words) {
    allocator_release(words->allocator, words->items, words->capacity * sizeof(*words->items));
    allocator_release(words->allocator, words->text, words->text_size);
}

/* ---- descriptions ---- */

void acl_describe_commands(const struct acl_selector *selector, struct text_buffer *out) {
    append(out, (selector->flags & ACL_SELECTOR_ALL_COMMANDS) != 0 ? "+@all" : "-@all");
    for (size_t i = 0; i < selector->rules.count; i++) {
        append(out, selector->rules.items[i].tag != 0 ? " +" : " -");
        text_buffer_append(out, acl_text_slice(&selector->rules.items[i]));
    }
}

void acl_describe_keys(const struct acl_selector *selector, struct text_buffer *out) {
    static const char *const PREFIXES[] = {
        [ACL_KEY_READ] = "%R~", [ACL_KEY_WRITE] = "%W~", [ACL_KEY_ALL] = "~"};
    if ((selector->flags & ACL_SELECTOR_ALL_KEYS) != 0)
        append(out, "~*");
    for (size_t i = 0; i < selector->keys.count; i++) {
        append(out, i > 0 ? " " : "");
        append(out, PREFIXES[selector->keys.items[i].tag & ACL_KEY_ALL]);
        text_buffer_append(out, acl_text_slice(&selector->keys.items[i]));
    }
}

void acl_describe_channels(const struct acl_selector *selector, struct text_buffer *out) {
    if ((selector->flags & ACL_SELECTOR_ALL_CHANNELS) != 0)
        append(out, "&*");
    for (size_t i = 0; i < selector->channels.count; i++) {
        append(out, i > 0 ? " &" : "&");
        text_buffer_append(out, acl_text_slice(&selector->channels.items[i]));
    }
}

/* Channels begin with a reset, because what a new selector may do depends on a setting. */
static void describe_selector(const struct acl_selector *selector, struct text_buffer *out) {
    acl_describe_keys(selector, out);
    bool has_keys = (selector->flags & ACL_SELECTOR_ALL_KEYS) != 0 || selector->keys.count > 0;
    append(out, has_keys ? " " : "");
    if ((selector->flags & ACL_SELECTOR_ALL_CHANNELS) == 0)
        append(out, "resetchannels ");
    acl_describe_channels(selector, out);
    bool has_channels =
        (selector->flags & ACL_SELECTOR_ALL_CHANNELS) != 0 || selector->channels.count > 0;
    append(out, has_channels ? " " : "");
    acl_describe_commands(selector, out);
}

size_t acl_user_flag_names(const struct acl_user *user, const char *out[ACL_FLAG_NAMES_MAX]) {
    size_t count = 0;
    out[count++] = (user->flags & ACL_USER_ON) != 0 ? "on" : "off";
    if ((user->flags & ACL_USER_NO_PASSWORD) != 0)
        out[count++] = "nopass";
    if ((user->flags & ACL_USER_SKIP_SANITIZE) != 0)
        out[count++] = "skip-sanitize-payload";
    if ((user->flags & ACL_USER_SANITIZE) != 0)
        out[count++] = "sanitize-payload";
    return count;
}

void acl_describe_user(const struct acl_user *user, struct text_buffer *out) {
    const char *names[ACL_FLAG_NAMES_MAX];
    size_t count = acl_user_flag_names(user, names);
    for (size_t i = 0; i < count; i++) {
        append(out, names[i]);
        append(out, " ");
    }
    for (size_t i = 0; i < user->passwords.count; i++) {
        append(out, "#");
        text_buffer_append(out, acl_text_slice(&user->passwords.items[i]));
        append(out, " ");
    }
    describe_selector(&user->selectors[0], out);
    for (size_t i = 1; i < user->selector_count; i++) {
        append(out, " (");
        describe_selector(&user->selectors[i], out);
        append(out, ")");
    }
}
