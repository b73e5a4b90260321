/* SPDX-License-Identifier: BSD-3-Clause */
/* One member of a cluster, in all that concerns no data: its seat in the config group, its copy of
 * the configuration, heartbeats and promises, suspicions, and, while it leads the config group, the
 * coordinator's duties (coordinator.c). What it decides about partitions its host hands on to them.
 *
 *        frames, ticks, links, answers of the storage
 *                         |
 *      host <--- send, store, view, hand off --- member ---> raft, configuration, leases, detector
 *        |                                          |
 *      partitions (partition.h) --- proposals, frames for their peers
 *
 * A member acts on, and is counted in, a configuration only if that names its incarnation. It asks
 * to join until the configuration does; one that was declared down while it lived joins again.
 *
 * Every call is a step and runs to its end; during it the member calls its host. From within such a
 * call only member_propose, member_send_partition and the questions at the end may be used.
 * Times: microseconds of this machine's clock that counts suspends. One thread. */
#ifndef LARDER_CLUSTER_MEMBER_H
#define LARDER_CLUSTER_MEMBER_H

#include "cluster/configuration.h"
#include "cluster/failure_detector.h"
#include "cluster/founding.h"
#include "cluster/lease.h"
#include "raft/raft.h"

struct cluster_member;

/* What is left of a partition at a member of its last in-sync set. */
struct member_remains {
    struct log_position end; /* of its log */
    bool may_lack; /* the end of what it acknowledged: it did not wait for syncs, and its process
                      ended without a last one */
};

/* What the program around a member does for it. Everything given is borrowed for the call. */
struct member_host {
    void *context;
    /* A frame to whoever lives at that address. It may be lost, repeated or damaged. */
    void (*send)(void *context, const struct member_address *to, struct slice frame);
    /* Keep what the consensus core wants to be durable: write, snapshot_chunk, snapshot_reads,
     * install. Answers come by member_storage, later. NULL: nothing is durable, the member keeps it
     * in memory and a restart is a new node. */
    void (*store)(void *context, const struct raft_output *out);
    /* Make a snapshot of the configuration durable, then member_storage(SNAPSHOT_TAKEN). */
    void (*take_snapshot)(void *context, const struct raft_snapshot *snapshot,
                          const struct raft_configuration *voters, uint64_t keep_from,
                          struct slice bytes);
    /* The bytes of the snapshot that `store` was last told to install; empty: they can't be read.
     */
    struct slice (*load_snapshot)(void *context);
    /* A new generation begins by force: what was durable goes, this takes its place, durably,
     * before it returns. Errors: as the disk has it, nothing has changed then. Not used where
     * `store` is NULL. */
    enum larder_status (*begin_generation)(void *context, uint16_t generation,
                                           const struct raft_hard_state *hard_state,
                                           const struct raft_snapshot *snapshot,
                                           const struct raft_configuration *voters,
                                           struct slice bytes);
    /* The configuration changed, or this member's place in it: every partition must see it now. */
    void (*view)(void *context, const struct configuration *configuration);
    /* The coordinator wants this primary to hand the partition on. */
    void (*hand_off)(void *context, uint32_t partition, uint32_t to);
    /* A frame that a partition of `from` gave to member_send_partition. */
    void (*partition_frame)(void *context, uint32_t from, uint64_t incarnation, struct slice body);
    /* Asked for each partition that has no in-sync member, of which this was one: what is still
     * here? False: nothing that could be restored. */
    bool (*offer)(void *context, uint32_t partition, struct member_remains *out);
    /* Asked for each partition that this is a learner of: how much is still to be copied, in any
     * unit; 0: nothing (partition_copy_left). NULL: not known, every copy has the same time. */
    uint64_t (*copy_left)(void *context, uint32_t partition);
};

struct member_options {
    struct raft_id cluster;
    uint16_t generation;
    struct member self; /* number and state are ignored */
    uint32_t partition_count;
    uint32_t members_max;          /* 0: 64 */
    uint64_t seed;                 /* of election timeouts */
    int64_t election_ms;           /* 0: 300 */
    int64_t heartbeat_us;          /* 0: 50 ms */
    uint32_t entries_per_snapshot; /* 0: 1,000 */
    uint32_t entries_per_check; /* members compare their configurations; 0: 1,000; all the same */
    int64_t remove_after_us;    /* members without a disk that are down are removed; 0: 30 s */
    int64_t recovery_wait_us;   /* a lost partition waits for the rest of its last set; 0: 10 s */
    int64_t calm_us; /* so long everybody was there and every partition had all its replicas before
                        anything is moved for balance; 0: 30 s */
    int64_t restart_keep_us; /* the place of a member that restarts is kept; 0: 5 min */
    uint32_t moves_max;      /* copies from and to one member at a time; 0: 2; at most 16 */
    int64_t copy_timeout_us; /* a copy without progress is given up after; 0: 60 s */
};

