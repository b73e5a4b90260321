/* SPDX-License-Identifier: BSD-3-Clause */
/* A simulated process's founding mark on its machine's disk.
 *
 *   last file   two slots, 32 KiB apart: magic u32 | sequence u64 | size u32 | crc u32 | mark
 *               the readable one of the higher sequence counts; the crc is of mark and sequence
 *
 * A slot is overwritten only while the other is durable. What a new process finds may be in the
 * cache only: it is written over itself and synced before anything follows from it. Without space
 * it waits; any other error of the disk ends the process. */
#ifndef LARDER_TESTS_SIM_CLUSTER_MARK_H
#define LARDER_TESTS_SIM_CLUSTER_MARK_H

#include "sim/process.h"

enum { CLUSTER_MARK_FILE = SIM_FILES_MAX - 1 };

/* Tickets of syncs from here on are of marks. */
#define CLUSTER_MARK_TICKETS (UINT64_C(1) << 40)

struct cluster_mark {
    struct sim_machine *machine;
    uint64_t sequence; /* of the newest slot; 0: there is none */
    uint32_t slot;     /* the newest */
    uint8_t *bytes;    /* owned: the slot that was found or is being written */
    size_t size;       /* with its header */
    bool is_written;   /* and the sync is under way */
    uint64_t ticket;
};

/* Find the newest. Errors: LARDER_IO. */
LARDER_NODISCARD
enum larder_status cluster_mark_load(struct cluster_mark *mark, struct sim_machine *machine);
void cluster_mark_free(struct cluster_mark *mark);
/* What was found or is being stored; empty: nothing. */
struct slice cluster_mark_bytes(const struct cluster_mark *mark);
/* Make durable what was found. */
void cluster_mark_keep(struct cluster_mark *mark);
/* Store another one; not while one is being stored. */
void cluster_mark_store(struct cluster_mark *mark, struct slice bytes);
/* Now and then: look for space if there was none. */
void cluster_mark_probe(struct cluster_mark *mark);
/* Whether it is durable now. */
bool cluster_mark_synced(struct cluster_mark *mark, uint64_t ticket, enum larder_status status);

#endif
