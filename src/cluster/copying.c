/* SPDX-License-Identifier: BSD-3-Clause */
/* What is unsynced, and what of the records is applied. Time runs by sequence numbers: `missed` of
 * something unsynced is the newest record that it did not get, and every item has to be newer. */
#include "cluster/copying.h"

#include "cluster/copying_core.h"
#include "cluster/mutants.h"

#include <string.h>

enum {
    MESSAGE_BYTES = 1024 * 1024,
    PENDING_BYTES = 4 * 1024 * 1024,
    QUESTIONS = 4,
    QUESTIONS_LIMIT = COPYING_QUESTIONS_MAX - 2, /* keys and pieces have one each */
    ASK_AGAIN_US = 200 * 1000,
    DIGEST_EVERY_US = 60 * 1000 * 1000,
};

/* ---- bytes ---- */

bool copying_bytes_append(struct copying *c, struct copying_bytes *bytes, struct slice more) {
    size_t need = bytes->size + more.size;
    if (need > bytes->capacity) {
        size_t capacity = need + need / 2;
        uint8_t *grown = allocator_resize(c->allocator, bytes->data, bytes->capacity, capacity);
        if (grown == NULL)
            return false;
        bytes->data = grown;
        bytes->capacity = capacity;
    }
    if (more.size > 0)
        memcpy(bytes->data + bytes->size, more.data, more.size);
    bytes->size = need;
    return true;
}

bool copying_bytes_append_number(struct copying *c, struct copying_bytes *bytes, uint64_t number,
                                 size_t size) {
    uint8_t text[8];
    for (size_t i = 0; i < size; i++)
        text[i] = (uint8_t)(number >> 8 * i);
    return copying_bytes_append(c, bytes, slice_of(text, size));
}

void copying_bytes_free(struct copying *c, struct copying_bytes *bytes) {
    allocator_release(c->allocator, bytes->data, bytes->capacity);
    *bytes = (struct copying_bytes){NULL, 0, 0};
}

bool copying_bytes_set_key(struct copying *c, struct copying_bytes *bytes, struct slice key) {
    bytes->size = 0;
    return copying_bytes_append_number(c, bytes, key.size, 4) &&
           copying_bytes_append(c, bytes, key);
}

static uint64_t number_at(const uint8_t *at, size_t size) {
    uint64_t number = 0;
    for (size_t i = 0; i < size; i++)
        number |= (uint64_t)at[i] << 8 * i;
    return number;
}

/* ---- life ---- */

static void set_defaults(struct copying_options *o) {
    if (o->message_bytes == 0)
        o->message_bytes = MESSAGE_BYTES;
    if (o->pending_bytes == 0)
        o->pending_bytes = PENDING_BYTES;
    if (o->questions == 0)
        o->questions = QUESTIONS;
    if (o->questions > QUESTIONS_LIMIT)
        o->questions = QUESTIONS_LIMIT;
    if (o->ask_again_after_us == 0)
        o->ask_again_after_us = ASK_AGAIN_US;
    if (o->digest_every_us == 0)
        o->digest_every_us = DIGEST_EVERY_US;
}

enum larder_status copying_create(const struct copying_options *options, struct copying **out) {
    struct copying *c = allocator_allocate_zeroed(options->allocator, sizeof(*c));
    if (c == NULL)
        return LARDER_NO_MEMORY;
    c->options = *options;
    c->allocator = options->allocator;
    set_defaults(&c->options);
    copying_keys_init(&c->keys, c->allocator, options->incarnation);
    *out = c;
    return LARDER_OK;
}

void copying_destroy(struct copying *c) {
    if (c == NULL)
        return;
    const struct allocator *a = c->allocator;
    copying_drop_assembly(c);
    copying_drop_images(c);
    copying_keys_clear(&c->keys);
    copying_bytes_free(c, &c->executed);
    copying_bytes_free(c, &c->asked);
    copying_bytes_free(c, &c->answer);
    allocator_release(a, c, sizeof(*c));
}

const struct copying_counters *copying_counters(const struct copying *c) {
    return &c->counters;
}

void copying_set_rate(struct copying *c, uint64_t bytes_per_second) {
    c->options.bytes_per_second = bytes_per_second;
}

