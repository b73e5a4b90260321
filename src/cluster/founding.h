/* SPDX-License-Identifier: BSD-3-Clause */
/* How nodes become a cluster, once. Each node that is in no cluster yet has one of these; it finds
 * others through the seeds (addresses that all nodes know) and ends in one of two ways: it STARTs a
 * cluster together with other seeds, or it JOINs one that somebody else is in.
 *
 *      state      what happens                                       next
 *      OPEN       asks all seeds every 200 ms; sees enough that are
 *                 open, see the same, and has the lowest node id     PROPOSING
 *                 is asked: PROPOSE                                  ACCEPTED
 *                 hears of a cluster: FORMED                         JOINING
 *                 ... that it was to found: START                    FORMED: starts
 *      PROPOSING  all founders accepted                              BOOTED, sends BOOT
 *                 a refusal, a lost link, 2 s, FORMED                OPEN or JOINING, sends ABORT
 *      ACCEPTED   BOOT                                               BOOTED (when it is durable)
 *                 ABORT, the link to the proposer lost, FORMED       OPEN or JOINING
 *      BOOTED     enough founders are, or one says START             FORMED: starts
 *                 can't come about any more                          OPEN
 *      JOINING    the configuration names this process               FORMED
 *                 gave up                                            OPEN
 *                 asks all seeds every second; hears of a newer
 *                 generation of that cluster: FORMED                 JOINING, anew
 *      FORMED     answers for the cluster, for ever
 *
 * Enough, in memory (nothing survives a restart): all seeds. With marks on disk: more than half of
 * the seeds and a majority of the first voters. A founder named by its operator: itself, alone.
 *
 * Why two clusters can't come of it
 * - A process is in one founding at a time. Each founding names its founders by node id,
 *   incarnation and round; leaving one raises the own round, so it is left for ever.
 * - BOOT goes out only after all founders have accepted, and who starts knows who had booted.
 * - On disk: whoever booted leaves only when so many refused, who had not booted, that the rest is
 *   not enough. So no two foundings can have had enough: they would share a node.
 * - In memory whoever booted may leave. If two foundings had both been booted by all and processes
 *   alive in both had each started another one, each would have left the other's founding before
 *   BOOT of its own was sent, and after BOOT of the other's was: a circle.
 * - Whoever left a founding that has come about nevertheless, or was restarted, starts it with the
 *   plan (joining would make it a voter that does not know the voters). That wants an answer to
 *   what it asked since it left: START names its round. An older one may come from a process that
 *   is gone, and with it a cluster that is nobody's.
 *
 * That wants: one process at a time at a seed's address; the same list of seeds everywhere (a
 * digest of it is compared); no directory thrown away while nodes are founding. A single seed in
 * memory founds anew whenever it restarts, though others that had joined it may live on.
 *
 * Links are numbered by the caller: 0 to seed_count - 1 are those that this node opens to the seeds
 * (opened again whenever they break; nothing is sent while they are down), other numbers are those
 * that others opened. A message that arrives on a link came after those before it. One thread;
 * memory of fixed size, taken by create. */
#ifndef LARDER_CLUSTER_FOUNDING_H
#define LARDER_CLUSTER_FOUNDING_H

#include "base/random.h"
#include "cluster/configuration.h"

enum {
    FOUNDING_SEEDS_MAX = 64,
    FOUNDING_NO_SEED = 255, /* in place of a seed's number: not among them */
    FOUNDING_ADDRESSES_MAX = 8,
    FOUNDING_MESSAGES_MAX = FOUNDING_SEEDS_MAX * 2 + 2,
    FOUNDING_BYTES_MAX = 24 * 1024, /* of one message, and of a mark */
};

enum founding_mode {
    FOUNDING_EXPECTED,  /* when expected_nodes seeds are there */
    FOUNDING_BY_SELF,   /* this node alone; the others join it */
    FOUNDING_BY_OTHERS, /* joins only */
};

