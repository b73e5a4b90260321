/* SPDX-License-Identifier: BSD-3-Clause */
/* Applying rules. The bits of a selector are what counts when a command is checked; beside them the
 * rules are kept as they were given, because the bits alone could not say whether a command was
 * permitted by itself or with its category, which matters when commands are added to categories. A
 * rule replaces an earlier one of the same subject, and one of a command those of its
 * subcommands. */
#include "server/acl_rules.h"

static const char UNKNOWN[] = "Unknown command or category name in ACL";
static const char SYNTAX[] = "Syntax error";
static const char FIRST_OF_SUBCOMMAND[] = "Allowing first-arg of a subcommand is not supported";
static const char BEHIND_ALL_KEYS[] =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns";
static const char BEHIND_ALL_CHANNELS[] =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels";
static const char NO_SUCH_PASSWORD[] =
    "The password you are trying to remove from the user does not exist";
static const char BAD_DIGEST[] = "The password hash must be exactly 64 characters and contain only "
                                 "lowercase hexadecimal characters";

/* Where rules go: a selector and what it takes to change it. */
struct target {
    const struct allocator *allocator;
    struct acl_selector *selector;
    const char **out_reason;
};

static enum larder_status refuse(const char **out_reason, const char *reason) {
    *out_reason = reason;
    return LARDER_INVALID;
}

static struct slice after(struct slice word, size_t count) {
    return slice_of(word.data + count, word.size - count);
}

/* Spaces would make several words of it where users are written down. */
static bool has_space(struct slice text) {
    return !acl_name_is_valid(text);
}

/* ---- categories ---- */

const char *const ACL_CATEGORY_NAMES[] = {
#define CATEGORY_NAME(name, bit, text) text,
    COMMAND_CATEGORY_TABLE(CATEGORY_NAME)
#undef CATEGORY_NAME
        NULL,
};

uint64_t acl_category_find(struct slice name) {
    for (size_t i = 0; ACL_CATEGORY_NAMES[i] != NULL; i++)
        if (slice_equal_word(name, ACL_CATEGORY_NAMES[i]))
            return (uint64_t)1 << i;
    return 0;
}

/* ---- commands ---- */

static void forget_first_arguments(const struct target *t, unsigned id) {
    struct acl_texts *texts = &t->selector->first_arguments;
    for (size_t i = texts->count; i-- > 0;)
        if (texts->items[i].tag == id)
            acl_texts_remove(t->allocator, texts, i);
}

static void set_command(const struct target *t, const struct command_spec *spec, bool permits) {
    uint64_t bit = (uint64_t)1 << (spec->id % 64);
    if (permits)
        t->selector->commands[spec->id / 64] |= bit;
    else
        t->selector->commands[spec->id / 64] &= ~bit;
    forget_first_arguments(t, (unsigned)spec->id);
    for (size_t i = 0; i < spec->subcommand_count; i++)
        set_command(t, &spec->subcommands[i], permits);
}

/* Whether a rule is about the subject or a part of it: "config" covers "config|get". */
static bool covers(struct slice subject, struct slice rule) {
    if (rule.size < subject.size)
        return false;
    for (size_t i = 0; i < subject.size; i++) {
        uint8_t a = subject.data[i], b = rule.data[i];
        a = (uint8_t)(a >= 'A' && a <= 'Z' ? a + 32 : a);
        b = (uint8_t)(b >= 'A' && b <= 'Z' ? b + 32 : b);
        if (a != b)
            return false;
    }
    return rule.size == subject.size || rule.data[subject.size] == '|';
}

/* `command_size`: bytes of the subject that are shown in lower case. */
static enum larder_status note_rule(const struct target *t, struct slice subject,
                                    size_t command_size, bool permits) {
    struct acl_texts *rules = &t->selector->rules;
    for (size_t i = rules->count; i-- > 0;)
        if (covers(subject, acl_text_slice(&rules->items[i])))
            acl_texts_remove(t->allocator, rules, i);
    enum larder_status status = acl_texts_add(t->allocator, rules, subject, permits);
    if (status != LARDER_OK)
        return status;
    char *text = rules->items[rules->count - 1].data;
    for (size_t i = 0; i < command_size; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] + 32);
    return LARDER_OK;
}

