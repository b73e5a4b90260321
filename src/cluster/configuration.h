/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of the cluster: who is a member and who holds which partition in which role. It
 * is the state machine of the config group: each committed entry is applied, on every member, in
 * log order, with the same result everywhere.
 *
 *      entry  PARTITION changes  compare-and-set: apply only if the partition's epoch is still the
 *                                one that the proposer saw. Every applied one raises the epoch, so
 *                                of several proposals for one epoch exactly one wins and the others
 *                                are settled: they never apply.
 *             MEMBER changes     JOIN and DOWN touch all partitions of a member in one entry.
 *
 * Rules that hold (Lin et al. 2008, section 3)
 * - The primary is in the in-sync set. A new one comes from the old set and raises the term; only
 *   RESTORE (a member of the last set, after all were gone) and RESET (data is given up) differ.
 * - The in-sync set grows only by EXPAND: a learner, by its present incarnation, in this term.
 * - Seats belong to a process: JOIN with a newer incarnation, and DOWN, take them all. What a
 *   process promised is forgotten with it, so JOIN never goes back to a former one.
 * - Term, epoch, member numbers and the token ceiling never fall.
 * - A partition is marked as unleased from when policy isr begins to hold until, under policy
 *   majority, a primary whose term has opened says that it serves under the config lease.
 *
 * Memory is obtained by configuration_create: applying never fails for lack of it. One thread. */
#ifndef LARDER_CLUSTER_CONFIGURATION_H
#define LARDER_CLUSTER_CONFIGURATION_H

#include "base/alloc.h"
#include "cluster/types.h"

enum member_state {
    MEMBER_ACTIVE = 1,
    MEMBER_DRAINING, /* is leaving: gets no new roles */
    MEMBER_DOWN,     /* holds no roles; comes back by JOIN */
};

/* Why a member drains, and what it was about when it went down. */
enum member_departure {
    DEPARTURE_NONE,
    DEPARTURE_RESTART, /* comes back soon, with its data: its place in targets is kept */
    DEPARTURE_LEAVE,   /* for good, as soon as its replicas are elsewhere */
    DEPARTURE_FORCED,  /* for good, also if fewer replicas are left than there should be */
    DEPARTURE_END,
};

struct member_address {
    char host[CLUSTER_HOST_BYTES]; /* name or number, NUL-terminated */
    uint16_t client_port;
    uint16_t peer_port;
};

struct member {
    uint32_t number;
    enum member_state state;
    enum member_departure departure; /* ACTIVE: NONE; DRAINING: another */
    struct raft_id node;
    uint64_t incarnation;
    struct member_address address;
    char zone[CLUSTER_LABEL_BYTES]; /* NUL-terminated, may be empty */
    char host[CLUSTER_LABEL_BYTES]; /* the machine; may be empty */
    uint32_t weight;                /* share of the partitions, relative; 0: none */
    bool is_durable;                /* keeps its data over restarts */
};

enum partition_state {
    PARTITION_OK = 1,
    PARTITION_DEGRADED, /* fewer in sync than there should be */
    PARTITION_LOST,     /* nobody in sync: no primary */
};

struct partition_config {
    uint64_t epoch;      /* raised by every change */
    uint64_t term;       /* raised by every change of the primary */
    uint64_t term_index; /* of the entry with which the term began */
    uint64_t lost_index; /* LOST: of the entry that made it so */
    enum partition_state state;
    uint32_t primary;
    bool is_released;       /* the previous primary had stopped serving before the term began */
    bool is_unleased;       /* somebody may serve it without the config lease: policy isr holds, or
                               held when the last primary that said LEASED was not yet heard */
    uint64_t reset_term;    /* of the last RESET: what is of an older term is not data; 0: none */
    uint64_t reset_ceiling; /* no lock token before that RESET, or such a RESTORE, was above it */
    /* The last RESTORE from a log that may lack the end of what was acknowledged: it began this
     * term (0: there was none), and what came behind this sequence in older terms may be lost. */
    uint64_t loss_term, loss_after;
    struct member_set in_sync; /* LOST: empty */
    struct member_set learners;
    struct member_set target; /* where replicas should be */
    struct member_set last;   /* LOST: the last in-sync set, any one of which has all that counts */
};

enum loss_policy { LOSS_HOLD = 1, LOSS_RESET };
enum quorum_policy { QUORUM_MAJORITY = 1, QUORUM_IN_SYNC };