struct member_start {
    const struct raft_restored *restored; /* what was durable; a new node's is empty */
    struct slice snapshot;                /* bytes of restored->snapshot; empty if its index is 0 */
    /* What the cluster was founded with; restored->configuration is founding_voters of it, if there
     * is no snapshot. NULL: this node did not found it. */
    const struct founding_plan *plan;
    /* Where to ask for admission: members, as far as known. Copied. */
    const struct member_address *contacts;
    uint32_t contact_count;
};

enum { MEMBER_CONTACTS_MAX = 32 };

/* Borrows `host` for its life; calls it with the first view before it returns. Returns owned.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID (options, founders); LARDER_CORRUPT (what was durable).
 */
LARDER_NODISCARD
enum larder_status member_create(const struct member_options *options,
                                 const struct member_start *start, const struct member_host *host,
                                 int64_t now_us, const struct allocator *allocator,
                                 struct cluster_member **out);
/* NULL is allowed. */
void member_destroy(struct cluster_member *member);

/* Every 10 ms or so. wall_us: microseconds since 1970 by this machine's wall clock. */
void member_tick(struct cluster_member *member, int64_t now_us, int64_t wall_us);
/* How full this machine is: bytes used per mille of its limit; 0: no limit. Told in heartbeats. */
void member_set_pressure(struct cluster_member *member, uint32_t per_mille);
/* A frame came. One that is damaged, of another cluster or generation, or for another node is
 * dropped. One for a former process of this node is not: where that makes a difference the body
 * names the process (replicas), or the sender's index shows it (a promise to a former process was
 * given before this one joined, so no term of this one counts it). */
void member_receive(struct cluster_member *member, struct slice frame, int64_t now_us);
/* An answer of the storage. LARDER_BUSY: give it again later. */
enum larder_status member_storage(struct cluster_member *member, const struct raft_input *answer,
                                  int64_t now_us);
/* A connection with that address was reset: this member asks at once whether the process lives. */
void member_reset(struct cluster_member *member, const struct member_address *address,
                  int64_t now_us);
/* Nobody listens at the address of a member: its process is gone. */
void member_refused(struct cluster_member *member, const struct member_address *address,
                    int64_t now_us);
/* Depart; member_may_leave says when the process may end.
 *   RESTART  for a member with a disk: hands its primaries off and waits until others hold what it
 *            holds. Its place is kept for restart_keep_us. In memory the same as LEAVE.
 *   LEAVE    gives up everything, its vote too; waits while a partition would have fewer replicas
 *            than it should have and could have
 *   FORCED   the same without waiting for that
 *   NONE     takes it back; it joins again if it was let go
 * How long the caller waits before it ends the process anyway is its own affair. */
void member_drain(struct cluster_member *member, enum member_departure departure);

/* The operator says that the majority of the config group is gone for ever: this member begins a
 * new generation alone, with what it has, and leads every partition that it was in sync with.
 * Frames of the old generation are refused from now on; its members come back empty, as new nodes.
 * What may be lost is written in docs/consistency.md. *out: what became of it; the configuration
 * shows which partitions are LOST. Errors, nothing changed: LARDER_AGAIN (the coordinator was heard
 * within twice the longest config lease: it may not be gone); LARDER_DENIED (it is no live member);
 * LARDER_NO_MEMORY; those of begin_generation. */
LARDER_NODISCARD
enum larder_status member_force_generation(struct cluster_member *member, int64_t now_us,
                                           int64_t wall_us, struct forced_generation *out);

/* Ask the config group for a change. Nothing is promised: what comes of it the configuration shows.
 */
void member_propose(struct cluster_member *member, const struct config_entry *entry);
/* To the partitions' side of another member, by number. */
void member_send_partition(struct cluster_member *member, uint32_t to, struct slice body);

/* ---- questions ---- */

/* NULL until it is known. */
const struct configuration *member_configuration(const struct cluster_member *member);
struct lease_table *member_leases(struct cluster_member *member);
/* Own number in the configuration; CLUSTER_NOBODY if it does not name this process as living. */
uint32_t member_number(const struct cluster_member *member);
const struct raft *member_raft(const struct cluster_member *member);
bool member_is_coordinator(const struct cluster_member *member);
/* Index up to which the configuration is applied. */
uint64_t member_applied(const struct cluster_member *member);
/* Most of the voters have another configuration than this member, which can't happen: it has
 * stopped. It sends nothing, takes nothing and has no number any more. The view that showed that
 * was the last; end the process at once, its partitions must not answer. */
bool member_has_diverged(const struct cluster_member *member);
/* How often another member was seen to have another configuration. Must stay 0. */
uint64_t member_divergences(const struct cluster_member *member);
/* It departs, and was let go. */
bool member_may_leave(const struct cluster_member *member);
/* Any one member may be lost, as far as is known here: see cluster_is_safe (departures.h). */
bool member_is_safe(const struct cluster_member *member);
/* How full the fullest other machine with a replica of the partition is, as it last told. */
uint32_t member_pressure(const struct cluster_member *member, uint32_t partition);
/* The median of what the wall clocks of the members show now. */
int64_t member_median_wall_us(const struct cluster_member *member, int64_t now_us, int64_t wall_us);

#endif
