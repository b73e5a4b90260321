/* SPDX-License-Identifier: BSD-3-Clause */
/* What consensus talks about: node ids, log entries, configurations, hard state, snapshots and
 * messages. Plain values; slices and arrays in them are borrowed from whoever made the value. */
#ifndef LARDER_RAFT_TYPES_H
#define LARDER_RAFT_TYPES_H

#include "base/slice.h"
#include "base/status.h"

enum {
    RAFT_MEMBERS_MAX = 32,                /* voters and learners of one group */
    RAFT_VOTERS_MAX = 7,                  /* 5, and one more while a voter is replaced */
    RAFT_ENTRY_DATA_MAX = 1 << 20,        /* bytes of one entry */
    RAFT_APPEND_ENTRIES_MAX = 64,         /* entries of one APPEND */
    RAFT_APPEND_BYTES_MAX = 1 << 20,      /* bytes of data of one APPEND; holds any one entry */
    RAFT_SNAPSHOT_CHUNK_MAX = 256 * 1024, /* bytes of one SNAPSHOT message */
};

/* 128 random bits chosen when the node first starts. All zero means nobody. A node that lost what
 * it had persisted must take a new id: it may have voted. */
struct raft_id {
    uint64_t words[2];
};

static const struct raft_id RAFT_NOBODY = {{0, 0}};

static inline bool raft_id_equal(struct raft_id a, struct raft_id b) {
    return a.words[0] == b.words[0] && a.words[1] == b.words[1];
}

static inline bool raft_id_is_set(struct raft_id id) {
    return (id.words[0] | id.words[1]) != 0;
}

enum raft_entry_type {
    RAFT_ENTRY_NOOP = 1,      /* the first entry of each term; no data */
    RAFT_ENTRY_COMMAND,       /* data is the state machine's */
    RAFT_ENTRY_CONFIGURATION, /* data is an encoded raft_configuration */
};

struct raft_entry {
    uint64_t index; /* from 1, without gaps */
    uint64_t term;  /* in which a leader made it; (index, term) names the entry */
    enum raft_entry_type type;
    struct slice data;
};

struct raft_member {
    struct raft_id id;
    bool is_voter; /* else a learner: receives everything, counts for nothing */
};

struct raft_configuration {
    uint32_t count;
    struct raft_member members[RAFT_MEMBERS_MAX]; /* no id twice */
};

/* A snapshot's identity. Two snapshots of one index made by different members may differ in their
 * bytes, so a transfer is resumed only if all four fields agree. */
struct raft_snapshot {
    uint64_t index;    /* last entry that the snapshot covers; 0 = the empty state */
    uint64_t term;     /* of that entry */
    uint64_t size;     /* bytes */
    uint32_t checksum; /* CRC-32C of all bytes */
};

/* What must survive a restart besides the log (Raft, figure 2). */
struct raft_hard_state {
    uint64_t term;
    struct raft_id vote; /* candidate voted for in `term`, or nobody */
};

enum raft_message_type {
    RAFT_PRE_VOTE = 1,   /* would you vote for me in `term`? (Ongaro 2014, 9.6) */
    RAFT_PRE_VOTE_REPLY, /* granted: `term` is the one asked for; refused: the replier's own */
    RAFT_VOTE,
    RAFT_VOTE_REPLY,
    RAFT_APPEND, /* entries and heartbeat in one */
    RAFT_APPEND_REPLY,
    RAFT_SNAPSHOT,       /* one chunk */
    RAFT_SNAPSHOT_REPLY, /* how much is stored */
    RAFT_TIMEOUT_NOW,    /* leader transfer: campaign at once */
};

struct raft_vote {
    uint64_t last_index; /* the candidate's log ends here */
    uint64_t last_term;
    bool is_transfer; /* the leader asked for it: its lease does not protect it */
};

struct raft_vote_reply {
    bool is_granted;
};

struct raft_append {
    uint64_t previous_index; /* the entry before entries[0] */
    uint64_t previous_term;
    uint64_t commit; /* the leader's commit index */
    uint64_t round;  /* echoed in the reply; confirms reads */
    const struct raft_entry *entries;
    uint32_t entry_count;
};

struct raft_append_reply {
    bool is_rejected;        /* the entry before entries[0] is not in the replier's log */
    bool is_stalled;         /* the replier can't store entries now; try with the next heartbeat */
    uint64_t previous_index; /* of the request */
    uint64_t round;          /* of the request, 0 = not an answer to a request */
    uint64_t held;           /* the log is known to equal the leader's up to here */
    uint64_t durable;        /* and is on stable storage up to here (<= held) */
    uint64_t hint_index;     /* rejected: an entry that may be common, and its term */
    uint64_t hint_term;
};

struct raft_snapshot_chunk {
    struct raft_snapshot snapshot;
    struct raft_configuration configuration; /* as of snapshot.index */
    uint64_t offset;                         /* of `data` in the snapshot */
    struct slice data;
};

struct raft_snapshot_reply {
    struct raft_snapshot snapshot;
    uint64_t offset; /* bytes stored, which is where to go on */
};

struct raft_message {
    enum raft_message_type type;
    struct raft_id cluster;
    uint16_t generation; /* of the cluster; raised by forced recovery */
    struct raft_id from;
    struct raft_id to;
    uint64_t term;
    union {
        struct raft_vote vote; /* PRE_VOTE, VOTE */
        struct raft_vote_reply vote_reply;
        struct raft_append append;
        struct raft_append_reply append_reply;
        struct raft_snapshot_chunk snapshot;
        struct raft_snapshot_reply snapshot_reply;
    };
};

#endif
