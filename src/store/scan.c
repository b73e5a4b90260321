/* SPDX-License-Identifier: BSD-3-Clause */
/* With L bits of the hash deciding a bucket, its interval in reversed order is 2^(64-L) wide and
 * starts at the reversed bucket number. Splitting and merging buckets cuts and joins intervals but
 * never moves an entry in that order, so a position keeps its meaning while the table changes. */
#include "store/scan.h"

#include "store/expiry.h"
#include "store/partition_state.h"

static uint64_t reverse_bits(uint64_t x) {
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(x);
}

static uint32_t bucket_count(const struct partition *p) {
    return atomic_load_explicit(&p->index.bucket_count, memory_order_relaxed);
}

/* How many low bits of a hash decide that it belongs to the bucket. */
static unsigned bucket_bits(uint32_t count, uint32_t bucket) {
    unsigned bits = 32 - (unsigned)__builtin_clz(count);
    uint32_t half = 1u << (bits - 1);
    bool has_split = bucket >= half || bucket + half < count;
    return has_split ? bits : bits - 1;
}

static void prefetch_records(const index_word *bucket) {
    for (size_t i = 0; i < BUCKET_WORDS; i++) {
        uint64_t word = index_load(&bucket[i]);
        if ((word & INDEX_TAG_MASK) != 0)
            __builtin_prefetch(index_record(word));
    }
}

/* Visit the entries of a chain whose place in the order is not before `position`. */
static void visit_chain(struct partition *p, const struct keyspace *keyspace, uint32_t number,
                        uint64_t position, entry_visitor visitor, void *context) {
    const uint64_t counted = ~(uint64_t)0 << (64 - SCAN_POSITION_BITS);
    index_word *bucket = index_bucket(&p->index, number);
    while (bucket != NULL) {
        prefetch_records(bucket);
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            uint64_t word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) == 0)
                continue;
            uint64_t hash = partition_hash_at(keyspace, word & INDEX_ADDRESS_MASK);
            if ((reverse_bits(hash) & counted) < position)
                continue;
            struct entry entry;
            partition_decode(index_record(word), &bucket[i], hash, &entry);
            visitor(context, &entry);
        }
        bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
    }
}

void partition_scan(struct partition *p, const struct keyspace *keyspace, uint64_t position,
                    entry_visitor visitor, void *context, uint64_t *out_position) {
    *out_position = 0;
    uint32_t count = bucket_count(p);
    if (count == 0)
        return;
    uint32_t bucket = index_bucket_of(count, reverse_bits(position));
    visit_chain(p, keyspace, bucket, position, visitor, context);
    unsigned bits = bucket_bits(count, bucket);
    if (bits > 0)
        *out_position = reverse_bits(bucket) + ((uint64_t)1 << (64 - bits)); /* 0 after the last */
}

void partition_visit(struct partition *p, const struct keyspace *keyspace, entry_visitor visitor,
                     void *context) {
    uint32_t count = bucket_count(p);
    for (uint32_t bucket = 0; bucket < count; bucket++) {
        if (bucket + 1 < count)
            __builtin_prefetch((const void *)index_bucket(&p->index, bucket + 1));
        visit_chain(p, keyspace, bucket, 0, visitor, context);
    }
}

/* ---- at random ---- */

static size_t chain_length(const index_word *bucket) {
    size_t count = 0;
    for (; bucket != NULL; bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1])))
        for (size_t i = 0; i < BUCKET_WORDS; i++)
            count += (index_load(&bucket[i]) & INDEX_TAG_MASK) != 0;
    return count;
}

/* Entry number n of a chain; chains are dense. */
static index_word *chain_at(index_word *bucket, size_t n) {
    for (;;) {
        index_word *next = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
        size_t room = next == NULL ? BUCKET_WORDS : BUCKET_WORDS - 1;
        if (n < room)
            return &bucket[n];
        n -= room;
        bucket = next;
    }
}

static bool take(const struct keyspace *keyspace, index_word *word, uint32_t collection,
                 int64_t now_ms, struct entry *out) {
    uint64_t address = index_load(word) & INDEX_ADDRESS_MASK;
    partition_decode((uint8_t *)(uintptr_t)address, word, partition_hash_at(keyspace, address),
                     out);
    return out->collection == collection && !expiry_has_passed(out->expiry_ms, now_ms);
}

/* Every place of a chain is drawn with the same probability as those of any other: chains count as
 * CHAIN_PLACES long, and a draw of an empty place is thrown away. */
bool partition_random(struct partition *p, const struct keyspace *keyspace, uint32_t collection,
                      int64_t now_ms, struct random *random, struct entry *out) {
    enum { CHAIN_PLACES = 24, TRIES = 400 };
    uint32_t count = bucket_count(p);
    if (partition_count(p, collection).keys == 0)
        return false;
    for (unsigned i = 0; i < TRIES; i++) {
        index_word *bucket = index_bucket(&p->index, (uint32_t)random_below(random, count));
        size_t length = chain_length(bucket);
        size_t place = random_below(random, length > CHAIN_PLACES ? length : CHAIN_PLACES);
        if (place < length && take(keyspace, chain_at(bucket, place), collection, now_ms, out))
            return true;
    }
    uint32_t first = (uint32_t)random_below(random, count);
    for (uint32_t i = 0; i < count; i++) {
        index_word *bucket = index_bucket(&p->index, (first + i) % count);
        size_t length = chain_length(bucket);
        size_t begin = length == 0 ? 0 : random_below(random, length);
        for (size_t j = 0; j < length; j++)
            if (take(keyspace, chain_at(bucket, (begin + j) % length), collection, now_ms, out))
                return true;
    }
    return false;
}
