/* SPDX-License-Identifier: BSD-3-Clause */
/* How many different elements a set has, estimated from 16384 registers (Flajolet et al. 2007): the
 * hash of an element chooses a register by its low 14 bits, and the register keeps the largest
 * position of the lowest set bit among the others. It is held as a string in the format of Redis,
 * so that GET and SET carry it between servers:
 *
 *   "HYLL" | encoding 1 | unused 3 | cached count 8, little-endian, top bit: not valid | registers
 *
 *   dense (0)   16384 registers of 6 bits, low bits first: 12304 bytes in all
 *   sparse (1)  runs, in order of the registers:
 *               00xxxxxx           x+1 registers of 0
 *               01xxxxxx yyyyyyyy  xy+1 registers of 0
 *               1vvvvvxx           x+1 registers of v+1
 *
 * The bytes come from clients: nothing here reads or writes outside of them, whatever they hold.
 * Pure; any thread on its own bytes. */
#ifndef LARDER_DS_HYPERLOGLOG_H
#define LARDER_DS_HYPERLOGLOG_H

#include "base/blob.h"
#include "base/slice.h"
#include "base/status.h"

enum {
    HYPERLOGLOG_REGISTERS = 1 << 14,
    HYPERLOGLOG_HEADER_BYTES = 16,
    HYPERLOGLOG_DENSE_BYTES = HYPERLOGLOG_HEADER_BYTES + HYPERLOGLOG_REGISTERS * 6 / 8,
    HYPERLOGLOG_EMPTY_BYTES = HYPERLOGLOG_HEADER_BYTES + 2,
    HYPERLOGLOG_COUNT_AT = 8, /* of the cached count */
    HYPERLOGLOG_COUNT_BYTES = 8,
};

/* What an element asks of a register. */
struct hyperloglog_mark {
    uint16_t index; /* of the register */
    uint8_t value;  /* it is to be at least that, 1 to 51 */
};
struct hyperloglog_mark hyperloglog_mark(struct slice element);

/* Whether the bytes have the header and, if dense, the size of one. */
bool hyperloglog_is_valid(struct slice bytes);
/* From here on the bytes are valid in that sense. */
static inline bool hyperloglog_is_dense(struct slice bytes) {
    return bytes.data[4] == 0;
}

/* The cached count. False when it is out of date. */
bool hyperloglog_cached(struct slice bytes, uint64_t *out_count);
void hyperloglog_cache(uint8_t *bytes, uint64_t count);
void hyperloglog_invalidate(uint8_t *bytes);

/* Write an empty sparse one, HYPERLOGLOG_EMPTY_BYTES long. */
void hyperloglog_write_empty(uint8_t *out);

/* A register of a dense one, and raising it. True when that changed it. */
uint8_t hyperloglog_dense_get(const uint8_t *bytes, unsigned index);
bool hyperloglog_dense_raise(uint8_t *bytes, struct hyperloglog_mark mark);

/* Raise a register of either; one that would be sparse above `sparse_max` bytes becomes dense. The
 * caller is the blob's only holder, which may move. Errors: LARDER_NO_MEMORY, LARDER_CORRUPT (the
 * runs do not cover the registers); the registers are as before. */
enum larder_status hyperloglog_raise(struct blob **image, struct hyperloglog_mark mark,
                                     size_t sparse_max, bool *out_changed) LARDER_NODISCARD;
/* Errors: as above. */
enum larder_status hyperloglog_make_dense(struct blob **image) LARDER_NODISCARD;

/* Raise each of the HYPERLOGLOG_REGISTERS bytes to its register. False when the runs are not what
 * they should be; some were raised then. */
bool hyperloglog_merge(struct slice bytes, uint8_t *registers);

/* Estimate (Ertl 2017, improved raw estimator). False: as above. */
bool hyperloglog_count(struct slice bytes, uint64_t *out_count);
uint64_t hyperloglog_count_registers(const uint8_t *registers);

/* A run of a sparse one. */
struct hyperloglog_run {
    uint16_t span; /* registers */
    uint8_t value; /* of each */
    uint8_t size;  /* bytes that the run takes */
    bool is_long;  /* the form of two bytes */
};
/* Read the run at *at and step behind it. False at the end, or when it is cut off. */
bool hyperloglog_next_run(struct slice bytes, size_t *at, struct hyperloglog_run *out);

#endif
