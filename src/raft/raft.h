/* SPDX-License-Identifier: BSD-3-Clause */
/* Consensus on a log (Ongaro and Ousterhout 2014; Ongaro's dissertation, 2014), as a pure function
 * of inputs: no I/O, no clock, no thread. Time comes with each input, randomness from the seed.
 *
 *      input -> raft_step -> output:  write       to make durable, in order   -> PERSISTED later
 *                                     messages    to send now
 *                                     apply       committed entries, in order
 *                                     reads       confirmed or failed
 *                                     snapshot    chunks to store, to read, to install
 *
 * Rules that hold
 * - A message never says what is not yet durable: votes and acknowledgements wait inside for
 *   PERSISTED. So whatever is in `messages` may be sent at once.
 * - Writes are numbered and must take effect in that order. PERSISTED covers all writes up to its
 *   number. One that was overtaken by a truncation does not count.
 * - When the storage fails a write, the caller gives PERSIST_FAILED and fails all later ones too,
 *   until it gives STORAGE_READY; then everything missing is written again. Meanwhile a leader
 * steps down, nobody campaigns or votes, and nothing is acknowledged.
 * - At most one leader per term; an entry of an older term commits only under one of the leader's
 *   own; a leader that lost its majority steps down within two election timeouts.
 *
 * One thread at a time per object. Nothing blocks. */
#ifndef LARDER_RAFT_RAFT_H
#define LARDER_RAFT_RAFT_H

#include "base/alloc.h"
#include "raft/types.h"

struct raft;

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_options {
    struct raft_id cluster; /* of all messages */
    uint16_t generation;
    struct raft_id self;
    uint64_t seed;                 /* of the election timeouts; different on each node */
    int64_t election_ms;           /* timeouts are in [election_ms, 2 election_ms); default 300 */
    int64_t heartbeat_ms;          /* default 50 */
    uint32_t snapshot_chunk_bytes; /* default 64 KiB, at most RAFT_SNAPSHOT_CHUNK_MAX */
};

/* What a node had persisted. A founder gives the founding configuration as snapshot 0; a node that
 * joins gives an empty one and waits for a leader. */
struct raft_restored {
    int64_t now_ms;
    struct raft_hard_state hard_state;
    struct raft_snapshot snapshot;           /* the state machine is as of snapshot.index */
    struct raft_configuration configuration; /* as of snapshot.index */
    const struct raft_entry *entries;        /* consecutive; may begin before the snapshot's end */
    size_t entry_count;
};

/* Returns owned in *out. Borrows everything for the call. Entries that contradict the snapshot or
 * do not reach it are ignored: they were being replaced by it, and the first write says so again.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID (options); LARDER_CORRUPT (entries with gaps, of terms
 * that fall or exceed the hard state's, or an unreadable configuration). */
LARDER_NODISCARD
enum larder_status raft_create(const struct raft_options *options,
                               const struct raft_restored *restored,
                               const struct allocator *allocator, struct raft **out);
/* NULL is allowed. */
void raft_destroy(struct raft *raft);

enum raft_input_type {
    RAFT_TICK,            /* time passed; every 10 ms or so */
    RAFT_MESSAGE,         /* from another member, decoded */
    RAFT_PROPOSE,         /* append a command; leader only */
    RAFT_CHANGE,          /* change the configuration by one member; leader only */
    RAFT_READ,            /* confirm that reading the committed state is linearizable */
    RAFT_TRANSFER,        /* hand leadership to a voter */
    RAFT_PERSISTED,       /* all writes up to `number` are durable */
    RAFT_PERSIST_FAILED,  /* write `number` and all later ones are not */
    RAFT_STORAGE_READY,   /* the storage accepts writes again */
    RAFT_SNAPSHOT_TAKEN,  /* a durable snapshot of applied state: the log may be cut */
    RAFT_SNAPSHOT_DATA,   /* answers a snapshot_read */
    RAFT_SNAPSHOT_STORED, /* a snapshot_chunk is stored; at the end: whole, checked and durable */
    RAFT_SNAPSHOT_DISCARDED, /* what was stored is lost or wrong: start again */
    RAFT_POLICY,             /* how many voters there should be */
    RAFT_MEMBER_DEAD,        /* evidence about a member, for replacing voters */
    RAFT_LEADER_GONE,        /* evidence that the leader's process ended: campaign soon */
};

