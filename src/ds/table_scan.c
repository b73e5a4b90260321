/* SPDX-License-Identifier: BSD-3-Clause */
/* Going through a table. With L low bits of the hash deciding a bucket, its interval in the order
 * of reversed hashes is 2^(64-L) wide and starts at the reversed bucket number. Splits and merges
 * cut and join intervals but never move an element in that order, so a position keeps its meaning
 * while the table changes. */
#include "ds/table_chain.h"

enum { POSITION_SHIFT = 64 - TABLE_POSITION_BITS };

static uint64_t reverse_bits(uint64_t x) {
    x = (x >> 1 & 0x5555555555555555u) | (x & 0x5555555555555555u) << 1;
    x = (x >> 2 & 0x3333333333333333u) | (x & 0x3333333333333333u) << 2;
    x = (x >> 4 & 0x0f0f0f0f0f0f0f0fu) | (x & 0x0f0f0f0f0f0f0f0fu) << 4;
    return __builtin_bswap64(x);
}

static void prefetch_elements(const uint64_t *bucket) {
    for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++)
        if (is_element(bucket[i]))
            __builtin_prefetch(table_element(bucket[i]));
}

void *table_next(const struct table *table, struct table_walk *walk) {
    for (;;) {
        if (walk->bucket == NULL) {
            if (walk->number >= table->bucket_count)
                return NULL;
            walk->bucket = bucket_at(table, walk->number++);
            walk->place = 0;
            if (walk->number < table->bucket_count)
                prefetch_elements(bucket_at(table, walk->number));
        }
        while (walk->place < TABLE_BUCKET_WORDS) {
            uint64_t word = walk->bucket[walk->place++];
            if (is_element(word))
                return table_element(word);
        }
        walk->bucket = bucket_next(walk->bucket);
        walk->place = 0;
    }
}

/* How many low bits of a hash decide that it belongs to the bucket. */
static unsigned bucket_bits(uint32_t count, uint32_t bucket) {
    unsigned bits = 32 - (unsigned)__builtin_clz(count);
    uint32_t half = 1u << (bits - 1);
    bool has_split = bucket >= half || bucket + half < count;
    return has_split ? bits : bits - 1;
}

uint64_t table_scan(const struct table *table, const struct object_context *objects,
                    uint64_t position, table_visitor visitor, void *context) {
    uint32_t count = table->bucket_count;
    if (count == 0)
        return 0;
    uint32_t number = bucket_number(count, reverse_bits(position << POSITION_SHIFT));
    const uint64_t *bucket = bucket_at(table, number);
    for (; bucket != NULL; bucket = bucket_next(bucket)) {
        prefetch_elements(bucket);
        for (size_t i = 0; i < TABLE_BUCKET_WORDS; i++) {
            if (!is_element(bucket[i]))
                continue;
            uint64_t hash = element_hash(table, objects, bucket[i]);
            if (reverse_bits(hash) >> POSITION_SHIFT >= position)
                visitor(context, table_element(bucket[i]));
        }
    }
    unsigned bits = bucket_bits(count, number);
    if (bits == 0)
        return 0;
    uint64_t end = reverse_bits(number) + ((uint64_t)1 << (64 - bits)); /* 0 after the last */
    return end >> POSITION_SHIFT;
}

/* Every place of every chain is drawn with the same probability, chains counting as `longest` long;
 * a draw of a place that holds nothing is thrown away. */
void *table_random(const struct table *table, struct random *random, uint64_t **out_word) {
    if (table->count == 0)
        return NULL;
    for (;;) {
        uint64_t *bucket = bucket_at(table, (uint32_t)random_below(random, table->bucket_count));
        size_t place = (size_t)random_below(random, table->longest);
        while (bucket != NULL) {
            uint64_t *next = bucket_next(bucket);
            size_t room = next == NULL ? TABLE_BUCKET_WORDS : TABLE_BUCKET_WORDS - 1;
            if (place < room)
                break;
            place -= room;
            bucket = next;
        }
        if (bucket == NULL || !is_element(bucket[place]))
            continue;
        if (out_word != NULL)
            *out_word = &bucket[place];
        return table_element(bucket[place]);
    }
}
