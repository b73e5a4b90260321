/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that what clients saw of one object could have happened one operation after the other,
 * each at some moment between its call and its return (Herlihy and Wing 1990). The search of Wing
 * and Gong (1993) with Lowe's memory of configurations (2017): a set of operations done and the
 * state they led to need to be tried only once.
 *
 * An operation with unknown outcome may take effect at any time after its call, or never. One that
 * surely failed is not in the history at all.
 *
 * The object is 64 bits, used as a register, a counter or a set of the numbers 0 to 63; it begins
 * as 0. Operations of different kinds may be mixed. */
#ifndef LARDER_TESTS_SIM_LINEARIZABILITY_H
#define LARDER_TESTS_SIM_LINEARIZABILITY_H

#include "base/slice.h"
#include "base/status.h"

enum operation_kind {
    OPERATION_READ = 1,   /* -> value */
    OPERATION_WRITE,      /* a */
    OPERATION_COMPARE,    /* if the value is a make it b -> is_done, value before */
    OPERATION_ADD,        /* a -> value after */
    OPERATION_SET_ADD,    /* the number a -> is_done: it was not in */
    OPERATION_SET_REMOVE, /* the number a -> is_done: it was in */
    OPERATION_KIND_END,
};

struct operation_result {
    bool is_done;
    uint64_t value;
};

struct operation {
    int64_t call_us;
    int64_t return_us; /* OPERATION_UNKNOWN: it is not known what became of it */
    enum operation_kind kind;
    uint64_t a, b;
    struct operation_result result; /* if it returned */
    uint32_t client;                /* for people */
};

static const int64_t OPERATION_UNKNOWN = INT64_MAX;

/* The state after the operation and what it answers. */
struct operation_result operation_apply(enum operation_kind kind, uint64_t a, uint64_t b,
                                        uint64_t *state);

enum history_verdict {
    HISTORY_LINEARIZABLE,
    HISTORY_NOT_LINEARIZABLE,
    HISTORY_UNDECIDED, /* more configurations than `limit` */
};

/* The operations in any order; they are borrowed. `limit`: how many configurations to try at most,
 * 0 = 20 million. *out_reached: as far as any order of operations got, the call of the first
 * operation that fits nowhere (an index; count if all fit). May be NULL. */
enum history_verdict history_check(const struct operation *operations, size_t count, uint64_t limit,
                                   size_t *out_reached);

#endif
