/* SPDX-License-Identifier: BSD-3-Clause */
/* The values that BY and GET of SORT name: a pattern like weight_* or object_*->field, whose star
 * an element takes the place of. Private to SORT. */
#ifndef LARDER_COMMANDS_SORT_PATTERN_H
#define LARDER_COMMANDS_SORT_PATTERN_H

#include "commands/call.h"

struct sort_lookup {
    struct call *call;
    uint8_t *name; /* the key, as built last */
    size_t capacity;
    uint8_t scratch[INT64_TEXT_MAX];
};

/* No allocation. */
void sort_lookup_init(struct sort_lookup *lookup, struct call *call);
void sort_lookup_finish(struct sort_lookup *lookup);

/* Whether the pattern has a star: without one every element has the same weight. */
static inline bool sort_pattern_has_star(struct slice pattern) {
    return pattern.size > 0 && memchr(pattern.data, '*', pattern.size) != NULL;
}

/* The value for an element: of # the element itself; of a missing or unfitting key none (*out_found
 * is false). Borrowed until the next call_ function or the next look-up. Errors: LARDER_NO_MEMORY,
 * LARDER_DENIED (the key's partition can't be had). */
enum larder_status sort_lookup_value(struct sort_lookup *lookup, struct slice pattern,
                                     struct slice element, struct slice *out, bool *out_found)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

#endif
