/* SPDX-License-Identifier: BSD-3-Clause */
/* Ids of stream entries: milliseconds and a sequence number, ordered by the first, then the second.
 * As text "ms-seq" in decimal. Any thread. */
#ifndef LARDER_DS_STREAM_ID_H
#define LARDER_DS_STREAM_ID_H

#include "base/slice.h"

struct stream_id {
    uint64_t ms, sequence;
};

#define STREAM_ID_MIN ((struct stream_id){0, 0})
#define STREAM_ID_MAX ((struct stream_id){UINT64_MAX, UINT64_MAX})

enum { STREAM_ID_TEXT_MAX = 41 }; /* two numbers of 20 digits and the hyphen */

static inline int stream_id_compare(struct stream_id a, struct stream_id b) {
    if (a.ms != b.ms)
        return a.ms < b.ms ? -1 : 1;
    return a.sequence < b.sequence ? -1 : a.sequence > b.sequence;
}

static inline bool stream_id_is_less(struct stream_id a, struct stream_id b) {
    return a.ms != b.ms ? a.ms < b.ms : a.sequence < b.sequence;
}

static inline bool stream_id_equal(struct stream_id a, struct stream_id b) {
    return a.ms == b.ms && a.sequence == b.sequence;
}

static inline bool stream_id_is_zero(struct stream_id id) {
    return id.ms == 0 && id.sequence == 0;
}

/* The id after and the one before. False, nothing changed: there is none. */
bool stream_id_increment(struct stream_id *id);
bool stream_id_decrement(struct stream_id *id);

/* What a text may be besides "ms" and "ms-seq". */
enum stream_id_form {
    STREAM_ID_EXACT = 0,
    STREAM_ID_EDGES = 1 << 0,        /* "-" and "+", the smallest and the largest id */
    STREAM_ID_ANY_SEQUENCE = 1 << 1, /* "ms-*" */
};

/* Parse a text; `missing_sequence` is that of a text without one. Numbers are read as strtoull
 * does: blanks and a sign in front and leading zeros are taken. *out_has_sequence (may be NULL):
 * false for "ms-*". False: it is no id. */
bool stream_id_parse(struct slice text, unsigned forms, uint64_t missing_sequence,
                     struct stream_id *out, bool *out_has_sequence);

/* Write the text at `out` (STREAM_ID_TEXT_MAX bytes, no NUL). Returns the length. */
size_t stream_id_format(struct stream_id id, uint8_t *out);

#endif
