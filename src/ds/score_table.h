/* SPDX-License-Identifier: BSD-3-Clause */
/* The elements of a sorted set by member: linear hashing over buckets of a cache line, so that it
 * grows and shrinks a bucket at a time and no piece of memory is larger than 32 KiB (but the list
 * of pieces, 8 bytes for 512 buckets).
 *
 *   bucket    eight words {tag 16, address 48}, filled from the front; 0 is empty. The last one may
 *             be the address of a further bucket instead, with bit 0 set.
 *   tag       the highest bits of the member's hash; the lowest give the bucket
 *   segment   512 buckets; the first one grows to that from 16
 *
 * Invariant: of the buckets that hang together only the last is not full, and it holds two or more
 * elements unless it is the first. The table points at elements and owns none. One thread at a
 * time. */
#ifndef LARDER_DS_SCORE_TABLE_H
#define LARDER_DS_SCORE_TABLE_H

#include "base/hash.h"
#include "ds/score_tree.h"

struct score_bucket {
    uint64_t words[8];
};

struct score_table {
    struct score_bucket **segments;
    uint32_t segment_count, segment_capacity;
    uint64_t bucket_count;
    uint64_t count;          /* elements */
    uint64_t further_count;  /* buckets that hang behind others */
    uint32_t first_capacity; /* buckets of the first segment */
};

static inline uint64_t score_table_hash(const struct hash_seed *seed, struct slice member) {
    return hash_key(seed, member, 0);
}

/* Errors: LARDER_NO_MEMORY. */
enum larder_status score_table_init(struct score_table *table,
                                    const struct allocator *allocator) LARDER_NODISCARD;
/* Free about `budget` buckets; true when all are. Nothing else may be done in between. */
bool score_table_free_some(struct score_table *table, const struct allocator *allocator,
                           size_t budget);
size_t score_table_bytes(const struct score_table *table);

/* NULL when it is not there. Borrows. */
struct scored_element *score_table_find(const struct score_table *table, uint64_t hash,
                                        struct slice member);
/* Add an element whose member is not there. Errors: LARDER_NO_MEMORY, nothing changed. */
enum larder_status score_table_insert(struct score_table *table, const struct allocator *allocator,
                                      const struct hash_seed *seed, uint64_t hash,
                                      struct scored_element *element) LARDER_NODISCARD;
/* Take an element out. It is there. */
void score_table_remove(struct score_table *table, const struct allocator *allocator,
                        const struct hash_seed *seed, const struct scored_element *element);

/* Show the elements of the next bucket behind the cursor; returns the next cursor, 0 at the end.
 * What is there from cursor 0 to the cursor 0 that ends it is shown at least once, whatever else
 * comes, goes, or makes the table grow or shrink. */
uint64_t score_table_scan(const struct score_table *table, uint64_t cursor,
                          void (*show)(void *context, const struct scored_element *element),
                          void *context);

#endif
