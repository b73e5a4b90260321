/* SPDX-License-Identifier: BSD-3-Clause */
/* The language of access rules: words that change a user, and the text that describes one, which
 * read as words again gives the same user.
 *
 *   on off nopass >PASSWORD <PASSWORD #DIGEST !DIGEST resetpass reset
 *   sanitize-payload skip-sanitize-payload (RULES OF A SELECTOR) clearselectors
 *   +COMMAND -COMMAND +COMMAND|SUBCOMMAND -COMMAND|SUBCOMMAND +COMMAND|FIRST-ARGUMENT
 *   +@CATEGORY -@CATEGORY allcommands nocommands
 *   ~PATTERN %R~PATTERN %W~PATTERN %RW~PATTERN allkeys resetkeys
 *   &PATTERN allchannels resetchannels
 *
 * Pure. The caller serialises use of one user. */
#ifndef LARDER_SERVER_ACL_RULES_H
#define LARDER_SERVER_ACL_RULES_H

#include "base/text_buffer.h"
#include "server/acl_user.h"

/* Apply one word, a whole "(...)" being one. What it was before is lost on failure: work on a copy.
 * `with_all_channels`: what acl-pubsub-default says, of new selectors and after `reset`.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID with *out_reason static. */
enum larder_status acl_rule_apply(struct acl_user *user, struct slice word, bool with_all_channels,
                                  const char **out_reason) LARDER_NODISCARD;

/* Words of which a selector may span several, joined: "(~x", "+get)" become "(~x +get)". */
struct acl_words {
    const struct allocator *allocator;
    struct slice *items; /* borrowed from the words given, or in `text` */
    size_t count, capacity;
    uint8_t *text; /* of the joined ones */
    size_t text_size;
    struct slice unmatched; /* LARDER_INVALID: the word with the '(' that isn't closed */
};

/* Errors: LARDER_NO_MEMORY; LARDER_INVALID. Finish it in any case. */
enum larder_status acl_words_init(struct acl_words *words, const struct allocator *allocator,
                                  const struct slice *given, size_t count) LARDER_NODISCARD;
void acl_words_finish(struct acl_words *words);

/* Append "+@all -get", the rules of commands. */
void acl_describe_commands(const struct acl_selector *selector, struct text_buffer *out);
/* Append "~a %R~b". */
void acl_describe_keys(const struct acl_selector *selector, struct text_buffer *out);
/* Append "&a &b"; nothing where there are none. */
void acl_describe_channels(const struct acl_selector *selector, struct text_buffer *out);
/* Append all that follows "user NAME " in a file: flags, passwords, rules, selectors. */
void acl_describe_user(const struct acl_user *user, struct text_buffer *out);
/* The names of the user's flags in the order in which they are shown; returns how many. */
enum { ACL_FLAG_NAMES_MAX = 4 };
size_t acl_user_flag_names(const struct acl_user *user, const char *out[ACL_FLAG_NAMES_MAX]);

/* The bit of a category, letters of either case; 0 when there is none of this name. */
uint64_t acl_category_find(struct slice name);
/* The names of all categories in their order; NULL behind the last. */
extern const char *const ACL_CATEGORY_NAMES[];

#endif
