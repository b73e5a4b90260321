/* SPDX-License-Identifier: BSD-3-Clause */
/* The asking side: a few questions are open at a time, each has one answer, and one whose answer
 * does not come is closed and asked again. The rest comes first, then an entry in pieces, then
 * keys, then buckets in turn. */
#include "cluster/copying_core.h"
#include "cluster/mutants.h"

enum {
    KEYS_PER_QUESTION = 256,
    KEY_BYTES_PER_QUESTION = 64 * 1024,
};

void copying_close_questions(struct copying *c) {
    for (unsigned i = 0; i < COPYING_QUESTIONS_MAX; i++)
        c->questions[i].kind = QUESTION_NONE;
}

static bool is_asked(const struct copying *c, enum question_kind kind, uint32_t unit) {
    for (unsigned i = 0; i < COPYING_QUESTIONS_MAX; i++)
        if (c->questions[i].kind == kind && (kind != QUESTION_UNIT || c->questions[i].unit == unit))
            return true;
    return false;
}

static unsigned count_units_asked(const struct copying *c) {
    unsigned count = 0;
    for (unsigned i = 0; i < COPYING_QUESTIONS_MAX; i++)
        count += c->questions[i].kind == QUESTION_UNIT;
    return count;
}

static struct copying_message *open_question(struct copying *c, int64_t now_us,
                                             enum question_kind kind, uint32_t unit,
                                             struct copying_output *out) {
    static const enum copying_message_type TYPES[] = {[QUESTION_UNIT] = COPYING_ASK_UNIT,
                                                      [QUESTION_KEYS] = COPYING_ASK_KEYS,
                                                      [QUESTION_PIECE] = COPYING_ASK_PIECE};
    struct copying_question *q = c->questions;
    while (q->kind != QUESTION_NONE)
        q++;
    *q = (struct copying_question){
        .kind = kind, .unit = unit, .number = ++c->number, .asked_us = now_us};
    struct copying_message *m = &out->messages[out->message_count++];
    *m = (struct copying_message){.type = TYPES[kind],
                                  .partition = c->options.partition,
                                  .from = c->options.self,
                                  .from_incarnation = c->options.incarnation,
                                  .to = c->primary,
                                  .to_incarnation = c->primary_incarnation,
                                  .term = c->term,
                                  .number = q->number,
                                  .unit = unit};
    return m;
}

static void ask_piece(struct copying *c, int64_t now_us, struct copying_output *out) {
    struct copying_message *m = open_question(c, now_us, QUESTION_PIECE, 0, out);
    m->keys = copying_bytes_slice(&c->assembly.key);
    m->as_of = c->assembly.as_of;
    m->offset = c->assembly.image.size;
}

static void ask_keys(struct copying *c, int64_t now_us, struct copying_output *out) {
    unsigned count = 0;
    c->asked.size = 0;
    for (const struct copying_key *key = c->keys.first;
         key != NULL && count < KEYS_PER_QUESTION && c->asked.size < KEY_BYTES_PER_QUESTION;
         key = key->next) {
        size_t before = c->asked.size;
        if (!key->is_unsynced)
            continue;
        if (!copying_bytes_append_number(c, &c->asked, key->size, 4) ||
            !copying_bytes_append(c, &c->asked, copying_key_slice(key))) {
            c->asked.size = before;
            break;
        }
        count++;
    }
    if (count > 0)
        open_question(c, now_us, QUESTION_KEYS, 0, out)->keys = copying_bytes_slice(&c->asked);
}

/* Nothing is applied to an unsynced bucket, so the digest holds until the answer comes. */
static void ask_bucket(struct copying *c, int64_t now_us, uint32_t bucket,
                       struct copying_output *out) {
    uint8_t *digest = c->digests[out->message_count];
    struct copying_message *m = open_question(c, now_us, QUESTION_UNIT, bucket, out);
    if (copying_digest_of(c, bucket, digest))
        m->bytes = slice_of(digest, COPYING_STORE_DIGEST_BYTES);
}

