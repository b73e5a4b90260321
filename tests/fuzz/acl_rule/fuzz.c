/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of users from any bytes: words between spaces are applied to a user until one is refused;
 * what the user is then shown as makes the same user, and a command is judged the same by both. */
#include "server/acl_rules.h"
#include "server/acl_verdict.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 64 };

static size_t split(struct slice text, struct slice *words) {
    size_t count = 0;
    for (size_t at = 0; at < text.size && count < WORDS_MAX;) {
        size_t size = 0;
        while (at + size < text.size && text.data[at + size] != ' ')
            size++;
        words[count++] = slice_of(text.data + at, size);
        at += size + 1;
    }
    return count;
}

/* The user that the text makes; with is_exact every word of it has to be a rule. */
static struct acl_user *make(struct slice text, bool is_exact) {
    struct slice given[WORDS_MAX];
    struct acl_words words;
    struct acl_user *user = acl_user_create(&ALLOCATOR_SYSTEM, SLICE_LITERAL("u"), false);
    const char *reason;
    enum larder_status status =
        acl_words_init(&words, &ALLOCATOR_SYSTEM, given, split(text, given));
    if (status == LARDER_NO_MEMORY || user == NULL || (status != LARDER_OK && is_exact))
        abort();
    for (size_t i = 0; i < words.count && status == LARDER_OK; i++) {
        status = acl_rule_apply(user, words.items[i], false, &reason);
        if (status != LARDER_OK && is_exact)
            abort();
    }
    acl_words_finish(&words);
    return user;
}

static void compare(const struct acl_user *a, const struct acl_user *b) {
    static const struct slice ARGV[][3] = {
        {{(const uint8_t *)"get", 3}, {(const uint8_t *)"a", 1}, {NULL, 0}},
        {{(const uint8_t *)"select", 6}, {(const uint8_t *)"0", 1}, {NULL, 0}},
        {{(const uint8_t *)"publish", 7}, {(const uint8_t *)"a", 1}, {(const uint8_t *)"m", 1}},
        {{(const uint8_t *)"copy", 4}, {(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}},
    };
    for (size_t i = 0; i < sizeof(ARGV) / sizeof(*ARGV); i++) {
        const struct command_spec *spec =
            command_find((const char *)ARGV[i][0].data, ARGV[i][0].size);
        size_t argc = ARGV[i][2].size > 0 ? 3 : 2, at_a, at_b;
        enum acl_verdict first = acl_user_verdict(a, &ALLOCATOR_SYSTEM, spec, argc, ARGV[i], &at_a);
        enum acl_verdict second =
            acl_user_verdict(b, &ALLOCATOR_SYSTEM, spec, argc, ARGV[i], &at_b);
        if (first != second || at_a != at_b)
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text_buffer shown, again;
    text_buffer_init(&shown, &ALLOCATOR_SYSTEM);
    text_buffer_init(&again, &ALLOCATOR_SYSTEM);
    struct acl_user *user = make(slice_of(data, size), false);
    acl_describe_user(user, &shown);
    struct slice words[WORDS_MAX];
    if (split(text_buffer_slice(&shown), words) < WORDS_MAX) {
        struct acl_user *same = make(text_buffer_slice(&shown), true);
        acl_describe_user(same, &again);
        if (!slice_equal(text_buffer_slice(&shown), text_buffer_slice(&again)))
            abort();
        compare(user, same);
        acl_user_release(same);
    }
    acl_user_release(user);
    text_buffer_finish(&shown);
    text_buffer_finish(&again);
    return 0;
}