/* When a write is answered. */
enum write_mode {
    WRITES_COMMITTED = 1, /* when all in sync have it */
    WRITES_EXECUTED,      /* mode async: when the primary has it, on its disk if it waits for that;
                             a failover may lose it, and what came after it */
};

struct cluster_settings {
    uint32_t replica_count; /* per partition, the primary included */
    uint32_t min_insync;
    uint32_t voter_count; /* 1, 3 or 5 */
    enum loss_policy loss_policy;
    enum quorum_policy quorum_policy;
    uint32_t lease_ms;        /* of promises between members (L); 250 */
    uint32_t config_lease_ms; /* of the coordinator's answers (C); 2000 */
    uint32_t node_timeout_ms; /* 2000 */
    enum write_mode write_mode;
};

/* What became of a cluster whose config group was given up. */
struct forced_generation {
    uint16_t generation;      /* the new one */
    uint32_t members_removed; /* all but one: they come back empty, as new nodes */
    uint32_t kept_count;      /* partitions that the member was in sync with: it leads them now */
    uint32_t lost_count;      /* the others: LOST, until a RESET by the loss policy or by hand */
};

enum config_entry_type {
    CONFIG_JOIN = 1,
    CONFIG_DOWN,
    CONFIG_DRAIN, /* or, with DEPARTURE_NONE, drain no more, or come back no more */
    CONFIG_REMOVE,
    CONFIG_SETTINGS,
    CONFIG_CEILING, /* raise the token ceiling */
    /* compare-and-set on a partition's epoch */
    CONFIG_SHRINK,
    CONFIG_EXPAND,
    CONFIG_TRANSFER, /* hand-off: the primary drained and stopped, `member` goes on */
    CONFIG_ELECT,    /* `member` replaces a primary that is presumed dead */
    CONFIG_RESTORE,  /* LOST: `member` of the last set came back with its data */
    CONFIG_RESET,    /* LOST: go on empty at `member` */
    CONFIG_NOP,      /* settle all proposals of this epoch */
    CONFIG_ADD_LEARNER,
    CONFIG_REMOVE_LEARNER,
    CONFIG_TARGET,
    CONFIG_LEASED, /* the primary is open, and serves under the config lease from now on */
    CONFIG_ENTRY_TYPE_END,
};

struct config_partition_change {
    uint32_t partition;
    uint64_t epoch; /* applies only if this is the partition's */
    uint32_t member;
    uint64_t incarnation; /* EXPAND, RESTORE, RESET, ADD_LEARNER, LEASED: of the member */
    uint64_t term;        /* EXPAND: in which the learner caught up; LEASED: which is open */
    uint64_t ceiling;     /* RESET, may_have_lost: the token ceiling is at least this then */
    bool may_have_lost;   /* RESTORE: what is restored may lack the end of what was acknowledged */
    uint64_t log_end;     /* RESTORE: of what is restored */
    struct member_set target; /* TARGET */
};

struct config_entry {
    enum config_entry_type type;
    union {
        struct member join; /* number, state and departure are given on applying */
        struct {
            uint32_t number;
            uint64_t incarnation; /* DOWN: of the process that failed */
        } member;                 /* DOWN, REMOVE */
        struct {
            uint32_t number;
            uint64_t incarnation; /* of the process that asks */
            enum member_departure departure;
        } drain;
        struct cluster_settings settings;
        uint64_t ceiling;
        struct config_partition_change change;
    };
};

enum { CONFIG_ENTRY_BYTES_MAX = 256 };

/* What became of an entry; the same on every member. */
enum config_outcome {
    CONFIG_APPLIED = 1,
    CONFIG_STALE,          /* the epoch, term or incarnation is not the present one any more */
    CONFIG_REFUSED,        /* not possible in this state */
    CONFIG_FULL,           /* no room for another member or replica */
    CONFIG_UNKNOWN_MEMBER, /* nobody has this number */
};

struct configuration {
    /* immutable after create */
    const struct allocator *allocator;
    uint32_t members_max;
    uint32_t partition_count;
    /* state */
    struct raft_id cluster;
    uint16_t generation;
    uint64_t reset_ceiling;                             /* the highest of the partitions' */
    uint32_t longest_lease_ms, longest_config_lease_ms; /* that were ever set */
    uint64_t index;                                     /* of the last entry applied */
    uint64_t ceiling;                                   /* no lock token is granted above it */
    uint32_t last_number;
    struct cluster_settings settings;
    uint32_t member_count;
    struct member *members; /* by number */
    struct partition_config *partitions;
    uint32_t *scratch; /* primaries per member, while an entry is applied */
};

