/* SPDX-License-Identifier: BSD-3-Clause */
/* A few entries are drawn at random, the best of all that were drawn lately wait in a pool of 16,
 * and the best of the pool is evicted (the scheme of Redis 3.0). They are drawn from the index: a
 * bucket is one cache line with about seven entries, while a record in the middle of a segment is
 * only found by walking there. Where few keys of the partition expire, a segment that holds
 * expiring ones is walked instead.
 *
 * Why memory shrinks: an evicted record leaves a hole, and as soon as holes are more than a
 * twentieth of the log, cleaning comes before more evictions and frees whole segments. A step
 * evicts no more bytes than its goal. */
#include "store/sampling.h"

#include "store/access.h"

enum {
    POOL_SIZE = 16,
    EVICTIONS_PER_STEP = 16,
    BUCKETS_PER_SAMPLE = 16, /* looked at before giving up on a bucket with expiring keys */
    SAMPLES_MAX = 64,
};

struct candidate {
    uint64_t hash;
    uint64_t score; /* the highest goes first */
};

struct candidates {
    uint32_t count;
    struct candidate items[POOL_SIZE]; /* lowest score first */
};

static uint64_t score_of(const struct eviction *e, const struct entry *entry) {
    struct record_layout l = record_parse(entry->record);
    uint32_t access = 0;
    bool has_access = (l.flags & RECORD_HAS_ACCESS) != 0;
    if (has_access)
        access = (uint32_t)bytes_get(entry->record + l.access_at, RECORD_ACCESS_BYTES);
    int64_t now_ms = e->thread->now_ms;
    unsigned unused = INDEX_FREQUENCY_MAX - index_frequency(index_load(entry->word));
    switch (e->policy) {
    case EVICTION_ALLKEYS_LRU:
    case EVICTION_VOLATILE_LRU:
        return (uint64_t)(has_access ? access_idle_s(access, now_ms) : ACCESS_MASK) << 2 | unused;
    case EVICTION_ALLKEYS_LFU:
    case EVICTION_VOLATILE_LFU:
        return (uint64_t)(255 - (has_access ? access_lfu_counter(e->keyspace, access, now_ms) : 0))
                   << 2 |
               unused;
    case EVICTION_VOLATILE_TTL: return UINT64_MAX - (uint64_t)entry->expiry_ms;
    default: return random_next(&e->thread->random);
    }
}

static void offer(struct candidates *pool, uint64_t hash, uint64_t score) {
    for (uint32_t i = 0; i < pool->count; i++)
        if (pool->items[i].hash == hash)
            return;
    if (pool->count == POOL_SIZE) {
        if (score <= pool->items[0].score)
            return;
        memmove(pool->items, pool->items + 1, (POOL_SIZE - 1) * sizeof(pool->items[0]));
        pool->count--;
    }
    uint32_t at = pool->count++;
    for (; at > 0 && pool->items[at - 1].score > score; at--)
        pool->items[at] = pool->items[at - 1];
    pool->items[at] = (struct candidate){hash, score};
}

static bool offer_record(struct eviction *e, struct candidates *pool, uint8_t *record,
                         index_word *word, bool only_expiring) {
    struct entry entry;
    partition_decode(record, word, partition_hash_at(e->keyspace, (uint64_t)(uintptr_t)record),
                     &entry);
    if (only_expiring && entry.expiry_ms == 0)
        return false;
    offer(pool, entry.hash, score_of(e, &entry));
    return true;
}

/* All entries of random buckets until enough were drawn. Returns how many. */
static unsigned sample_index(struct eviction *e, struct candidates *pool, unsigned wanted,
                             bool only_expiring) {
    const struct index *index = &e->p->index;
    uint32_t buckets = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    unsigned drawn = 0;
    for (unsigned tries = 0; drawn < wanted && tries < BUCKETS_PER_SAMPLE; tries++) {
        index_word *bucket =
            index_bucket(index, (uint32_t)random_below(&e->thread->random, buckets));
        while (bucket != NULL && drawn < wanted) {
            size_t first = random_below(&e->thread->random, BUCKET_WORDS);
            for (size_t i = 0; i < BUCKET_WORDS; i++) {
                uint64_t word = index_load(&bucket[i]);
                if ((word & INDEX_TAG_MASK) != 0)
                    __builtin_prefetch(index_record(word));
            }
            for (size_t i = 0; i < BUCKET_WORDS && drawn < wanted; i++) {
                index_word *at = &bucket[(first + i) % BUCKET_WORDS];
                uint64_t word = index_load(at);
                if ((word & INDEX_TAG_MASK) != 0)
                    drawn += offer_record(e, pool, index_record(word), at, only_expiring);
            }
            bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1]));
        }
    }
    return drawn;
}

