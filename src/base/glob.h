/* SPDX-License-Identifier: BSD-3-Clause */
/* Glob patterns of keys and names, over bytes:
 *
 *   *        any bytes, also none            ?      any one byte
 *   [abc]    one of these                    [a-z]  one of this range, in either order
 *   [^abc]   none of these                   \x     the byte x itself, inside [] too
 *
 * A '[' without its ']' ends with the pattern; a lone '\' at the end stands for itself. The empty
 * text matches the empty pattern only, as clients know it, which is why those who mean all texts
 * by "*" ask glob_is_all first. Takes time in the product of both lengths at worst, and no memory.
 * Any thread. */
#ifndef LARDER_BASE_GLOB_H
#define LARDER_BASE_GLOB_H

#include "base/slice.h"

bool glob_match(struct slice pattern, struct slice text);
/* The same with ASCII letters of either case taken as equal. */
bool glob_match_any_case(struct slice pattern, struct slice text);

/* Whether the pattern matches every text. */
static inline bool glob_is_all(struct slice pattern) {
    return pattern.size == 1 && pattern.data[0] == '*';
}

#endif
