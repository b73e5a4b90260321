/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, hash and estimate. The hash is MurmurHash64A by Austin Appleby, of the eight bytes
 * read little-endian, with the seed that Redis uses; the estimate follows Otmar Ertl, "New
 * cardinality estimation algorithms for HyperLogLog sketches", section 4, in the order of
 * operations that gives the same double on every server. */
#include "ds/hyperloglog.h"

#include "ds/hyperloglog_sparse.h"

#include <math.h>

#define HASH_SEED  UINT64_C(0xadc83b19)
#define HASH_MIX   UINT64_C(0xc6a4a7935bd1e995)
#define ALPHA      0.721347520444481703680      /* 1 / (2 ln 2) */
#define COUNT_FLAG UINT64_C(0x8000000000000000) /* the cached count is out of date */

enum {
    HASH_SHIFT = 47,
    INDEX_BITS = 14,
    RANKS = 64 - INDEX_BITS, /* bits of the hash that are looked at */
    VALUES = 64,             /* that six bits can hold */
};

static const uint8_t MAGIC[4] = {'H', 'Y', 'L', 'L'};

static uint64_t load_little_endian(const uint8_t *at, size_t size) {
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

static uint64_t murmur(struct slice text) {
    uint64_t hash = HASH_SEED ^ text.size * HASH_MIX;
    const uint8_t *at = text.data;
    size_t left = text.size;
    for (; left >= 8; left -= 8, at += 8) {
        uint64_t word = load_little_endian(at, 8) * HASH_MIX;
        word = (word ^ word >> HASH_SHIFT) * HASH_MIX;
        hash = (hash ^ word) * HASH_MIX;
    }
    if (left > 0)
        hash = (hash ^ load_little_endian(at, left)) * HASH_MIX;
    hash = (hash ^ hash >> HASH_SHIFT) * HASH_MIX;
    return hash ^ hash >> HASH_SHIFT;
}

struct hyperloglog_mark hyperloglog_mark(struct slice element) {
    uint64_t hash = murmur(element);
    uint64_t rest = hash >> INDEX_BITS | UINT64_C(1) << RANKS;
    return (struct hyperloglog_mark){
        .index = (uint16_t)(hash & (HYPERLOGLOG_REGISTERS - 1)),
        .value = (uint8_t)(__builtin_ctzll(rest) + 1),
    };
}

/* ---- header ---- */

bool hyperloglog_is_valid(struct slice bytes) {
    return bytes.size >= HYPERLOGLOG_HEADER_BYTES &&
           memcmp(bytes.data, MAGIC, sizeof(MAGIC)) == 0 && bytes.data[4] <= 1 &&
           (bytes.data[4] == 1 || bytes.size == HYPERLOGLOG_DENSE_BYTES);
}

bool hyperloglog_cached(struct slice bytes, uint64_t *out_count) {
    *out_count = load_little_endian(bytes.data + HYPERLOGLOG_COUNT_AT, HYPERLOGLOG_COUNT_BYTES);
    return (*out_count & COUNT_FLAG) == 0;
}

void hyperloglog_cache(uint8_t *bytes, uint64_t count) {
    for (unsigned i = 0; i < HYPERLOGLOG_COUNT_BYTES; i++)
        bytes[HYPERLOGLOG_COUNT_AT + i] = (uint8_t)(count >> 8 * i);
}

void hyperloglog_invalidate(uint8_t *bytes) {
    bytes[HYPERLOGLOG_COUNT_AT + HYPERLOGLOG_COUNT_BYTES - 1] |= 0x80;
}

void hyperloglog_write_empty(uint8_t *out) {
    memset(out, 0, HYPERLOGLOG_HEADER_BYTES);
    memcpy(out, MAGIC, sizeof(MAGIC));
    out[4] = 1;
    out[HYPERLOGLOG_HEADER_BYTES] = 0x7f; /* one run of 16384 zeros */
    out[HYPERLOGLOG_HEADER_BYTES + 1] = 0xff;
}

/* ---- registers ---- */

/* Step to the next run of a sparse one; `index` is its first register. The runs must cover all
 * registers, no more and no fewer. */
enum step { STEP_RUN, STEP_END, STEP_CORRUPT };

static enum step next_run(struct slice bytes, size_t *at, unsigned index,
                          struct hyperloglog_run *out) {
    if (*at == bytes.size)
        return index == HYPERLOGLOG_REGISTERS ? STEP_END : STEP_CORRUPT;
    if (!hyperloglog_next_run(bytes, at, out) || index + out->span > HYPERLOGLOG_REGISTERS)
        return STEP_CORRUPT;
    return STEP_RUN;
}

uint8_t hyperloglog_dense_get(const uint8_t *bytes, unsigned index) {
    const uint8_t *at = bytes + HYPERLOGLOG_HEADER_BYTES + index / 4 * 3;
    uint32_t four = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    return (uint8_t)(four >> 6 * (index % 4) & 0x3f);
}

bool hyperloglog_dense_raise(uint8_t *bytes, struct hyperloglog_mark mark) {
    if (hyperloglog_dense_get(bytes, mark.index) >= mark.value)
        return false;
    uint8_t *at = bytes + HYPERLOGLOG_HEADER_BYTES + mark.index / 4 * 3;
    uint32_t four = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    unsigned shift = 6u * (mark.index % 4);
    four = (four & ~(0x3fu << shift)) | (uint32_t)mark.value << shift;
    at[0] = (uint8_t)four;
    at[1] = (uint8_t)(four >> 8);
    at[2] = (uint8_t)(four >> 16);
    return true;
}

bool hyperloglog_merge(struct slice bytes, uint8_t *registers) {
    if (hyperloglog_is_dense(bytes)) {
        for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++) {
            uint8_t value = hyperloglog_dense_get(bytes.data, i);
            if (value > registers[i])
                registers[i] = value;
        }
        return true;
    }
    struct hyperloglog_run run;
    size_t at = HYPERLOGLOG_HEADER_BYTES;
    unsigned index = 0;
    enum step step;
    while ((step = next_run(bytes, &at, index, &run)) == STEP_RUN) {
        for (unsigned i = index; run.value > 0 && i < index + run.span; i++)
            if (registers[i] < run.value)
                registers[i] = run.value;
        index += run.span;
    }
    return step == STEP_END;
}

