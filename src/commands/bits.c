/* SPDX-License-Identifier: BSD-3-Clause */
/* Loops over words of 8 bytes, written so that the compiler turns them into vector code of the
 * baseline instruction set. Counting adds up pairs, nibbles and bytes inside a word and lets up to
 * 31 words accumulate in bytes (31 * 8 = 248 fits) before it sums them. */
#include "commands/bits.h"

enum { WORD_BYTES = 8, ACCUMULATED_WORDS = 31 };

static uint64_t load_word(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static void store_word(uint8_t *at, uint64_t word) {
    memcpy(at, &word, sizeof(word));
}

/* Number of 1 bits in each byte of the word. */
static uint64_t count_in_bytes(uint64_t word) {
    word -= word >> 1 & 0x5555555555555555u;
    word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
    return (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
}

static uint64_t sum_of_bytes(uint64_t word) {
    uint64_t pairs = (word & 0x00ff00ff00ff00ffu) + (word >> 8 & 0x00ff00ff00ff00ffu);
    return pairs * 0x0001000100010001u >> 48;
}

uint64_t bits_count(struct slice bytes) {
    uint64_t count = 0;
    size_t at = 0;
    while (bytes.size - at >= WORD_BYTES) {
        size_t words = (bytes.size - at) / WORD_BYTES;
        if (words > ACCUMULATED_WORDS)
            words = ACCUMULATED_WORDS;
        uint64_t sums = 0;
        for (size_t i = 0; i < words; i++)
            sums += count_in_bytes(load_word(bytes.data + at + i * WORD_BYTES));
        count += sum_of_bytes(sums);
        at += words * WORD_BYTES;
    }
    for (; at < bytes.size; at++)
        count += sum_of_bytes(count_in_bytes(bytes.data[at]));
    return count;
}

uint64_t bits_count_range(struct slice bytes, uint64_t first, uint64_t last) {
    size_t first_byte = (size_t)(first >> 3), last_byte = (size_t)(last >> 3);
    struct slice whole = slice_of(bytes.data + first_byte, last_byte - first_byte + 1);
    uint64_t count = bits_count(whole);
    uint8_t before = (uint8_t)(bytes.data[first_byte] & ~(0xff >> (first & 7)));
    uint8_t after = (uint8_t)(bytes.data[last_byte] & (0x7f >> (last & 7)));
    count -= sum_of_bytes(count_in_bytes(before));
    return count - sum_of_bytes(count_in_bytes(after));
}

int64_t bits_find(struct slice bytes, unsigned value, uint64_t first, uint64_t last) {
    uint8_t skipped = value != 0 ? 0x00 : 0xff; /* a byte without the wanted bit */
    uint64_t skipped_word = value != 0 ? 0 : UINT64_MAX;
    uint64_t bit = first;
    while (bit <= last) {
        size_t byte = (size_t)(bit >> 3);
        if ((bit & 7) == 0) {
            size_t end = (size_t)(last >> 3);
            while (byte + WORD_BYTES <= end && load_word(bytes.data + byte) == skipped_word)
                byte += WORD_BYTES;
            while (byte < end && bytes.data[byte] == skipped)
                byte++;
            bit = (uint64_t)byte << 3;
        }
        uint64_t byte_end = bit | 7;
        for (; bit <= byte_end && bit <= last; bit++)
            if (bits_get(bytes, bit) == value)
                return (int64_t)bit;
    }
    return -1;
}

/* A field of 64 bits touches at most 9 bytes. */
enum { FIELD_BYTES = 9 };
__extension__ typedef unsigned __int128 wide;

static wide gather(const uint8_t *data, size_t size, size_t byte) {
    wide gathered = 0;
    for (size_t i = 0; i < FIELD_BYTES; i++)
        gathered = gathered << 8 | (i < size && byte < size - i ? data[byte + i] : 0);
    return gathered;
}

static uint64_t field_mask(unsigned width) {
    return UINT64_MAX >> (BIT_FIELD_MAX - width);
}

uint64_t bits_load(struct slice bytes, uint64_t bit, unsigned width) {
    unsigned shift = FIELD_BYTES * 8 - (unsigned)(bit & 7) - width;
    wide gathered = gather(bytes.data, bytes.size, (size_t)(bit >> 3));
    return (uint64_t)(gathered >> shift) & field_mask(width);
}

void bits_store(uint8_t *data, uint64_t bit, unsigned width, uint64_t value) {
    unsigned shift = FIELD_BYTES * 8 - (unsigned)(bit & 7) - width;
    size_t byte = (size_t)(bit >> 3);
    size_t touched = ((bit & 7) + width + 7) / 8;
    wide mask = (wide)field_mask(width) << shift;
    wide field = (wide)value << shift & mask;
    for (size_t i = 0; i < touched; i++) {
        unsigned down = (unsigned)(FIELD_BYTES - 1 - i) * 8;
        uint8_t keep = (uint8_t)(data[byte + i] & ~(uint8_t)(mask >> down));
        data[byte + i] = (uint8_t)(keep | (uint8_t)(field >> down));
    }
}

static uint64_t combined(uint64_t a, uint64_t b, enum bits_operation op) {
    switch (op) {
    case BITS_AND: return a & b;
    case BITS_OR: return a | b;
    case BITS_XOR: break;
    }
    return a ^ b;
}

void bits_combine(uint8_t *target, const uint8_t *other, size_t size, enum bits_operation op) {
    size_t at = 0;
    for (; size - at >= WORD_BYTES; at += WORD_BYTES)
        store_word(target + at, combined(load_word(target + at), load_word(other + at), op));
    for (; at < size; at++)
        target[at] = (uint8_t)combined(target[at], other[at], op);
}

void bits_invert(uint8_t *target, size_t size) {
    size_t at = 0;
    for (; size - at >= WORD_BYTES; at += WORD_BYTES)
        store_word(target + at, ~load_word(target + at));
    for (; at < size; at++)
        target[at] = (uint8_t)~target[at];
}
