/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of a member: what its files call of each other. For this folder only. */
#ifndef LARDER_CLUSTER_MEMBER_CORE_H
#define LARDER_CLUSTER_MEMBER_CORE_H

#include "cluster/member.h"
#include "cluster/member_frames.h"
#include "cluster/placement.h"
#include "cluster/volatile_storage.h"

enum {
    MEMBER_PROPOSALS_MAX = 512, /* that wait to be sent or appended */
    MEMBER_HISTORY = 256,       /* entries kept for those who lag a little */
    MEMBER_SUSPECTS_MAX = 16,   /* told in one heartbeat */
    MEMBER_COPIES_MAX = 16,     /* likewise: copies to it that are under way */
};

struct member_proposal {
    uint16_t size;
    uint8_t bytes[CONFIG_ENTRY_BYTES_MAX];
};

struct member_history_entry {
    uint64_t index;
    struct member_proposal entry; /* size 0: of the core's own */
};

/* Of the configuration as of an index; 0: none. */
struct member_checkpoint {
    uint64_t index, hash;
};

/* Another member, as this one knows it. */
struct member_peer {
    uint32_t number;
    uint64_t incarnation;
    bool is_close;         /* shares a partition, or votes: is sent heartbeats */
    int64_t since_us;      /* this process of it is known here */
    int64_t asked_us;      /* coordinator: newest heartbeat not yet in a round; INT64_MIN: none */
    int64_t in_round_us;   /* coordinator: the one in the round under way */
    int64_t deaf_since_us; /* it says that it does not hear this member; INT64_MAX: it does */
    int64_t down_since_us; /* INT64_MAX: it is not down */
    int64_t reported_us;   /* when it last told whom it suspects */
    uint32_t pressure;     /* as it last told */
    bool is_voter;         /* likewise */
    struct member_checkpoint checkpoint; /* the newest that it told */
    uint64_t differed_at;                /* the newest one that was counted as different */
    int64_t wall_offset_us;              /* its wall clock less this machine's clock */
    bool has_wall;
    uint32_t suspect_count;
    uint32_t suspects[MEMBER_SUSPECTS_MAX];
};

enum { MEMBER_ADDRESSES_MAX = 64 };

/* The token ceiling is so far ahead of the coordinator's clock when it is raised. */
enum { COORDINATOR_CEILING_AHEAD_US = 120000000 };

/* Where a node lives that the configuration, as far as it is applied, does not name: after a loss
 * of power everywhere the voters may be in entries that they first have to commit. */
struct member_known_address {
    struct raft_id node;
    struct member_address address;
};

/* What a member of a lost partition's last in-sync set still has. */
struct member_offer {
    uint32_t member; /* CLUSTER_NOBODY: none */
    uint64_t incarnation;
    struct member_remains remains;
};

/* The loss of a partition that the coordinator waits over. Of all offers only the best is kept, so
 * there is room for every partition. */
struct coordinator_loss {
    uint64_t index; /* of the entry that made it lost; 0: none */
    int64_t since_us;
    struct member_set heard; /* of the last set: who has offered something */
    struct member_offer best;
};

/* A copy to a learner, or one that was given up. */
struct coordinator_move {
    uint32_t partition, member;
    uint64_t incarnation;
    bool is_seen, was_seen; /* as a learner, in this review and in the last one */
    uint64_t term;          /* of the partition, in which its time began */
    int64_t since_us;       /* of the last progress */
    uint64_t least_left;    /* that was ever told in this term */
    uint32_t failures;
    int64_t retry_us; /* it is not tried again before */
};

struct coordinator_moves {
    uint32_t count;
    struct coordinator_move *lines;
};

struct coordinator {
    bool is_leading; /* this member leads the config group and knows all that was committed */
    uint64_t term;
    int64_t since_us;
    uint64_t proposed_index; /* of its own newest entry: it decides again when that is applied */
    int64_t changed_us;      /* when members last changed */
    int64_t unrest_us;       /* when somebody or a replica was last missing, or on its way */
    bool is_calm;            /* neither for calm_us */
    uint64_t members_hash;
    int64_t ceiling_us; /* when the ceiling was last raised */
    int64_t reviewed_us;
    int64_t transferred_us;
    struct coordinator_loss *losses; /* per partition */
    struct placement *placement;     /* NULL: to be made anew */
    struct placement_plan *plan;     /* ... and it is being made; NULL: not begun */
    uint32_t *copies;                /* scratch, per member: copies under way from and to it */
    struct coordinator_moves moves;
};

