/* SPDX-License-Identifier: BSD-3-Clause */
/* The ghost table of S3-FIFO: 16-bit fingerprints of keys that left the small queue without a hit,
 * so that one that comes back goes to main at once. Private to src/store; under the partition's
 * lock.
 *
 *   bucket: 8 fingerprints, the newest first; a new one pushes the oldest out
 *   bucket number: hash bits 16 and up; fingerprint: hash bits 48 to 63, 1 where they are 0
 *
 * Buckets are a power of two. A table doubles by giving both halves of each bucket the same
 * fingerprints, and halves by keeping the newest four of each pair, so resizing needs no keys. */
#ifndef LARDER_STORE_GHOST_H
#define LARDER_STORE_GHOST_H

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>

struct ghost;

/* Bring the table nearer to one fingerprint per entry, by at most one doubling or halving; it grows
 * only as it fills, so that its memory is not asked for all at once when memory is short. Creates
 * it where *ghost is NULL. Without memory it stays as it is. Returns the change in bytes. */
int64_t ghost_fit(struct ghost **ghost, const struct allocator *allocator, uint64_t entry_count);
/* Frees the table; NULL is allowed. */
void ghost_destroy(struct ghost *ghost, const struct allocator *allocator);

size_t ghost_bytes(const struct ghost *ghost); /* 0 for NULL */
void ghost_add(struct ghost *ghost, uint64_t hash);
bool ghost_remembers(const struct ghost *ghost, uint64_t hash);

#endif
