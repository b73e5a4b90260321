/* SPDX-License-Identifier: BSD-3-Clause */
/* What a consensus core wants to be kept, in memory: for nodes without a disk, which never come
 * back under the same node id. Everything is "durable" at once. One thread. */
#ifndef LARDER_CLUSTER_VOLATILE_STORAGE_H
#define LARDER_CLUSTER_VOLATILE_STORAGE_H

#include "base/alloc.h"
#include "raft/raft.h"

struct volatile_image {
    struct raft_snapshot snapshot;
    uint8_t *bytes; /* owned; NULL: none */
};

struct volatile_storage {
    const struct allocator *allocator;
    struct volatile_image newest; /* the core's snapshot */
    struct volatile_image own;    /* a newer one that the core did not accept yet */
    struct volatile_image arriving;
    uint64_t arrived_bytes;
    /* answers that wait to be taken, a kind at a time */
    bool has_persisted, has_stored, has_discarded, has_taken;
    struct raft_persisted persisted;
    struct raft_snapshot_stored stored;
    struct raft_snapshot_taken taken;
    uint32_t read_count;
    struct raft_snapshot_read reads[RAFT_MEMBERS_MAX];
};

void volatile_storage_init(struct volatile_storage *storage, const struct allocator *allocator);
void volatile_storage_finish(struct volatile_storage *storage);

/* Keep what a step gave out. */
void volatile_storage_keep(struct volatile_storage *storage, const struct raft_output *out);
/* A snapshot of the own state; copied. False: no memory, or one is waiting; nothing changed. */
bool volatile_storage_take(struct volatile_storage *storage, const struct raft_snapshot *snapshot,
                           uint64_t keep_from, struct slice bytes);
/* The next answer for the core; its data is borrowed until the next call. False: none. */
bool volatile_storage_answer(struct volatile_storage *storage, struct raft_input *out);
/* What the core said to the answer just given; while it is busy the answer comes again. */
void volatile_storage_settle(struct volatile_storage *storage, const struct raft_input *answer,
                             enum larder_status status);
/* Begin anew from this snapshot; copied. False: no memory, nothing changed. */
bool volatile_storage_begin(struct volatile_storage *storage, const struct raft_snapshot *snapshot,
                            struct slice bytes);
/* Of the newest whole snapshot; empty if there is none. */
struct slice volatile_storage_snapshot(const struct volatile_storage *storage);

#endif