static void set_all_commands(const struct target *t, bool permits) {
    memset(t->selector->commands, permits ? 0xff : 0, sizeof(t->selector->commands));
    if (permits)
        t->selector->flags |= ACL_SELECTOR_ALL_COMMANDS;
    else
        t->selector->flags &= ~(uint32_t)ACL_SELECTOR_ALL_COMMANDS;
    acl_texts_clear(t->allocator, &t->selector->first_arguments);
    acl_texts_clear(t->allocator, &t->selector->rules);
}

static enum larder_status apply_category(const struct target *t, struct slice name, bool permits) {
    enum { SUBJECT_MAX = 32 };
    if (slice_equal_word(name, "all")) {
        set_all_commands(t, permits);
        return LARDER_OK;
    }
    uint64_t bit = acl_category_find(name);
    if (bit == 0)
        return refuse(t->out_reason, UNKNOWN);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if ((command_table[i].categories & bit) != 0)
            set_command(t, &command_table[i], permits);
    char subject[SUBJECT_MAX] = "@";
    size_t size = 1;
    for (const char *c = ACL_CATEGORY_NAMES[__builtin_ctzll(bit)]; *c != '\0'; c++)
        subject[size++] = *c;
    return note_rule(t, slice_of(subject, size), size, permits);
}

/* The command or subcommand of a full name such as "config|get"; NULL when there is none. */
static const struct command_spec *find_command(struct slice name) {
    const uint8_t *bar = memchr(name.data, '|', name.size);
    size_t first = bar == NULL ? name.size : (size_t)(bar - name.data);
    const struct command_spec *spec = command_find((const char *)name.data, first);
    if (spec == NULL || bar == NULL)
        return spec;
    struct slice rest = after(name, first + 1);
    return command_find_subcommand(spec, (const char *)rest.data, rest.size);
}

/* +COMMAND|WORD where WORD is no subcommand: the command is permitted with this first argument. */
static enum larder_status permit_first_argument(const struct target *t, struct slice name) {
    size_t bar = name.size;
    while (bar > 0 && name.data[bar - 1] != '|')
        bar--;
    if (bar == 0)
        return refuse(t->out_reason, UNKNOWN);
    const struct command_spec *spec = find_command(slice_of(name.data, bar - 1));
    struct slice argument = after(name, bar);
    if (spec == NULL)
        return refuse(t->out_reason, UNKNOWN);
    if (spec->parent >= 0)
        return refuse(t->out_reason, FIRST_OF_SUBCOMMAND);
    if (argument.size == 0 || has_space(argument))
        return refuse(t->out_reason, SYNTAX);
    if (spec->subcommand_count > 0)
        return refuse(t->out_reason, UNKNOWN);
    if (acl_has_command(t->selector, (unsigned)spec->id))
        return note_rule(t, name, bar, true);
    struct acl_texts *texts = &t->selector->first_arguments;
    for (size_t i = 0; i < texts->count; i++)
        if (texts->items[i].tag == (unsigned)spec->id &&
            slice_equal_word(argument, texts->items[i].data) &&
            argument.size == texts->items[i].size)
            return LARDER_OK;
    enum larder_status status = acl_texts_add(t->allocator, texts, argument, (unsigned)spec->id);
    return status != LARDER_OK ? status : note_rule(t, name, bar, true);
}

static enum larder_status apply_command(const struct target *t, struct slice name, bool permits) {
    const struct command_spec *spec = find_command(name);
    if (spec != NULL) {
        set_command(t, spec, permits);
        return note_rule(t, slice_of_string(spec->name), 0, permits);
    }
    return permits ? permit_first_argument(t, name) : refuse(t->out_reason, UNKNOWN);
}

/* ---- keys and channels ---- */

static void set_keys(const struct target *t, bool all) {
    acl_texts_clear(t->allocator, &t->selector->keys);
    t->selector->flags &= ~(uint32_t)ACL_SELECTOR_ALL_KEYS;
    t->selector->flags |= all ? ACL_SELECTOR_ALL_KEYS : 0;
}

/* However it is said: it is shown as ~*, which must mean the same when it is read again. */
static bool is_every_key(struct slice pattern, uint32_t access) {
    return access == ACL_KEY_ALL && slice_equal(pattern, SLICE_LITERAL("*"));
}

