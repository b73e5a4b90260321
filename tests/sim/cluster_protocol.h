/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients and members of the simulated cluster say to each other: real commands on keys of the
 * partitions, in a session, and their replies in RESP2.
 *
 *   request   'Q' | number u64 | session 16 | lowest outstanding u64 | first sent u64 (ms of
 * cluster time) | arguments u8 | each: size u16, bytes reply     'R' | number u64 | answer u8 |
 * machine in charge u32 |
 *             cluster time u64 | RESP
 *
 *   operation     command                      operation      command
 *   READ          GET k; SMEMBERS k of a set   ADD            INCRBY k a
 *   WRITE         SET k a                      SET_ADD        SADD k a
 *   COMPARE       SET k b IFEQ a GET           SET_REMOVE     SREM k a
 *     with a = 0  SET k b NX GET */
#ifndef LARDER_TESTS_SIM_CLUSTER_PROTOCOL_H
#define LARDER_TESTS_SIM_CLUSTER_PROTOCOL_H

#include "sim/register_clients.h"

enum { CLUSTER_ARGUMENTS_MAX = 8 };

struct cluster_request {
    uint64_t number;
    struct raft_id session;
    uint64_t lowest;
    int64_t first_sent_us;
    size_t argc;
    struct slice argv[CLUSTER_ARGUMENTS_MAX]; /* borrowed from the frame */
};

/* `body` is the frame behind its first byte. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status cluster_request_decode(struct slice body, struct cluster_request *out);

enum { CLUSTER_REPLY_HEADER_BYTES = 22 };
void cluster_reply_encode(uint64_t number, enum config_group_answer answer, uint32_t machine,
                          int64_t time_us, uint8_t out[CLUSTER_REPLY_HEADER_BYTES]);

/* The name of a key of a round, and its number back; 0 if it is none. */
size_t cluster_key_name(uint64_t key, uint8_t out[INT64_TEXT_MAX + 1]);

/* A request or reply for people. */
void cluster_protocol_describe(struct slice frame, char *out, size_t size);

extern const struct register_protocol CLUSTER_PROTOCOL;

#endif
