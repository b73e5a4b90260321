/* SPDX-License-Identifier: BSD-3-Clause */
/* Deleting what has expired. Time only hides: an expired key is a miss at once, and this is how its
 * memory comes back. Every deletion goes the way of DEL: counters, effect. Under the partition's
 * lock. */
#ifndef LARDER_STORE_EXPIRY_H
#define LARDER_STORE_EXPIRY_H

#include "store/partition.h"

/* A key lives through the millisecond it expires in. */
static inline bool expiry_has_passed(int64_t expiry_ms, int64_t now_ms) {
    return expiry_ms != 0 && expiry_ms < now_ms;
}

/* Delete expired entries: goes on where the last call ended, walks segments of which a sixteenth of
 * the live bytes, or all that expires, has expired. Looks at about `budget` records and segment
 * headers, at least one batch. True when the budget ended before the partition did: more may be
 * left to do; false after the last segment, and the next call begins at the first. */
bool expiry_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                 uint32_t partition_id, int64_t now_ms, uint32_t budget) REQUIRES(PARTITION_LOCK);

/* Delete one expired entry. False when there is no memory for its effect: nothing changed. */
bool expiry_remove(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                   uint32_t partition_id, const struct entry *entry) REQUIRES(PARTITION_LOCK);

/* ---- elements of containers (object_type.expiry): they go the way of HDEL ---- */

/* Remove elements of a container that have expired, at most EXPIRY_ELEMENTS: effects, notices, the
 * changed entry and, when none is left, its deletion. Returns how many; 0 also when there is no
 * memory for the effect. *out_is_deleted: the entry is gone. */
enum { EXPIRY_ELEMENTS = 64 };
size_t expiry_remove_elements(struct partition *p, struct keyspace *keyspace,
                              struct store_thread *thread, uint32_t partition_id,
                              struct entry *entry, bool *out_is_deleted) REQUIRES(PARTITION_LOCK);

/* Whether expiry_step_elements has anything to do. O(1), false where no element has an expiry. */
bool expiry_has_elements(const struct partition *p, int64_t now_ms) REQUIRES(PARTITION_LOCK);

/* Remove what has expired: goes on where the last call ended. Looks at about `budget` entries and
 * elements, at least one bucket. True when it ended before the partition did. */
bool expiry_step_elements(struct partition *p, struct keyspace *keyspace,
                          struct store_thread *thread, uint32_t partition_id, int64_t now_ms,
                          uint32_t budget) REQUIRES(PARTITION_LOCK);

#endif
