/* SPDX-License-Identifier: BSD-3-Clause */
/* The locks of one partition, and the newest tokens that its data has been written with.
 *
 *      a lock       FREE --GRANT--> HELD --RELEASE, CANCEL, EXPIRE, FORCE, END--> FREE
 *                                   HELD --GRANT (to its owner again), RENEW--> HELD
 *
 * What is replicated changes by records alone, which every replica applies in the order of the log:
 * the primary decides (locks_request, locks_next), applies its record, logs it, and answers when it
 * is committed. What is not replicated is the primary's: who waits, and when holds run out.
 *
 * - Tokens of a partition strictly grow: max(last + 1, min(cluster time, ceiling - 60 s)) in
 *   microseconds; none is given above the ceiling, which the config group raises all the time. When
 *   a partition's data was lost, `last` and the floor become the ceiling (locks_reset), and tokens
 *   of all other partitions go on above it, or for two minutes it would refuse them.
 * - A hold counts at the primary, by the clock of its machine, from the commit of the grant or
 *   renewal; a new primary begins anew with all holds in full. Its holder counts from before it
 *   asked, and less (lock_lost_at_us), so it gives up first. A renewal never shortens a hold.
 * - Those who wait are served in the order in which they came, when the lock is released, not by
 *   asking again. They leave when their connection closes, their time is over or the primary is
 *   deposed; then they ask again, with the same request id, which is granted only once.
 * - A write with a token is refused when a newer one of that lock has been seen by the partition of
 *   the written key. Such marks outlive the key. One that was not raised for 24 h of cluster time
 *   becomes part of a floor for all locks without a mark: so a lock of another partition that is
 *   held for longer than that, and was not used here before, may be refused, never the other way
 *   round. Tokens of this partition are given above its own floor.
 *
 * Times are microseconds: now_us of this machine's clock that counts suspends, cluster_us of the
 * partition's cluster time. Memory of the waiting is taken by create; a change that finds none for
 * a lock or mark is refused as a whole. One thread. */
#ifndef LARDER_CLUSTER_LOCKS_H
#define LARDER_CLUSTER_LOCKS_H

#include "base/alloc.h"
#include "base/hash.h"
#include "cluster/partition_store.h"
#include "cluster/types.h"

enum {
    LOCK_NAME_MAX = 1024,
    LOCK_RECORD_BYTES_MAX = LOCK_NAME_MAX + 80,
    LOCK_REQUESTS_KEPT = 4, /* newest request ids of a holder */
};

enum lock_request_type {
    LOCK_REQUEST_ACQUIRE = 1, /* wait for it up to wait_ms */
    LOCK_REQUEST_RENEW,       /* hold `token` for hold_ms from now */
    LOCK_REQUEST_RELEASE,     /* give back `token`, once for each time it was acquired */
    LOCK_REQUEST_CANCEL, /* the acquire `request` is not wanted any more, whether granted or waiting
                          */
    LOCK_REQUEST_FORCE,  /* whoever holds it has lost it; not remembered: a copy does it again */
    LOCK_REQUEST_END_SESSION, /* everything of `session` */
    LOCK_REQUEST_TYPE_END,
};

struct lock_request {
    enum lock_request_type type;
    uint64_t context;       /* given back with the answer; not 0 */
    uint64_t connection;    /* ACQUIRE: whose closing ends the waiting */
    struct raft_id session; /* 128 random bits of who asks */
    uint64_t request;       /* of this session; repeated: the same answer, but for FORCE. CANCEL:
                               the acquire's */
    struct slice name;      /* at most LOCK_NAME_MAX; not of END_SESSION */
    uint64_t token;         /* RENEW, RELEASE */
    uint32_t hold_ms;       /* ACQUIRE, RENEW; 0: until the session ends */
    uint32_t wait_ms;       /* ACQUIRE; 0: now or never */
};

enum lock_answer {
    LOCK_GRANTED = 1, /* with its token */
    LOCK_DONE,        /* renewed, released, cancelled, ended; FORCE: with a token above all older */
    LOCK_HELD,        /* by somebody else, and there was no time to wait */
    LOCK_TIMED_OUT,   /* waited in vain, or cancelled while it waited */
    LOCK_NOT_HELD,    /* RENEW, RELEASE, CANCEL: not by this session with this token or request */
    LOCK_MOVED,       /* waited at a primary that is no longer: ask the new one */
    LOCK_REFUSED,     /* no token below the ceiling now, or too many wait */
};

/* When something is decided. */
struct lock_moment {
    int64_t now_us;
    uint64_t cluster_us;
    uint64_t ceiling; /* of tokens: the configuration's */
    uint64_t above;   /* tokens are above: the ceiling when any partition was last reset */
};

enum lock_verdict {
    LOCKS_NOTHING = 0,
    LOCKS_RECORD, /* apply and log `record`; answer when it is committed */
    LOCKS_ANSWER, /* answer as to a read: when all that was seen is committed */
    LOCKS_WAITS,  /* the answer comes out of locks_next */
};

