/* SPDX-License-Identifier: BSD-3-Clause */
/* Hash table of elements found by a byte string: members of sets and sorted sets, fields of hashes.
 * The owner allocates the elements; the table holds their addresses and asks for an element's key
 * through table->key_of. Linear hashing (Litwin 1980) over buckets of one cache line:
 *
 *   bucket: 8 words of 8 bytes
 *   word:   | tag 16 | address 48 |      0 = empty; a chain has no holes before its last entry
 *   link:   | 0      | address 48 |      in the last word only: the next bucket of the chain
 *
 * The tag is the top 16 bits of the key's hash (1 where they are 0), the bucket's number its low
 * bits. One bucket splits per about 7 inserts and two merge per about 3 removals, so nothing ever
 * pauses; it takes 12 to 13 bytes per element. Buckets lie in pages of 2 KiB, these in blocks of
 * 512 pages, found through the root: no allocation is larger than 32 KiB.
 *
 * Pure; one thread at a time. `objects` is the same in all calls for a table. */
#ifndef LARDER_DS_TABLE_H
#define LARDER_DS_TABLE_H

#include "base/random.h"
#include "ds/object.h"

enum {
    TABLE_BUCKET_WORDS = 8,
    TABLE_BUCKET_BYTES = 64,
    TABLE_PAGE_BUCKETS = 32,
    TABLE_BLOCK_PAGES = 512,
    TABLE_ROOT_BLOCKS = 4096,
    TABLE_BLOCK_BUCKETS = TABLE_PAGE_BUCKETS * TABLE_BLOCK_PAGES,
    TABLE_POSITION_BITS = 48, /* of a scan's cursor */
};

/* The key of an element; borrowed while the element lives. */
typedef struct slice (*table_key_of)(const void *element);

struct table {
    table_key_of key_of;
    uint64_t ***root;      /* [block][page] -> words of TABLE_PAGE_BUCKETS buckets */
    uint64_t count;        /* elements */
    uint64_t *spare;       /* free overflow buckets, linked through their first words */
    size_t bytes;          /* of everything the table allocated; not itself, not the elements */
    uint32_t bucket_count; /* 0: nothing is allocated */
    uint32_t spare_count;
    uint32_t reserved;   /* inserts that are promised to succeed */
    uint32_t longest;    /* at least the length of the longest chain */
    uint16_t root_room;  /* blocks that the root has room for */
    uint16_t block_room; /* pages that the first block has room for; other blocks have all */
    uint16_t page_room;  /* buckets that the first page has room for; other pages have all */
};

static const uint64_t TABLE_ADDRESS_MASK = ((uint64_t)1 << 48) - 1;

/* Allocates nothing. */
void table_init(struct table *table, table_key_of key_of);

static inline uint64_t table_hash(const struct object_context *objects, struct slice key) {
    return hash_key(objects->seed, key, 0);
}

static inline void *table_element(uint64_t word) {
    return (void *)(uintptr_t)(word & TABLE_ADDRESS_MASK);
}

/* ---- finding ---- */

/* The word that holds the element with this key and hash, NULL if there is none. Valid until the
 * table next changes. */
uint64_t *table_find_word(const struct table *table, uint64_t hash, struct slice key);

/* The element with this key, NULL if there is none. */
static inline void *table_find(const struct table *table, uint64_t hash, struct slice key) {
    const uint64_t *word = table_find_word(table, hash, key);
    return word == NULL ? NULL : table_element(*word);
}

/* Bring what table_find will read into the cache: the bucket. Never needed. */
void table_prefetch(const struct table *table, uint64_t hash);

/* ---- changes ---- */

/* Make the next `count` inserts infallible, beside those reserved before.
 * Errors: LARDER_NO_MEMORY, nothing is reserved beyond what was. */
enum larder_status table_reserve(struct table *table, const struct object_context *objects,
                                 size_t count) LARDER_NODISCARD;
/* The inserts that were reserved and not made are not coming. */
void table_end_reserve(struct table *table, const struct object_context *objects);
/* Put an element in whose key is not there yet. An insert was reserved. */
void table_insert(struct table *table, const struct object_context *objects, uint64_t hash,
                  void *element);
/* Another element with the same key takes the place of the one in `word`, which is the owner's to
 * free. */
static inline void table_replace(uint64_t *word, void *element) {
    *word = (*word & ~TABLE_ADDRESS_MASK) | (uint64_t)(uintptr_t)element;
}
/* Take out the element in `word`, found for this hash; the owner frees it. Never fails. */
void table_remove(struct table *table, const struct object_context *objects, uint64_t hash,
                  uint64_t *word);

/* Take out and release about `budget` elements. True when all is free: the table is as it was after
 * table_init. In between it can only be freed further. */
bool table_free_some(struct table *table, const struct allocator *allocator, size_t budget,
                     void (*release)(void *element, const struct allocator *allocator));

/* ---- all, some, any ---- */

/* Walk: for (struct table_walk w = {0}; (element = table_next(table, &w)) != NULL;). The table must
 * not change in between. */
struct table_walk {
    const uint64_t *bucket; /* of the chain */
    uint32_t number;        /* buckets begun */
    uint32_t place;         /* in the bucket */
};
void *table_next(const struct table *table, struct table_walk *walk);

typedef void (*table_visitor)(void *context, void *element);

/* Show the elements of the next chain from `position` on (0 begins) in the bit-reversed order of
 * hashes, which growing and shrinking don't change: an element that is there during a whole scan is
 * shown exactly once. Returns where to go on; 0 after the last. Positions are below 2^48; any value
 * is valid. The visitor must not change the table. */
uint64_t table_scan(const struct table *table, const struct object_context *objects,
                    uint64_t position, table_visitor visitor, void *context);

/* An element at random, each with the same probability. *out_word (unless NULL): the word that
 * holds it. NULL when the table is empty. Takes some 4 to 8 draws. */
void *table_random(const struct table *table, struct random *random, uint64_t **out_word);

#endif