uint64_t copying_unsynced(const struct copying *c) {
    return c->unsynced_units + c->keys.unsynced_count;
}

uint64_t copying_left(const struct copying *c) {
    uint64_t here = c->assembly.is_active ? c->assembly.image.size : 0;
    uint64_t whole = (uint64_t)1 << 32;
    return copying_unsynced(c) * whole - (copying_unsynced(c) == 0 ? 0
                                          : here < whole           ? here
                                                                   : whole - 1);
}

/* ---- becoming unsynced ---- */

void copying_drop_assembly(struct copying *c) {
    c->assembly.is_active = false;
    copying_bytes_free(c, &c->assembly.key);
    copying_bytes_free(c, &c->assembly.image);
    copying_bytes_free(c, &c->assembly.pending);
}

static void drop_assembly_of_bucket(struct copying *c, uint32_t bucket) {
    size_t at = 0;
    struct slice key;
    if (c->assembly.is_active && store_next_key(copying_bytes_slice(&c->assembly.key), &at, &key) &&
        c->options.store.type->bucket_of(c->options.store.context, key) == bucket)
        copying_drop_assembly(c);
}

/* What it lacks from now on is younger than what was applied so far. */
void copying_unsync_unit(struct copying *c, uint32_t unit) {
    struct copying_unit *u = &c->units[unit];
    drop_assembly_of_bucket(c, unit);
    copying_keys_remove_bucket(&c->keys, unit);
    c->unsynced_units += !u->is_unsynced;
    u->is_unsynced = true;
    u->missed = c->applied;
}

void copying_unsync_key(struct copying *c, struct slice text, uint32_t bucket) {
    if (c->units[bucket].is_unsynced) {
        c->units[bucket].missed = c->applied;
        return;
    }
    struct copying_key *key = copying_keys_add(&c->keys, text, bucket);
    if (key == NULL) {
        copying_unsync_unit(c, bucket);
        return;
    }
    if (copying_assembles(c, text))
        copying_drop_assembly(c);
    copying_keys_set_unsynced(&c->keys, key, true);
    key->missed = c->applied;
}

void copying_begin(struct copying *c, bool is_primary) {
    copying_close_questions(c);
    copying_drop_assembly(c);
    copying_keys_clear(&c->keys);
    c->executed.size = 0;
    c->executed_lost = 0;
    c->highest = c->applied = 0;
    for (uint32_t i = 0; i < COPYING_UNITS; i++)
        c->units[i] = (struct copying_unit){.is_unsynced = !is_primary};
    c->unsynced_units = is_primary ? 0 : COPYING_UNITS;
    if (is_primary)
        c->options.store.type->clear_bucket(c->options.store.context, PARTITION_WHOLE);
}

/* ---- executed and cut ---- */

enum { NOTE_BYTES = 8 + 4 };

void copying_note_executed(struct copying *c, uint64_t sequence, struct slice effect) {
    const struct partition_store *store = &c->options.store;
    struct store_part part;
    size_t at = 0;
    enum larder_status status;
    while ((status = store->type->next_part(store->context, effect, &at, &part)) == LARDER_OK) {
        size_t before = c->executed.size;
        if (part.bucket != PARTITION_WHOLE &&
            copying_bytes_append_number(c, &c->executed, sequence, 8) &&
            copying_bytes_append_number(c, &c->executed, part.key.size, 4) &&
            copying_bytes_append(c, &c->executed, part.key))
            continue;
        c->executed.size = before;
        c->executed_lost = sequence;
    }
    if (status != LARDER_NOT_FOUND)
        c->executed_lost = sequence;
}

/* The note at *at, which moves behind it. */
static bool next_note(const struct copying *c, size_t *at, uint64_t *sequence, struct slice *key) {
    if (*at == c->executed.size)
        return false;
    const uint8_t *note = c->executed.data + *at;
    *sequence = number_at(note, 8);
    *key = slice_of(note + NOTE_BYTES, (size_t)number_at(note + 8, 4));
    *at += NOTE_BYTES + key->size;
    return true;
}

/* Committed records can't be cut. Called often, so a note at a time leaves only when it is worth
 * moving the others. */