enum larder_status hyperloglog_make_dense(struct blob **image) {
    struct slice bytes = blob_slice(*image);
    struct hyperloglog_run run;
    size_t at = HYPERLOGLOG_HEADER_BYTES;
    unsigned index = 0;
    if (hyperloglog_is_dense(bytes))
        return LARDER_OK;
    struct blob *dense = blob_create((*image)->allocator, HYPERLOGLOG_DENSE_BYTES);
    if (dense == NULL)
        return LARDER_NO_MEMORY;
    dense->size = HYPERLOGLOG_DENSE_BYTES;
    memcpy(dense->data, bytes.data, HYPERLOGLOG_HEADER_BYTES);
    dense->data[4] = 0;
    memset(dense->data + HYPERLOGLOG_HEADER_BYTES, 0,
           HYPERLOGLOG_DENSE_BYTES - HYPERLOGLOG_HEADER_BYTES);
    enum step step;
    while ((step = next_run(bytes, &at, index, &run)) == STEP_RUN) {
        struct hyperloglog_mark mark = {.value = run.value};
        for (unsigned i = 0; run.value > 0 && i < run.span; i++) {
            mark.index = (uint16_t)(index + i);
            (void)hyperloglog_dense_raise(dense->data, mark);
        }
        index += run.span;
    }
    if (step != STEP_END) {
        blob_release(dense);
        return LARDER_CORRUPT;
    }
    blob_release(*image);
    *image = dense;
    return LARDER_OK;
}

enum larder_status hyperloglog_raise(struct blob **image, struct hyperloglog_mark mark,
                                     size_t sparse_max, bool *out_changed) {
    *out_changed = false;
    if (!hyperloglog_is_dense(blob_slice(*image))) {
        switch (hyperloglog_sparse_raise(image, mark, sparse_max)) {
        case HYPERLOGLOG_SAME: return LARDER_OK;
        case HYPERLOGLOG_CHANGED: *out_changed = true; return LARDER_OK;
        case HYPERLOGLOG_NO_MEMORY: return LARDER_NO_MEMORY;
        case HYPERLOGLOG_CORRUPT: return LARDER_CORRUPT;
        case HYPERLOGLOG_TOO_LONG: break;
        }
        enum larder_status status = hyperloglog_make_dense(image);
        if (status != LARDER_OK)
            return status;
    }
    *out_changed = hyperloglog_dense_raise((*image)->data, mark);
    if (*out_changed)
        hyperloglog_invalidate((*image)->data);
    return LARDER_OK;
}

/* ---- estimate ---- */

static double sigma(double x) {
    if (x == 1.)
        return INFINITY;
    double before, y = 1, z = x;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

static double tau(double x) {
    if (x == 0. || x == 1.)
        return 0.;
    double before, y = 1, z = 1 - x;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= pow(1 - x, 2) * y;
    } while (before != z);
    return z / 3;
}

/* histogram[v]: registers that hold v. */
static uint64_t estimate(const uint32_t *histogram) {
    double m = HYPERLOGLOG_REGISTERS;
    double z = m * tau((m - histogram[RANKS + 1]) / m);
    for (unsigned i = RANKS; i >= 1; i--) {
        z += histogram[i];
        z *= 0.5;
    }
    z += m * sigma(histogram[0] / m);
    return (uint64_t)llroundl(ALPHA * m * m / z);
}

uint64_t hyperloglog_count_registers(const uint8_t *registers) {
    uint32_t histogram[VALUES] = {0};
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS; i++)
        histogram[registers[i] & (VALUES - 1)]++;
    return estimate(histogram);
}

static void count_dense(struct slice bytes, uint32_t *histogram) {
    const uint8_t *at = bytes.data + HYPERLOGLOG_HEADER_BYTES;
    for (unsigned i = 0; i < HYPERLOGLOG_REGISTERS / 4; i++, at += 3) {
        uint32_t four = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
        histogram[four & 0x3f]++;
        histogram[four >> 6 & 0x3f]++;
        histogram[four >> 12 & 0x3f]++;
        histogram[four >> 18]++;
    }
}

bool hyperloglog_count(struct slice bytes, uint64_t *out_count) {
    uint32_t histogram[VALUES] = {0};
    if (hyperloglog_is_dense(bytes)) {
        count_dense(bytes, histogram);
    } else {
        struct hyperloglog_run run;
        size_t at = HYPERLOGLOG_HEADER_BYTES;
        unsigned index = 0;
        enum step step;
        while ((step = next_run(bytes, &at, index, &run)) == STEP_RUN) {
            histogram[run.value] += run.span;
            index += run.span;
        }
        if (step != STEP_END)
            return false;
    }
    *out_count = estimate(histogram);
    return true;
}