struct lock_step {
    enum lock_verdict verdict;
    enum lock_answer answer;
    uint64_t token;
    uint64_t context;    /* whose answer it is; 0: nobody's */
    uint64_t superseded; /* this context waited with the same request id: it gets no answer */
    struct raft_id session;
    uint64_t request;    /* RECORD that grants: of the acquire */
    struct slice record; /* borrowed until the next call */
};

struct locks_options {
    uint32_t waiters_max; /* 0: 1024 */
    uint32_t locks_max;   /* 0: 2^20 */
    uint32_t marks_max;   /* 0: 2^20; then the oldest becomes part of the floor before its time */
    const struct hash_seed *seed; /* borrowed for life */
};

/* What is known of one lock; for those who look. */
struct lock_state {
    struct raft_id owner;
    uint64_t token;
    uint32_t hold_ms;
    uint32_t depth; /* how many times its owner has to release it */
    uint32_t waiting;
    int64_t expires_us; /* INT64_MAX: not counting */
};

struct locks;

/* No lock is held, no token was given; not leading. Returns owned. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status locks_create(const struct locks_options *options,
                                const struct allocator *allocator, struct locks **out);
/* NULL is allowed. */
void locks_destroy(struct locks *locks);

/* ---- the primary ---- */

/* This member's replica is open as primary: every hold begins anew. */
void locks_lead(struct locks *locks, int64_t now_us);
/* It is no longer: nothing expires here, and those who wait get MOVED from locks_next. */
void locks_follow(struct locks *locks);

/* Decide. Only while leading. Changes nothing that is replicated; a record is to be applied, or
 * given up, before anything else is asked. Errors: LARDER_INVALID (name, context). */
LARDER_NODISCARD
enum larder_status locks_request(struct locks *locks, const struct lock_request *request,
                                 const struct lock_moment *moment, struct lock_step *out);
/* What is due by itself: a hold that ran out, somebody who waited and is served or has waited long
 * enough. Call it after every record and on ticks, until NOTHING. A record that was not applied
 * comes again. */
void locks_next(struct locks *locks, const struct lock_moment *moment, struct lock_step *out);
/* All records up to `sequence` are committed now. */
void locks_commit(struct locks *locks, uint64_t sequence, int64_t now_us);
/* Who waited on this connection does not any more, and needs no answer. */
void locks_disconnect(struct locks *locks, uint64_t connection);

/* May a key of this partition be written with this token of `name`? If so, and it is the newest,
 * *out_record is what has to be applied and logged in one with the write, else empty.
 * Errors: LARDER_DENIED (a newer token was seen), LARDER_INVALID (name). */
LARDER_NODISCARD
enum larder_status locks_fence(struct locks *locks, struct slice name, uint64_t token,
                               uint64_t cluster_us, struct slice *out_record);

/* ---- every replica ---- */

/* `sequence` is of the record in the partition's log (the next one, at the primary).
 * Errors, nothing changed: LARDER_NO_MEMORY, LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status locks_apply(struct locks *locks, struct slice record, uint64_t sequence);
/* The partition's data was given up: no lock is held, and no token below the ceiling counts. Ends
 * leading. */
void locks_reset(struct locks *locks, uint64_t ceiling);
/* As before the first record. Ends leading. */
void locks_clear(struct locks *locks);

/* What is replicated, as bytes. Decoding replaces it and ends leading. Errors, nothing changed:
 * LARDER_NO_MEMORY, LARDER_CORRUPT. */
size_t locks_encoded_size(const struct locks *locks);
size_t locks_encode(const struct locks *locks, uint8_t *out);
LARDER_NODISCARD
enum larder_status locks_decode(struct locks *locks, struct slice bytes);
/* Equal if what is replicated is. */
struct store_digest locks_digest(const struct locks *locks);

/* False: nobody holds it or waits for it. */
bool locks_find(const struct locks *locks, struct slice name, struct lock_state *out);
/* The newest token given here. */
uint64_t locks_last_token(const struct locks *locks);
/* The oldest token that a write may have of locks without a mark. */
uint64_t locks_floor(const struct locks *locks);
/* The oldest token of `name` that a write may have. */
uint64_t locks_fence_of(const struct locks *locks, struct slice name);

/* ---- the client ---- */

/* From when on a holder must take it that it has lost a lock, when it sent the request that
 * acquired or renewed it at sent_us of its clock. INT64_MAX: it holds as long as its session. */
static inline int64_t lock_lost_at_us(int64_t sent_us, uint32_t hold_ms) {
    return hold_ms == 0 ? INT64_MAX : sent_us + cluster_shortened_us((int64_t)hold_ms * 1000);
}

const char *lock_answer_name(enum lock_answer answer);

#endif
