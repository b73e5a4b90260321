/* SPDX-License-Identifier: BSD-3-Clause */
/* The index of one partition: linear hashing (Litwin 1980) over buckets of one cache line.
 *
 *   bucket: 8 words of 8 bytes
 *   word:   | tag 14 | frequency 2 | address 48 |      0 = empty
 *   link:   | 0            | 0     | address 48 |      in the last word only: the next bucket
 *
 * The tag is the hash's top 14 bits (1 where they are 0), so that a link never looks like an entry.
 * Bucket number = low bits of the hash. One bucket splits per few inserts and two merge per few
 * deletes, so nothing ever pauses and memory follows the number of entries.
 *
 * Words are stored atomically (relaxed) because index_hint reads them without the lock; what it
 * reads is only a hint. Pages come from a thread's reserve and return there. */
#ifndef LARDER_STORE_INDEX_H
#define LARDER_STORE_INDEX_H

#include "store/pool.h"

enum {
    BUCKET_WORDS = 8,
    BUCKETS_PER_PAGE = PAGE_BYTES / 64,
    INDEX_LEVELS = 26,
    INDEX_FREQUENCY_MAX = 3,
};

typedef _Atomic uint64_t index_word;

/* Page p lies in level 0 for p = 0, else in level 1 + floor(log2 p): level arrays never move. */
struct index {
    index_word **_Atomic levels[INDEX_LEVELS];
    _Atomic uint32_t bucket_count; /* 0: nothing allocated yet */
    uint64_t entry_count;
    index_word
        *overflow_free; /* free overflow buckets: word 0 is the next, word 1 the one before */
    index_word *overflow_pages; /* linked through the first word of each page's last bucket */
    uint32_t overflow_free_count;
    uint32_t overflow_page_count;
    uint32_t overflow_kept; /* of these, what inserts that were reserved may need */
    size_t bytes;           /* of pages and directory */
};

/* Gives the hash of the entry at a record address (its key is read). */
typedef uint64_t (*index_hash_of)(const void *context, uint64_t address);

static inline uint64_t index_tag(uint64_t hash) {
    uint64_t tag = hash >> 50;
    return (tag != 0 ? tag : 1) << 50;
}

static const uint64_t INDEX_ADDRESS_MASK = ((uint64_t)1 << 48) - 1;
static const uint64_t INDEX_TAG_MASK = ~(((uint64_t)1 << 50) - 1);

static inline uint64_t index_load(const index_word *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void index_store(index_word *word, uint64_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}

static inline uint8_t *index_record(uint64_t word) {
    return (uint8_t *)(uintptr_t)(word & INDEX_ADDRESS_MASK);
}

static inline unsigned index_frequency(uint64_t word) {
    return (unsigned)(word >> 48) & INDEX_FREQUENCY_MAX;
}

static inline uint64_t index_with_frequency(uint64_t word, unsigned frequency) {
    return (word & ~((uint64_t)INDEX_FREQUENCY_MAX << 48)) | (uint64_t)frequency << 48;
}

/* Number of the bucket of a hash when there are `bucket_count` > 0 buckets. */
static inline uint32_t index_bucket_of(uint32_t bucket_count, uint64_t hash) {
    uint32_t mask = UINT32_MAX >> __builtin_clz(bucket_count);
    uint32_t bucket = (uint32_t)hash & mask;
    return bucket < bucket_count ? bucket : bucket & (mask >> 1);
}

static inline index_word *index_bucket(const struct index *index, uint32_t bucket) {
    uint32_t page = bucket / BUCKETS_PER_PAGE;
    unsigned level = page == 0 ? 0 : 32 - (unsigned)__builtin_clz(page);
    index_word **pages = atomic_load_explicit(&index->levels[level], memory_order_acquire);
    uint32_t first = level == 0 ? 0 : 1u << (level - 1);
    return pages[page - first] + (size_t)(bucket % BUCKETS_PER_PAGE) * BUCKET_WORDS;
}

/* The link of a bucket, NULL when it is the last. */
static inline index_word *index_next(uint64_t last_word) {
    return (last_word & INDEX_TAG_MASK) != 0 ? NULL : (index_word *)(uintptr_t)last_word;
}

/* ---- without the lock: hints for prefetching, by any thread at any time ---- */

/* The first bucket that a hash leads to; NULL when the index is empty. */
const index_word *index_hint_bucket(const struct index *index, uint64_t hash);
/* An address that probably holds the record of the hash, for prefetching only; NULL for none.
 * Follows links, which always lead to index pages. */
const void *index_hint_record(const index_word *bucket, uint64_t hash);

/* ---- under the partition's lock ---- */

/* Make the next `count` inserts infallible. Errors: LARDER_NO_MEMORY. */
enum larder_status index_reserve(struct index *index, const struct allocator *allocator,
                                 struct reserve *reserve, size_t count) LARDER_NODISCARD;
/* Put an entry in; there is none for the same key. Room was reserved. Returns its word. The chain
 * stays dense: a word of 0 ends it. */
index_word *index_insert(struct index *index, uint64_t hash, uint64_t address, unsigned frequency);
/* Take out the word, found for this hash. Never fails, never moves to another bucket chain. */
void index_remove(struct index *index, uint64_t hash, index_word *word);
/* The word that holds exactly this address, NULL if none does. */
index_word *index_word_of(const struct index *index, uint64_t hash, uint64_t address);

/* Split or merge a bucket if the load asks for it. At most one step; call after an insert or a
 * remove. A step that finds no page is left for later. An index without entries gives its overflow
 * pages back. */
void index_balance(struct index *index, const struct allocator *allocator, struct reserve *reserve,
                   index_hash_of hash_of, const void *context);

/* Forget all entries: pages go to the reserve, the directory stays (hints may be reading it). */
void index_clear(struct index *index, struct reserve *reserve);
/* Free the directory: no thread uses the index any more. The pages are the pool's. */
void index_finish(struct index *index, const struct allocator *allocator);

#endif
