/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyed 64-bit hash of short byte strings by folded 64x64->128 bit multiplication (the idea of
 * wyhash and of umash's short-input path). Two secret words drawn at start keep a client from
 * choosing keys that collide. Not cryptographic: never store it, never show it.
 * CRC16 as Redis Cluster defines key slots (XMODEM: polynomial 0x1021, initial value 0). */
#ifndef LARDER_BASE_HASH_H
#define LARDER_BASE_HASH_H

#include "base/slice.h"

struct hash_seed {
    uint64_t words[2]; /* secret, random per node */
};

static inline uint64_t hash_fold(uint64_t a, uint64_t b) {
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_load8(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t hash_load4(const uint8_t *at) {
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

/* Hash of `text` in the name space `space` (a collection id). Any thread. */
static inline uint64_t hash_key(const struct hash_seed *seed, struct slice text, uint64_t space) {
    const uint8_t *at = text.data;
    size_t left = text.size;
    uint64_t state = seed->words[0] ^ space * 0x9e3779b97f4a7c15u;
    while (left > 16) {
        state = hash_fold(hash_load8(at) ^ seed->words[1], hash_load8(at + 8) ^ state);
        at += 16;
        left -= 16;
    }
    uint64_t first = 0, last = 0;
    if (left >= 8) {
        first = hash_load8(at);
        last = hash_load8(at + left - 8);
    } else if (left >= 4) {
        first = hash_load4(at);
        last = hash_load4(at + left - 4);
    } else if (left > 0) {
        first = (uint64_t)at[0] << 16 | (uint64_t)at[left / 2] << 8 | at[left - 1];
    }
    state = hash_fold(first ^ seed->words[1], last ^ state);
    return hash_fold(state ^ seed->words[0], (uint64_t)text.size ^ 0xd6e8feb86659fd93u);
}

enum { SLOT_COUNT = 16384 };

/* CRC16/XMODEM of the bytes. Any thread. */
uint16_t crc16(struct slice bytes);

/* The part of a key that decides its slot: what stands between the first '{' and the next '}' if
 * that is not empty, else the whole key. */
static inline struct slice key_hash_tag(struct slice key) {
    const uint8_t *open = key.size == 0 ? NULL : memchr(key.data, '{', key.size);
    if (open == NULL)
        return key;
    size_t rest = key.size - (size_t)(open + 1 - key.data);
    const uint8_t *close = rest == 0 ? NULL : memchr(open + 1, '}', rest);
    if (close == NULL || close == open + 1)
        return key;
    return slice_of(open + 1, (size_t)(close - open - 1));
}

/* The Redis Cluster slot of a key, 0 to 16383. Any thread. */
static inline uint16_t key_slot(struct slice key) {
    return crc16(key_hash_tag(key)) & (SLOT_COUNT - 1);
}

#endif
