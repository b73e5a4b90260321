/* SPDX-License-Identifier: BSD-3-Clause */
/* How a replica's data becomes complete: for a new learner, for a deposed primary that executed
 * what was cut, and for a backup that was found to differ. One of these per replica; it asks the
 * primary for what is missing while records are logged, acknowledged and applied as ever, and on
 * the primary it answers.
 *
 *      bucket, key, rest:   UNSYNCED  --item as of e-->  SYNCED as of e
 *
 * An item is read on the primary at one moment and carries e = the end of its log then. A record's
 * part is applied where its key is synced as of e and its sequence is above e: what is not above is
 * in the item. A part for an unsynced key is left out and noted, and an item from before the last
 * one left out is refused, as it would lack it. The copy is complete when nothing is unsynced and
 * the highest e is committed: an e above the commit position may name a record that no later
 * primary has, so a change of term makes such items unsynced again.
 *
 * A replica that has entries in an unsynced bucket sends their digest along, and gets the bucket
 * only if the primary's differs: data from before a restart or a broken log costs what changed.
 *
 * Entries that a bucket's item has no room for are left out of it: their keys are unsynced and
 * asked for one by one. An entry longer than a message comes in pieces of one image as of one e,
 * and its parts of the meantime are kept and applied behind it.
 *
 * Whatever is lost is asked for again; an answer counts only for a question that is open. So
 * messages may be lost, repeated, delayed and reordered. Pure: time is an argument, messages and
 * the store are the caller's. One thread.
 *
 * What the caller (one partition at one member) does, in this order, after each replica_step:
 *   replica output has_base                      copying_begin
 *   replica output has_cut                       copying_cut
 *   each record of `apply`, in order             copying_apply for its effect, and its rest only if
 *                                                copying_takes_rest
 *   always, when all that is done                copying_follow
 *   copying_is_complete while the replica        replica_step COPIED with the sequence
 *     is_unsynced and not is_copied
 * A record executed here as primary: copying_note_executed once it has its sequence. At a start
 * without complete data (replica_restore with is_complete false): copying_begin. */
#ifndef LARDER_CLUSTER_COPYING_H
#define LARDER_CLUSTER_COPYING_H

#include "cluster/partition_replica.h"
#include "cluster/partition_store.h"

enum {
    COPYING_REST = PARTITION_WHOLE, /* "bucket" of what a partition has besides its entries */
    COPYING_UNITS = PARTITION_BUCKETS + 1,
    COPYING_QUESTIONS_MAX = 8, /* open at a time */
    COPYING_IMAGES_MAX = 8,    /* entries being sent in pieces, one per member */
};

/* What a partition has besides its entries (clock, requests, locks), as one piece of bytes. */
struct copying_rest {
    void *context;
    /* All of it. Borrowed until the partition is next changed. Errors: LARDER_NO_MEMORY. */
    enum larder_status (*read)(void *context, struct slice *out) LARDER_NODISCARD;
    /* Replace all of it. Errors, nothing changed: LARDER_NO_MEMORY, LARDER_CORRUPT. */
    enum larder_status (*replace)(void *context, struct slice bytes) LARDER_NODISCARD;
    /* Equal where what records did is equal. NULL: it is not compared. */
    void (*digest)(void *context, struct store_digest *out);
};

struct copying_options {
    uint32_t partition;
    uint32_t self;
    uint64_t incarnation;
    struct partition_store store;
    struct copying_rest rest;
    const struct allocator *allocator;
    size_t message_bytes;       /* longest item in a message; 0: 1 MiB */
    size_t pending_bytes;       /* parts kept for an entry that comes in pieces; 0: 4 MiB */
    uint32_t questions;         /* buckets asked for at a time; 0: 4 */
    uint64_t bytes_per_second;  /* 0: no limit */
    int64_t ask_again_after_us; /* 0: 200 ms */
    int64_t digest_every_us;    /* all buckets are compared once per; 0: 60 s; below 0: never */
};

struct copying_counters {
    uint64_t items, keys, pieces, bytes; /* taken */
    uint64_t same;                       /* buckets that were right already */
    uint64_t refused;                    /* from before a record that was left out */
    uint64_t restarted;                  /* entries in pieces, begun anew */
    uint64_t left_out;                   /* parts of records for what was unsynced */
    uint64_t repaired_keys;              /* made unsynced by a cut */
    uint64_t digests;                    /* compared */
    uint64_t divergence_total;           /* digests that differed: must stay 0 */
};

enum copying_message_type {
    COPYING_ASK_UNIT = 1, /* replica -> primary: a bucket, unless its digest is `bytes`; the rest */
    COPYING_ASK_KEYS,     /* the entries of these keys, as many as fit */
    COPYING_ASK_PIECE,    /* of one key's entry, from `offset` of the image as of `as_of` on */
    COPYING_UNIT,         /* primary -> replica: all of it */
    COPYING_KEYS,         /* entries: key, effect */
    COPYING_PIECE,        /* `bytes` of the `total` of an effect; another as_of: from the start */
    COPYING_SAME,         /* the bucket has the digest that it has there */
    COPYING_MESSAGE_END,
};

