/* SPDX-License-Identifier: BSD-3-Clause */
/* One partition at one member: its replica of the log (partition_replica.h), its data
 * (partition_store.h) and what makes it complete (copying.h), and what lies beside the data: locks,
 * the memory of requests, the cluster time.
 *
 *      REQUEST -> admitted? -> answered before? -> executed at cluster time -> record -> replicas
 *                 |            |                   |                             |
 *                 v            v                   v nothing changed: a read     v committed
 *                 parked       stored answer       ------------------------->  reply
 *
 * - One command is one record with one sequence: what it changed, what it answers, the time at
 *   which it did. Replicas apply records and decide nothing: expiry, eviction, the forgetting of
 *   sessions and what becomes of locks are records of the primary.
 * - A reply leaves when all it tells of is committed, and only then. Where WRITES_EXECUTED is asked
 *   for (configuration.h) commands, EXEC and WATCH do not wait for that; what has a fence, a lock,
 *   ABANDON and a read by a round always do.
 * - A request is executed at most once, and a refused one never is.
 * - While the partition has a primary here that is not open yet, or hands off, requests are parked,
 *   at most for a second.
 *
 * Pure: no I/O, threads or clocks. Memory beyond what create takes is bounded by bytes_max of the
 * options; lacking it a request is BUSY, and a record waits in the log until it can be applied.
 * One thread. */
#ifndef LARDER_CLUSTER_PARTITION_H
#define LARDER_CLUSTER_PARTITION_H

#include "cluster/cluster_clock.h"
#include "cluster/copying.h"
#include "cluster/partition_record.h"
#include "cluster/partition_replica.h"
#include "cluster/partition_store.h"
#include "cluster/request_memory.h"

struct cluster_partition;

/* A record is at most an eighth of the log's bytes. A command whose effect would be larger must be
 * refused by the store: give it partition_effect_max. */
struct partition_options {
    struct replica_options replica; /* partition, self, incarnation, waits_for_sync, sizes */
    size_t bytes_max;               /* held for replies and parked requests; 0: 4 MiB */
    size_t session_bytes_max;       /* of the request memory; 0: 1 MiB */
    uint64_t copy_bytes_per_second; /* asked for; 0: no limit */
    int64_t digest_every_us;        /* all buckets are compared once per; 0: 60 s; below 0: never */
    struct locks_options locks; /* waiters_max 0: as many as requests_max; seed NULL: a fixed one */
    int64_t park_us;            /* a request is parked at most; 0: 1 s */
    int64_t confirm_after_us; /* reads that wait so long for promises get a round; 0: 100 ms; below
                                 0: never, they are REFUSED at their deadline */
    int64_t sweep_every_us;   /* the primary looks for expired keys; 0: 100 ms */
};

enum partition_request_kind {
    PARTITION_COMMAND = 1,  /* argv; also a script: what all of it changed is one record */
    PARTITION_LOCK_REQUEST, /* lock; it has a session and a number of its own */
    PARTITION_EXEC,         /* commands: all of them, with nothing between, as one record; or none
                               if a watched key was changed */
    PARTITION_WATCH,        /* argv: keys; the reply says what their watches are as of */
    PARTITION_ABANDON,      /* never execute the request `id`. DONE with bytes: it was, before, and
                               this is its reply; without: it was not */
};

enum partition_read_mode {
    PARTITION_READ_LEASE, /* linearizable: all in sync promised, or else a round */
    PARTITION_READ_STALE, /* a command that only reads, at a backup too: what was committed once */
    PARTITION_READ_ROUND, /* linearizable without trusting any clock: one round to all in sync */
};

/* The write is refused if a newer token of that lock has been seen here. */
struct partition_fence {
    struct slice name;
    uint64_t token;
};

/* A key was not changed since this, in the log of its partition. Lost where many other keys are
 * watched: it counts as changed then. */
struct partition_watch {
    struct slice key;
    uint64_t term, sequence; /* of the reply to WATCH */
};

/* But for stale reads and WRITES_EXECUTED a reply is linearizable, whatever the request: a read is
 * a request that changed nothing. */
struct partition_request {
    enum partition_request_kind kind;
    uint64_t context;            /* of the reply */
    int64_t deadline_us;         /* of this member's clock */
    const struct request_id *id; /* NULL: the client has no session */
    enum partition_read_mode read_mode;
    enum write_mode write_mode; /* 0: as it is set for the cluster */
    uint64_t watched_term;      /* refuse it in any other term; 0: no matter */
    /* of different locks, PARTITION_FENCES_MAX at most; each must hold, or nothing is done */
    const struct partition_fence *fences;
    size_t fence_count;
    const struct partition_watch *watches; /* EXEC */
    size_t watch_count;
    const struct slice *argv;
    size_t argc;
    const struct store_command *commands; /* EXEC */
    size_t command_count;
    const struct lock_request *lock; /* its context is not used */
};

enum partition_answer {
    PARTITION_DONE = 1,     /* with a reply */
    PARTITION_RESULT_LOST,  /* applied, once; its result is too long to be kept */
    PARTITION_WATCH_BROKEN, /* what was watched has changed, or the term has: never applied */
    /* Surely not applied: this request, as it came here, was not and will not be. If its client has
     * sent it more than once, each answer speaks of one that was sent: until all are answered the
     * number may still be executed, unless ABANDON ends that. */
    PARTITION_MOVED,   /* ask the primary */
    PARTITION_FENCED,  /* its token is older than one that was seen */
    PARTITION_REFUSED, /* too few in sync, the config group was not heard, a read not confirmed */
    PARTITION_CLOSED,  /* was parked, and no primary opened in time */
    PARTITION_BUSY,    /* no room: try again later */
    /* not known */
    PARTITION_IN_DOUBT,        /* may be applied, now or later */
    PARTITION_UNKNOWN_SESSION, /* not executed now; whether before is not known any more */
};

