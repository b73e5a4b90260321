/* SPDX-License-Identifier: BSD-3-Clause */
/* FIPS 180-4, section 6.1: blocks of 64 bytes, the last ones padded with a 1 bit and the length. */
#include "base/sha1.h"

enum { BLOCK_BYTES = 64 };

static uint32_t rotate(uint32_t x, unsigned bits) {
    return x << bits | x >> (32 - bits);
}

static void add_block(uint32_t state[5], const uint8_t *block) {
    uint32_t w[80];
    for (unsigned t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (unsigned t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (t < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (t < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

void sha1(struct slice text, uint8_t out[SHA1_BYTES]) {
    uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t whole = text.size / BLOCK_BYTES * BLOCK_BYTES, left = text.size - whole;
    for (size_t at = 0; at < whole; at += BLOCK_BYTES)
        add_block(state, text.data + at);
    uint8_t tail[2 * BLOCK_BYTES] = {0};
    if (left > 0)
        memcpy(tail, text.data + whole, left);
    tail[left] = 0x80;
    size_t end = left + 9 <= BLOCK_BYTES ? BLOCK_BYTES : sizeof(tail);
    uint64_t bits = (uint64_t)text.size * 8;
    for (unsigned i = 0; i < 8; i++)
        tail[end - 1 - i] = (uint8_t)(bits >> 8 * i);
    for (size_t at = 0; at < end; at += BLOCK_BYTES)
        add_block(state, tail + at);
    for (unsigned i = 0; i < SHA1_BYTES; i++)
        out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

void sha1_hex(struct slice text, char out[SHA1_HEX_BYTES + 1]) {
    static const char DIGITS[] = "0123456789abcdef";
    uint8_t bytes[SHA1_BYTES];
    sha1(text, bytes);
    for (unsigned i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = DIGITS[bytes[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    out[SHA1_HEX_BYTES] = '\0';
}