struct copying_message {
    enum copying_message_type type;
    uint32_t partition;
    uint32_t from, to;
    uint64_t from_incarnation, to_incarnation;
    uint64_t term;
    uint64_t number; /* of the question */
    uint32_t unit;   /* bucket or COPYING_REST */
    uint64_t as_of;
    uint64_t offset, total; /* of pieces, bytes */
    struct slice keys;      /* ASK_KEYS, ASK_PIECE, PIECE: keys; UNIT: keys left out */
    struct slice bytes;     /* UNIT: effect, or the rest; KEYS: list of key, effect; PIECE */
};

/* Messages to be sent; what they borrow is valid until copying or the store is next called. */
struct copying_output {
    uint32_t message_count;
    struct copying_message messages[COPYING_QUESTIONS_MAX];
};

struct copying;

/* Nothing is unsynced. Returns owned. Errors: LARDER_NO_MEMORY. */
enum larder_status copying_create(const struct copying_options *options,
                                  struct copying **out) LARDER_NODISCARD;
/* NULL is allowed. */
void copying_destroy(struct copying *copying);

/* ---- what happens to the replica ---- */

/* All that is here may be wrong: copy everything. As primary (RESET): everything is removed, and
 * that is complete; the rest is the caller's to clear. */
void copying_begin(struct copying *copying, bool is_primary);
/* Records that were executed here, `first` to `last`, were cut: the keys they touched and the rest
 * are unsynced. */
void copying_cut(struct copying *copying, uint64_t first, uint64_t last);
/* Before a cut: this record was executed here and may be cut. No error: without memory for its keys
 * a cut makes everything unsynced. */
void copying_note_executed(struct copying *copying, uint64_t sequence, struct slice effect);
/* Role, term, primary, log end and commit position as they are now. A primary has everything, and
 * answers while it is open and no record is held (replica_hold). */
void copying_follow(struct copying *copying, const struct partition_replica *replica);

/* Apply what of a committed record's effect is to be applied; sequences grow. *at is 0 at first.
 * Errors: LARDER_NO_MEMORY (again with the same *at, before any other record), LARDER_CORRUPT. */
enum larder_status copying_apply(struct copying *copying, uint64_t sequence, struct slice effect,
                                 size_t *at) LARDER_NODISCARD;
/* Whether a committed record's rest is to be applied. Once per record. */
bool copying_takes_rest(struct copying *copying, uint64_t sequence);

/* Nothing is unsynced and the highest e is committed. *out_sequence: that e. */
bool copying_is_complete(const struct copying *copying, uint64_t *out_sequence);
/* Buckets and keys that are unsynced, for people. */
uint64_t copying_unsynced(const struct copying *copying);
/* How much is still to come, in no unit: less is nearer to the end, also within a long entry. */
uint64_t copying_left(const struct copying *copying);
const struct copying_counters *copying_counters(const struct copying *copying);
void copying_set_rate(struct copying *copying, uint64_t bytes_per_second);

/* ---- messages ---- */

/* Errors: LARDER_DENIED (of or for another process), LARDER_NO_MEMORY (no answer, or an item that
 * could not be stored: it is asked for again), LARDER_CORRUPT (an item that is none). */
enum larder_status copying_receive(struct copying *copying, int64_t now_us,
                                   const struct copying_message *message,
                                   struct copying_output *out) LARDER_NODISCARD;
/* Every 10 ms or so, and after copying_begin or copying_cut: ask. */
void copying_tick(struct copying *copying, int64_t now_us, struct copying_output *out);

/* Bytes of messages, without the frame around them. Encoding writes copying_message_encoded_size
 * bytes. Decoding borrows `bytes`. Errors: LARDER_CORRUPT. */
size_t copying_message_encoded_size(const struct copying_message *message);
size_t copying_message_encode(const struct copying_message *message, uint8_t *out);
enum larder_status copying_message_decode(struct slice bytes,
                                          struct copying_message *out) LARDER_NODISCARD;

/* ---- anti-entropy ----
 * The primary logs digests of its buckets one by one, as records: a digest is of all records before
 * its own, and is compared by each replica when it applies the record, at exactly that position. */

struct copying_digest {
    uint32_t bucket; /* or COPYING_REST */
    struct store_digest digest;
};

enum { COPYING_DIGEST_BYTES = 2 + 16 };

/* As the open primary, with all records of the log in the store: whether it is time for a digest,
 * which is to be logged before anything else is executed. */
bool copying_take_digest(struct copying *copying, int64_t now_us, struct copying_digest *out);
void copying_digest_encode(const struct copying_digest *digest, uint8_t out[COPYING_DIGEST_BYTES]);
enum larder_status copying_digest_decode(struct slice bytes,
                                         struct copying_digest *out) LARDER_NODISCARD;
/* The record `sequence` is a digest and is being applied, in its place in the order. False: the
 * bucket here differs. It is unsynced now; give the replica DIVERGED. What can't be compared, being
 * unsynced or newer, counts as equal. */
bool copying_compare(struct copying *copying, uint64_t sequence,
                     const struct copying_digest *digest);

#endif