struct founding_options {
    const struct member *self; /* node, incarnation, address, labels, weight; copied */
    enum founding_mode mode;
    const struct member_address *seeds; /* ascending by host, peer port; same everywhere; copied */
    uint32_t seed_count;
    uint32_t self_seed;      /* which of them is this node, or FOUNDING_NO_SEED: joins only */
    uint32_t expected_nodes; /* 0: all seeds; fewer: more than half, and is_durable */
    bool is_durable;         /* all seeds keep their marks on disk; same everywhere */
    bool has_disk;           /* this node keeps its mark once it is a member; is_durable: always */
    uint16_t generation;     /* of a cluster begun here */
    uint32_t partition_count;
    const struct cluster_settings *settings; /* of a cluster begun here; copied */
    uint64_t seed;                           /* of random cluster ids */
};

struct founder {
    struct member member; /* number and state are not set */
    uint32_t round;       /* it accepts only foundings made for its present round */
    uint8_t seed;
};

/* What is founded. The same at all founders. */
struct founding_plan {
    struct raft_id cluster; /* nobody: there is none */
    uint16_t generation;
    uint32_t partition_count;
    bool is_alone; /* by the founder that its operator named */
    struct cluster_settings settings;
    uint32_t founder_count;
    struct founder founders[FOUNDING_SEEDS_MAX]; /* by node id, ascending; voters come first */
};

enum founding_state {
    FOUNDING_OPEN = 1,
    FOUNDING_PROPOSING,
    FOUNDING_ACCEPTED,
    FOUNDING_BOOTED,
    FOUNDING_JOINING,
    FOUNDING_FORMED,
    FOUNDING_STATE_END,
};

enum founding_message_type {
    FOUNDING_DISCOVER = 1, /* I am in no cluster; and you? */
    FOUNDING_STATUS,       /* nor am I */
    FOUNDING_PROPOSE,      /* let us found `plan` */
    FOUNDING_ACCEPT,       /* I will boot when you say so */
    FOUNDING_REFUSE,       /* I am not booted for `cluster` and never will be */
    FOUNDING_ABORT,        /* by the proposer: there will be no `cluster` */
    FOUNDING_BOOT,         /* all accepted, I am booted; boot, or say why not */
    FOUNDING_IS_BOOTED,    /* I am booted for `cluster` */
    FOUNDING_START,        /* `plan` has started, and it names you */
    FOUNDING_IS_FORMED,    /* there is `cluster`: join it, at `addresses` */
    FOUNDING_MESSAGE_END,
};

struct founding_message {
    enum founding_message_type type;
    /* the sender */
    struct raft_id node;
    uint64_t incarnation;
    uint8_t seed;
    uint64_t digest;        /* of its seeds and what goes with them */
    struct raft_id cluster; /* what it is about; DISCOVER: what the sender is founding, or nobody */
    /* DISCOVER, STATUS */
    enum founding_state state;
    uint32_t round;
    uint64_t seen; /* digest of the open processes that it sees, itself included */
    struct member member;
    /* BOOT: whom it means, as in the plan */
    struct raft_id target;
    uint64_t target_incarnation;
    uint32_t target_round; /* START: of the DISCOVER that it answers, or 0 */
    /* IS_FORMED */
    uint16_t generation;
    uint32_t address_count;
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
    /* PROPOSE, START: borrowed */
    const struct founding_plan *plan;
};

struct founding_letter {
    uint32_t link;
    struct founding_message message;
};

enum founding_input_type {
    FOUNDING_TICK,       /* every 50 ms or so */
    FOUNDING_MESSAGE,    /* came in on `link` */
    FOUNDING_BROKEN,     /* `link` broke; an incoming one's number is free again */
    FOUNDING_PERSISTED,  /* the mark of this number is durable */
    FOUNDING_MEMBER,     /* this node holds a configuration that names it: answer for it from now
                            on. At once if it held one before a restart; again whenever addresses
                            change */
    FOUNDING_NOT_JOINED, /* nobody of the cluster to be joined let this node in */
};

