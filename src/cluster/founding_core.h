/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of founding: what its files call of each other. For this folder only. */
#ifndef LARDER_CLUSTER_FOUNDING_CORE_H
#define LARDER_CLUSTER_FOUNDING_CORE_H

#include "cluster/founding.h"

enum {
    FOUNDING_ROUND_US = 200 * 1000,          /* between questions to the seeds */
    FOUNDING_JOINING_ROUND_US = 1000 * 1000, /* the same, of who joins */
    FOUNDING_FRESH_US = 1000 * 1000,         /* what a seed said counts for so long */
    FOUNDING_PATIENCE_US = 2000 * 1000, /* of a proposer; of a named founder who hears nobody */
};

#define FOUNDING_NO_LINK UINT32_MAX

/* What was last heard from a seed on the link to it. */
struct founding_peer {
    bool is_heard;
    bool is_stranger; /* has other seeds */
    int64_t heard_us;
    struct raft_id node;
    uint64_t incarnation;
    enum founding_state state;
    uint32_t round;
    struct raft_id cluster; /* that it is founding, or nobody */
    uint64_t seen;
    struct member member;
};

/* What is known of a founder of the present plan. */
struct founder_progress {
    bool has_accepted;
    bool is_booted;
    bool has_refused;
};

struct founding {
    const struct allocator *allocator;
    /* immutable after create */
    struct member self;
    enum founding_mode mode;
    uint32_t seed_count, expected_count;
    uint8_t self_seed;
    bool is_durable, has_disk;
    uint16_t generation;
    uint32_t partition_count;
    struct cluster_settings settings;
    uint64_t digest;
    int64_t created_us;
    /* state */
    struct random random;
    enum founding_state state;
    uint32_t round;
    int64_t asked_us;                               /* all seeds were asked */
    int64_t left_us;                                /* a founding was left: older news is stale */
    struct founding_peer peers[FOUNDING_SEEDS_MAX]; /* by seed */
    struct founding_plan plan;                      /* PROPOSING, ACCEPTED, BOOTED; FORMED by it */
    struct founder_progress known[FOUNDING_SEEDS_MAX]; /* by founder */
    bool is_proposer;
    uint32_t asker_link;     /* ACCEPTED: to the proposer; BOOTED: whence BOOT came */
    struct raft_id proposer; /* ACCEPTED */
    int64_t proposed_us;     /* PROPOSING */
    bool has_booted;         /* for the plan; when its mark is durable it may be told */
    uint64_t mark_number, boot_mark_number, persisted_number;
    /* JOINING */
    struct raft_id joins_cluster;
    uint16_t joins_generation;
    /* FORMED */
    bool is_member; /* the configuration was said to name this process */
    struct raft_id cluster;
    uint16_t cluster_generation;
    uint32_t address_count;
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
    /* during a step */
    int64_t now_us;
    struct founding_output out;
};

/* founding.c */
/* A letter about the present plan, or about nothing. */
struct founding_message *founding_write(struct founding *f, uint32_t link,
                                        enum founding_message_type type);
void founding_tell_cluster(struct founding *f, uint32_t link);
void founding_set_mark(struct founding *f);
void founding_join(struct founding *f, const struct founding_message *m);
uint64_t founding_seen(const struct founding *f);
/* Whether the seed's process was heard lately to be open and may be counted on. */
bool founding_counts_on(const struct founding *f, uint8_t seed);

/* founding_rounds.c: proposing, accepting, booting, starting, leaving */
int founding_index(const struct founding_plan *plan, struct raft_id node); /* -1: no founder */
void founding_try_propose(struct founding *f);
void founding_take_proposal(struct founding *f, uint32_t link, const struct founding_message *m);
void founding_take_accept(struct founding *f, const struct founding_message *m);
void founding_take_refusal(struct founding *f, const struct founding_message *m);
void founding_take_boot(struct founding *f, uint32_t link, const struct founding_message *m);
void founding_take_start(struct founding *f, uint32_t link, const struct founding_message *m);
void founding_note_booted(struct founding *f, struct raft_id node);
/* What is to be asked again. */
void founding_repeat(struct founding *f);
/* Be in no founding: never come back to the present one. A proposer tells the others. */
void founding_leave(struct founding *f);
/* News of a seed: it may be another process than the plan means, or have left the plan. */
void founding_lose(struct founding *f, uint8_t seed);
/* START once enough have booted. */
void founding_check_start(struct founding *f);

/* founding_codec.c */
enum larder_status founding_mark_decode(struct founding *f, struct slice mark);

#endif
