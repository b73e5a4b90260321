/* SPDX-License-Identifier: BSD-3-Clause */
/* Golden traces: nodes named A to F, moved by hand, one message at a time, and a text of what they
 * did. trace_expect compares the text since the last comparison with what the protocol says.
 *
 *     B -> A vote-reply 2 granted      sent; the number is the term
 *     A: candidate -> leader, term 2
 *     A writes 1: term 2, vote A       given to its storage, with the write's number
 *     A writes 2: 0 < 1/2              entry 1 of term 2, behind entry 0
 *     A applies 1/2
 *
 * Included as source by the test programs that use it. */
#ifndef LARDER_TESTS_RAFT_TRACE_H
#define LARDER_TESTS_RAFT_TRACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "raft/codec.h"
#include "raft/raft.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    TRACE_NODES = 6,
    TRACE_MESSAGES = 256,
    TRACE_WRITES = 32,
    TRACE_LOG = 64,
    TRACE_TEXT = 1 << 16,
    TRACE_ELECTION_MS = 100,
    TRACE_HEARTBEAT_MS = 10,
    TRACE_SNAPSHOT_BYTES = 12,
};

struct trace_entry {
    struct raft_entry entry;
    uint8_t data[128];
};

struct trace_write {
    struct raft_write write;
    struct trace_entry entries[TRACE_LOG];
};

struct trace_node {
    struct raft *raft;
    int64_t now_ms;
    enum raft_role role;
    bool is_isolated;
    bool is_disk_held; /* writes wait for trace_persist; else they are durable at once */
    struct raft_hard_state hard_state;
    struct raft_snapshot snapshot;
    struct raft_configuration configuration; /* of the snapshot */
    uint8_t snapshot_bytes[TRACE_SNAPSHOT_BYTES];
    uint64_t stored;
    size_t log_count;
    struct trace_entry log[TRACE_LOG];
    size_t write_count;
    struct trace_write writes[TRACE_WRITES];
};

struct trace_message {
    uint8_t *bytes;
    size_t size;
    char from, to;
};

struct trace {
    struct trace_node nodes[TRACE_NODES];
    struct raft_configuration founders;
    size_t message_count;
    struct trace_message messages[TRACE_MESSAGES];
    struct raft_output out;
    size_t length;
    char text[TRACE_TEXT];
};

#endif