struct founding_input {
    enum founding_input_type type;
    int64_t now_us;
    uint32_t link;
    union {
        const struct founding_message *message;
        uint64_t number;
        struct {
            struct raft_id cluster;
            uint16_t generation;
            const struct member_address *addresses; /* where others may ask to join */
            uint32_t address_count;                 /* the first FOUNDING_ADDRESSES_MAX are taken */
        } formed;
    };
};

enum founding_outcome {
    FOUNDING_UNDECIDED = 0,
    FOUNDING_STARTS, /* begin with founding_configure(plan). This process may be a later one than
                        the plan names (it was restarted while booted): then it has to join as well
                      */
    FOUNDING_JOINS,  /* ask to join `cluster` at `addresses`; then MEMBER or NOT_JOINED */
};

struct founding_output {
    uint32_t letter_count;
    struct founding_letter letters[FOUNDING_MESSAGES_MAX];
    uint64_t mark_number;          /* 0: none; else make founding_mark_encode's bytes durable, then
                                      PERSISTED. Later marks replace earlier ones */
    enum founding_outcome outcome; /* of this step */
    const struct founding_plan *plan;
    struct raft_id cluster; /* JOINS */
    uint16_t generation;
    uint32_t address_count;
    struct member_address addresses[FOUNDING_ADDRESSES_MAX];
};

struct founding;

/* `mark`: what was last made durable, empty at first. One that was written after MEMBER makes it
 * begin as FORMED: such a node never founds or joins another cluster. Returns owned in *out.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID (seeds: too many, out of order, self not one of them;
 * expected_nodes: more than the seeds, half of them or less, or fewer than all and not durable; a
 * founder named that is not durable or holds no data); LARDER_CORRUPT (mark). */
LARDER_NODISCARD
enum larder_status founding_create(const struct founding_options *options, struct slice mark,
                                   int64_t now_us, const struct allocator *allocator,
                                   struct founding **out);
/* NULL is allowed. */
void founding_destroy(struct founding *founding);

/* Take one input. What it gives is borrowed until the next step. */
const struct founding_output *founding_step(struct founding *founding,
                                            const struct founding_input *input);

enum founding_state founding_state(const struct founding *founding);
/* Seeds that answer but were told of other seeds or options: why nothing comes about. */
uint32_t founding_strangers(const struct founding *founding);

/* What this node holds or has held a configuration of. False: it is not FORMED. *out_plan: the plan
 * that it began with, borrowed until the next step; NULL: it joined, or a new generation began. */
bool founding_formed(const struct founding *founding, struct raft_id *out_cluster,
                     uint16_t *out_generation, const struct founding_plan **out_plan);

/* How many of the first founders are voters when there may be voter_count: an odd number. */
uint32_t founding_voter_count(uint32_t founder_count, uint32_t voter_count);
/* The config group that a plan begins with: those first ones vote, the others learn. */
void founding_voters(const struct founding_plan *plan, struct raft_configuration *out);
/* The configuration that a plan begins with. Returns owned in *out. Errors as
 * configuration_create and configuration_found. */
LARDER_NODISCARD
enum larder_status founding_configure(const struct founding_plan *plan, uint32_t members_max,
                                      const struct allocator *allocator,
                                      struct configuration **out);

/* Bytes of the present mark; writes at most FOUNDING_BYTES_MAX and returns how many. */
size_t founding_mark_encode(const struct founding *founding, uint8_t *out);

/* Bytes of messages, without the frame around them; at most FOUNDING_BYTES_MAX. Decoding writes a
 * plan to *out_plan. Errors: LARDER_CORRUPT. */
size_t founding_message_encode(const struct founding_message *message, uint8_t *out);
LARDER_NODISCARD
enum larder_status founding_message_decode(struct slice bytes, struct founding_plan *out_plan,
                                           struct founding_message *out);

const char *founding_state_name(enum founding_state state);
const char *founding_message_name(enum founding_message_type type);

#endif
