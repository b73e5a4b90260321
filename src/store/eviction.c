/* SPDX-License-Identifier: BSD-3-Clause */
/* Eviction by the order of the log (S3-FIFO, Yang et al. 2023): the two queues are the two lists of
 * segments, and the head segment is emptied record by record, into main's tail or out.
 *
 * Why memory shrinks: a record that is moved loses a use (small to main: all of them), uses are at
 * most 3, and while the lock is held no use is added, so after at most four passes over the queues
 * every record met is evicted; the head segment is freed when its last record has left. Moves fill
 * new segments densely, so they never take more than was there. With volatile-s3fifo keys without
 * an expiry stay where they are; a segment is met only while it holds expiring ones, and the holes
 * are closed by cleaning with a smaller allowance of waste. Without memory for a move the record is
 * evicted instead. */
#include "store/eviction.h"

#include "store/access.h"
#include "store/sampling.h"

enum { SLICE_RECORDS = 64, SMALL_SHARE = 10 /* small may hold 1/10 of all bytes */ };

static bool is_s3fifo(enum eviction_policy policy) {
    return policy == EVICTION_ALLKEYS_S3FIFO || policy == EVICTION_VOLATILE_S3FIFO;
}

static bool is_volatile(enum eviction_policy policy) {
    return policy == EVICTION_VOLATILE_S3FIFO || policy == EVICTION_VOLATILE_LRU ||
           policy == EVICTION_VOLATILE_LFU || policy == EVICTION_VOLATILE_RANDOM ||
           policy == EVICTION_VOLATILE_TTL;
}

/* Whether the policy may evict anything of the partition. */
static bool has_victims(const struct partition *p, enum eviction_policy policy) {
    if (policy == EVICTION_NONE || p->record_count == 0)
        return false;
    if (!is_volatile(policy))
        return true;
    for (uint32_t i = 0; i < p->count_length; i++)
        if (p->counts[i].expiring > 0)
            return true;
    return false;
}

/* ---- queues ---- */

static struct segment *head_to_evict(const struct partition *p) {
    const struct queue *small = &p->queues[QUEUE_SMALL], *main = &p->queues[QUEUE_MAIN];
    bool is_small_large = small->bytes * SMALL_SHARE > small->bytes + main->bytes;
    if (main->oldest == NULL || (is_small_large && small->oldest != NULL))
        return small->oldest;
    return main->oldest;
}

/* The segment to go on with. All keys: the head that was begun, else the head of the queue that is
 * too long. Volatile: the next that holds expiring keys, beginning at that head. */
static struct segment *source_of(struct partition *p, bool only_expiring) {
    struct segment *source = p->evict.segment;
    if (!only_expiring && source != NULL && source->older != NULL)
        source = NULL;
    for (unsigned round = 0; round < 2; round++) {
        if (source == NULL) {
            p->evict.at = 0;
            source = head_to_evict(p);
        }
        while (only_expiring && source != NULL && source->expiring_count == 0) {
            p->evict.at = 0;
            source = source->newer;
        }
        if (source != NULL)
            break;
    }
    if (source == NULL) /* only the other queue holds expiring keys */
        for (source = log_next(p, NULL); source != NULL && source->expiring_count == 0;)
            source = log_next(p, source);
    p->evict.segment = source;
    return source;
}

/* Move the record to main's tail or evict it. False when it could do neither. */
static bool handle(struct eviction *e, const struct log_record *r, enum queue_id queue) {
    struct partition *p = e->p;
    index_word *word = index_word_of(&p->index, r->hash, (uint64_t)(uintptr_t)r->record);
    unsigned frequency = index_frequency(index_load(word));
    if (frequency > 0) {
        struct segment *into = log_room(p, e->keyspace, e->thread, QUEUE_MAIN, r->layout.size);
        if (into != NULL) {
            (void)partition_move_record(p, e->thread, r->record, &r->layout, word, into,
                                        queue == QUEUE_SMALL ? 0 : frequency - 1);
            return true;
        }
    }
    struct entry entry;
    partition_decode(r->record, word, r->hash, &entry);
    if (!eviction_evict(e, &entry))
        return false;
    if (queue == QUEUE_SMALL && p->ghost != NULL)
        ghost_add(p->ghost, r->hash);
    return true;
}

