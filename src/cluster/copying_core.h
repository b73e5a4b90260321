/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of copying: what its files call of each other. For this folder only. */
#ifndef LARDER_CLUSTER_COPYING_CORE_H
#define LARDER_CLUSTER_COPYING_CORE_H

#include "cluster/copying.h"
#include "cluster/copying_keys.h"

enum { COPYING_STORE_DIGEST_BYTES = 16 };

/* Bytes that grow. */
struct copying_bytes {
    uint8_t *data;
    size_t size, capacity;
};

struct copying_unit {
    bool is_unsynced;
    uint64_t as_of;  /* of a synced one */
    uint64_t missed; /* of an unsynced one: the newest record left out */
};

enum question_kind { QUESTION_NONE, QUESTION_UNIT, QUESTION_KEYS, QUESTION_PIECE };

struct copying_question {
    enum question_kind kind;
    uint32_t unit;
    uint64_t number;
    int64_t asked_us;
};

/* An entry that comes in pieces. */
struct copying_assembly {
    bool is_active;
    uint64_t as_of, total;
    struct copying_bytes key; /* as a list of one */
    struct copying_bytes image;
    struct copying_bytes pending; /* effects of one part each: size u32, bytes */
};

/* An entry that is being sent in pieces. */
struct copying_image {
    uint32_t member; /* CLUSTER_NOBODY: free */
    uint64_t incarnation;
    uint64_t as_of;
    int64_t used_us;
    struct copying_bytes key; /* as a list of one */
    struct copying_bytes bytes;
};

struct copying {
    struct copying_options options;
    const struct allocator *allocator;
    /* the replica, as copying_follow saw it */
    uint64_t term, primary_incarnation;
    uint32_t primary;
    bool is_primary, may_serve, may_ask;
    uint64_t last, commit;
    /* what is here */
    struct copying_unit units[COPYING_UNITS];
    uint32_t unsynced_units;
    struct copying_keys keys; /* of synced buckets only */
    uint64_t highest;         /* e of all items */
    uint64_t applied;         /* newest record given to copying_apply or copying_takes_rest */
    /* executed here, not committed: sequence u64, size u32, key */
    struct copying_bytes executed;
    uint64_t executed_lost; /* of records up to this one some keys are not noted */
    /* asking */
    struct copying_question questions[COPYING_QUESTIONS_MAX];
    uint64_t number;
    uint32_t next_bucket;
    struct copying_bytes asked; /* keys of the open question */
    uint8_t digests[COPYING_QUESTIONS_MAX][COPYING_STORE_DIGEST_BYTES]; /* of buckets asked for */
    struct copying_assembly assembly;
    int64_t tokens; /* bytes that may come */
    int64_t tokens_us;
    /* answering */
    struct copying_bytes answer;
    struct copying_image images[COPYING_IMAGES_MAX];
    /* digests */
    int64_t digest_us;
    uint32_t digest_bucket;
    struct copying_counters counters;
};

/* copying.c */
void copying_unsync_unit(struct copying *c, uint32_t unit);
void copying_unsync_key(struct copying *c, struct slice key, uint32_t bucket);
void copying_drop_assembly(struct copying *c);

/* copying_ask.c: questions and what comes back */
void copying_close_questions(struct copying *c);
void copying_ask(struct copying *c, int64_t now_us, struct copying_output *out);
enum larder_status copying_take_answer(struct copying *c, const struct copying_message *message);

/* copying_assembly.c */
bool copying_assembles(const struct copying *c, struct slice key);
/* A part for the key that is being assembled: kept, or the assembly is given up. */
void copying_keep_part(struct copying *c, uint64_t sequence, struct slice part);
enum larder_status copying_take_piece(struct copying *c, const struct copying_message *message);

/* copying_serve.c */
enum larder_status copying_answer(struct copying *c, int64_t now_us,
                                  const struct copying_message *message,
                                  struct copying_output *out);
void copying_drop_images(struct copying *c);
/* Forget what nobody asked for lately. */
void copying_age_images(struct copying *c, int64_t now_us);

/* copying_digest.c */
/* False: the bucket is empty. */
bool copying_digest_of(const struct copying *c, uint32_t bucket,
                       uint8_t out[COPYING_STORE_DIGEST_BYTES]);

/* ---- bytes ---- */

/* False: no memory, nothing changed. */
bool copying_bytes_append(struct copying *c, struct copying_bytes *bytes, struct slice more);
bool copying_bytes_append_number(struct copying *c, struct copying_bytes *bytes, uint64_t number,
                                 size_t size);
void copying_bytes_free(struct copying *c, struct copying_bytes *bytes);
/* A list (store_next_key) of one key, in place of what is there. */
bool copying_bytes_set_key(struct copying *c, struct copying_bytes *bytes, struct slice key);

static inline struct slice copying_bytes_slice(const struct copying_bytes *bytes) {
    return slice_of(bytes->data, bytes->size);
}

#endif
