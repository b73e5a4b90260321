/* SPDX-License-Identifier: BSD-3-Clause */
/* What a request may depend on: that none of its tokens is older than one that was seen (fences),
 * that no watched key was changed.
 *
 * Watches have no owner. WATCH notes at which record the log ended; the table notes for each
 * watched key the newest record that changed it. It is the primary's alone and of one term. Of keys
 * whose hashes fall together only some are kept, the one that was watched first goes: a watch of a
 * key that is not there, or came anew since, is broken. So is one of a key whose hash another one
 * has when that is changed. Neither is ever the other way round. */
#include "cluster/mutants.h"
#include "cluster/partition_core.h"

enum { WATCH_SETS = 256, WATCH_WAYS = 4 };

struct watched_key {
    uint64_t hash;
    uint64_t since;   /* end of the log when it came in; 0: free */
    uint64_t changed; /* newest record that changed it; 0: none since */
};

struct watched_keys {
    struct watched_key keys[WATCH_SETS][WATCH_WAYS];
    uint64_t all_changed; /* newest record after which every watch counts as broken */
};

/* ---- fences ---- */

static bool are_sound(const struct partition_request *request) {
    size_t bytes = 0;
    for (size_t i = 0; i < request->fence_count; i++)
        bytes += request->fences[i].name.size;
    return request->fence_count <= PARTITION_FENCES_MAX && bytes <= LOCK_NAME_MAX;
}

/* Of two tokens of one lock the older one is not the newest that was seen. */
static bool has_two_tokens(const struct partition_request *request, size_t at) {
    const struct partition_fence *fence = &request->fences[at];
    for (size_t i = 0; i < at; i++)
        if (slice_equal(request->fences[i].name, fence->name) &&
            request->fences[i].token != fence->token)
            return true;
    return false;
}

/* Nothing is changed yet. */
static enum larder_status check_tokens(struct cluster_partition *p,
                                       const struct partition_request *request, size_t count) {
    struct slice mark;
    for (size_t i = 0; i < count; i++) {
        enum larder_status status =
            locks_fence(p->locks, request->fences[i].name, request->fences[i].token,
                        (uint64_t)partition_time(p), &mark);
        if (status != LARDER_OK || has_two_tokens(request, i))
            return status != LARDER_OK ? status : LARDER_DENIED;
    }
    return LARDER_OK;
}

static void append_mark(struct cluster_partition *p, struct slice mark, struct slice *marks) {
    uint8_t *to = p->marks + marks->size;
    to[0] = (uint8_t)mark.size;
    to[1] = (uint8_t)(mark.size >> 8);
    memcpy(to + 2, mark.data, mark.size);
    *marks = slice_of(p->marks, marks->size + 2 + mark.size);
}

/* One mark may make another part of the floor, so each is checked again. */
static enum larder_status apply_marks(struct cluster_partition *p,
                                      const struct partition_request *request, size_t count,
                                      struct slice *marks) {
    struct slice mark;
    for (size_t i = 0; i < count; i++) {
        enum larder_status status =
            locks_fence(p->locks, request->fences[i].name, request->fences[i].token,
                        (uint64_t)partition_time(p), &mark);
        if (status == LARDER_OK && mark.size > 0)
            status = locks_apply(p->locks, mark, p->replica->log.last + 1);
        if (status != LARDER_OK)
            return status;
        if (mark.size > 0)
            append_mark(p, mark, marks);
    }
    return LARDER_OK;
}

enum partition_answer partition_check_fences(struct cluster_partition *p, uint32_t slot,
                                             const struct partition_request *request,
                                             struct slice *out_marks) {
    *out_marks = slice_of(NULL, 0);
    if (!are_sound(request))
        return PARTITION_REFUSED;
    size_t count = request->fence_count;
    if (CLUSTER_MUTATED(MUTANT_EXEC_ONE_FENCE) && count > 1)
        count = 1;
    enum larder_status status = check_tokens(p, request, count);
    if (status == LARDER_OK)
        status = apply_marks(p, request, count, out_marks);
    switch (status) {
    case LARDER_OK: return 0;
    case LARDER_DENIED: p->slots[slot].done = PARTITION_FENCED; return 0;
    case LARDER_INVALID: return PARTITION_REFUSED;
    default: break;
    }
    if (out_marks->size > 0) { /* they are in the locks, so they are logged */
        struct partition_record record = {
            .kind = PARTITION_RECORD_EFFECT, .time_us = partition_time(p), .marks = *out_marks};
        partition_write(p, 0, INT64_MAX, &record);
    }
    return PARTITION_BUSY;
}

/* ---- watches ---- */