static void forget_executed(struct copying *c, uint64_t commit) {
    size_t at = 0, keep = 0;
    uint64_t sequence;
    struct slice key;
    while (next_note(c, &at, &sequence, &key) && sequence <= commit)
        keep = at;
    if (keep == 0 || (keep < c->executed.size && keep < c->executed.size / 2))
        return;
    memmove(c->executed.data, c->executed.data + keep, c->executed.size - keep);
    c->executed.size -= keep;
}

void copying_cut(struct copying *c, uint64_t first, uint64_t last) {
    size_t at = 0, kept = 0;
    uint64_t sequence;
    struct slice key;
    if (CLUSTER_MUTATED(MUTANT_CUT_FORGOTTEN))
        return;
    while (next_note(c, &at, &sequence, &key)) {
        if (sequence < first) {
            kept = at;
            continue;
        }
        if (sequence <= last) {
            c->counters.repaired_keys++;
            copying_unsync_key(c, key,
                               c->options.store.type->bucket_of(c->options.store.context, key));
        }
    }
    c->executed.size = kept;
    if (c->executed_lost >= first)
        for (uint32_t i = 0; i < PARTITION_BUCKETS; i++)
            copying_unsync_unit(c, i);
    c->executed_lost = c->executed_lost < first ? c->executed_lost : first - 1;
    copying_unsync_unit(c, COPYING_REST);
}

/* ---- following the replica ---- */

static void abandon(struct copying *c) {
    copying_close_questions(c);
    copying_drop_assembly(c);
    copying_keys_clear(&c->keys);
    memset(c->units, 0, sizeof(c->units));
    c->unsynced_units = 0;
    c->highest = 0;
}

/* Another primary: what was not committed in the items it may lack. */
static void begin_term(struct copying *c, uint64_t commit) {
    copying_close_questions(c);
    copying_drop_assembly(c);
    copying_drop_images(c);
    if (c->highest <= commit || CLUSTER_MUTATED(MUTANT_COPY_OUTLIVES_TERM))
        return;
    for (uint32_t i = 0; i < COPYING_UNITS; i++)
        if (!c->units[i].is_unsynced && c->units[i].as_of > commit)
            copying_unsync_unit(c, i);
    for (struct copying_key *key = c->keys.first; key != NULL; key = key->next)
        if (!key->is_unsynced && key->as_of > commit) {
            copying_keys_set_unsynced(&c->keys, key, true);
            key->missed = c->applied;
        }
    c->highest = commit;
}

/* Keys whose records from before their item have all passed are as their bucket. */
static void forget_synced_keys(struct copying *c) {
    if (c->keys.count == c->keys.unsynced_count || c->applied < c->highest)
        return;
    for (struct copying_key *key = c->keys.first, *next; key != NULL; key = next) {
        next = key->next;
        if (!key->is_unsynced)
            copying_keys_remove(&c->keys, key);
    }
}

void copying_follow(struct copying *c, const struct partition_replica *r) {
    bool is_new = r->view.term != c->term || r->view.primary != c->primary ||
                  r->primary_incarnation != c->primary_incarnation;
    if (is_new)
        begin_term(c, r->commit);
    c->term = r->view.term;
    c->primary = r->view.primary;
    c->primary_incarnation = r->primary_incarnation;
    c->is_primary = r->role >= REPLICA_ELECTED;
    bool is_open = r->role == REPLICA_OPEN || r->role == REPLICA_DRAINING;
    bool has_all = is_open && r->held_from == UINT64_MAX;
    c->may_serve = has_all || (c->is_primary && CLUSTER_MUTATED(MUTANT_ITEM_BY_ELECTED));
    c->may_ask =
        (r->role == REPLICA_LEARNER || r->role == REPLICA_BACKUP) && c->primary != CLUSTER_NOBODY;
    c->last = r->log.last;
    c->commit = r->commit;
    if (c->is_primary && (copying_unsynced(c) > 0 || c->highest > 0))
        abandon(c);
    forget_executed(c, r->commit);
    forget_synced_keys(c);
}

bool copying_is_complete(const struct copying *c, uint64_t *out_sequence) {
    bool is_early = CLUSTER_MUTATED(MUTANT_COPIED_UNCOMMITTED);
    *out_sequence = is_early ? 0 : c->highest;
    return copying_unsynced(c) == 0 && (c->commit >= c->highest || is_early);
}