/* "~pattern" or "%RW~pattern". */
static enum larder_status apply_key_pattern(const struct target *t, struct slice word) {
    uint32_t access = ACL_KEY_ALL;
    size_t at = 1;
    if ((t->selector->flags & ACL_SELECTOR_ALL_KEYS) != 0)
        return refuse(t->out_reason, BEHIND_ALL_KEYS);
    if (word.data[0] == '%') {
        access = 0;
        for (; at < word.size && word.data[at] != '~'; at++) {
            uint8_t c = word.data[at];
            uint32_t bit = c == 'R' || c == 'r'   ? ACL_KEY_READ
                           : c == 'W' || c == 'w' ? ACL_KEY_WRITE
                                                  : 0;
            if (bit == 0 || (access & bit) != 0)
                return refuse(t->out_reason, SYNTAX);
            access |= bit;
        }
        if (access == 0)
            return refuse(t->out_reason, SYNTAX);
        at += at < word.size;
    }
    if (has_space(word))
        return refuse(t->out_reason, SYNTAX);
    struct slice pattern = after(word, at);
    if (is_every_key(pattern, access)) {
        set_keys(t, true);
        return LARDER_OK;
    }
    size_t found = acl_texts_find(&t->selector->keys, pattern);
    if (found == t->selector->keys.count)
        return acl_texts_add(t->allocator, &t->selector->keys, pattern, access);
    t->selector->keys.items[found].tag |= access;
    if (is_every_key(pattern, t->selector->keys.items[found].tag))
        set_keys(t, true);
    return LARDER_OK;
}

static enum larder_status apply_channel(const struct target *t, struct slice word) {
    if ((t->selector->flags & ACL_SELECTOR_ALL_CHANNELS) != 0)
        return refuse(t->out_reason, BEHIND_ALL_CHANNELS);
    if (has_space(word))
        return refuse(t->out_reason, SYNTAX);
    struct slice pattern = after(word, 1);
    if (acl_texts_find(&t->selector->channels, pattern) < t->selector->channels.count)
        return LARDER_OK;
    return acl_texts_add(t->allocator, &t->selector->channels, pattern, 0);
}

static void set_channels(const struct target *t, bool all) {
    acl_texts_clear(t->allocator, &t->selector->channels);
    t->selector->flags &= ~(uint32_t)ACL_SELECTOR_ALL_CHANNELS;
    t->selector->flags |= all ? ACL_SELECTOR_ALL_CHANNELS : 0;
}

/* ---- a selector ---- */

static enum larder_status apply_to_selector(const struct target *t, struct slice word) {
    bool is_all_keys = slice_equal_word(word, "allkeys") || slice_equal_word(word, "~*");
    bool is_all_channels = slice_equal_word(word, "allchannels") || slice_equal_word(word, "&*");
    if (is_all_keys || slice_equal_word(word, "resetkeys"))
        set_keys(t, is_all_keys);
    else if (is_all_channels || slice_equal_word(word, "resetchannels"))
        set_channels(t, is_all_channels);
    else if (slice_equal_word(word, "allcommands"))
        set_all_commands(t, true);
    else if (slice_equal_word(word, "nocommands"))
        set_all_commands(t, false);
    else if (word.data[0] == '~' || word.data[0] == '%')
        return apply_key_pattern(t, word);
    else if (word.data[0] == '&')
        return apply_channel(t, word);
    else if (word.size > 1 && (word.data[0] == '+' || word.data[0] == '-') && word.data[1] == '@')
        return apply_category(t, after(word, 2), word.data[0] == '+');
    else if (word.data[0] == '+' || word.data[0] == '-')
        return apply_command(t, after(word, 1), word.data[0] == '+');
    else
        return refuse(t->out_reason, SYNTAX);
    return LARDER_OK;
}

/* "(rule rule)": a selector of its own. */
static enum larder_status add_selector(struct acl_user *user, struct slice word,
                                       bool with_all_channels, const char **out_reason) {
    if (word.size < 2 || word.data[word.size - 1] != ')')
        return refuse(out_reason, SYNTAX);
    struct acl_selector selector;
    acl_selector_init(&selector, with_all_channels);
    struct target target = {user->allocator, &selector, out_reason};
    size_t end = word.size - 1;
    for (size_t at = 1; at < end;) {
        size_t size = 0;
        while (at + size < end && word.data[at + size] != ' ')
            size++;
        /* A rule that ends in a parenthesis would end the selector when it is read again. */
        enum larder_status status = LARDER_OK;
        if (size > 0 && word.data[at + size - 1] == ')')
            status = refuse(out_reason, SYNTAX);
        else if (size > 0)
            status = apply_to_selector(&target, slice_of(word.data + at, size));
        if (status != LARDER_OK) {
            acl_selector_finish(user->allocator, &selector);
            return status;
        }
        at += size + 1;
    }
    return acl_user_add_selector(user, &selector);
}

