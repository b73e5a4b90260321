/* SPDX-License-Identifier: BSD-3-Clause */
/* Cursors over little-endian bytes for the codecs of this folder. A writer trusts its room; a
 * reader that meets the end gives zeros and remembers that it failed. */
#ifndef LARDER_RAFT_BYTES_H
#define LARDER_RAFT_BYTES_H

#include "raft/types.h"

struct byte_writer {
    uint8_t *at;
};

static inline struct byte_writer byte_writer_of(uint8_t *out) {
    return (struct byte_writer){out};
}

static inline void write_unsigned(struct byte_writer *w, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        *w->at++ = (uint8_t)(value >> 8 * i);
}

static inline void write_id(struct byte_writer *w, struct raft_id id) {
    write_unsigned(w, id.words[0], 8);
    write_unsigned(w, id.words[1], 8);
}

static inline void write_bytes(struct byte_writer *w, struct slice bytes) {
    if (bytes.size > 0)
        memcpy(w->at, bytes.data, bytes.size);
    w->at += bytes.size;
}

struct byte_reader {
    const uint8_t *at;
    size_t left;
    bool is_failed;
};

static inline struct byte_reader byte_reader_of(struct slice bytes) {
    return (struct byte_reader){.at = bytes.data, .left = bytes.size};
}

static inline struct slice read_bytes(struct byte_reader *r, size_t size) {
    if (r->left < size) {
        r->is_failed = true;
        r->left = 0;
        return slice_of(NULL, 0);
    }
    struct slice bytes = slice_of(r->at, size);
    r->at += size;
    r->left -= size;
    return bytes;
}

static inline uint64_t read_unsigned(struct byte_reader *r, size_t size) {
    struct slice bytes = read_bytes(r, size);
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.size; i++)
        value |= (uint64_t)bytes.data[i] << 8 * i;
    return value;
}

static inline struct raft_id read_id(struct byte_reader *r) {
    uint64_t first = read_unsigned(r, 8);
    return (struct raft_id){{first, read_unsigned(r, 8)}};
}

/* A byte that must be 0 or 1. */
static inline bool read_flag(struct byte_reader *r) {
    uint64_t value = read_unsigned(r, 1);
    if (value > 1)
        r->is_failed = true;
    return value == 1;
}

#endif
