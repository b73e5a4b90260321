/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorted sets: members with scores, in the order of (score, member).
 *
 *   flat ("listpack")  one allocation of packed pairs in order, see sorted_set_flat.h; while there
 *                      are at most limits->sorted_set_entries members of at most
 *                      limits->sorted_set_value_bytes
 *   full ("skiplist")  one allocation per member, an ordered tree of them (score_tree.h) and a
 *                      hash table by member
 *
 * A flat one becomes full when it passes a limit, never the other way round. Ranges are ranges of
 * ranks: sorted_set_count_before turns a bound of score or member into a rank, and a cursor walks
 * from a rank in either direction. Scores are never NaN; -0 is 0 in a flat one.
 * Errors of all that adds: LARDER_NO_MEMORY, nothing changed. Nothing that removes can fail. */
#ifndef LARDER_DS_SORTED_SET_H
#define LARDER_DS_SORTED_SET_H

#include "base/double_text.h"
#include "ds/object.h"
#include "ds/score_tree.h"

struct scored_member {
    struct slice member;
    double score;
};

/* ---- changes ---- */

/* Returns owned: an empty one that is to hold about this many members, the longest of this many
 * bytes (0 and 0 for unknown). NULL without memory. */
struct object *sorted_set_create(const struct object_context *context, size_t count,
                                 size_t longest);

enum sorted_set_rules {
    SORTED_SET_NEW_ONLY = 1 << 0,  /* leave members that are there */
    SORTED_SET_OLD_ONLY = 1 << 1,  /* add no members */
    SORTED_SET_GREATER = 1 << 2,   /* change a score only to a greater one */
    SORTED_SET_LESS = 1 << 3,      /* change a score only to a lesser one */
    SORTED_SET_INCREMENT = 1 << 4, /* the score is added to the member's */
};

struct sorted_set_outcome {
    size_t added, changed;
    size_t refused; /* members that the rules left alone */
    double score;   /* of the last member that was not refused */
    bool is_nan;    /* an increment would have been no number: nothing changed */
};

/* Add members or change their scores, all or nothing. With SORTED_SET_INCREMENT one at a time. */
enum larder_status sorted_set_add(struct object **set, const struct object_context *context,
                                  const struct scored_member *members, size_t count, uint32_t rules,
                                  struct sorted_set_outcome *out) LARDER_NODISCARD;
/* Whether it was there. */
bool sorted_set_remove(struct object **set, const struct object_context *context,
                       struct slice member);
/* Remove `count` members from a rank on, as far as there are. */
void sorted_set_remove_range(struct object **set, const struct object_context *context, size_t rank,
                             size_t count);

/* ---- reading ---- */

bool sorted_set_score(const struct object *set, const struct object_context *context,
                      struct slice member, double *out);
bool sorted_set_rank(const struct object *set, const struct object_context *context,
                     struct slice member, size_t *out_rank, double *out_score);
/* The rank of the first member behind the bound. */
size_t sorted_set_count_before(const struct object *set, const struct score_bound *bound);

/* A place between two members. Valid until the next change. */
struct sorted_set_cursor {
    bool is_flat;
    const uint8_t *at, *begin, *end; /* flat */
    struct score_position position;  /* full */
    uint8_t scratch[INT64_TEXT_MAX]; /* text of a member that is held as an integer */
};

/* Before the member of this rank, at most behind the last. */
void sorted_set_seek(const struct object *set, size_t rank, struct sorted_set_cursor *out);
/* The member behind the cursor, which then stands behind it; false at the end. The member is
 * borrowed until the next call with this cursor. */
bool sorted_set_next(struct sorted_set_cursor *cursor, struct scored_member *out);
/* The member before the cursor, which then stands before it; false at the begin. */
bool sorted_set_previous(struct sorted_set_cursor *cursor, struct scored_member *out);

/* Show some members: each that is there all the time is shown at least once on the way from cursor
 * 0 to the cursor 0 that ends it. Returns the next cursor. */
uint64_t sorted_set_scan(const struct object *set, const struct object_context *objects,
                         uint64_t cursor, size_t count,
                         void (*show)(void *context, const struct scored_member *member),
                         void *context);

#endif
