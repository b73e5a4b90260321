/* SPDX-License-Identifier: BSD-3-Clause */
/* The two lists of segments become one list; index pages, one per four hundred entries or so, are
 * handed back under the lock, because hints may be reading the directory that holds them. */
#include "store/flush.h"

#include "store/eviction.h"
#include "store/partition_state.h"

static void detach_queue(struct queue *queue, struct detached *out) {
    if (queue->newest == NULL)
        return;
    if (out->segments != NULL && out->at > 0) {
        /* The first is half freed already and stays the first. */
        queue->newest->newer = out->segments->newer;
        out->segments->newer = queue->oldest;
    } else {
        queue->newest->newer = out->segments;
        out->segments = queue->oldest;
    }
    *queue = (struct queue){0};
}

void partition_clear(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                     struct detached *out) {
    cleaner_stop(p, thread);
    for (unsigned q = 0; q < QUEUE_COUNT; q++)
        detach_queue(&p->queues[q], out);
    size_t old_index_bytes = p->index.bytes;
    index_clear(&p->index, &thread->reserve);
    thread->memory_delta += (int64_t)p->index.bytes - (int64_t)old_index_bytes;
    thread->memory_delta -= (int64_t)eviction_bytes(p);
    eviction_finish(p, keyspace->allocator);
    for (uint32_t i = 0; i < p->count_length; i++)
        p->counts[i] = (struct collection_count){.collection = p->counts[i].collection};
    p->clean_cursor = NULL;
    p->expiry = p->evict = p->drop = (struct log_position){0};
    p->segment_count = 0;
    p->log_bytes = p->live_bytes = p->blob_bytes = p->record_count = 0;
}

/* Free what the record holds outside the log: containers are dropped, since they may be large.
 * Returns whether there was any. */
static bool release_external(const uint8_t *record, const struct record_layout *l,
                             struct store_thread *thread) {
    if ((l->flags & RECORD_DEAD) != 0)
        return false;
    size_t external = record_external_bytes(record, l);
    blob_release(record_key_blob(record, l));
    struct value value;
    record_value(record, l, &value);
    if (value.kind == VALUE_BLOB)
        blob_release(value.blob);
    else if (value.kind == VALUE_OBJECT)
        store_thread_drop_object(thread, value.object);
    thread->memory_delta -= (int64_t)external;
    return external > 0;
}

bool detached_free(struct detached *detached, struct store_thread *thread, uint32_t budget) {
    while (detached->segments != NULL && budget > 0) {
        struct segment *segment = detached->segments;
        uint32_t at = detached->at < SEGMENT_HEADER ? SEGMENT_HEADER : detached->at;
        while (segment->external_bytes > 0 && at < segment->used && budget > 0) {
            uint8_t *record = (uint8_t *)segment + at;
            struct record_layout l = record_parse(record);
            budget -= release_external(record, &l, thread);
            at += l.size;
        }
        if (segment->external_bytes > 0 && at < segment->used) {
            detached->at = at;
            return true;
        }
        detached->segments = segment->newer;
        detached->at = 0;
        thread->memory_delta -= segment->size;
        reserve_give_run(&thread->reserve, segment->order, segment);
        budget -= budget > 0;
    }
    return detached->segments != NULL;
}

/* ---- dead collections ---- */

static bool is_alive(const struct keyspace *keyspace, uint32_t collection) {
    for (uint32_t i = 0; i < keyspace->database_count; i++)
        if (keyspace_collection(keyspace, i) == collection)
            return true;
    return false;
}

static void count_dead(const struct partition *p, const struct keyspace *keyspace,
                       uint64_t *out_dead) {
    *out_dead = 0;
    for (uint32_t i = 0; i < p->count_length; i++)
        if (p->counts[i].keys > 0 && !is_alive(keyspace, p->counts[i].collection))
            *out_dead += p->counts[i].keys;
}

bool partition_has_dead(const struct partition *p, const struct keyspace *keyspace) {
    uint64_t dead;
    count_dead(p, keyspace, &dead);
    return dead > 0;
}

static void sweep_batch(struct partition *p, struct keyspace *keyspace, struct store_thread *thread,
                        uint32_t *budget) {
    struct segment *segment = p->drop.segment;
    struct log_record batch[LOG_BATCH];
    unsigned count = log_collect(p, keyspace, &p->drop, batch);
    bool was_busy = segment->is_busy, is_at_end = count == 0;
    *budget -= *budget < count + 1 ? *budget : count + 1;
    segment->is_busy = true;
    for (unsigned i = 0; i < count; i++) {
        if (is_alive(keyspace, batch[i].layout.collection))
            continue;
        struct entry entry;
        partition_decode(
            batch[i].record,
            index_word_of(&p->index, batch[i].hash, (uint64_t)(uintptr_t)batch[i].record),
            batch[i].hash, &entry);
        partition_remove(p, keyspace, thread, &entry);
    }
    segment->is_busy = was_busy;
    if (is_at_end)
        p->drop = (struct log_position){.segment = log_next(p, segment)};
    log_free_if_empty(p, thread, segment);
}

bool partition_drop_dead(struct partition *p, struct keyspace *keyspace,
                         struct store_thread *thread, struct detached *out, uint32_t budget) {
    uint64_t dead;
    count_dead(p, keyspace, &dead);
    if (dead > 0 && dead == p->record_count) {
        partition_clear(p, keyspace, thread, out);
        return false;
    }
    while (budget > 0 && partition_has_dead(p, keyspace)) {
        if (p->drop.segment == NULL)
            p->drop = (struct log_position){.segment = log_next(p, NULL)};
        sweep_batch(p, keyspace, thread, &budget);
    }
    if (partition_has_dead(p, keyspace))
        return true;
    p->drop = (struct log_position){0};
    cleaner_step(p, keyspace, thread);
    return false;
}
