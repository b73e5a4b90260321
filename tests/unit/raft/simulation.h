/* SPDX-License-Identifier: BSD-3-Clause */
/* A group of consensus cores in one process: virtual time, a network that loses, repeats and
 * reorders, disks that lose what was not synced and that fill up, crashes, membership changes.
 * Everything follows from the seed. After every step sim/raft_oracle.h compares what the core
 * did with what Raft promises; simulation_disruption.c watches who disturbs whom. Included as
 * source by the test programs that use it. */
#ifndef LARDER_TESTS_RAFT_SIMULATION_H
#define LARDER_TESTS_RAFT_SIMULATION_H

#include "base/crc32c.h"
#include "base/random.h"
#include "raft/codec.h"
#include "raft/raft.h"
#include "sim/raft_oracle.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SIM_NODES_MAX = 7,
    SIM_LOG_MAX = 2048,
    SIM_WRITES_MAX = 64,
    SIM_ENTRY_BYTES_MAX = 160,
    SIM_SNAPSHOT_BYTES = 40,
    SIM_ELECTION_MS = 150,
    SIM_TICK_MS_MAX = 30,
};

struct sim_entry {
    uint64_t index;
    uint64_t term;
    enum raft_entry_type type;
    uint32_t size;
    uint8_t data[SIM_ENTRY_BYTES_MAX];
};

struct sim_snapshot {
    struct raft_snapshot identity;
    struct raft_configuration configuration;
    uint8_t bytes[SIM_SNAPSHOT_BYTES];
};

struct sim_write {
    struct raft_write write; /* entries point to the copy */
    struct sim_entry *entries;
    struct sim_snapshot snapshot; /* is_reset: becomes the disk's */
};

struct sim_disk {
    struct raft_hard_state hard_state;
    struct sim_snapshot snapshot;
    size_t count;
    struct sim_entry log[SIM_LOG_MAX];
    bool is_full;
    bool is_refusing; /* a write failed and STORAGE_READY was not given yet ... */
    bool is_mending;  /* ... but will be */
    size_t write_count;
    struct sim_write writes[SIM_WRITES_MAX]; /* not yet durable */
};

struct sim_node {
    struct raft *raft; /* NULL while down */
    uint64_t incarnation;
    struct sim_disk disk;
    uint64_t applied;
    size_t arrived; /* bytes of the snapshot that is arriving */
    struct sim_snapshot arriving;
    /* as of the last step */
    struct raft_status seen;
    /* simulation_disruption.c */
    int64_t heard_ms[SIM_NODES_MAX]; /* a message of each node */
    int64_t leader_heard_ms, leads_since_ms;
    uint64_t pre_voted_term[SIM_NODES_MAX]; /* for which each node would vote for this one */
};

enum sim_event_type {
    EVENT_TICK,
    EVENT_MESSAGE,
    EVENT_DISK,
    EVENT_INPUT, /* an acknowledgement of some kind, for one incarnation only */
    EVENT_CLIENT,
    EVENT_FAULT,
};

struct sim_event {
    int64_t time_ms;
    uint64_t order;
    enum sim_event_type type;
    uint32_t node;
    uint64_t incarnation;
    struct raft_input input;
    uint8_t *bytes; /* owned */
    size_t size;
};

/* Rates are per mille, drawn per seed. */
struct sim_faults {
    uint32_t loss, duplication, slow_message, crash, disk_full, cut, change, transfer, read,
        snapshot;
    int64_t disk_ms, message_ms;
    int64_t client_ms;    /* between two requests of clients, at most */
    uint32_t short_reign; /* a leader crashes after a step of its own */
    bool has_policy;
};

struct sim_counters {
    uint64_t steps, elections, commits, crashes, disk_failures, changes, installs, reads, transfers,
        truncations;
};

struct sim {
    uint64_t seed;
    struct random random;
    int64_t now_ms;
    uint64_t order;
    uint32_t node_count;
    struct sim_faults faults;
    bool is_calm; /* the faults stopped */
    struct sim_node nodes[SIM_NODES_MAX];
    bool is_cut[SIM_NODES_MAX][SIM_NODES_MAX];
    size_t event_count, event_capacity;
    struct sim_event *events; /* heap by (time, order) */
    uint64_t commands;
    uint64_t read_floor[1024]; /* by context: the commit index that a read must not miss */
    uint64_t reads;
    struct raft_output out;
    const struct raft_message *current; /* that is being delivered; NULL: none */

    struct raft_oracle *oracle;
    struct sim_counters counters;
    const char *violation; /* NULL while all is well */
    bool is_exhausted;     /* ran out of room: neither good nor bad */
};

static struct raft_id sim_id(uint32_t node) {
    return (struct raft_id){{0x4c, node + 1}};
}

static uint32_t sim_number(struct raft_id id) {
    return (uint32_t)id.words[1] - 1;
}

static bool sim_chance(struct sim *s, uint32_t per_mille) {
    return random_below(&s->random, 1000) < per_mille;
}

static void sim_violate(struct sim *s, const char *what) {
    if (s->violation == NULL)
        s->violation = what;
}

static void sim_schedule(struct sim *s, const struct sim_event *event);
static void sim_input(struct sim *s, uint32_t node, struct raft_input input);

#endif