struct cluster_member {
    struct member_options options;
    const struct member_host *host;
    const struct allocator *allocator;
    struct raft *raft;
    struct raft_output out;
    struct volatile_storage storage; /* used if the host keeps nothing */
    struct configuration *configuration;
    bool has_configuration;
    uint64_t applied;
    uint64_t snapshot_index; /* of the newest own snapshot that was begun */
    struct lease_table *leases;
    struct failure_detector *detector;
    uint32_t number;
    int64_t now_us, wall_us;
    uint32_t pressure;
    int64_t started_us;
    bool is_in_step;  /* a call of the caller's is being done */
    bool is_stepping; /* the core's output is being used */
    bool is_view_due;
    enum member_departure departure;     /* that its host asked for */
    uint64_t decided_term;               /* in which the last entry was applied */
    struct member_checkpoint checkpoint; /* the newest of its own */
    uint64_t divergences;
    bool has_diverged; /* it does nothing any more */
    /* peers */
    uint32_t peer_count;
    struct member_peer *peers;
    int64_t heartbeat_us, join_us, offer_us;
    struct member_address contacts[MEMBER_CONTACTS_MAX];
    uint32_t contact_count, join_at, fetch_at, core_at, peer_at; /* whom to ask next */
    uint32_t known_address_count; /* ever; they lie modulo MEMBER_ADDRESSES_MAX */
    struct member_known_address known_addresses[MEMBER_ADDRESSES_MAX];
    struct raft_id refused_leader; /* the core was told that it is gone */
    /* lag */
    uint64_t known_index; /* somebody has applied as much */
    int64_t lagging_since_us, fetched_us;
    struct raft_id known_from;
    /* the coordinator's confirmations */
    bool is_round_open;
    uint64_t round;
    int64_t round_us;
    /* queues */
    uint32_t proposal_first, proposal_count;
    struct member_proposal *proposals;
    struct member_history_entry *history; /* by index modulo MEMBER_HISTORY */
    size_t frame_bytes;
    uint8_t *frame;
    struct coordinator coordinator;
};

/* member.c */
LARDER_NODISCARD
enum larder_status member_create_core(const struct cluster_member *m, uint16_t generation,
                                      const struct raft_restored *restored, struct raft **out);
enum larder_status member_raft_step(struct cluster_member *m, struct raft_input *input);
/* Send what lies at m->frame behind the header. */
void member_send(struct cluster_member *m, const struct member_address *to, struct raft_id node,
                 enum member_frame_type type, size_t body_bytes);
static inline uint8_t *member_body(struct cluster_member *m) {
    return m->frame + MEMBER_FRAME_HEADER_BYTES;
}
/* Append to the log of the config group. False: not the leader, or it can't now. */
bool member_append(struct cluster_member *m, struct slice entry, uint64_t *out_index);

/* member_proposals.c: addresses, and entries on their way to the coordinator */
void member_learn_address(struct cluster_member *m, struct raft_id node,
                          const struct member_address *address);
/* Who joins by these entries, committed or not. */
void member_learn_from_entries(struct cluster_member *m, const struct raft_entry *entries,
                               size_t count);
/* Borrowed until the next call; NULL: not known. */
const struct member_address *member_find_address(struct cluster_member *m, struct raft_id node);
/* NULL: nobody leads that the configuration names. */
const struct member *member_find_leader(const struct cluster_member *m);
/* To the coordinator, be it here or elsewhere. One that asked a member which is not the coordinator
 * is passed on once. */
void member_route_proposal(struct cluster_member *m, struct slice entry, bool is_forwarded);
void member_queue_proposal(struct cluster_member *m, const struct config_entry *entry);
void member_flush_proposals(struct cluster_member *m);
/* Ask to be admitted, or to be drained or not, now and then until it is done. */
void member_join(struct cluster_member *m);

