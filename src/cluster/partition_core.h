/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at one member: what its files share. For this folder only. */
#ifndef LARDER_CLUSTER_PARTITION_CORE_H
#define LARDER_CLUSTER_PARTITION_CORE_H

#include "cluster/mutants.h"
#include "cluster/partition.h"

enum { PARTITION_REPLY_SMALL = 64, PARTITION_EXPIRE_MAX = 64 };

enum slot_state {
    SLOT_FREE,
    SLOT_PARKED,
    SLOT_WAITING,  /* executed; the replica knows it as its index + 1 */
    SLOT_QUEUED,   /* waits for a lock */
    SLOT_ANSWERED, /* free with the next step */
};

struct partition_slot {
    enum slot_state state;
    struct partition_request request; /* PARKED: points into bytes, and to id and lock here */
    struct request_id id;
    struct lock_request lock;
    uint64_t connection; /* QUEUED */
    int64_t parked_until_us;
    enum partition_answer done; /* what to say when it is settled well */
    bool is_round;              /* a read that went as a record */
    bool is_known;              /* it was executed before */
    bool is_early;              /* its answer does not wait for commit */
    uint8_t small[PARTITION_REPLY_SMALL];
    enum lock_answer lock_answer;
    uint64_t token;
    uint64_t watched_sequence; /* of a WATCH; else 0 */
    int64_t as_of_us;
    struct slice reply; /* in `small` or `bytes` */
    uint8_t *bytes;     /* owned; NULL if size is 0 */
    size_t size;
};

struct cluster_partition {
    struct partition_options options;
    const struct allocator *allocator;
    struct partition_store store;
    struct partition_replica *replica;
    struct cluster_clock clock;
    struct request_memory *requests;
    struct copying *copying;
    struct locks *locks;
    uint64_t ceiling;    /* of lock tokens */
    uint64_t above;      /* lock tokens are above */
    uint64_t reset_term; /* in which RESET was logged */
    /* applying: records apply_from to apply_to are given out by the replica, not all stored */
    uint64_t apply_from, apply_to;
    size_t applied_bytes; /* of the first one's effect */
    bool is_effect_applied, is_rest_wanted;
    bool has_diverged; /* the replica is to be told */
    uint8_t *beside;   /* what lies beside the data, as bytes */
    size_t beside_size;
    uint64_t announced; /* committed records were put out up to here */
    /* requests */
    size_t held_bytes;
    uint32_t slot_count, free_count, parked_count;
    struct partition_slot *slots;
    uint32_t *free_slots;
    uint32_t *parked;        /* slots in order of arrival */
    uint64_t successor_term; /* handed off: park until this term has begun; 0: no */
    int64_t successor_until_us;
    /* as primary */
    uint8_t *record; /* room for one */
    size_t record_max;
    int64_t next_sweep_us, next_expiry_us;
    struct watched_keys *watched; /* NULL: nobody watched anything in this term */
    uint8_t marks[PARTITION_MARKS_BYTES_MAX];
    bool is_broken;
    /* during a step */
    struct partition_output *out;
    int64_t now_us;
    uint32_t reply_count;
    struct partition_reply *replies;
    uint32_t *reply_slots; /* UINT32_MAX: none */
};

static inline bool partition_is_behind(const struct cluster_partition *p) {
    return p->apply_from <= p->apply_to;
}

/* Executes now: open, everything applied, a clock that runs. */
static inline bool partition_is_ready(const struct cluster_partition *p) {
    return p->replica->role == REPLICA_OPEN && p->clock.is_running && !p->is_broken &&
           (!partition_is_behind(p) || CLUSTER_MUTATED(MUTANT_EXECUTES_BEHIND));
}

/* partition_apply.c */
/* Put into the store what the replica gave out, as far as memory lasts. */
void partition_apply_pending(struct cluster_partition *p);
/* What copying asks of what lies beside the data; the context is the partition. */
enum larder_status partition_read_rest(void *context, struct slice *out);
enum larder_status partition_replace_rest(void *context, struct slice bytes);
void partition_digest_rest(void *context, struct store_digest *out);
/* What a record says beside its effect: clock, request memory. Errors: LARDER_NO_MEMORY (nothing
 * changed), LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status partition_apply_beside(struct cluster_partition *p, uint64_t sequence,
                                          const struct partition_record *record);

/* partition_execute.c: the primary's commands */
/* Execute in the slot. 0: the replica will settle it; else the answer, nothing was changed. */
enum partition_answer partition_execute(struct cluster_partition *p, uint32_t slot,
                                        const struct partition_request *request);
/* A record of what was executed; its locks and mark are applied already. `context` 0: nobody waits.
 * The store has it and cannot go back: if it does not fit into the log this member is broken. */
void partition_write(struct cluster_partition *p, uint64_t context, int64_t deadline_us,
                     const struct partition_record *record);
/* The slot's answer is that of a read. As partition_execute. */
enum partition_answer partition_answer_read(struct cluster_partition *p, uint32_t slot,
                                            const struct partition_request *request);
/* Reads that wait for promises for long are answered after a round to all in sync, one for all. */
void partition_confirm_reads(struct cluster_partition *p);
/* A stale read at a replica that is not the primary. As partition_execute. */
enum partition_answer partition_execute_stale(struct cluster_partition *p, uint32_t slot,
                                              const struct partition_request *request);
/* Cluster time of this step. */
int64_t partition_time(struct cluster_partition *p);
/* Sweep and forget sessions, when it is time. */
void partition_keep_house(struct cluster_partition *p);

/* partition_conditions.c: what requests depend on */
/* The marks are in the locks before anything is executed, and must be logged whatever comes of
 * that. 0: the slot's `done` says whether it is FENCED. Else nothing was changed. */
enum partition_answer partition_check_fences(struct cluster_partition *p, uint32_t slot,
                                             const struct partition_request *request,
                                             struct slice *out_marks);
/* 0: no watched key of the request was changed. WATCH_BROKEN: one may have been, which stays so.
 * BUSY: it is not known, for want of memory. */
enum partition_answer partition_check_watches(struct cluster_partition *p,
                                              const struct partition_request *request);
/* As partition_execute. */
enum partition_answer partition_execute_watch(struct cluster_partition *p, uint32_t slot,
                                              const struct partition_request *request);
/* The record `sequence` had this effect. */
void partition_note_changes(struct cluster_partition *p, uint64_t sequence, struct slice effect);
void partition_forget_watches(struct cluster_partition *p);

/* partition_locks.c. As partition_execute. */
enum partition_answer partition_execute_lock(struct cluster_partition *p, uint32_t slot,
                                             const struct partition_request *request);
/* What is due by itself; while this member does not lead, those who wait are sent away. */
void partition_run_locks(struct cluster_partition *p);
void partition_disconnect(struct cluster_partition *p, uint64_t connection);

/* partition_requests.c: parking, slots, replies */
void partition_say(struct cluster_partition *p, uint64_t context, enum partition_answer answer,
                   uint32_t slot);
void partition_take_request(struct cluster_partition *p, const struct partition_request *request);
/* Execute those that are parked, or let them go. */
void partition_run_parked(struct cluster_partition *p);
void partition_settle_parked(struct cluster_partition *p);
void partition_take_replies(struct cluster_partition *p, const struct replica_output *out);
/* Free what the last step answered. */
void partition_forget_replies(struct cluster_partition *p);
void partition_release_slot(struct cluster_partition *p, uint32_t slot);
/* Keep the reply with the slot. False: no room. */
bool partition_hold_reply(struct cluster_partition *p, uint32_t slot, struct slice reply);

#endif
