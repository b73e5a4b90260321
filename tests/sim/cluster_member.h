/* SPDX-License-Identifier: BSD-3-Clause */
/* A simulated process that is a whole member of a cluster: consensus core with its storage on the
 * machine's disk, configuration, leases, and the replicas of real partitions that execute real
 * commands (node/partition_store.h). Data is in memory only, and a process that starts anew has
 * none; or, as the settings say, also in logs on the machine's disk (partition_log.h).
 *
 *   founding  'F' | as in cluster_founding.h
 *   members   'M' | frame as in cluster/member_frames.h
 *   request   'Q' | as in cluster_protocol.h
 *   reply     'R' | as in cluster_protocol.h */
#ifndef LARDER_TESTS_SIM_CLUSTER_MEMBER_H
#define LARDER_TESTS_SIM_CLUSTER_MEMBER_H

#include "cluster/founding.h"
#include "cluster/member.h"
#include "sim/process.h"

struct cluster_oracle;
struct cluster_data;

enum { CLUSTER_SIM_PARTITIONS_MAX = 16 };

struct cluster_sim_settings {
    uint32_t founders;        /* machines 0 to founders - 1 are the seeds */
    uint32_t expected_nodes;  /* how many of them form the cluster; 0: all */
    bool is_founding_durable; /* what was promised while founding survives a restart; no seed is
                                 diskless then */
    uint32_t partition_count;
    struct cluster_settings cluster;
    bool is_rough; /* all frames are datagrams */
    int64_t heartbeat_us;
    bool is_durable;     /* partitions are logged, and acknowledged when the log is synced, on all
                            machines but those that are diskless and ... */
    uint32_t in_memory;  /* ... these, a bit each: they keep their id and not their data */
    uint32_t weightless; /* machines whose members hold no data, a bit each */
    /* of each partition, as in partition_options; 0: what this simulator usually has */
    size_t log_bytes, log_records, session_bytes;
    int64_t digest_every_us;
    uint64_t copy_bytes_per_second;
};

/* machine_oracle of the world is a struct cluster_oracle. */
extern const struct sim_process_type CLUSTER_MEMBER_PROCESS;

/* NULL until it has entered a cluster and its storage has recovered. */
struct cluster_member *cluster_process_member(const void *process);
struct cluster_data *cluster_process_data(const void *process);
/* As member_force_generation. */
LARDER_NODISCARD
enum larder_status cluster_process_force(void *process, struct forced_generation *out);
/* 0: its mark is being read. */
enum founding_state cluster_process_founding(const void *process);
/* An address as members know it, and back. */
struct member_address cluster_sim_address(uint32_t machine);
uint32_t cluster_sim_machine(const struct member_address *address);

#endif
