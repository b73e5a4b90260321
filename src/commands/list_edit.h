/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands on lists share. Private to src/commands. */
#ifndef LARDER_COMMANDS_LIST_EDIT_H
#define LARDER_COMMANDS_LIST_EDIT_H

#include "commands/call.h"
#include "ds/list.h"

/* LEFT or RIGHT. False when it is neither. */
bool list_end_parse(struct slice word, enum list_end *out);

/* Parse an integer of at least `minimum`. False when it is none: `message` was replied. */
bool list_integer_from(struct call *call, struct slice text, int64_t minimum, const char *message,
                       int64_t *out);

/* Parse an integer whose negative is one too. False: the known error was replied. */
bool list_signed_integer(struct call *call, struct slice text, int64_t *out);

/* Tell of a push ("lpush"), of a pop ("lpop"). */
void list_notify_push(struct call *call, enum list_end end, const struct key *key);
void list_notify_pop(struct call *call, enum list_end end, const struct key *key);

/* Write `count` elements, which exist, as bulk strings: from `index` on, or back from it. */
void list_reply(struct call *call, const struct object *list, size_t index, size_t count);
void list_reply_back(struct call *call, const struct object *list, size_t index, size_t count);
/* Write the `count` elements at an end, outermost first. */
void list_reply_end(struct call *call, const struct object *list, enum list_end end, size_t count);
/* The index of the outermost element at that end. */
static inline size_t list_end_index(const struct object *list, enum list_end end) {
    return end == LIST_HEAD ? 0 : object_length(list) - 1;
}

/* Take `count` elements from `index` on out of the list and commit it; the last ones take the key
 * with them. Events come first, the effect is the caller's. Can't fail. */
void list_take_out(struct call *call, struct object_edit *edit, size_t index, size_t count)
    REQUIRES(PARTITION_LOCK);
/* Reply count elements of an end (is_array: as an array) and take them out, with events and effect
 * LPOP or RPOP. There are that many. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status list_pop(struct call *call, struct object_edit *edit, enum list_end end,
                            size_t count, bool is_array) REQUIRES(PARTITION_LOCK);

/* Turn positions that may count from the tail into a first index and a count. */
void list_range(int64_t start, int64_t stop, size_t length, size_t *out_index, size_t *out_count);

#endif
