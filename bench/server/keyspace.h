/* SPDX-License-Identifier: BSD-3-Clause */
/* The keys and values of a load: both are functions of a key's number, so any reply can be checked
 * without remembering what was stored.
 *
 *   key    prefix, then the number in decimal, padded with zeros to key_size
 *   value  value_size letters 'A'..'P' derived from the number
 *
 * Immutable after init; a sequence belongs to one thread. */
#ifndef LARDER_BENCH_KEYSPACE_H
#define LARDER_BENCH_KEYSPACE_H

#include "random_source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEY_SIZE_MAX = 512, VALUE_SIZE_MAX = 1024 * 1024 };

struct keyspace {
    uint64_t count; /* keys are numbered 0 .. count-1 */
    const char *prefix;
    size_t key_size;
    size_t value_size;
    size_t digit_count; /* that vary, an even number; those before them are always '0' */
};

/* Borrows `prefix`. Returns false when the numbers don't fit behind the prefix into key_size. */
bool keyspace_init(struct keyspace *k, uint64_t count, const char *prefix, size_t key_size,
                   size_t value_size);

/* Write the whole key. `out` has key_size bytes. */
void key_write(const struct keyspace *k, uint64_t number, char *out);

/* Write only the digits that vary, at the end of a key that key_write has written before. */
void key_rewrite(const struct keyspace *k, uint64_t number, char *key);

void value_write(const struct keyspace *k, uint64_t number, char *out);
bool value_equals(const struct keyspace *k, uint64_t number, const char *bytes, size_t length);

enum distribution { DISTRIBUTION_UNIFORM, DISTRIBUTION_ZIPF, DISTRIBUTION_SEQUENTIAL };

/* Key numbers in the order they are asked for. Zipf draws are prepared in a ring of a million,
 * ranks scattered over the key numbers, so that a draw costs one sequential memory read. */
struct key_sequence {
    enum distribution distribution;
    uint64_t count;
    uint64_t position;
    struct random_source random;
    uint32_t *ring; /* owned, Zipf only */
};

/* Errors: false when memory is short or a Zipf keyspace has more than 2^32 keys. */
bool key_sequence_init(struct key_sequence *s, enum distribution distribution, double exponent,
                       uint64_t count, uint64_t seed);
void key_sequence_finish(struct key_sequence *s);
uint64_t key_sequence_next(struct key_sequence *s);

#endif
