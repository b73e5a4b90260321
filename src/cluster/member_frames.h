/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames between members, without what a connection adds to them. Little-endian.
 *
 *   frame      version u8 | type u8 | generation u16 | cluster 16 | from node 16 | to node 16 |
 *              from incarnation u64 | index u64 | body | crc u32 (CRC-32C of all before)
 *
 *   CONSENSUS  message as in raft/codec.h
 *   HEARTBEAT  sent u64 | wall u64 | memory u16 | voter u8 | suspects u8 | each: number u32
 *   PROMISE    sent u64 (of the heartbeat) | duration u32
 *   CONFIRM    sent u64 | index u64 | duration u32          the coordinator's answer to a heartbeat
 *   PROPOSE    forwarded u8 | entry as in configuration.h
 *   FETCH      host 64 | ports 2 x u16       send there what follows the header's index
 *   ENTRIES    count u8 | count times: index u64, size u16, entry (size 0: it changes nothing)
 *   SNAPSHOT   configuration as in configuration.h
 *   HAND_OFF   partition u32 | member u32
 *   OFFER      partition u32 | term u64 | sequence u64
 *   PARTITION  whatever partitions say to each other
 *
 * Durations are microseconds; memory is what is used, per mille of the limit.
 * `to node` of nobody: whoever lives there. `index`: up to where the sender has applied the
 * configuration. */
#ifndef LARDER_CLUSTER_MEMBER_FRAMES_H
#define LARDER_CLUSTER_MEMBER_FRAMES_H

#include "cluster/types.h"

enum member_frame_type {
    FRAME_CONSENSUS = 1,
    FRAME_HEARTBEAT,
    FRAME_PROMISE,
    FRAME_CONFIRM,
    FRAME_PROPOSE,
    FRAME_FETCH,
    FRAME_ENTRIES,
    FRAME_SNAPSHOT,
    FRAME_HAND_OFF,
    FRAME_OFFER,
    FRAME_PARTITION,
    FRAME_TYPE_END,
};

enum { MEMBER_FRAME_HEADER_BYTES = 68, MEMBER_FRAME_OVERHEAD = MEMBER_FRAME_HEADER_BYTES + 4 };

struct member_frame {
    enum member_frame_type type;
    struct raft_id cluster;
    uint16_t generation;
    struct raft_id from, to;
    uint64_t incarnation; /* the sender's */
    uint64_t index;
    struct slice body;
};

/* The body lies at out + MEMBER_FRAME_HEADER_BYTES already, body.size bytes; writes what is around
 * it and returns the size of the whole. */
size_t member_frame_seal(const struct member_frame *frame, uint8_t *out);
/* Borrows `bytes`. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status member_frame_decode(struct slice bytes, struct member_frame *out);

const char *member_frame_name(enum member_frame_type type);

#endif