struct partition_reply {
    uint64_t context;
    enum partition_answer answer;
    struct slice bytes; /* RESP; DONE; borrowed until the next step */
    bool is_confirmed;  /* a read by lease was answered after a round */
    int64_t as_of_us;   /* a stale read: cluster time of the newest record that it saw; else 0 */
    /* DONE, of a LOCK_REQUEST */
    enum lock_answer lock_answer;
    uint64_t token;
    /* DONE, of a WATCH: for partition_watch */
    uint64_t watched_term, watched_sequence;
};

enum partition_input_type {
    PARTITION_VIEW = 1,     /* as REPLICA_VIEW */
    PARTITION_TICK,         /* every 10 ms or so, with what the wall clocks show */
    PARTITION_MESSAGE,      /* of another replica */
    PARTITION_COPY_MESSAGE, /* of another member's copying */
    PARTITION_SYNCED,
    PARTITION_STORED, /* as REPLICA_STORED */
    PARTITION_FULL,   /* as REPLICA_FULL */
    PARTITION_HAND_OFF,
    PARTITION_SILENT,
    PARTITION_REQUEST,
    PARTITION_DISCONNECT, /* lock requests that wait on `connection` are not wanted any more */
    PARTITION_CONTINUE,   /* the last step asked for it */
};

struct partition_input {
    enum partition_input_type type;
    int64_t now_us; /* of the clock that counts suspends */
    union {
        const struct configuration *configuration;
        struct {
            int64_t wall_us;        /* of this machine */
            int64_t median_wall_us; /* of the members */
            uint32_t pressure;      /* member_pressure of this partition */
        } tick;
        const struct replica_message *message;
        const struct copying_message *copy;
        uint64_t number; /* SYNCED, STORED: the sequence */
        bool is_full;
        uint32_t member; /* HAND_OFF, SILENT */
        const struct partition_request *request;
        uint64_t connection;
    };
};

struct partition_output {
    /* Messages, write, proposal, role, wanted_index, is_broken. Its replies and records to apply
     * are done with. */
    struct replica_output replica;
    struct copying_output copies;
    uint32_t reply_count;
    const struct partition_reply *replies;
    /* Became committed in this step: what their effects cause outside may leave now, in this
     * order. None if first > last. partition_get_record. */
    uint64_t committed_first, committed_last;
    bool wants_step;   /* there is more to do: step again now with CONTINUE */
    bool has_diverged; /* data differed from the primary's, which cannot happen: it is copied */
};

/* Longest effect, with log_bytes_max as of the replica's options. */
static inline size_t partition_effect_max(size_t log_bytes_max) {
    size_t record = (log_bytes_max == 0 ? REPLICA_LOG_BYTES : log_bytes_max) / 8;
    return record > PARTITION_RECORD_OVERHEAD ? record - PARTITION_RECORD_OVERHEAD : 0;
}

/* Borrows `leases` for its life and takes what `store` points to for its life, which is empty.
 * Returns owned in *out. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status partition_create(const struct partition_options *options,
                                    struct lease_table *leases, struct partition_store store,
                                    const struct allocator *allocator,
                                    struct cluster_partition **out);
/* NULL is allowed. */
void partition_destroy(struct cluster_partition *partition);

/* What was durable: the log holds the records behind `base`; the store and `beside` (empty if base
 * is 0) are as of base. Applies what is committed. Before the first step. Errors:
 * LARDER_NO_MEMORY, LARDER_CORRUPT: destroy it. */
LARDER_NODISCARD
enum larder_status partition_restore(struct cluster_partition *partition, struct log_position base,
                                     struct slice beside, const struct replica_record *records,
                                     size_t record_count, uint64_t commit, bool is_complete);

/* Take one input; *out is written from scratch. Errors: those of replica_step for inputs that it
 * takes and of copying_receive. A REQUEST is always taken. */
LARDER_NODISCARD
enum larder_status partition_step(struct cluster_partition *partition,
                                  const struct partition_input *input,
                                  struct partition_output *out);

/* ---- questions ---- */

/* Its parts, to look at. */
const struct partition_replica *partition_replica(const struct cluster_partition *partition);
const struct copying *partition_copying(const struct cluster_partition *partition);
/* Of a learner, for member_host.copy_left. */
uint64_t partition_copy_left(const struct cluster_partition *partition);
const struct locks *partition_locks(const struct cluster_partition *partition);
/* Of the configuration as seen here; what WATCH remembers. */
uint64_t partition_term(const struct cluster_partition *partition);
/* Cluster time as of the last step. */
int64_t partition_time_us(const struct cluster_partition *partition);
/* A record whose number is in `write` or `committed` of the last step. kind EFFECT: *out is what it
 * says. Borrows until the next step. */
struct replica_record partition_get_record(const struct cluster_partition *partition,
                                           uint64_t sequence, struct partition_record *out);
/* Records up to here are in the store. */
uint64_t partition_stored(const struct cluster_partition *partition);
/* Whether the store holds exactly what is committed: an image of it may be made durable. */
bool partition_may_image(const struct cluster_partition *partition);
/* What was copied is not durable yet: an image is wanted as soon as may be, then STORED. */
bool partition_wants_image(const struct cluster_partition *partition);
/* Digest of what lies beside the data: equal on replicas that stored the same. */
void partition_digest_beside(const struct cluster_partition *partition, struct store_digest *out);
/* What a restart will need of it: `beside` of partition_restore. */
size_t partition_beside_size(const struct cluster_partition *partition);
size_t partition_beside_encode(const struct cluster_partition *partition, uint8_t *out);

#endif