/* The next batch of the source. False when no effect can be written. */
static bool take_batch(struct eviction *e, struct segment *source, bool only_expiring,
                       unsigned *looked) {
    struct partition *p = e->p;
    struct log_record batch[LOG_BATCH];
    enum queue_id queue = (enum queue_id)source->queue;
    bool is_done = true;
    source->is_busy = true;
    unsigned count = log_collect(p, e->keyspace, &p->evict, batch);
    for (unsigned i = 0; i < count && is_done; i++)
        if (!only_expiring || record_expiry(batch[i].record, &batch[i].layout) != 0)
            is_done = handle(e, &batch[i], queue);
    *looked += count + 1;
    source->is_busy = false;
    if (p->evict.at >= source->used || !is_done)
        p->evict = (struct log_position){.segment = only_expiring ? source->newer : NULL};
    log_free_if_empty(p, e->thread, source);
    return is_done;
}

static void evict_from_queues(struct eviction *e, bool only_expiring) {
    struct partition *p = e->p;
    e->thread->memory_delta += ghost_fit(&p->ghost, e->keyspace->allocator, p->record_count);
    for (unsigned looked = 0; looked < SLICE_RECORDS && !eviction_is_done(e);) {
        struct segment *source = source_of(p, only_expiring);
        if (source != NULL && source->is_busy) {
            cleaner_stop(p, e->thread);
            source = source_of(p, only_expiring);
        }
        if (source == NULL || !take_batch(e, source, only_expiring, &looked))
            break;
    }
    if (only_expiring)
        (void)cleaner_compact(p, e->keyspace, e->thread, EVICTION_WASTE_PERCENT);
    else
        cleaner_step(p, e->keyspace, e->thread);
}

/* ---- both kinds ---- */

bool eviction_evict(struct eviction *e, const struct entry *entry) {
    if (!partition_expel(e->p, e->keyspace, e->thread, e->partition_id, entry, NOTICE_EVICTED))
        return false;
    counter_add(&e->thread->counters.evicted_keys, 1);
    e->evicted++;
    return true;
}

bool eviction_is_done(const struct eviction *e) {
    return e->start_delta - e->thread->memory_delta >= e->goal_bytes;
}

int64_t eviction_step(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                      uint32_t partition_id, int64_t goal_bytes, uint32_t *out_evicted) {
    enum eviction_policy policy = keyspace_policy(keyspace);
    *out_evicted = 0;
    if (!has_victims(p, policy) || p->set_aside.runs != NULL)
        return 0;
    struct eviction e = {.p = p,
                         .keyspace = keyspace,
                         .thread = thread,
                         .policy = policy,
                         .partition_id = partition_id,
                         .goal_bytes = goal_bytes,
                         .start_delta = thread->memory_delta};
    if (is_s3fifo(policy))
        evict_from_queues(&e, is_volatile(policy));
    else
        evict_by_samples(&e, is_volatile(policy));
    *out_evicted = e.evicted;
    return e.start_delta - thread->memory_delta;
}

uint64_t eviction_age(const struct partition *p, const struct keyspace *keyspace) {
    enum eviction_policy policy = keyspace_policy(keyspace);
    if (!has_victims(p, policy))
        return UINT64_MAX;
    if (!is_s3fifo(policy))
        return sampling_age(p);
    uint64_t age = UINT64_MAX - 1;
    for (unsigned q = 0; q < QUEUE_COUNT; q++)
        if (p->queues[q].oldest != NULL && p->queues[q].oldest->birth < age)
            age = p->queues[q].oldest->birth;
    return age;
}

size_t eviction_bytes(const struct partition *p) {
    return ghost_bytes(p->ghost) + sampling_bytes(p);
}

void eviction_finish(struct partition *p, const struct allocator *allocator) {
    ghost_destroy(p->ghost, allocator);
    sampling_finish(p, allocator);
    p->ghost = NULL;
}
