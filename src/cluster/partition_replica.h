/* SPDX-License-Identifier: BSD-3-Clause */
/* One member's replica of one partition, as a pure function of inputs: writes, acknowledgement,
 * reads under leases, change of the primary, reconciliation, growth of the in-sync set, hand-off.
 *
 *      input -> replica_step -> output:  write      records to make durable       -> SYNCED later
 *                                        messages   to the other replicas
 *                                        apply      committed records that this node did not
 * execute replies    requests that are settled proposal   an entry for the config group, or none
 *
 * The primary executes a command first, then gives its effect as WRITE. Its store runs ahead of the
 * commit position; replies wait for it. Backups keep what is not committed as a tail and apply at
 * commit, so that cutting a tail needs no undo.
 *
 * Rules that hold
 * - A record is committed when every member of the in-sync set, and every member being added, has
 *   it (durably, if so set), and the primary's term has begun with a committed record of its own.
 * - A backup acknowledges what it has compared with the primary of its term, record by record from
 *   a common position. What is committed is never cut.
 * - A read is answered when all it may have seen is committed, and then only under a lease that
 *   holds at that moment (cluster/lease.h).
 * - A request that need not be committed is answered under a lease, too: nobody else answers
 *   meanwhile, so what is lost with this primary is what it answered last.
 * - Whoever is elected opens after what it promised to the former primary has run out.
 * - A proposal may apply until a configuration with a higher epoch is seen here: until then those
 *   being added count, and a partition being handed off stays closed.
 *
 * The lease table is the member's; VIEW comes after lease_set_applied and before the table forgets
 * a process. One thread; memory of fixed size, taken by create. */
#ifndef LARDER_CLUSTER_PARTITION_REPLICA_H
#define LARDER_CLUSTER_PARTITION_REPLICA_H

#include "cluster/configuration.h"
#include "cluster/lease.h"
#include "cluster/replica_log.h"

enum {
    REPLICA_LOG_BYTES = 1 << 20,
    REPLICA_BATCH_RECORDS = 64,
    REPLICA_BATCH_BYTES = 256 * 1024,
    REPLICA_PEERS_MAX = 2 * CLUSTER_REPLICAS_MAX,
    REPLICA_MESSAGES_MAX = REPLICA_PEERS_MAX + 1,
};

enum replica_role {
    REPLICA_NONE, /* has no seat, or an older process had it */
    REPLICA_LEARNER,
    REPLICA_BACKUP,   /* in sync */
    REPLICA_ELECTED,  /* primary, not yet open */
    REPLICA_OPEN,     /* primary: executes and answers */
    REPLICA_DRAINING, /* primary that hands off: takes nothing new */
};

struct replica_options {
    uint32_t partition;
    uint32_t self;
    uint64_t incarnation;
    bool waits_for_sync;     /* this member's part is done when its disk has it */
    size_t records_max;      /* of the log; 0: 4096 */
    size_t bytes_max;        /* 0: 1 MiB; a payload is at most an eighth */
    uint32_t requests_max;   /* waiting; 0: 256 */
    int64_t shrink_after_us; /* a backup may be silent for; 0: 250 ms */
    int64_t resend_after_us; /* 0: 100 ms */
    int64_t settle_after_us; /* a proposal of unknown outcome is settled after; 0: 500 ms */
    uint64_t expand_lag;     /* records a learner may lack when it is being added; 0: 64 */
};

struct replica_peer {
    uint32_t member;
    uint64_t incarnation;
    bool is_in_sync;   /* else a learner */
    bool is_unsynced;  /* its data is not complete */
    bool is_matched;   /* has acknowledged something in this term */
    uint64_t ack;      /* number of its newest acknowledgement */
    uint64_t since;    /* index at which it got its seat in this term; 0: it began with it */
    uint64_t next;     /* sequence to send next */
    uint64_t received; /* acknowledged in this term */
    uint64_t durable;
    uint64_t committed; /* what it knows to be committed */
    uint64_t commit_sent;
    int64_t waiting_since_us; /* it owes an acknowledgement; INT64_MAX: it does not */
    int64_t sent_us;
    uint64_t refused_at; /* it had nothing behind this when it last refused something ... */
    int64_t refused_us;  /* ... then */
};

struct replica_proposal {
    bool is_open; /* outcome unknown */
    enum config_entry_type type;
    uint64_t epoch;
    uint32_t member;
    int64_t proposed_us;
};

struct replica_request {
    uint64_t context;
    bool is_read;
    bool is_known;         /* a read of what a write answered: needs enough in sync as that did */
    bool is_early;         /* need not be committed, nor what it saw */
    bool is_covered;       /* a read: the lease held when it came */
    bool is_committed;     /* a write: its record is, for ever */
    bool is_cut;           /* a write: its record never will be */
    uint64_t term;         /* in which it came */
    uint64_t sequence;     /* its record; a read: the newest record that it may have seen */
    uint64_t confirmed_by; /* a read: may also be answered when this is committed; 0: no record */
    int64_t since_us;
    int64_t deadline_us;
};

