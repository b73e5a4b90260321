/* SPDX-License-Identifier: BSD-3-Clause */
/* Strings that are hyperloglogs, as their commands meet them. Private to src/commands. */
#ifndef LARDER_COMMANDS_HYPERLOGLOG_VALUE_H
#define LARDER_COMMANDS_HYPERLOGLOG_VALUE_H

#include "commands/call.h"
#include "ds/hyperloglog.h"

/* The bytes of an entry. False when it is something else: the error was replied. Borrows as the
 * entry does. */
bool hyperloglog_of(struct call *call, const struct entry *entry, struct slice *out);

/* Writes "INVALIDOBJ ...". */
enum larder_status hyperloglog_corrupt(struct call *call);

/* Returns owned: a copy to be changed, of an empty one when the bytes are none. NULL without
 * memory.
 */
struct blob *hyperloglog_image(const struct call *call, struct slice bytes);

/* Store an image, keeping the expiry of what was there (`old`, or NULL). The caller keeps its
 * reference. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status hyperloglog_store(struct call *call, const struct key *key,
                                     const struct entry *old, struct blob *image)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* As above, with the whole image as the effect. */
enum larder_status hyperloglog_store_image(struct call *call, const struct key *key,
                                           const struct entry *old, struct blob *image)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

#endif
