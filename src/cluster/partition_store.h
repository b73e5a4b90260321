/* SPDX-License-Identifier: BSD-3-Clause */
/* What the cluster needs of whoever keeps the data of one partition: to execute a command, to apply
 * what it changed, and to hand over or take data a bucket at a time. Sits below src/node so that
 * replication knows neither commands nor entries; src/node/partition_store.h implements it on a
 * real partition.
 *
 * A partition's keys fall into PARTITION_BUCKETS buckets, the same on every member. Time is the
 * partition's cluster time, in milliseconds. The effect of a command is a list of parts, each of
 * which changes one key and looks at no other, or removes all entries.
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

struct store_command {
    const struct slice *argv;
    size_t argc;
};

/* What came of executing a command. Borrowed until the store is next called for anything else than
 * next_part and bucket_of. */
struct store_result {
    struct slice effect; /* empty: nothing was changed */
    struct slice reply;  /* RESP; empty: there is no memory for it */
    bool is_write;       /* of a command that may change something */
};

/* One part of an effect. Borrowed until the store is next called. */
struct store_part {
    uint32_t bucket;    /* of its key; PARTITION_WHOLE: the part removes all entries */
    struct slice bytes; /* this part alone, as an effect */
    struct slice key;   /* unique in the partition; empty for PARTITION_WHOLE */
};

/* Entries of a bucket as an effect that makes them where there are none. */
struct store_items {
    struct slice effect;
    struct slice left_out; /* keys of entries that found no room in it: store_next_key */
};

/* 128-bit sum over the entries of a bucket: equal if and, but for chance, only if they are. */
struct store_digest {
    uint64_t low, high;
};

static inline bool store_digest_equal(struct store_digest a, struct store_digest b) {
    return a.low == b.low && a.high == b.high;
}

struct partition_store_type {
    /* Execute argv[0..argc) as a command of database 0, all of whose keys are in this partition.
     * Keys of it that have expired are deleted first, with their effect, also by reads. FLUSHALL
     * and FLUSHDB empty this partition. A script is one command: what all of its commands changed
     * is its effect. Errors: LARDER_NO_MEMORY (nothing changed), LARDER_INVALID (not a command that
     * can run here: nothing changed, the reply says why), LARDER_CORRUPT (it ran out of memory when
     * it had changed something that can't be taken back: this store is of no use any more). */
    enum larder_status (*execute)(void *context, int64_t now_ms, const struct slice *argv,
                                  size_t argc, struct store_result *out) LARDER_NODISCARD;
    /* Execute several commands with nothing between them; the reply is the array of theirs, the
     * effect is one. Either all run to their end, be it an error, or nothing is changed but that
     * expired and evicted keys are gone, and the reply is one error. Errors as execute. */
    enum larder_status (*execute_all)(void *context, int64_t now_ms,
                                      const struct store_command *commands, size_t count,
                                      struct store_result *out) LARDER_NODISCARD;
    /* Delete those of the keys that have expired by now; the effect in *out. Errors:
     * LARDER_NO_MEMORY. */
    enum larder_status (*expire_keys)(void *context, int64_t now_ms, const struct slice *keys,
                                      size_t count, struct store_result *out) LARDER_NODISCARD;
    /* The same as execute of a command that only reads: nothing changes, keys that have expired by
     * now are as if they were gone. Errors: also LARDER_INVALID for any other command, and for
     * scripts. */
    enum larder_status (*read)(void *context, int64_t now_ms, const struct slice *argv, size_t argc,
                               struct store_result *out) LARDER_NODISCARD;
    /* How full the fullest of the other replicas' machines is: used bytes per mille of its limit.
     * Above 1000 this partition is evicted from, and writes that need memory are refused where
     * nothing may be evicted, as if that limit were this machine's. */
    void (*set_pressure)(void *context, uint32_t per_mille);
    /* Delete some of what has expired by now and what is above the limits; the effect in *out.
     * Errors: LARDER_NO_MEMORY. */
    enum larder_status (*sweep)(void *context, int64_t now_ms,
                                struct store_result *out) LARDER_NODISCARD;
    /* Apply the parts of an effect from *at on (0 at first), which moves behind each that was
     * applied. Errors: LARDER_NO_MEMORY (go on from *at later), LARDER_CORRUPT. */
    enum larder_status (*apply)(void *context, struct slice effect, size_t *at) LARDER_NODISCARD;
    /* The part of `effect` at *at (0 at first), which moves behind it. Errors: LARDER_NOT_FOUND (no
     * more), LARDER_CORRUPT, LARDER_NO_MEMORY. */
    enum larder_status (*next_part)(void *context, struct slice effect, size_t *at,
                                    struct store_part *out) LARDER_NODISCARD;

    /* All entries of a bucket as of now. Those that would make the effect longer than about
     * `bytes_max` are left out. Borrowed until the store is next called. Errors: LARDER_NO_MEMORY.
     */
    enum larder_status (*read_bucket)(void *context, uint32_t bucket, size_t bytes_max,
                                      struct store_items *out) LARDER_NODISCARD;
    /* The entry of one key as such an effect, however large; empty if it is not there. */
    enum larder_status (*read_key)(void *context, struct slice key,
                                   struct slice *out) LARDER_NODISCARD;
    /* Remove all entries of a bucket (PARTITION_WHOLE: of all), or one key; no effect. */
    void (*clear_bucket)(void *context, uint32_t bucket);
    void (*clear_key)(void *context, struct slice key);
    void (*digest_bucket)(void *context, uint32_t bucket, struct store_digest *out);
    uint32_t (*bucket_of)(void *context, struct slice key);
};

struct partition_store {
    const struct partition_store_type *type;
    void *context;
};

/* Walk a list of keys: size u32 little-endian, bytes. False at its end, or where it is damaged. */
static inline bool store_next_key(struct slice list, size_t *at, struct slice *out) {
    if (list.size - *at < 4)
        return false;
    const uint8_t *b = list.data + *at;
    size_t size = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    if (size > list.size - *at - 4)
        return false;
    *out = slice_of(b + 4, size);
    *at += 4 + size;
    return true;
}

#endif