enum raft_change_type {
    RAFT_ADD_LEARNER,
    RAFT_PROMOTE, /* a learner that has caught up becomes a voter */
    RAFT_DEMOTE,  /* a voter becomes a learner */
    RAFT_REMOVE,
};

struct raft_change {
    enum raft_change_type type;
    struct raft_id id;
};

/* Durable up to here: the last write's number and the end of the log as of that write. */
struct raft_persisted {
    uint64_t number;
    uint64_t index;
    uint64_t term;
};

struct raft_snapshot_taken {
    struct raft_snapshot snapshot;
    uint64_t keep_from; /* entries before this one are cut; at most snapshot.index + 1 */
};

struct raft_snapshot_data {
    struct raft_id to;
    struct raft_snapshot snapshot; /* as in the snapshot_read */
    uint64_t offset;
    struct slice data; /* empty: it can't be read now, ask again */
};

struct raft_snapshot_stored {
    struct raft_snapshot snapshot;
    uint64_t offset; /* bytes stored since the beginning */
};

/* The leader keeps `voters_target` (1, 3 or 5; 0 = changes nothing by itself) voters that are not
 * dead: it promotes learners that have caught up, then demotes what is dead or too many, one at a
 * time. A member is dead when silent for `dead_after_ms` or when RAFT_MEMBER_DEAD says so. */
struct raft_policy {
    uint32_t voters_target;
    int64_t dead_after_ms; /* 0 = only by RAFT_MEMBER_DEAD */
};

struct raft_member_dead {
    struct raft_id id;
    bool is_dead;
};

struct raft_input {
    enum raft_input_type type;
    int64_t now_ms; /* monotonic clock of this node; never runs back */
    union {
        const struct raft_message *message;
        struct slice command;
        struct raft_change change;
        uint64_t read_context; /* chosen by the caller, returned with the result */
        struct raft_id transfer_to;
        struct raft_persisted persisted;
        uint64_t failed_number;
        struct raft_snapshot_taken snapshot_taken;
        struct raft_snapshot_data snapshot_data;
        struct raft_snapshot_stored snapshot_stored; /* also DISCARDED */
        struct raft_policy policy;
        struct raft_member_dead member_dead;
        int64_t campaign_after_ms; /* LEADER_GONE; of voters that campaign together none may win */
    };
};

/* Make the durable log be: what it is up to `after_index`, then exactly `entries`. The hard state,
 * if there is one, becomes durable no later than the entries. With `is_reset` the stored snapshot
 * that ends at `after_index` first becomes, durably, the one that a restart finds, and the log
 * begins anew behind it. */
struct raft_write {
    uint64_t number; /* 0 = nothing to write; else one more than the last */
    bool has_hard_state;
    struct raft_hard_state hard_state;
    bool has_log;
    bool is_reset;
    uint64_t after_index;
    const struct raft_entry *entries;
    size_t entry_count;
    uint64_t last_index; /* what PERSISTED must say */
    uint64_t last_term;
};

struct raft_read_state {
    uint64_t context;
    enum larder_status status; /* LARDER_OK, or LARDER_AGAIN: leadership was lost, ask elsewhere */
    uint64_t index;            /* read once this index is applied */
};

/* Give `size` bytes of `snapshot` at `offset` back as SNAPSHOT_DATA. */
struct raft_snapshot_read {
    struct raft_id to;
    struct raft_snapshot snapshot;
    uint64_t offset;
    uint32_t size;
};