static void ask_buckets(struct copying *c, int64_t now_us, struct copying_output *out) {
    unsigned open = count_units_asked(c);
    for (unsigned i = 0; i < PARTITION_BUCKETS && open < c->options.questions; i++) {
        uint32_t bucket = c->next_bucket;
        c->next_bucket = (bucket + 1) % PARTITION_BUCKETS;
        if (!c->units[bucket].is_unsynced || is_asked(c, QUESTION_UNIT, bucket))
            continue;
        ask_bucket(c, now_us, bucket, out);
        open++;
    }
}

/* Bytes that may come: a second's worth at most. What came is taken off, also below nothing. */
static bool has_tokens(struct copying *c, int64_t now_us) {
    int64_t rate = (int64_t)c->options.bytes_per_second;
    if (rate == 0)
        return true;
    int64_t elapsed_us = now_us - c->tokens_us;
    if (elapsed_us > 1000000 || elapsed_us < 0)
        elapsed_us = 1000000;
    int64_t more = elapsed_us * rate / 1000000;
    if (more > 0) {
        c->tokens = c->tokens + more < rate ? c->tokens + more : rate;
        c->tokens_us = now_us;
    }
    return c->tokens > 0;
}

void copying_ask(struct copying *c, int64_t now_us, struct copying_output *out) {
    for (unsigned i = 0; i < COPYING_QUESTIONS_MAX; i++)
        if (now_us - c->questions[i].asked_us >= c->options.ask_again_after_us)
            c->questions[i].kind = QUESTION_NONE;
    if (!c->may_ask || copying_unsynced(c) == 0 || !has_tokens(c, now_us))
        return;
    if (c->units[COPYING_REST].is_unsynced && !is_asked(c, QUESTION_UNIT, COPYING_REST) &&
        count_units_asked(c) < c->options.questions)
        open_question(c, now_us, QUESTION_UNIT, COPYING_REST, out);
    if (c->assembly.is_active) {
        if (!is_asked(c, QUESTION_PIECE, 0))
            ask_piece(c, now_us, out);
    } else if (c->keys.unsynced_count > 0 && !is_asked(c, QUESTION_KEYS, 0)) {
        ask_keys(c, now_us, out);
    }
    ask_buckets(c, now_us, out);
}

/* ---- answers ---- */

static enum larder_status apply_all(struct copying *c, struct slice effect) {
    const struct partition_store *store = &c->options.store;
    size_t at = 0;
    return store->type->apply(store->context, effect, &at);
}

static bool is_new_enough(struct copying *c, uint64_t as_of, uint64_t missed) {
    if (as_of >= missed || CLUSTER_MUTATED(MUTANT_ITEM_OVER_NEWER))
        return true;
    c->counters.refused++;
    return false;
}

static void note_item(struct copying *c, uint64_t as_of) {
    if (as_of > c->highest)
        c->highest = as_of;
}

static void set_synced(struct copying *c, uint32_t unit, uint64_t as_of) {
    c->units[unit] = (struct copying_unit){.as_of = as_of};
    c->unsynced_units--;
    note_item(c, as_of);
    c->counters.items++;
}

static enum larder_status take_bucket(struct copying *c, const struct copying_message *m) {
    const struct partition_store *store = &c->options.store;
    size_t at = 0;
    struct slice key;
    if (!CLUSTER_MUTATED(MUTANT_ITEM_MERGED))
        store->type->clear_bucket(store->context, m->unit);
    enum larder_status status = apply_all(c, m->bytes);
    if (status != LARDER_OK)
        return status;
    set_synced(c, m->unit, m->as_of);
    while (!CLUSTER_MUTATED(MUTANT_LEFT_OUT_FORGOTTEN) && store_next_key(m->keys, &at, &key))
        copying_unsync_key(c, key, m->unit);
    return LARDER_OK;
}

