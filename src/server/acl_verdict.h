/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a user may run a command with these words: the command itself, every key in the way it is
 * used (read, written), every channel. Pure; any thread, users being immutable. */
#ifndef LARDER_SERVER_ACL_VERDICT_H
#define LARDER_SERVER_ACL_VERDICT_H

#include "server/acl_user.h"

/* In the order of what is told when several selectors say no for different reasons: the one that
 * got furthest. */
enum acl_verdict {
    ACL_ALLOWED,
    ACL_DENIED_COMMAND,
    ACL_DENIED_KEY,
    ACL_DENIED_CHANNEL,
    ACL_NO_MEMORY, /* could not be found out */
};

/* `allocator` serves commands with many keys. *out_position: the word that is denied, an index into
 * argv, after ACL_DENIED_KEY and ACL_DENIED_CHANNEL. */
enum acl_verdict acl_user_verdict(const struct acl_user *user, const struct allocator *allocator,
                                  const struct command_spec *spec, size_t argc,
                                  const struct slice *argv, size_t *out_position);

/* Whether one selector permits the command and the reading of every key: for SORT, whose BY and GET
 * lead to keys that its words don't name. False without memory, too. */
bool acl_user_reads_all_keys(const struct acl_user *user, const struct allocator *allocator,
                             const struct command_spec *spec, size_t argc,
                             const struct slice *argv);
/* Whether the first selector permits every command, key and channel. */
bool acl_user_permits_all(const struct acl_user *user);
/* Whether some selector permits the channel, or with is_pattern the pattern word by word. */
bool acl_user_permits_channel(const struct acl_user *user, struct slice channel, bool is_pattern);

#endif
