/* SPDX-License-Identifier: BSD-3-Clause */
/* Records meet a store that is complete in parts: each part of a record is applied, is in an item
 * already, is kept for an entry that is coming in pieces, or is left out as its entry will come. */
#include "cluster/copying_core.h"
#include "cluster/mutants.h"

enum verdict { APPLY, SKIP, LEAVE_OUT };

static enum verdict judge_unit(struct copying *c, uint32_t unit, uint64_t sequence) {
    struct copying_unit *u = &c->units[unit];
    if (u->is_unsynced) {
        if (CLUSTER_MUTATED(MUTANT_APPLY_UNSYNCED))
            return APPLY;
        u->missed = sequence;
        return LEAVE_OUT;
    }
    return sequence > u->as_of || CLUSTER_MUTATED(MUTANT_APPLY_TWICE) ? APPLY : SKIP;
}

static enum verdict judge(struct copying *c, uint64_t sequence, const struct store_part *part) {
    struct copying_key *key = copying_keys_find(&c->keys, part->key);
    if (key == NULL || c->units[part->bucket].is_unsynced)
        return judge_unit(c, part->bucket, sequence);
    if (!key->is_unsynced)
        return sequence > key->as_of || CLUSTER_MUTATED(MUTANT_APPLY_TWICE) ? APPLY : SKIP;
    if (CLUSTER_MUTATED(MUTANT_APPLY_UNSYNCED))
        return APPLY;
    key->missed = sequence;
    if (copying_assembles(c, part->key))
        copying_keep_part(c, sequence, part->bytes);
    return LEAVE_OUT;
}

/* Everything was removed. Of a bucket with keys in several states all is asked for again. */
static void apply_removal(struct copying *c, uint64_t sequence) {
    bool has_keys[PARTITION_BUCKETS] = {false};
    for (const struct copying_key *key = c->keys.first; key != NULL; key = key->next)
        has_keys[key->bucket] = true;
    for (uint32_t i = 0; i < PARTITION_BUCKETS; i++) {
        enum verdict verdict = judge_unit(c, i, sequence);
        if (has_keys[i] && !c->units[i].is_unsynced) {
            copying_unsync_unit(c, i);
            c->units[i].missed = sequence;
        } else if (verdict == APPLY) {
            c->options.store.type->clear_bucket(c->options.store.context, i);
        }
    }
}

static enum larder_status apply_part(struct copying *c, uint64_t sequence,
                                     const struct store_part *part) {
    const struct partition_store *store = &c->options.store;
    size_t at = 0;
    if (part->bucket == PARTITION_WHOLE) {
        apply_removal(c, sequence);
        return LARDER_OK;
    }
    switch (judge(c, sequence, part)) {
    case APPLY: return store->type->apply(store->context, part->bytes, &at);
    case LEAVE_OUT: c->counters.left_out++; return LARDER_OK;
    default: return LARDER_OK;
    }
}

enum larder_status copying_apply(struct copying *c, uint64_t sequence, struct slice effect,
                                 size_t *at) {
    const struct partition_store *store = &c->options.store;
    c->applied = sequence;
    if (copying_unsynced(c) == 0 && c->keys.count == 0 && sequence > c->highest)
        return store->type->apply(store->context, effect, at);
    for (;;) {
        struct store_part part;
        size_t next = *at;
        enum larder_status status = store->type->next_part(store->context, effect, &next, &part);
        if (status == LARDER_NOT_FOUND)
            return LARDER_OK;
        if (status == LARDER_OK)
            status = apply_part(c, sequence, &part);
        if (status != LARDER_OK)
            return status;
        *at = next;
    }
}

bool copying_takes_rest(struct copying *c, uint64_t sequence) {
    c->applied = sequence;
    return judge_unit(c, COPYING_REST, sequence) == APPLY || CLUSTER_MUTATED(MUTANT_REST_TWICE);
}
