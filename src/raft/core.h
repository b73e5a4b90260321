/* SPDX-License-Identifier: BSD-3-Clause */
/* The state behind raft.h, for the files of this folder and nobody else.
 *
 * A step has two halves. An input handler changes the state; raft_settle then derives everything
 * that goes out from the state: what became durable releases votes and acknowledgements, the log's
 * new part becomes a write, each peer gets what it lacks. So no handler has to remember what to
 * send, and a lost or late input can't leave a promise unsent for ever. */
#ifndef LARDER_RAFT_CORE_H
#define LARDER_RAFT_CORE_H

#include "base/random.h"
#include "raft/codec.h"
#include "raft/log_view.h"
#include "raft/mutants.h"
#include "raft/raft.h"

enum raft_vote_seen { VOTE_UNKNOWN, VOTE_GRANTED, VOTE_REFUSED };

enum raft_peer_mode {
    PEER_PROBE,     /* where its log agrees is not known: one message at a time */
    PEER_REPLICATE, /* it agrees up to next - 1 as far as sent: messages follow each other */
    PEER_SNAPSHOT,  /* what it needs is cut from the log */
};

/* One per member of the configuration in force, self included, in the same order. */
struct raft_peer {
    struct raft_id id;
    bool is_voter;
    bool is_dead; /* says RAFT_MEMBER_DEAD */
    enum raft_vote_seen vote;
    /* leader only, from here on */
    enum raft_peer_mode mode;
    uint64_t durable; /* known to be on its stable storage */
    uint64_t next;    /* entry to send next; > durable */
    uint64_t round;   /* newest round it answered */
    uint64_t round_sent;
    uint64_t commit_sent;
    int64_t contact_ms;
    int64_t heartbeat_due_ms;
    bool is_paused; /* PROBE: waits for an answer or the next heartbeat */
    uint64_t snapshot_offset;
    int64_t snapshot_due_ms; /* ask for the chunk again when nothing was heard */
    bool is_snapshot_wanted; /* a snapshot_read is to go out */
};

/* Writes given out and what came back. */
struct raft_storage {
    uint64_t last_number;       /* of the last write given out */
    uint64_t done_number;       /* newest that is durable */
    uint64_t hard_state_number; /* the write with the current hard state */
    uint64_t cut_number;        /* the last write that removed entries: older ones don't count */
    uint64_t reset_number;      /* the last write that began the log anew */
    uint64_t recovered_number;  /* failures of writes up to this one are dealt with */
    uint64_t durable;           /* the log in memory is durable up to here */
    uint64_t issue_from;        /* first entry that was not yet given out */
    bool is_hard_state_changed;
    bool is_cut; /* entries were removed since the last write */
    bool is_reset;
    bool is_failed;
};

struct raft_read {
    uint64_t context;
    uint64_t index;
    uint64_t round;
};

struct raft {
    /* immutable after create */
    const struct allocator *allocator;
    struct raft_options options;

    struct random random;
    int64_t now_ms;
    enum raft_role role;
    uint64_t term;
    struct raft_id vote;
    struct raft_id leader;
    int64_t leader_contact_ms;
    int64_t election_deadline_ms;

    struct raft_log log;
    struct raft_storage storage;
    uint64_t commit;
    uint64_t given;
    uint64_t held; /* the log equals that of the term's leader up to here; >= commit */

    struct raft_snapshot snapshot;                /* newest own one; its index >= log.base_index */
    struct raft_configuration base_configuration; /* as of log.base_index */
    uint64_t base_configuration_index;
    struct raft_configuration configuration; /* newest in the log */
    uint64_t configuration_index;
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    struct raft_policy policy;

    /* promises that wait for the hard state to be durable */
    struct raft_id vote_reply_to;
    bool is_append_reply_owed;
    struct raft_append_reply append_reply;

    /* candidate */
    bool is_vote_requested;
    bool is_transfer_vote;

    /* follower: the snapshot that is arriving */
    struct raft_snapshot arriving; /* index 0 = none */
    struct raft_configuration arriving_configuration;
    uint64_t arriving_offset; /* stored */
    bool is_chunk_pending;    /* given out, not yet stored */

    /* leader */
    uint64_t term_start; /* index of the no-op */
    int64_t quorum_check_ms;
    uint64_t round;
    size_t read_count;
    struct raft_read reads[RAFT_READS_MAX];
    struct raft_id transfer_to;
    int64_t transfer_deadline_ms;
    bool is_transfer_sent;

    /* reserved before an input is taken */
    uint8_t *spare; /* for one configuration entry */
    uint8_t *staged[RAFT_APPEND_ENTRIES_MAX];
    size_t staged_count;

    struct raft_output *out; /* during a step only */
};

/* state_table.c */
/* Enter a role; moves outside the table are programming errors. */
void raft_become(struct raft *raft, enum raft_role role);

/* raft.c */
/* Add a message with the header filled in and the current term. */
struct raft_message *raft_send(struct raft *raft, enum raft_message_type type, struct raft_id to);