enum replica_answer {
    ANSWER_DONE = 1,
    ANSWER_MOVED,    /* surely not applied: ask the primary */
    ANSWER_REFUSED,  /* a read that could not be confirmed in time */
    ANSWER_IN_DOUBT, /* a write that may be applied or not */
};

struct replica_reply {
    uint64_t context;
    enum replica_answer answer;
    bool is_confirmed; /* a read: by a record, as no promises cover it */
};

struct partition_replica {
    struct replica_options options;
    const struct allocator *allocator;
    struct lease_table *leases;
    enum replica_role role;
    /* the view: what this member's configuration says */
    uint64_t view_index;
    struct partition_config view;
    struct cluster_settings settings;
    uint64_t primary_incarnation;
    /* the log */
    struct replica_log log;
    uint64_t commit;
    uint64_t applied;       /* in the store, or given out to be: records up to here */
    uint64_t held_from;     /* records from here on stay in the log; UINT64_MAX: as it wants */
    uint64_t executed;      /* in the store ahead of `applied`: own records up to here ... */
    uint64_t executed_term; /* ... of this term; 0: none */
    bool is_unsynced;       /* the store lacks something or has too much: can't be in sync */
    bool is_copied;         /* ... but for what is not committed yet */
    bool is_unstored;       /* waits_for_sync: what was copied is not durable yet: the same */
    uint64_t stored_from;   /* ... until there is an image as of here or newer */
    bool is_full;           /* its writes find no room on the disk */
    bool owes_ack;          /* the primary does not know yet that it is complete, or not */
    uint64_t ack;           /* number of the last acknowledgement; grows while the process lives */
    uint64_t synced_from;   /* COPIED: complete once this is committed */
    uint64_t write_number, synced_number, synced;
    uint64_t base_number; /* of the write with which the log began anew */
    uint64_t dirty_from;  /* records from here on are not in a write yet; UINT64_MAX: none */
    bool is_reset_unwritten;
    uint64_t matched, matched_term; /* the log equals the primary's of this term up to here */
    /* as primary */
    int64_t blocked_until_us;
    uint64_t term_start; /* sequence of this term's first record; 0: not made yet */
    uint32_t hand_off_to;
    struct member_set pending; /* being added: must acknowledge */
    struct replica_proposal proposal;
    uint32_t peer_count;
    struct replica_peer peers[REPLICA_PEERS_MAX];
    uint32_t request_count;
    struct replica_request *requests; /* in order of arrival */
    struct replica_reply *replies;
    /* during a step */
    struct replica_output *out;
    int64_t now_us;
};

enum replica_message_type {
    REPLICA_RECORDS = 1, /* primary -> replica: append behind `position`, commit up to `commit` */
    REPLICA_BASE,        /* primary -> learner: no common log; begin behind `position`, copy data */
    REPLICA_ACK,         /* has all up to `position`, compared with this term's primary */
    REPLICA_REFUSE,      /* lacks what comes before the records, or knows a newer term; its log
                            might be common up to `position` */
    REPLICA_MESSAGE_END,
};

struct replica_message {
    enum replica_message_type type;
    uint32_t partition;
    uint32_t from, to;
    uint64_t from_incarnation, to_incarnation;
    uint64_t config_index; /* the sender's */
    uint64_t term;         /* the sender's */
    struct log_position position;
    uint64_t commit; /* what the sender knows */
    uint64_t
        durable;     /* ACK: its part is done up to here: on stable storage, if it waits for that */
    uint64_t number; /* ACK: of two the higher one was said later */
    bool is_unsynced; /* ACK */
    uint32_t record_count;
    const struct replica_record *records; /* RECORDS */
};

enum replica_input_type {
    REPLICA_VIEW,  /* an entry that may concern this partition was applied, or a snapshot */
    REPLICA_TICK,  /* every 10 ms or so */
    REPLICA_WRITE, /* the effect of a command executed under replica_admit */
    REPLICA_READ,  /* a command that changed nothing was executed under replica_admit */
    REPLICA_MESSAGE,
    REPLICA_SYNCED, /* all writes up to `number` are durable */
    REPLICA_STORED, /* an image of the whole store as of `sequence` is durable */
    REPLICA_FULL,   /* writes are lost for lack of room, or, if not `is_full`, no more: the log was
                     * written again behind the last record before them, or, if it began anew with one
                     * of them, as one that begins anew behind its base; or an image was */
    REPLICA_HAND_OFF, /* stop, drain, let `member` go on */
    REPLICA_COPIED,   /* the store has everything as of `sequence` or newer */
    REPLICA_SILENT,   /* evidence that the process of `member` is gone */
    REPLICA_SETTLE,   /* nothing new: what was added by replica_add goes out */
    REPLICA_DIVERGED, /* the store differs from the primary's: out of sync until COPIED */
};

