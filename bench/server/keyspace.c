/* SPDX-License-Identifier: BSD-3-Clause */
/* Digits are written two at a time from a table. A value is one mixed word multiplied by a
 * different odd constant per eight bytes, each byte folded into one of 16 letters: cheap to make,
 * cheap to compare, and different for neighbouring keys in every word. */
#include "keyspace.h"

#include <stdlib.h>
#include <string.h>

enum { RING_COUNT = 1 << 20 };

static const char DIGIT_PAIRS[] =
    "00010203040506070809101112131415161718192021222324252627282930313233"
    "34353637383940414243444546474849505152535455565758596061626364656667"
    "6869707172737475767778798081828384858687888990919293949596979899";

bool keyspace_init(struct keyspace *k, uint64_t count, const char *prefix, size_t key_size,
                   size_t value_size) {
    *k = (struct keyspace){
        .count = count, .prefix = prefix, .key_size = key_size, .value_size = value_size};
    for (uint64_t rest = count > 0 ? count - 1 : 0; rest > 0; rest /= 100)
        k->digit_count += 2;
    if (k->digit_count == 0)
        k->digit_count = 2;
    return count > 0 && key_size <= KEY_SIZE_MAX && value_size <= VALUE_SIZE_MAX &&
           strlen(prefix) + k->digit_count <= key_size;
}

void key_rewrite(const struct keyspace *k, uint64_t number, char *key) {
    char *out = key + k->key_size;
    char *first = out - k->digit_count;
    while (out > first) {
        out -= 2;
        memcpy(out, DIGIT_PAIRS + number % 100 * 2, 2);
        number /= 100;
    }
}

void key_write(const struct keyspace *k, uint64_t number, char *out) {
    size_t prefix = strlen(k->prefix);
    memcpy(out, k->prefix, prefix);
    memset(out + prefix, '0', k->key_size - prefix);
    key_rewrite(k, number, out);
}

static uint64_t value_word(uint64_t mixed, size_t offset) {
    uint64_t word = mixed * (2 * (uint64_t)offset + 1);
    word ^= word >> 32;
    return (word & UINT64_C(0x0f0f0f0f0f0f0f0f)) + UINT64_C(0x4141414141414141);
}

void value_write(const struct keyspace *k, uint64_t number, char *out) {
    uint64_t mixed = random_mix(number + 1);
    for (size_t at = 0; at < k->value_size; at += 8) {
        uint64_t word = value_word(mixed, at);
        size_t size = k->value_size - at < 8 ? k->value_size - at : 8;
        memcpy(out + at, &word, size);
    }
}

bool value_equals(const struct keyspace *k, uint64_t number, const char *bytes, size_t length) {
    if (length != k->value_size)
        return false;
    uint64_t mixed = random_mix(number + 1);
    size_t at = 0;
    for (; at + 8 <= length; at += 8) {
        uint64_t word = value_word(mixed, at);
        uint64_t seen;
        memcpy(&seen, bytes + at, 8);
        if (seen != word)
            return false;
    }
    uint64_t word = value_word(mixed, at);
    return at == length || memcmp(&word, bytes + at, length - at) == 0;
}

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void ring_fill(struct key_sequence *s, double exponent) {
    struct zipf zipf;
    zipf_init(&zipf, s->count, exponent);
    uint64_t stride = (uint64_t)((double)s->count * 0.6180339887498949) | 1;
    while (common_divisor(stride, s->count) != 1)
        stride += 2;
    for (size_t i = 0; i < RING_COUNT; i++)
        s->ring[i] =
            (uint32_t)((unsigned __int128)zipf_next(&zipf, &s->random) * stride % s->count);
}

bool key_sequence_init(struct key_sequence *s, enum distribution distribution, double exponent,
                       uint64_t count, uint64_t seed) {
    *s = (struct key_sequence){
        .distribution = distribution, .count = count, .random = {.state = seed}};
    if (distribution != DISTRIBUTION_ZIPF)
        return true;
    if (count > UINT32_MAX)
        return false;
    s->ring = malloc(RING_COUNT * sizeof(*s->ring));
    if (s->ring == NULL)
        return false;
    ring_fill(s, exponent);
    return true;
}

void key_sequence_finish(struct key_sequence *s) {
    free(s->ring);
    s->ring = NULL;
}

uint64_t key_sequence_next(struct key_sequence *s) {
    switch (s->distribution) {
    case DISTRIBUTION_UNIFORM: return random_below(&s->random, s->count);
    case DISTRIBUTION_ZIPF: return s->ring[s->position++ % RING_COUNT];
    case DISTRIBUTION_SEQUENTIAL: break;
    }
    uint64_t number = s->position++;
    if (s->position == s->count)
        s->position = 0;
    return number;
}
