/* SPDX-License-Identifier: BSD-3-Clause */
/* What clients and members of the simulated cluster say to each other: real commands on keys of the
 * partitions, in a session, and their replies in RESP2.
 *
 *   request   'Q' | number u64 | session 16 | lowest outstanding u64 | first sent u64 (ms of
 * cluster time) | arguments u8 | each: size u16, bytes
 *   reply     'R' | number u64 | answer u8 | machine in charge u32 | cluster time u64 | term u64 |
 *             RESP
 *
 * Behind the arguments of a write with a token: 'F' | size u16, name of the lock | token u64; of a
 * lock request, whose arguments are its word and the name: 'K' | type u8 | session 16 | request u64
 * | token u64 | hold u32 | wait u32, and its reply is an array of the lock_answer and the token. A
 * refused token is the error FENCED. Of any request: 'O' | read mode u8 | watched term u64 | bits
 * u8: 1 sent before under its number, 2 its key may expire.
 *
 *   operation     command                      operation      command
 *   READ          GET k; SMEMBERS k of a set   ADD            INCRBY k a
 *   WRITE         SET k a [PX t]               SET_ADD        SADD k a
 *   COMPARE       SET k b IFEQ a GET           SET_REMOVE     SREM k a
 *     with a = 0  SET k b NX GET */
#ifndef LARDER_TESTS_SIM_CLUSTER_PROTOCOL_H
#define LARDER_TESTS_SIM_CLUSTER_PROTOCOL_H

#include "cluster/partition.h"
#include "sim/register_clients.h"

enum { CLUSTER_ARGUMENTS_MAX = 8 };

struct cluster_request {
    uint64_t number;
    struct raft_id session;
    uint64_t lowest;
    int64_t first_sent_us;
    size_t argc;
    struct slice argv[CLUSTER_ARGUMENTS_MAX]; /* borrowed from the frame */
    bool has_fence, has_lock;
    enum partition_read_mode read_mode;
    uint64_t watched_term;
    bool is_again, may_expire;
    struct partition_fence fence;
    struct lock_request lock; /* context and connection are not sent */
};

/* Of at most REGISTER_FRAME_MAX bytes. Returns how many. */
size_t cluster_request_encode(const struct cluster_request *request, uint8_t *out);

/* `body` is the frame behind its first byte. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status cluster_request_decode(struct slice body, struct cluster_request *out);

enum { CLUSTER_REPLY_HEADER_BYTES = 30, CLUSTER_LOCK_REPLY_BYTES = 40 };
/* The RESP of an answer to a lock request, and what is in it; false: it does not decode. */
size_t cluster_lock_reply_encode(enum lock_answer answer, uint64_t token,
                                 uint8_t out[CLUSTER_LOCK_REPLY_BYTES]);
bool cluster_lock_reply_decode(struct slice bytes, enum lock_answer *out_answer,
                               uint64_t *out_token);
/* A number as GET shows it; 0: nothing is there. False: it does not decode. */
bool cluster_value_decode(struct slice bytes, uint64_t *out);
/* What stands before the RESP. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status cluster_reply_decode(struct slice frame, struct config_group_reply *out,
                                        struct slice *out_bytes);
void cluster_reply_encode(uint64_t number, enum config_group_answer answer, uint32_t machine,
                          int64_t time_us, uint64_t term, uint8_t out[CLUSTER_REPLY_HEADER_BYTES]);
/* Whether values of this key are written so that they go by themselves. */
bool cluster_key_expires(uint64_t key);

/* The name of a key of a round, and its number back; 0 if it is none. */
size_t cluster_key_name(uint64_t key, uint8_t out[INT64_TEXT_MAX + 1]);

/* A request or reply for people. */
void cluster_protocol_describe(struct slice frame, char *out, size_t size);

extern const struct register_protocol CLUSTER_PROTOCOL;

#endif
