/* SPDX-License-Identifier: BSD-3-Clause */
/* Promises between members: why a primary may answer reads without asking anybody. One table per
 * member, for all its partitions.
 *
 *      A --- heartbeat(sent_us) ------------------> B
 *      A <-- promise(sent_us, B's index) ---------- B    B: of no partition that A leads in my view
 *                                                        will I open a newer term for L
 *
 * A counts L, shortened by the drift of clocks, from when it sent; B counts L in full from when it
 * received. So A's right ends before B's restraint does, whatever the network delays.
 *
 * - A promise counts for a term only if B knew the term when it gave it, and A knows all that B
 *   knew: else B may have given it without knowing the term, or A may be deposed and not know.
 * - A promise says how long it holds: who gives it and who counts it may know different settings.
 *   RESET and fresh processes wait for the longest that was ever set.
 * - A promise is of a process: another incarnation's counts for nothing, and a process that has
 *   just begun restrains itself for L, because it does not know what it promised before.
 * - Against the config group likewise: the coordinator's answer says which index it had committed;
 *   it counts once A has applied that.
 *
 * Times are microseconds of this member's clock that counts suspends. One thread; no allocation
 * after create. */
#ifndef LARDER_CLUSTER_LEASE_H
#define LARDER_CLUSTER_LEASE_H

#include "base/alloc.h"
#include "cluster/types.h"

enum { LEASE_AHEAD_MAX = 8 }; /* promises kept that know more than this member does */

struct lease_promise {
    int64_t sent_us;     /* of the heartbeat that it answers */
    int64_t duration_us; /* what the giver restrains itself for */
    uint64_t index;      /* what the giver had applied */
};

struct lease_peer {
    uint32_t member;
    uint64_t incarnation;
    struct lease_promise
        counted; /* the newest that this member knows as much as; sent_us < 0: none */
    uint8_t ahead_count;
    struct lease_promise ahead[LEASE_AHEAD_MAX]; /* oldest first */
    int64_t promised_until_us;                   /* what this member promised to the peer */
};

struct lease_table {
    const struct allocator *allocator;
    int64_t lease_us;        /* L, of the promises given from now on */
    int64_t config_lease_us; /* C, likewise */
    int64_t opens_from_us;   /* a fresh process opens nothing before */
    uint64_t applied_index;
    struct lease_peer config; /* the coordinator, whoever it is */
    uint32_t peer_count, peers_max;
    struct lease_peer *peers;
};

/* Room for peers_max peers. `now_us`: the process began. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status lease_table_create(uint32_t peers_max, int64_t lease_us, int64_t config_lease_us,
                                      int64_t now_us, const struct allocator *allocator,
                                      struct lease_table **out);
/* NULL is allowed. */
void lease_table_destroy(struct lease_table *table);

/* The configuration now says that `member` is this process. What was promised by and to an older
 * one is forgotten: the configuration has taken its seats. False if there is no room. */
bool lease_set_peer(struct lease_table *table, uint32_t member, uint64_t incarnation);
/* It is no member any more. */
void lease_remove_peer(struct lease_table *table, uint32_t member);

/* This member has applied the configuration up to `index`. */
void lease_set_applied(struct lease_table *table, uint64_t index);

/* This member answers a heartbeat with a promise, now. What to send back is the heartbeat's sent_us
 * and the applied index. False: it is not a peer, do not answer with a promise. */
bool lease_give(struct lease_table *table, uint32_t member, uint64_t incarnation, int64_t now_us);

/* A promise came. */
void lease_take(struct lease_table *table, uint32_t member, uint64_t incarnation,
                const struct lease_promise *promise, int64_t now_us);
/* The coordinator's answer to a heartbeat that left at sent_us: after it came, a majority of voters
 * confirmed that `index` was committed and the coordinator still was. */
void lease_take_config(struct lease_table *table, const struct lease_promise *answer,
                       int64_t now_us);

/* Whether the peers, all of them but `self`, promised for a term that began at term_index. */
bool lease_covers(const struct lease_table *table, const struct member_set *peers, uint32_t self,
                  uint64_t term_index, int64_t now_us);
bool lease_config_holds(const struct lease_table *table, int64_t now_us);

/* Until when this member may open no newer term of what `member` leads; INT64_MIN: no promise. */
int64_t lease_promised_until(const struct lease_table *table, uint32_t member);

#endif
