/* SPDX-License-Identifier: BSD-3-Clause */
/* An entry that comes in pieces: all of one image, which the primary keeps as of one e, asked for
 * one after the other. What records do to it meanwhile is kept and done to it when it is whole;
 * when that is too much it is begun anew. */
#include "cluster/copying_core.h"
#include "cluster/mutants.h"

enum { LENGTH_BYTES = 4 };

static struct slice assembled_key(const struct copying *c) {
    size_t at = 0;
    struct slice key = {NULL, 0};
    (void)store_next_key(copying_bytes_slice(&c->assembly.key), &at, &key);
    return key;
}

static bool is_equal(struct slice a, struct slice b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool copying_assembles(const struct copying *c, struct slice key) {
    return c->assembly.is_active && is_equal(assembled_key(c), key);
}

static void restart(struct copying *c) {
    copying_drop_assembly(c);
    c->counters.restarted++;
}

void copying_keep_part(struct copying *c, uint64_t sequence, struct slice part) {
    struct copying_bytes *pending = &c->assembly.pending;
    if (sequence <= c->assembly.as_of || CLUSTER_MUTATED(MUTANT_PIECES_WITHOUT_RECORDS))
        return;
    if (pending->size + LENGTH_BYTES + part.size > c->options.pending_bytes ||
        !copying_bytes_append_number(c, pending, part.size, LENGTH_BYTES) ||
        !copying_bytes_append(c, pending, part))
        restart(c);
}

/* The image, then what came since. False: no memory, or damaged; the key stays unsynced. */
static enum larder_status store_entry(struct copying *c) {
    const struct partition_store *store = &c->options.store;
    struct slice pending = copying_bytes_slice(&c->assembly.pending), part;
    size_t at = 0, done = 0;
    if (!CLUSTER_MUTATED(MUTANT_ITEM_MERGED))
        store->type->clear_key(store->context, assembled_key(c));
    enum larder_status status =
        store->type->apply(store->context, copying_bytes_slice(&c->assembly.image), &done);
    while (status == LARDER_OK && store_next_key(pending, &at, &part)) {
        done = 0;
        status = store->type->apply(store->context, part, &done);
    }
    return status;
}

static enum larder_status finish(struct copying *c, struct copying_key *key) {
    uint64_t as_of = c->assembly.as_of;
    enum larder_status status = store_entry(c);
    if (status == LARDER_OK) {
        copying_keys_set_unsynced(&c->keys, key, false);
        key->as_of = key->missed > as_of ? key->missed : as_of;
        if (c->highest < as_of)
            c->highest = as_of;
        c->counters.keys++;
    }
    copying_drop_assembly(c);
    return status;
}

/* False: no memory. */
static bool begin(struct copying *c, const struct copying_message *m, struct slice key) {
    copying_drop_assembly(c);
    c->assembly.is_active = true;
    c->assembly.as_of = m->as_of;
    c->assembly.total = m->total;
    if (copying_bytes_set_key(c, &c->assembly.key, key))
        return true;
    copying_drop_assembly(c);
    return false;
}

/* Whether the piece is the next one, or a first one. */
static enum larder_status place(struct copying *c, const struct copying_message *m,
                                struct copying_key *key, bool *out_is_next) {
    struct slice text = copying_key_slice(key);
    bool is_same = copying_assembles(c, text) &&
                   (c->assembly.as_of == m->as_of || CLUSTER_MUTATED(MUTANT_PIECES_MIXED));
    *out_is_next = is_same && m->offset == c->assembly.image.size &&
                   (m->total == c->assembly.total || CLUSTER_MUTATED(MUTANT_PIECES_MIXED));
    if (*out_is_next || m->offset != 0)
        return LARDER_OK;
    if (m->as_of < key->missed && !CLUSTER_MUTATED(MUTANT_ITEM_OVER_NEWER)) {
        c->counters.refused++;
        copying_drop_assembly(c);
        return LARDER_OK;
    }
    c->counters.restarted += c->assembly.is_active;
    *out_is_next = begin(c, m, text);
    return *out_is_next ? LARDER_OK : LARDER_NO_MEMORY;
}

enum larder_status copying_take_piece(struct copying *c, const struct copying_message *m) {
    size_t at = 0;
    struct slice text;
    if (!store_next_key(m->keys, &at, &text) || m->offset > m->total ||
        m->bytes.size > m->total - m->offset)
        return LARDER_CORRUPT;
    struct copying_key *key = copying_keys_find(&c->keys, text);
    if (key == NULL || !key->is_unsynced || (c->assembly.is_active && !copying_assembles(c, text)))
        return LARDER_OK;
    bool is_next;
    enum larder_status status = place(c, m, key, &is_next);
    if (!is_next)
        return status;
    if (!copying_bytes_append(c, &c->assembly.image, m->bytes)) {
        copying_drop_assembly(c);
        return LARDER_NO_MEMORY;
    }
    c->counters.pieces++;
    return c->assembly.image.size >= c->assembly.total ? finish(c, key) : LARDER_OK;
}
