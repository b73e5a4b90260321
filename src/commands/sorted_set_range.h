/* SPDX-License-Identifier: BSD-3-Clause */
/* What commands on sorted sets share: ranges as arguments, and members as replies or as a stored
 * result. Private to src/commands. */
#ifndef LARDER_COMMANDS_SORTED_SET_RANGE_H
#define LARDER_COMMANDS_SORTED_SET_RANGE_H

#include "commands/call.h"
#include "ds/sorted_set.h"

/* ---- ranges ---- */

/* One end of a range: a bound, or an end of the set ("-" and "+" of members). */
enum sorted_set_end_place { END_AT_BOUND, END_AT_BEGIN, END_AT_END };
struct sorted_set_end {
    enum sorted_set_end_place place;
    struct score_bound bound;
};

struct sorted_set_range {
    struct sorted_set_end min, max;
};

/* Ranks from `first` to before `last`. */
struct rank_range {
    size_t first, last;
};

static inline size_t rank_range_length(struct rank_range ranks) {
    return ranks.last > ranks.first ? ranks.last - ranks.first : 0;
}

/* Read "5", "(5", "-inf" ... False: the known error was replied. */
bool sorted_set_score_range(struct call *call, struct slice min, struct slice max,
                            struct sorted_set_range *out);
/* Read "[a", "(a", "-", "+"; the bounds borrow the arguments. False: the error was replied. */
bool sorted_set_member_range(struct call *call, struct slice min, struct slice max,
                             struct sorted_set_range *out);
struct rank_range sorted_set_ranks(const struct object *set, const struct sorted_set_range *range);
/* Ranks as ZRANGE counts: from 0, or backwards from -1; both included. */
struct rank_range sorted_set_index_ranks(size_t length, int64_t start, int64_t stop);

/* ---- results ---- */

/* The array that `count` members are replied in, and one of them: in RESP3 with its score a pair of
 * its own. */
void reply_scored_array(struct reply *reply, size_t count, bool with_scores);
void reply_scored_member(struct reply *reply, const struct scored_member *member, bool with_scores);
/* Bytes of a reply_scored_member with its score, at most. */
static inline size_t reply_scored_bound(struct slice member) {
    return member.size + 128;
}

/* Store what a command made under the key at argv[index], in place of what is there; an empty one
 * deletes the key. Takes ownership of `set`, replies its length, tells of the event. */
enum larder_status sorted_set_store(struct call *call, size_t index, struct object *set,
                                    const char *event) REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

#endif
