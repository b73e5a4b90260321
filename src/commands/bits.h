/* SPDX-License-Identifier: BSD-3-Clause */
/* Bits of a byte string, numbered as the bit commands number them: bit 0 is the highest bit of
 * byte 0. Pure, any thread. Private to src/commands.
 *
 *   byte      0                 1
 *   bit       0 1 2 3 4 5 6 7   8 9 ...
 *   weight  128 64 ...      1 128
 */
#ifndef LARDER_COMMANDS_BITS_H
#define LARDER_COMMANDS_BITS_H

#include "base/slice.h"

enum { BIT_FIELD_MAX = 64 }; /* bits */

/* The bit; 0 behind the end. */
static inline unsigned bits_get(struct slice bytes, uint64_t bit) {
    uint64_t byte = bit >> 3;
    return byte < bytes.size ? bytes.data[byte] >> (7 - (bit & 7)) & 1u : 0;
}

/* Set a bit inside `data`. */
static inline void bits_set(uint8_t *data, uint64_t bit, unsigned value) {
    uint8_t mask = (uint8_t)(0x80 >> (bit & 7));
    uint8_t *byte = &data[bit >> 3];
    *byte = (uint8_t)(value != 0 ? *byte | mask : *byte & ~mask);
}

/* How many bits are 1. */
uint64_t bits_count(struct slice bytes);
/* The same from bit `first` to bit `last`, both included and inside. */
uint64_t bits_count_range(struct slice bytes, uint64_t first, uint64_t last);

/* The first bit with this value from bit `first` to bit `last`, both included and inside; -1 when
 * there is none. */
int64_t bits_find(struct slice bytes, unsigned value, uint64_t first, uint64_t last);

/* The unsigned integer of `width` bits (1 to 64) at `bit`; bytes behind the end count as 0. */
uint64_t bits_load(struct slice bytes, uint64_t bit, unsigned width);
/* Store the low `width` bits of `value`. All of the field lies inside `data`. */
void bits_store(uint8_t *data, uint64_t bit, unsigned width, uint64_t value);

enum bits_operation { BITS_AND, BITS_OR, BITS_XOR };

/* target[i] = target[i] op other[i]. */
void bits_combine(uint8_t *target, const uint8_t *other, size_t size, enum bits_operation op);
void bits_invert(uint8_t *target, size_t size);

#endif