extern const struct cluster_settings CLUSTER_DEFAULT_SETTINGS;

/* An empty configuration: no members, every partition LOST with no last set. Room for members_max
 * (at most CLUSTER_MEMBERS_MAX). Errors: LARDER_NO_MEMORY, LARDER_INVALID (counts). */
LARDER_NODISCARD
enum larder_status configuration_create(struct raft_id cluster, uint16_t generation,
                                        uint32_t partition_count, uint32_t members_max,
                                        const struct allocator *allocator,
                                        struct configuration **out);
/* NULL is allowed. */
void configuration_destroy(struct configuration *configuration);

/* The first state of a new cluster: the founders become members 1, 2, ..., and each partition gets
 * its replicas by placement, in sync because all are empty, in term 1. Same arguments, same state.
 * Errors: LARDER_INVALID (founders: none, too many, one twice; settings). */
LARDER_NODISCARD
enum larder_status configuration_found(struct configuration *configuration,
                                       const struct member *founders, uint32_t founder_count,
                                       const struct cluster_settings *settings);

/* Apply the committed entry `index`, which is larger than any before. A refusal changes nothing but
 * the index. An unreadable entry is LARDER_CORRUPT and changes nothing at all: it can't have been
 * made by a member of this version. */
LARDER_NODISCARD
enum larder_status configuration_apply(struct configuration *configuration, uint64_t index,
                                       struct slice entry, enum config_outcome *out);

/* An entry that is not for this state machine was committed. */
void configuration_advance(struct configuration *configuration, uint64_t index);

/* What applying it now would say, without doing it: for a coordinator, before it proposes. */
enum config_outcome configuration_check(const struct configuration *configuration,
                                        const struct config_entry *entry);

/* Whether a partition that was LOST for so long, since the coordinator applied that, may be given
 * up without an operator: every lease that might still be held has run out, and nobody may go on
 * without one, under policy isr or because it has not heard that this has ended. */
bool configuration_may_reset(const struct configuration *configuration, uint32_t partition,
                             int64_t lost_us);

/* NULL if there is none. Borrowed until the next entry is applied. */
const struct member *configuration_find_member(const struct configuration *configuration,
                                               uint32_t number);
const struct member *configuration_find_node(const struct configuration *configuration,
                                             struct raft_id node);
/* The longest-standing active member: where leadership of the config group belongs. */
const struct member *configuration_oldest(const struct configuration *configuration);

/* Writes at most CONFIG_ENTRY_BYTES_MAX bytes and returns how many. */
size_t config_entry_encode(const struct config_entry *entry, uint8_t *out);
/* Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status config_entry_decode(struct slice bytes, struct config_entry *out);

/* Snapshots: the whole state, the same bytes from the same state. */
size_t configuration_encoded_size(const struct configuration *configuration);
size_t configuration_encode(const struct configuration *configuration, uint8_t *out);
/* Replace the state. Errors: LARDER_CORRUPT (also another cluster or number of partitions, or more
 * members than there is room for): nothing changed. */
LARDER_NODISCARD
enum larder_status configuration_restore(struct configuration *configuration, struct slice bytes);

/* The index that encoded state is as of. Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status configuration_peek_index(struct slice bytes, uint64_t *out);

/* Of the encoded state; not to be stored. */
uint64_t configuration_hash(const struct configuration *configuration);

/* Begin a new generation with one member, `number`, from what it knows: the majority of the config
 * group is lost for ever. Of a partition that it was in sync with, or was of the last that were, it
 * has everything that was acknowledged, unless it was taken out by entries that it never saw.
 * Tokens go on above all that the old generation can have given by `wall_us`. Entries begin with
 * the index after next. False: it is no live member. */
bool configuration_force(struct configuration *configuration, uint32_t number, uint64_t wall_us,
                         struct forced_generation *out);

/* Whether the rules above hold; for tests and for checks after a restore. */
bool configuration_is_sound(const struct configuration *configuration);

const char *config_entry_name(enum config_entry_type type);
const char *config_outcome_name(enum config_outcome outcome);

#endif