/* ---- a user ---- */

static enum larder_status add_password(struct acl_user *user, struct slice digest) {
    if (acl_texts_find(&user->passwords, digest) == user->passwords.count) {
        enum larder_status status = acl_texts_add(user->allocator, &user->passwords, digest, 0);
        if (status != LARDER_OK)
            return status;
    }
    user->flags &= ~(uint32_t)ACL_USER_NO_PASSWORD;
    return LARDER_OK;
}

static bool is_digest(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if ((text.data[i] < '0' || text.data[i] > '9') &&
            (text.data[i] < 'a' || text.data[i] > 'f'))
            return false;
    return text.size == ACL_PASSWORD_HEX;
}

/* >password <password #digest !digest */
static enum larder_status apply_password(struct acl_user *user, struct slice word,
                                         const char **out_reason) {
    char hex[ACL_PASSWORD_HEX];
    struct slice digest = after(word, 1);
    if (word.data[0] == '>' || word.data[0] == '<') {
        if (!acl_password_digest(digest, hex))
            return LARDER_NO_MEMORY;
        digest = slice_of(hex, sizeof(hex));
    } else if (!is_digest(digest)) {
        return refuse(out_reason, BAD_DIGEST);
    }
    if (word.data[0] == '>' || word.data[0] == '#')
        return add_password(user, digest);
    size_t found = acl_texts_find(&user->passwords, digest);
    if (found == user->passwords.count)
        return refuse(out_reason, NO_SUCH_PASSWORD);
    acl_texts_remove(user->allocator, &user->passwords, found);
    return LARDER_OK;
}

static void reset(struct acl_user *user, const struct target *root, bool with_all_channels) {
    acl_texts_clear(user->allocator, &user->passwords);
    user->flags = ACL_USER_SANITIZE;
    set_keys(root, false);
    set_channels(root, with_all_channels);
    set_all_commands(root, false);
    acl_user_clear_selectors(user);
}

/* Words that are about the user itself. False: it is none of them. */
static bool apply_plain_word(struct acl_user *user, struct slice word) {
    static const struct {
        const char *word;
        uint32_t sets, clears;
        bool drops_passwords;
    } WORDS[] = {
        {"on", ACL_USER_ON, 0, false},
        {"off", 0, ACL_USER_ON, false},
        {"nopass", ACL_USER_NO_PASSWORD, 0, true},
        {"resetpass", 0, ACL_USER_NO_PASSWORD, true},
        {"sanitize-payload", ACL_USER_SANITIZE, ACL_USER_SKIP_SANITIZE, false},
        {"skip-sanitize-payload", ACL_USER_SKIP_SANITIZE, ACL_USER_SANITIZE, false},
    };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (!slice_equal_word(word, WORDS[i].word))
            continue;
        user->flags = (user->flags & ~WORDS[i].clears) | WORDS[i].sets;
        if (WORDS[i].drops_passwords)
            acl_texts_clear(user->allocator, &user->passwords);
        return true;
    }
    return false;
}

enum larder_status acl_rule_apply(struct acl_user *user, struct slice word, bool with_all_channels,
                                  const char **out_reason) {
    struct target root = {user->allocator, &user->selectors[0], out_reason};
    if (word.size == 0 || apply_plain_word(user, word))
        return LARDER_OK;
    if (word.data[0] == '>' || word.data[0] == '<' || word.data[0] == '#' || word.data[0] == '!')
        return apply_password(user, word, out_reason);
    if (slice_equal_word(word, "clearselectors")) {
        acl_user_clear_selectors(user);
        return LARDER_OK;
    }
    if (slice_equal_word(word, "reset")) {
        reset(user, &root, with_all_channels);
        return LARDER_OK;
    }
    if (word.data[0] == '(')
        return add_selector(user, word, with_all_channels, out_reason);
    return apply_to_selector(&root, word);
}
