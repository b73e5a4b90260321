/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the buckets of a table lie and what their words say. Private to table.c and table_scan.c;
 * the picture is in table.h. */
#ifndef LARDER_DS_TABLE_CHAIN_H
#define LARDER_DS_TABLE_CHAIN_H

#include "ds/table.h"

static const uint64_t TABLE_TAG_MASK = ~TABLE_ADDRESS_MASK;

static inline uint64_t tag_of(uint64_t hash) {
    uint64_t tag = hash >> 48;
    return (tag != 0 ? tag : 1) << 48;
}

static inline bool is_element(uint64_t word) {
    return (word & TABLE_TAG_MASK) != 0;
}

/* The bucket that follows in the chain, NULL when this is the last. */
static inline uint64_t *bucket_next(const uint64_t *bucket) {
    uint64_t last = bucket[TABLE_BUCKET_WORDS - 1];
    return is_element(last) ? NULL : (uint64_t *)(uintptr_t)last;
}

/* Number of the bucket of a hash when there are `bucket_count` > 0 buckets. */
static inline uint32_t bucket_number(uint32_t bucket_count, uint64_t hash) {
    uint32_t mask = UINT32_MAX >> __builtin_clz(bucket_count);
    uint32_t number = (uint32_t)hash & mask;
    return number < bucket_count ? number : number & (mask >> 1);
}

static inline uint64_t *bucket_at(const struct table *table, uint32_t number) {
    uint32_t page = number / TABLE_PAGE_BUCKETS;
    return table->root[page / TABLE_BLOCK_PAGES][page % TABLE_BLOCK_PAGES] +
           (size_t)(number % TABLE_PAGE_BUCKETS) * TABLE_BUCKET_WORDS;
}

static inline uint64_t *bucket_of(const struct table *table, uint64_t hash) {
    return bucket_at(table, bucket_number(table->bucket_count, hash));
}

static inline uint64_t element_hash(const struct table *table, const struct object_context *objects,
                                    uint64_t word) {
    return table_hash(objects, table->key_of(table_element(word)));
}

#endif
