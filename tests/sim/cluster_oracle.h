/* SPDX-License-Identifier: BSD-3-Clause */
/* What a cluster promises, checked after every step of a member, by looking at its state:
 *   I1   at most one process opens a term of a partition
 *   I2   a primary comes from the in-sync set before it, which grows only by EXPAND of a living
 *        learner that has all that is committed
 *   I3   what is committed is in the log of every in-sync member, in its place
 *        ... also, where logs are on disk, in what a restart of one finds
 *   I4   what is committed is never cut
 *   I5   whoever may answer reads of a partition is of the newest term that is open
 *   I6   what Raft promises (raft_oracle.h)
 *   I7   configurations are equal at equal indexes; replicas are equal when all is settled
 *   I11  epochs and terms never fall, on any member
 *   I13  the time of a partition goes on evenly and never back
 *   I14  nothing leaves a member before it is true: effects, stale reads, reads by a round
 *   I15  all members ever are of one cluster
 *   I16  when a generation has begun by force, members of older ones answer nobody
 *   I17  mode async: of what a primary answered its successor has a prefix
 * The rest is found in what clients saw (I8, I9, I10) and by the simulator's memory (I12). */
#ifndef LARDER_TESTS_SIM_CLUSTER_ORACLE_H
#define LARDER_TESTS_SIM_CLUSTER_ORACLE_H

#include "sim/cluster_data.h"
#include "sim/partition_log.h"
#include "sim/raft_oracle.h"
#include "sim/world.h"

/* A request of a client, as the member that answers it knows it. */
struct cluster_asked {
    uint64_t client, number; /* of its id */
    enum partition_read_mode mode;
    bool is_lock, is_read;
    bool may_expire; /* its key */
    bool is_again;   /* it was sent before under its number */
    bool is_at_once; /* the answer comes in the step of the request */
    uint64_t watched_term;
};

struct cluster_oracle_counters {
    uint64_t opened, failovers, resets, restores, expansions, hand_offs;
};

/* Returns owned. */
struct cluster_oracle *cluster_oracle_create(void);
/* NULL is allowed. */
void cluster_oracle_destroy(struct cluster_oracle *oracle);
/* Before any process starts. */
void cluster_oracle_attach(struct cluster_oracle *oracle, struct sim_world *world);

/* Of a generation of the cluster: no other has anything to do with it. Borrowed. */
struct raft_oracle *cluster_oracle_core(struct cluster_oracle *oracle, uint16_t generation);
void cluster_oracle_view(struct cluster_oracle *oracle, struct sim_machine *machine,
                         const struct configuration *configuration);
void cluster_oracle_step(struct cluster_oracle *oracle, struct sim_machine *machine,
                         struct cluster_member *member, const struct cluster_data *data);
/* After its tick: promises, whose ends are compared wherever they lie. */
void cluster_oracle_tick(struct cluster_oracle *oracle, struct sim_machine *machine,
                         struct cluster_member *member, const struct cluster_data *data);
/* Cluster time of a partition as of a tick; `is_running`: this process makes it. */
void cluster_oracle_time(struct cluster_oracle *oracle, struct sim_machine *machine,
                         uint32_t partition, bool is_running, int64_t time_us, int64_t median_us);
/* An entry that a process was given, which is committed. Before it is applied. */
void cluster_oracle_entry(struct cluster_oracle *oracle, struct sim_machine *machine,
                          const struct raft_entry *entry);
/* Whether no member was asked this before. */
bool cluster_oracle_is_first(struct cluster_oracle *oracle, uint64_t number);
/* A request with a watched term came to some member. */
void cluster_oracle_watch(struct cluster_oracle *oracle, const struct cluster_asked *asked);
/* A member answers; `stored`: records up to there are in its store. */
void cluster_oracle_answer(struct cluster_oracle *oracle, struct sim_machine *machine,
                           uint32_t partition, const struct cluster_asked *asked,
                           const struct partition_reply *reply, uint64_t stored);
/* A primary has all of its log in the store and has executed nothing yet. Whether something is
 * missing that was answered before it was committed. */
bool cluster_oracle_began(struct cluster_oracle *oracle, const struct sim_machine *machine,
                          uint32_t partition);
/* That is so: `call` is told which partition, and who leads it. */
void cluster_oracle_on_loss(struct cluster_oracle *oracle,
                            void (*call)(void *context, struct cluster_data *data,
                                         uint32_t partition),
                            void *context);
void cluster_oracle_tell_loss(const struct cluster_oracle *oracle, struct cluster_data *data,
                              uint32_t partition);
/* The machine's partitions end, with the process or because it becomes another member: what is
 * committed then, and it has to have, their logs have to have when they are found again. */
void cluster_oracle_end_partitions(struct cluster_oracle *oracle, struct sim_machine *machine);
/* The process ends, and its partitions with it. */
void cluster_oracle_end(struct cluster_oracle *oracle, struct sim_machine *machine);
/* A new process, or one that has become another member, found this log on the machine's disk. */
void cluster_oracle_found_log(struct cluster_oracle *oracle, struct sim_machine *machine,
                              const struct partition_log *log);
/* What is on the machine's disk was damaged: nothing is expected of it. */
void cluster_oracle_forget_disk(struct cluster_oracle *oracle, const struct sim_machine *machine);
/* All is settled: replicas of a partition that have stored as many records hold the same. */
void cluster_oracle_compare(struct cluster_oracle *oracle);

/* Whether some entry of the configuration was committed: from then on a majority of the first
 * voters has it on disk. */
bool cluster_oracle_is_founded(const struct cluster_oracle *oracle);
/* The newest configuration that any member has applied; NULL before the first. */
const struct partition_config *cluster_oracle_partition(const struct cluster_oracle *oracle,
                                                        uint32_t partition);
/* The same, whole. NULL before the first. */
const struct configuration *cluster_oracle_configuration(const struct cluster_oracle *oracle);
/* True times between which the data of a partition was given up, the last time, in this run: false
 * if it never was. */
bool cluster_oracle_reset(const struct cluster_oracle *oracle, uint32_t partition, uint64_t number,
                          int64_t *out_from_us, int64_t *out_until_us);
/* The highest floor of fence marks that any replica had, and when it first rose since the last
 * call; INT64_MAX: it did not. */
uint64_t cluster_oracle_take_floor(struct cluster_oracle *oracle, uint32_t partition,
                                   int64_t *out_from_us);
void cluster_oracle_get_counters(const struct cluster_oracle *oracle,
                                 struct cluster_oracle_counters *out);

#endif