/* election.c */
void raft_observe_term(struct raft *raft, uint64_t term);
void raft_follow(struct raft *raft, struct raft_id leader);
void raft_step_down(struct raft *raft);
/* Ask the voter with the most complete log to campaign. */
void raft_hand_over(struct raft *raft);
void raft_restart_election_timer(struct raft *raft);
void raft_on_election_tick(struct raft *raft);
void raft_on_leader_gone(struct raft *raft, int64_t campaign_after_ms);
void raft_on_pre_vote(struct raft *raft, const struct raft_message *message);
void raft_on_pre_vote_reply(struct raft *raft, const struct raft_message *message);
void raft_on_vote(struct raft *raft, const struct raft_message *message);
void raft_on_vote_reply(struct raft *raft, const struct raft_message *message);
void raft_on_timeout_now(struct raft *raft, const struct raft_message *message);
/* Whether the leader was heard so recently that no election may disturb it. */
bool raft_is_leased(const struct raft *raft);
/* Votes and requests for votes that waited for the hard state. */
void raft_release_votes(struct raft *raft);

/* replication.c: the leader's side */
void raft_append_own(struct raft *raft, enum raft_entry_type type, uint8_t *data, size_t size);
void raft_start_leading(struct raft *raft);
void raft_on_append_reply(struct raft *raft, const struct raft_message *message);
void raft_advance_commit(struct raft *raft);
void raft_send_appends(struct raft *raft);
/* An empty append before which nothing is known of the peer. */
void raft_send_heartbeat(struct raft *raft, struct raft_peer *peer);

/* follower.c */
LARDER_NODISCARD
enum larder_status raft_check_append(const struct raft *raft, const struct raft_message *message);
/* Copies of what is not in the log, for raft_on_append to take. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status raft_stage_append(struct raft *raft, const struct raft_append *append);
void raft_on_append(struct raft *raft, const struct raft_message *message);
void raft_release_append_reply(struct raft *raft);
/* Tell the leader what is held and durable now. */
void raft_owe_append_reply(struct raft *raft);

/* storage.c */
bool raft_is_hard_state_durable(const struct raft *raft);
/* Up to where the log is durable; 0 while a snapshot that replaced it is not. */
uint64_t raft_durable_index(const struct raft *raft);
void raft_cut_log(struct raft *raft, uint64_t from);
LARDER_NODISCARD
enum larder_status raft_on_persisted(struct raft *raft, const struct raft_persisted *persisted);
void raft_on_persist_failed(struct raft *raft, uint64_t number);
void raft_on_storage_ready(struct raft *raft);
void raft_issue_write(struct raft *raft);

/* configuration.c */
struct raft_peer *raft_find_peer(struct raft *raft, struct raft_id id);
bool raft_is_voter(const struct raft *raft);
/* Whether it may campaign: a voter, or one until a change that is not yet committed. The others may
 * lack that change, and then only this node can commit it (Ongaro 2014, 4.2.2). It does not count
 * itself. */
bool raft_is_electable(const struct raft *raft);
/* Whether `counts(peer)` holds for a majority of the voters. */
bool raft_has_quorum(const struct raft *raft,
                     bool (*counts)(const struct raft *raft, const struct raft_peer *peer));
/* Look for the newest configuration in the log and make it the one in force. */
void raft_adopt_configuration(struct raft *raft);
/* Cut the log up to `index`, remembering the configuration. */
void raft_compact(struct raft *raft, uint64_t index);
LARDER_NODISCARD
enum larder_status raft_change_configuration(struct raft *raft, const struct raft_change *change);
/* What the policy asks for next, if anything. */
void raft_apply_policy(struct raft *raft);

/* read_index.c */
LARDER_NODISCARD
enum larder_status raft_on_read(struct raft *raft, uint64_t context);
void raft_release_reads(struct raft *raft);
void raft_fail_reads(struct raft *raft);

/* snapshot.c */
LARDER_NODISCARD
enum larder_status raft_on_snapshot_taken(struct raft *raft,
                                          const struct raft_snapshot_taken *taken);
void raft_begin_snapshot(struct raft *raft, struct raft_peer *peer);
void raft_request_snapshot_reads(struct raft *raft);
LARDER_NODISCARD
enum larder_status raft_on_snapshot_data(struct raft *raft, const struct raft_snapshot_data *data);
void raft_on_snapshot(struct raft *raft, const struct raft_message *message);
void raft_on_snapshot_reply(struct raft *raft, const struct raft_message *message);
void raft_on_snapshot_stored(struct raft *raft, const struct raft_snapshot_stored *stored);
void raft_on_snapshot_discarded(struct raft *raft, const struct raft_snapshot *snapshot);

static inline bool raft_is_self(const struct raft *raft, struct raft_id id) {
    return raft_id_equal(raft->options.self, id);
}

/* An entry of the leader's own term is committed, so the commit index is what it seems. */
static inline bool raft_is_term_committed(const struct raft *raft) {
    return raft->role == RAFT_LEADER && raft->commit >= raft->term_start;
}

#endif