/* member_links.c. Who has no seat in the core does not know who leads it: it asks voters, any of
 * which it hears. */
bool member_has_seat(const struct cluster_member *m);
bool member_votes(const struct cluster_member *m);
bool member_hears_voter(const struct cluster_member *m, const struct member_peer *peer);

/* member_view.c: following the configuration */
enum larder_status member_view_create(struct cluster_member *m, const struct member_start *start);
void member_apply(struct cluster_member *m, const struct raft_entry *entry);
void member_install(struct cluster_member *m, struct slice snapshot, uint64_t index);
void member_note_index(struct cluster_member *m, uint64_t index, struct raft_id from);
void member_fetch(struct cluster_member *m);
/* Answers to the address in the body: who asks may be no member yet. */
void member_take_fetch(struct cluster_member *m, const struct member_frame *frame);
void member_take_entries(struct cluster_member *m, struct slice body);
void member_take_snapshot(struct cluster_member *m, struct slice body);
/* Tell leases, detector and host of what changed. */
void member_show_view(struct cluster_member *m);
void member_snapshot(struct cluster_member *m);
struct member_peer *member_find_peer(const struct cluster_member *m, uint32_t number);

/* member_links.c: heartbeats and what answers them */
void member_heartbeat(struct cluster_member *m);
void member_take_heartbeat(struct cluster_member *m, const struct member *from, struct slice body);
void member_take_promise(struct cluster_member *m, const struct member *from, uint64_t index,
                         struct slice body);
void member_take_confirm(struct cluster_member *m, struct slice body);
void member_confirm(struct cluster_member *m);
void member_take_read(struct cluster_member *m, const struct raft_read_state *state);

/* member_checkpoint.c */
void member_note_checkpoint(struct cluster_member *m);
void member_compare(struct cluster_member *m, struct member_peer *peer,
                    struct member_checkpoint told);

/* coordinator.c */
enum larder_status coordinator_create(struct cluster_member *m);
void coordinator_destroy(struct cluster_member *m);
void coordinator_tick(struct cluster_member *m);
void coordinator_forget_placement(struct coordinator *c);
void coordinator_view(struct cluster_member *m);
bool coordinator_finds_deaf(const struct cluster_member *m, uint32_t number);
uint32_t coordinator_count_reports(const struct cluster_member *m, uint32_t suspect);
/* The partition's present epoch, term and the member's incarnation are filled in. */
struct config_entry coordinator_change(const struct cluster_member *m, enum config_entry_type type,
                                       uint32_t partition, uint32_t number);
/* What would not be applied is left out. False: nothing more can be proposed now. */
bool coordinator_propose(struct cluster_member *m, const struct config_entry *entry);
bool coordinator_propose_change(struct cluster_member *m, enum config_entry_type type,
                                uint32_t partition, uint32_t number);

/* coordinator_votes.c */
void coordinator_review_votes(struct cluster_member *m);
/* It departs, and somebody else will decide soon. */
bool coordinator_is_handing_over(const struct cluster_member *m);
/* Nothing is left that it has to give up before it goes down. */
bool coordinator_has_departed(const struct cluster_member *m, const struct member *member);

/* coordinator_lost.c: false as above */
bool coordinator_review_lost(struct cluster_member *m);
/* Offers one after the other: partition, index of the entry that made it LOST, end of the log,
 * whether it may lack something. */
enum { MEMBER_OFFERS_IN_FRAME = 256 };
void coordinator_take_offers(struct cluster_member *m, const struct member *from,
                             struct slice body);

/* coordinator_moves.c: copies that make no progress are given up */
enum larder_status coordinator_moves_create(struct cluster_member *m);
void coordinator_moves_destroy(struct cluster_member *m);
/* A learner says how much of its copy is left. */
void coordinator_note_left(struct cluster_member *m, const struct member *from, uint32_t partition,
                           uint64_t left);
/* False as above. */
bool coordinator_review_moves(struct cluster_member *m);
bool coordinator_may_copy(struct cluster_member *m, uint32_t partition, const struct member *to);

/* coordinator_replicas.c */
void coordinator_review_replicas(struct cluster_member *m);

#endif