/* Expiring records of the next segment that has any, beginning at a random one of them. */
static void sample_segment(struct eviction *e, struct candidates *pool, unsigned wanted) {
    struct partition *p = e->p;
    struct segment *segment = log_next(p, p->evict.segment);
    for (uint32_t i = 0; i <= p->segment_count; i++) {
        if (segment != NULL && segment->expiring_count > 0)
            break;
        segment = log_next(p, segment);
    }
    p->evict = (struct log_position){.segment = segment};
    if (segment == NULL)
        return;
    uint64_t most = segment->expiring_count > wanted ? segment->expiring_count - wanted : 0;
    uint64_t skip = random_below(&e->thread->random, most + 1);
    struct log_record batch[LOG_BATCH];
    for (unsigned count; wanted > 0 && (count = log_collect(p, e->keyspace, &p->evict, batch)) > 0;)
        for (unsigned i = 0; i < count && wanted > 0; i++) {
            if (record_expiry(batch[i].record, &batch[i].layout) == 0 || skip-- > 0)
                continue;
            skip = 0;
            wanted--;
            (void)offer_record(
                e, pool, batch[i].record,
                index_word_of(&p->index, batch[i].hash, (uint64_t)(uintptr_t)batch[i].record),
                true);
        }
}

/* The entry of a full hash, as far as it is still there. */
static bool find_hash(const struct eviction *e, uint64_t hash, struct entry *out) {
    const struct index *index = &e->p->index;
    uint32_t buckets = atomic_load_explicit(&index->bucket_count, memory_order_relaxed);
    for (index_word *bucket = index_bucket(index, index_bucket_of(buckets, hash)); bucket != NULL;
         bucket = index_next(index_load(&bucket[BUCKET_WORDS - 1])))
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            uint64_t word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) != index_tag(hash) ||
                partition_hash_at(e->keyspace, word & INDEX_ADDRESS_MASK) != hash)
                continue;
            partition_decode(index_record(word), &bucket[i], hash, out);
            return true;
        }
    return false;
}

/* Take the best candidate that is still as good as when it was drawn. */
static bool take_best(struct eviction *e, struct candidates *pool, bool only_expiring,
                      struct entry *out) {
    bool is_random = e->policy == EVICTION_ALLKEYS_RANDOM || e->policy == EVICTION_VOLATILE_RANDOM;
    for (unsigned tries = 0; pool->count > 0 && tries < 2 * POOL_SIZE; tries++) {
        struct candidate best = pool->items[--pool->count];
        if (!find_hash(e, best.hash, out) || (only_expiring && out->expiry_ms == 0))
            continue;
        uint64_t score = is_random ? best.score : score_of(e, out);
        if (score >= best.score || pool->count == 0)
            return true;
        offer(pool, best.hash, score); /* it was used since: it waits at its new place */
    }
    return false;
}

static bool evict_one(struct eviction *e, struct candidates *pool, bool only_expiring,
                      int64_t *evicted_bytes) {
    int32_t samples = atomic_load_explicit(&e->keyspace->samples, memory_order_relaxed);
    unsigned wanted = samples < 1 ? 1 : samples > SAMPLES_MAX ? SAMPLES_MAX : (unsigned)samples;
    struct entry victim;
    if (sample_index(e, pool, wanted, only_expiring) == 0)
        sample_segment(e, pool, wanted);
    if (!take_best(e, pool, only_expiring, &victim))
        return false;
    struct record_layout l = record_parse(victim.record);
    *evicted_bytes += (int64_t)(l.size + record_external_bytes(victim.record, &l));
    return eviction_evict(e, &victim);
}

static struct candidates *pool_of(struct eviction *e) {
    struct partition *p = e->p;
    if (p->candidates == NULL) {
        p->candidates = allocator_allocate_zeroed(e->keyspace->allocator, sizeof(*p->candidates));
        e->thread->memory_delta += (int64_t)sampling_bytes(p);
    }
    return p->candidates;
}

void evict_by_samples(struct eviction *e, bool only_expiring) {
    struct partition *p = e->p;
    if (cleaner_compact(p, e->keyspace, e->thread, EVICTION_WASTE_PERCENT) && eviction_is_done(e))
        return;
    struct candidates here = {0};
    struct candidates *pool = pool_of(e);
    if (pool == NULL)
        pool = &here;
    int64_t evicted_bytes = 0;
    for (unsigned i = 0; i < EVICTIONS_PER_STEP && evicted_bytes < e->goal_bytes; i++)
        if (p->record_count == 0 || !evict_one(e, pool, only_expiring, &evicted_bytes))
            break;
    (void)cleaner_compact(p, e->keyspace, e->thread, EVICTION_WASTE_PERCENT);
}

uint64_t sampling_age(const struct partition *p) {
    if (p->candidates == NULL || p->candidates->count == 0)
        return 0;
    return UINT64_MAX - 1 - p->candidates->items[p->candidates->count - 1].score;
}

size_t sampling_bytes(const struct partition *p) {
    return p->candidates == NULL ? 0 : sizeof(struct candidates);
}

void sampling_finish(struct partition *p, const struct allocator *allocator) {
    allocator_release(allocator, p->candidates, sampling_bytes(p));
    p->candidates = NULL;
}