static enum larder_status take_unit(struct copying *c, const struct copying_message *m) {
    if (m->unit >= COPYING_UNITS)
        return LARDER_CORRUPT;
    const struct copying_unit *u = &c->units[m->unit];
    if (!u->is_unsynced || !is_new_enough(c, m->as_of, u->missed))
        return LARDER_OK;
    if (m->unit != COPYING_REST)
        return take_bucket(c, m);
    enum larder_status status = c->options.rest.replace(c->options.rest.context, m->bytes);
    if (status == LARDER_OK)
        set_synced(c, m->unit, m->as_of);
    return status;
}

static enum larder_status take_same(struct copying *c, const struct copying_message *m) {
    const struct copying_unit *u = &c->units[m->unit];
    if (m->unit < PARTITION_BUCKETS && u->is_unsynced && is_new_enough(c, m->as_of, u->missed)) {
        set_synced(c, m->unit, m->as_of);
        c->counters.same++;
    }
    return LARDER_OK;
}

static enum larder_status take_key(struct copying *c, struct slice text, struct slice effect,
                                   uint64_t as_of) {
    const struct partition_store *store = &c->options.store;
    struct copying_key *key = copying_keys_find(&c->keys, text);
    if (key == NULL || !key->is_unsynced)
        return LARDER_OK;
    copying_keys_move_last(&c->keys, key);
    if (!is_new_enough(c, as_of, key->missed))
        return LARDER_OK;
    if (!CLUSTER_MUTATED(MUTANT_ITEM_MERGED))
        store->type->clear_key(store->context, text);
    enum larder_status status = apply_all(c, effect);
    if (status != LARDER_OK)
        return status;
    copying_keys_set_unsynced(&c->keys, key, false);
    key->as_of = as_of;
    note_item(c, as_of);
    c->counters.keys++;
    return LARDER_OK;
}

static enum larder_status take_keys(struct copying *c, const struct copying_message *m) {
    struct slice key, effect;
    size_t at = 0;
    while (store_next_key(m->bytes, &at, &key)) {
        if (!store_next_key(m->bytes, &at, &effect))
            return LARDER_CORRUPT;
        enum larder_status status = take_key(c, key, effect, m->as_of);
        if (status != LARDER_OK)
            return status;
    }
    return at == m->bytes.size ? LARDER_OK : LARDER_CORRUPT;
}

/* Whether there is an open question that this answers; it is closed. */
static bool close_question(struct copying *c, const struct copying_message *m) {
    for (unsigned i = 0; i < COPYING_QUESTIONS_MAX; i++) {
        struct copying_question *q = &c->questions[i];
        if (q->kind == QUESTION_NONE || q->number != m->number)
            continue;
        bool is_unit = m->type == COPYING_UNIT || m->type == COPYING_SAME;
        bool is_fit = q->kind == QUESTION_UNIT ? is_unit && m->unit == q->unit : !is_unit;
        if (!is_fit)
            return false;
        q->kind = QUESTION_NONE;
        return true;
    }
    return false;
}

enum larder_status copying_take_answer(struct copying *c, const struct copying_message *m) {
    bool is_of_primary = m->term == c->term && m->from == c->primary &&
                         m->from_incarnation == c->primary_incarnation;
    bool is_expected = c->may_ask && is_of_primary && close_question(c, m);
    if (!is_expected && !CLUSTER_MUTATED(MUTANT_COPY_ANY_TERM))
        return LARDER_OK;
    c->tokens -= (int64_t)m->bytes.size;
    c->counters.bytes += m->bytes.size;
    switch (m->type) {
    case COPYING_UNIT: return take_unit(c, m);
    case COPYING_KEYS: return take_keys(c, m);
    case COPYING_SAME: return take_same(c, m);
    default: return copying_take_piece(c, m);
    }
}
