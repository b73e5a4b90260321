/* SPDX-License-Identifier: BSD-3-Clause */
/* A register is raised by cutting the run that covers it into what is before, the register, and
 * what is behind; then equal neighbours among the next few runs are joined. Which runs are joined
 * decides the bytes, so it is done as Redis does it. */
#include "ds/hyperloglog_sparse.h"

enum {
    SHORT_ZEROS_MAX = 64,
    VALUES_MAX = 4,  /* registers in a run of values */
    JOINED_RUNS = 5, /* runs looked at for joining */
    CUT_BYTES_MAX = 5,
    TAG_LONG_ZEROS = 0x40,
    TAG_VALUES = 0x80,
};

bool hyperloglog_next_run(struct slice bytes, size_t *at, struct hyperloglog_run *out) {
    if (*at >= bytes.size)
        return false;
    uint8_t byte = bytes.data[*at];
    *out = (struct hyperloglog_run){.size = 1};
    if (byte >= TAG_VALUES) {
        out->value = (uint8_t)((byte >> 2 & 0x1f) + 1);
        out->span = (uint16_t)((byte & 3) + 1);
    } else if (byte < TAG_LONG_ZEROS) {
        out->span = (uint16_t)(byte + 1);
    } else {
        if (*at + 1 == bytes.size)
            return false;
        out->size = 2;
        out->is_long = true;
        out->span = (uint16_t)(((byte & 0x3f) << 8 | bytes.data[*at + 1]) + 1);
    }
    *at += out->size;
    return true;
}

static uint8_t run_of_values(uint8_t value, unsigned span) {
    return (uint8_t)(TAG_VALUES | (unsigned)(value - 1) << 2 | (span - 1));
}

/* Write a run; returns where the next goes. */
static uint8_t *put_run(uint8_t *out, uint8_t value, unsigned span) {
    if (span == 0)
        return out;
    if (value > 0) {
        *out++ = run_of_values(value, span);
    } else if (span <= SHORT_ZEROS_MAX) {
        *out++ = (uint8_t)(span - 1);
    } else {
        *out++ = (uint8_t)(TAG_LONG_ZEROS | (span - 1) >> 8);
        *out++ = (uint8_t)(span - 1);
    }
    return out;
}

struct place {
    size_t at, previous; /* of the run that covers the register, and of the one before it */
    unsigned first;      /* register of the run */
    struct hyperloglog_run run;
};

static bool find(struct slice bytes, unsigned index, struct place *out) {
    *out = (struct place){.at = HYPERLOGLOG_HEADER_BYTES, .previous = HYPERLOGLOG_HEADER_BYTES};
    size_t next = out->at;
    while (hyperloglog_next_run(bytes, &next, &out->run)) {
        if (index < out->first + out->run.span)
            return true;
        out->first += out->run.span;
        out->previous = out->at;
        out->at = next;
    }
    return false;
}

/* Join runs of equal values from `at` on. */
static void join(struct blob *image, size_t at) {
    for (unsigned i = 0; i < JOINED_RUNS && at < image->size; i++) {
        uint8_t *byte = image->data + at;
        if (*byte < TAG_VALUES) {
            at += *byte < TAG_LONG_ZEROS ? 1 : 2;
            continue;
        }
        bool is_joined = false;
        if (at + 1 < image->size && byte[1] >= TAG_VALUES && (byte[0] | 3) == (byte[1] | 3)) {
            unsigned span = (byte[0] & 3u) + 1 + (byte[1] & 3u) + 1;
            if (span <= VALUES_MAX) {
                byte[1] = (uint8_t)((byte[1] & ~3u) | (span - 1));
                memmove(byte, byte + 1, image->size - at - 1);
                image->size--;
                is_joined = true; /* what came of it may join the one behind */
            }
        }
        at += !is_joined;
    }
}

enum hyperloglog_outcome hyperloglog_sparse_raise(struct blob **image, struct hyperloglog_mark mark,
                                                  size_t sparse_max) {
    struct place place;
    struct blob *blob = *image;
    if (mark.value > HYPERLOGLOG_RUN_VALUE_MAX)
        return HYPERLOGLOG_TOO_LONG;
    if (!find(blob_slice(blob), mark.index, &place))
        return HYPERLOGLOG_CORRUPT;
    if (place.run.value >= mark.value)
        return HYPERLOGLOG_SAME;
    uint8_t cut[CUT_BYTES_MAX], *end = cut;
    unsigned before = mark.index - place.first;
    end = put_run(end, place.run.value, before);
    end = put_run(end, mark.value, 1);
    end = put_run(end, place.run.value, place.run.span - before - 1u);
    size_t size = (size_t)(end - cut), new_size = blob->size - place.run.size + size;
    if (size > place.run.size && new_size > sparse_max)
        return HYPERLOGLOG_TOO_LONG;
    if (new_size > blob->capacity) {
        blob = blob_grow(blob, new_size + new_size / 8 + CUT_BYTES_MAX);
        if (blob == NULL)
            return HYPERLOGLOG_NO_MEMORY;
        *image = blob;
    }
    uint8_t *at = blob->data + place.at;
    memmove(at + size, at + place.run.size, blob->size - place.at - place.run.size);
    memcpy(at, cut, size);
    blob->size = new_size;
    join(blob, place.previous);
    hyperloglog_invalidate(blob->data);
    return HYPERLOGLOG_CHANGED;
}
