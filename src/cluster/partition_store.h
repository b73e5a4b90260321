/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cluster needs of whoever keeps the data of one partition: to execute a command, to apply
 * what it changed, and to hand over or take data a bucket at a time. Sits below src/node so that
 * replication knows neither commands nor entries; src/node/partition_store.h implements it on a
 * real partition.
 *
 * A partition's keys fall into PARTITION_BUCKETS buckets, the same on every member. Time is the
 * partition's cluster time, in milliseconds. The effect of a command is a list of parts, each of
 * which changes one key, or one setting of the whole partition.
 *
 * All functions of one store are called by one thread at a time. They don't wait or do I/O. */
#ifndef LARDER_CLUSTER_PARTITION_STORE_H
#define LARDER_CLUSTER_PARTITION_STORE_H

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PARTITION_BUCKETS = 256,
    PARTITION_WHOLE = PARTITION_BUCKETS, /* "bucket" of a part that concerns no key in particular */
};

/* What came of executing a command. Borrowed until the store is next called. */
struct store_result {
    struct slice effect; /* empty: nothing was changed */
    struct slice reply;  /* RESP */
};

/* One part of an effect. `bytes` alone is again an effect, of one part. Borrows. */
struct store_part {
    uint32_t bucket; /* of its key, or PARTITION_WHOLE */
    struct slice bytes;
    struct slice key; /* with its database: unique in the partition; empty for PARTITION_WHOLE */
};

/* 128-bit sum over the entries of a bucket: equal if and, but for chance, only if they are. */
struct store_digest {
    uint64_t low, high;
};

struct partition_store_type {
    /* Execute argv[0..argc) as a command of database 0, all of whose keys are in this partition.
     * Keys of it that have expired are deleted first, with their effect, also by reads. Errors:
     * LARDER_NO_MEMORY (nothing changed), LARDER_INVALID (not a command that can run here: the
     * reply says why). */
    enum larder_status (*execute)(void *context, int64_t now_ms, const struct slice *argv,
                                  size_t argc, struct store_result *out) LARDER_NODISCARD;
    /* Delete some of what has expired by now and what is above the limits; the effect in *out. */
    enum larder_status (*sweep)(void *context, int64_t now_ms,
                                struct store_result *out) LARDER_NODISCARD;
    /* Apply an effect, or a part of one. Errors: LARDER_NO_MEMORY (parts of it may be applied: do
     * it again), LARDER_CORRUPT. */
    enum larder_status (*apply)(void *context, struct slice effect) LARDER_NODISCARD;
    /* The part of `effect` at *at (0 at first), which moves behind it. False: no more, or damaged.
     */
    bool (*next_part)(void *context, struct slice effect, size_t *at, struct store_part *out);

    /* The entries of a bucket as an effect that makes them in an empty one. Large entries, whose
     * part would exceed `part_max` bytes, are left out and their keys listed by next_large.
     * Borrowed until the store is next called. Errors: LARDER_NO_MEMORY. */
    enum larder_status (*read_bucket)(void *context, uint32_t bucket, size_t part_max,
                                      struct slice *out) LARDER_NODISCARD;
    /* The same of one key; empty if it is not there. */
    enum larder_status (*read_key)(void *context, struct slice key,
                                   struct slice *out) LARDER_NODISCARD;
    /* Remove all entries of a bucket (PARTITION_WHOLE: of all), or one key. */
    void (*clear_bucket)(void *context, uint32_t bucket);
    void (*clear_key)(void *context, struct slice key);
    void (*digest_bucket)(void *context, uint32_t bucket, struct store_digest *out);
};

struct partition_store {
    const struct partition_store_type *type;
    void *context;
};

#endif