static uint64_t hash_of(const struct cluster_partition *p, struct slice key) {
    static const struct hash_seed FIXED = {{3, 4}};
    return hash_key(p->options.locks.seed == NULL ? &FIXED : p->options.locks.seed, key, 0);
}

static struct watched_key *find(struct watched_keys *w, uint64_t hash) {
    struct watched_key *set = w->keys[hash % WATCH_SETS];
    for (unsigned i = 0; i < WATCH_WAYS; i++)
        if (set[i].since != 0 && set[i].hash == hash)
            return &set[i];
    return NULL;
}

static void watch(struct cluster_partition *p, struct slice key) {
    uint64_t hash = hash_of(p, key);
    struct watched_key *set = p->watched->keys[hash % WATCH_SETS], *oldest = set;
    if (find(p->watched, hash) != NULL)
        return;
    for (unsigned i = 1; i < WATCH_WAYS; i++)
        if (set[i].since < oldest->since)
            oldest = &set[i];
    *oldest = (struct watched_key){.hash = hash, .since = p->replica->log.last};
}

/* What has expired by now is gone, and was there before. */
static bool expire(struct cluster_partition *p, const struct slice *keys, size_t count) {
    struct store_result result = {0};
    int64_t time_us = partition_time(p);
    enum larder_status status =
        p->store.type->expire_keys(p->store.context, time_us / 1000, keys, count, &result);
    if (result.effect.size > 0) {
        struct partition_record record = {
            .kind = PARTITION_RECORD_EFFECT, .time_us = time_us, .body = result.effect};
        partition_write(p, 0, INT64_MAX, &record);
    }
    return status == LARDER_OK;
}

enum partition_answer partition_execute_watch(struct cluster_partition *p, uint32_t slot,
                                              const struct partition_request *request) {
    if (p->watched == NULL)
        p->watched = allocator_allocate_zeroed(p->allocator, sizeof(*p->watched));
    if (p->watched == NULL || !expire(p, request->argv, request->argc))
        return PARTITION_BUSY;
    for (size_t i = 0; i < request->argc; i++)
        watch(p, request->argv[i]);
    p->slots[slot].reply = slice_of(NULL, 0);
    p->slots[slot].watched_sequence = p->replica->log.last;
    return partition_answer_read(p, slot, request);
}

/* Its key may be watched anew: as of a newer record, or this watch would hold again. */
static void break_for_ever(struct cluster_partition *p, const struct partition_watch *w) {
    struct partition_record record = {.kind = PARTITION_RECORD_CONFIRM,
                                      .time_us = partition_time(p)};
    if (w->sequence >= p->replica->log.last && !CLUSTER_MUTATED(MUTANT_WATCH_BROKEN_ONCE))
        partition_write(p, 0, INT64_MAX, &record);
}

static bool is_broken(struct cluster_partition *p, const struct partition_watch *w) {
    const struct watched_key *key =
        p->watched == NULL ? NULL : find(p->watched, hash_of(p, w->key));
    if (key == NULL)
        break_for_ever(p, w);
    if (key == NULL || key->since > w->sequence)
        return !CLUSTER_MUTATED(MUTANT_WATCH_LOST_HOLDS);
    return key->changed > w->sequence || p->watched->all_changed > w->sequence;
}

enum partition_answer partition_check_watches(struct cluster_partition *p,
                                              const struct partition_request *request) {
    for (size_t i = 0; i < request->watch_count; i++) {
        const struct partition_watch *w = &request->watches[i];
        bool is_of_term =
            w->term == p->replica->view.term || CLUSTER_MUTATED(MUTANT_WATCH_OVER_TERMS);
        if (!is_of_term)
            return PARTITION_WATCH_BROKEN;
        if (!expire(p, &w->key, 1))
            return PARTITION_BUSY;
        if (is_broken(p, w))
            return PARTITION_WATCH_BROKEN;
    }
    return 0;
}

void partition_note_changes(struct cluster_partition *p, uint64_t sequence, struct slice effect) {
    struct store_part part;
    enum larder_status status = LARDER_NOT_FOUND;
    size_t at = 0;
    if (p->watched == NULL || effect.size == 0)
        return;
    while ((status = p->store.type->next_part(p->store.context, effect, &at, &part)) == LARDER_OK &&
           part.bucket != PARTITION_WHOLE) {
        struct watched_key *key = find(p->watched, hash_of(p, part.key));
        if (key != NULL)
            key->changed = sequence;
    }
    if (status != LARDER_NOT_FOUND)
        p->watched->all_changed = sequence;
}

void partition_forget_watches(struct cluster_partition *p) {
    allocator_release(p->allocator, p->watched, sizeof(*p->watched));
    p->watched = NULL;
}