struct replica_input {
    enum replica_input_type type;
    int64_t now_us;
    union {
        const struct configuration *configuration;
        struct {
            uint64_t context;     /* WRITE: 0 if nobody waits for it */
            struct slice payload; /* WRITE; borrowed for the call */
            int64_t deadline_us;
            bool is_known; /* READ: the answer is that of a write that was executed before */
            bool is_early; /* WRITES_EXECUTED: its answer does not wait for commit */
        } request;
        const struct replica_message *message;
        uint64_t number;
        uint32_t member;
        uint64_t sequence;
        bool is_full;
    };
};

/* Make the durable log be: what it is up to `after`, then the records after + 1 to `last`. With
 * `is_reset` the log begins anew behind `after`. The commit position goes along. */
struct replica_write {
    uint64_t number; /* 0: nothing to write */
    bool is_reset;
    uint64_t after, last;
    uint64_t commit;
};

struct replica_output {
    struct replica_write write;
    uint32_t message_count;
    struct replica_message messages[REPLICA_MESSAGES_MAX];
    struct replica_record records[REPLICA_MESSAGES_MAX][REPLICA_BATCH_RECORDS];
    uint64_t apply_first, apply_last; /* put these records into the store; none if first > last */
    uint32_t reply_count;
    const struct replica_reply *replies;
    bool has_proposal;
    struct config_entry proposal;
    bool has_new_role;
    bool has_base; /* the store must be copied from the primary, then COPIED */
    bool has_cut;  /* records that this node had executed were cut: the keys of ... */
    uint64_t cut_first, cut_last; /* ... these must be fetched from the primary, then COPIED */
    uint64_t wanted_index; /* fetch the configuration up to here from whoever knows; 0: no need */
    uint32_t wanted_from;
    bool is_broken; /* a committed record would have been cut: this member must stop */
};

/* Borrows `leases` for its life. Returns owned in *out. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status replica_create(const struct replica_options *options, struct lease_table *leases,
                                  const struct allocator *allocator,
                                  struct partition_replica **out);
/* NULL is allowed. */
void replica_destroy(struct partition_replica *replica);

/* What was durable: the store is as of `applied`, the log holds the records behind `base`.
 * `is_complete`: the store held everything when it stopped. Before the first step.
 * Errors: LARDER_NO_MEMORY (the log is too small), LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status replica_restore(struct partition_replica *replica, struct log_position base,
                                   const struct replica_record *records, size_t record_count,
                                   uint64_t commit, uint64_t applied, bool is_complete);

/* May a command be executed here now? Ask before executing it.
 * Errors: LARDER_AGAIN (not the primary: MOVED); LARDER_BUSY (elected or handing off: wait until
 * the next step); LARDER_DENIED (too few in sync, or the config group was not heard: nothing is
 * executed); LARDER_NO_MEMORY (a write of so many bytes finds no room now). */
LARDER_NODISCARD
enum larder_status replica_admit(const struct partition_replica *replica, size_t payload_bytes,
                                 int64_t now_us);

/* Take one input. *out is written from scratch and borrows until the next step.
 * Errors: LARDER_BUSY (no room now: nothing changed, a message may be dropped); LARDER_DENIED (a
 * message of, or for, another process); LARDER_AGAIN (WRITE, READ, HAND_OFF: not the open primary);
 * LARDER_NOT_FOUND (HAND_OFF: not in sync); LARDER_INVALID. */
LARDER_NODISCARD
enum larder_status replica_step(struct partition_replica *replica,
                                const struct replica_input *input, struct replica_output *out);

/* WRITE or READ as a step takes them, without what follows from it: that is left to the next step,
 * so that what many commands did goes out at once. Errors as of replica_step: nothing changed. */
LARDER_NODISCARD
enum larder_status replica_add(struct partition_replica *replica,
                               const struct replica_input *input);

/* Whether a read that came up to `since_us` still waits for promises. A round can answer it
 * instead: log any record, and say that it is to confirm the reads which came before it. That it is
 * committed shows that this member still led when it was made. */
bool replica_reads_wait(const struct partition_replica *replica, int64_t since_us);
void replica_confirm_reads(struct partition_replica *replica, uint64_t sequence);

/* The records from `sequence` on could not be put into the store yet: keep them. UINT64_MAX: all
 * were. */
void replica_hold(struct partition_replica *replica, uint64_t sequence);

/* A record of the log; borrowed until the next step. `sequence` is of `apply` or `write`. */
struct replica_record replica_get_record(const struct partition_replica *replica,
                                         uint64_t sequence);

const char *replica_role_name(enum replica_role role);

/* Bytes of messages, without the frame around them. Encoding writes replica_message_encoded_size
 * bytes. Decoding borrows `bytes` and `records`. Errors: LARDER_CORRUPT. */
size_t replica_message_encoded_size(const struct replica_message *message);
size_t replica_message_encode(const struct replica_message *message, uint8_t *out);
LARDER_NODISCARD
enum larder_status replica_message_decode(struct slice bytes,
                                          struct replica_record records[REPLICA_BATCH_RECORDS],
                                          struct replica_message *out);

#endif
