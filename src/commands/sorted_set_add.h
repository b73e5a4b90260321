/* SPDX-License-Identifier: BSD-3-Clause */
/* Adding to a sorted set as ZADD does, which GEOADD does too. Private to src/commands. */
#ifndef LARDER_COMMANDS_SORTED_SET_ADD_H
#define LARDER_COMMANDS_SORTED_SET_ADD_H

#include "commands/sorted_set_range.h"

/* The options from argv[2] on, of those in `known` (enum sorted_set_rules), and CH. Returns where
 * they end. */
size_t sorted_set_parse_rules(const struct call *call, uint32_t known, uint32_t *out_rules,
                              bool *out_counts_changes);
/* False: they contradict each other, which was replied. */
bool sorted_set_check_rules(struct call *call, uint32_t rules);
/* Add to the sorted set at argv[1], reply as ZADD does, and tell of it. Emits no effect:
 * call->changed says whether there is one. */
enum larder_status sorted_set_add_members(struct call *call, const struct scored_member *members,
                                          size_t count, uint32_t rules, bool counts_changes)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

#endif