enum {
    RAFT_READS_MAX = 64, /* reads that wait for confirmation */
    RAFT_MESSAGES_MAX = 2 * RAFT_MEMBERS_MAX + 4,
};

/* Written by raft_step, no initialisation needed. What it points to is borrowed from the raft and
 * from the input, and valid until the next raft_step. */
struct raft_output {
    struct raft_write write;
    size_t message_count;
    struct raft_message messages[RAFT_MESSAGES_MAX];
    const struct raft_entry *apply; /* committed entries that were not yet given out */
    size_t apply_count;
    size_t read_count;
    struct raft_read_state reads[RAFT_READS_MAX];
    size_t snapshot_read_count;
    struct raft_snapshot_read snapshot_reads[RAFT_MEMBERS_MAX];
    bool has_snapshot_chunk; /* store it, then SNAPSHOT_STORED; offset 0 starts a new one */
    struct raft_snapshot_chunk snapshot_chunk;
    bool has_install; /* load this stored snapshot into the state machine, before `apply` */
    struct raft_snapshot install;
    uint64_t proposed_index; /* PROPOSE and CHANGE: the entry made; committed if and only if an */
    uint64_t proposed_term;  /* entry with this index and term is applied */
    bool has_new_role;       /* the role, the term or the leader changed */
};

/* Take one input. If the status is not LARDER_OK nothing changed but the time.
 * Errors: LARDER_BUSY (no memory; or the leader can't do it now: give the same input again later, a
 * message may be dropped instead); LARDER_AGAIN (PROPOSE, CHANGE, READ, TRANSFER: not the leader;
 * the status names it); LARDER_DENIED (a message of another cluster, generation or for another
 * node); LARDER_INVALID (an input that makes no sense, among them an impossible change);
 * LARDER_TOO_LARGE; LARDER_EXISTS and LARDER_NOT_FOUND (CHANGE, TRANSFER, MEMBER_DEAD: the member
 * is or is not there); LARDER_CORRUPT (a message that would change what is committed, or with an
 * unreadable entry). */
LARDER_NODISCARD
enum larder_status raft_step(struct raft *raft, const struct raft_input *input,
                             struct raft_output *out);

struct raft_status {
    enum raft_role role;
    uint64_t term;
    struct raft_id vote;
    struct raft_id leader; /* nobody if unknown */
    uint64_t commit_index;
    uint64_t given_index;   /* the last entry given out in `apply` or covered by an install */
    uint64_t durable_index; /* of the own log */
    uint64_t first_index;   /* of the log in memory; first_index - 1 is cut */
    uint64_t last_index;
    uint64_t last_term;
    uint64_t configuration_index; /* entry that made the current configuration */
    uint64_t snapshot_index;
    int64_t election_deadline_ms; /* next timeout, unless leader */
    bool is_storage_failed;
};

void raft_get_status(const struct raft *raft, struct raft_status *out);

/* The configuration in force, which is the newest in the log, committed or not. Borrowed until the
 * next raft_step. */
const struct raft_configuration *raft_get_configuration(const struct raft *raft);

/* The configuration as of a committed index that the log or the snapshot covers: it goes beside a
 * snapshot of that index. Errors: LARDER_NOT_FOUND. */
LARDER_NODISCARD
enum larder_status raft_get_configuration_at(const struct raft *raft, uint64_t index,
                                             struct raft_configuration *out);

/* How far a member is, as this leader knows. Errors: LARDER_AGAIN (not the leader),
 * LARDER_NOT_FOUND. */
LARDER_NODISCARD
enum larder_status raft_get_durable_index(const struct raft *raft, struct raft_id member,
                                          uint64_t *out);

/* An entry of the log in memory; NULL if it is cut or not there. Borrowed until the next
 * raft_step. */
const struct raft_entry *raft_find_entry(const struct raft *raft, uint64_t index);

const char *raft_role_name(enum raft_role role);

#endif
