/* SPDX-License-Identifier: BSD-3-Clause */
/* Everything that a partition counts is counted again from the bytes themselves. */
#include "store/partition_state.h"
#include "support/store_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct totals {
    uint64_t records, live_bytes, external_bytes, log_bytes;
    uint32_t segments;
};

static size_t level_pages(unsigned level) {
    return level == 0 ? 1 : (size_t)1 << (level - 1);
}

/* Entries of one chain: dense, each leading to a live record of that hash. Returns how many. */
static uint64_t check_chain(const struct partition *p, const struct keyspace *keyspace,
                            uint32_t number, uint64_t *overflow_buckets) {
    uint32_t buckets = atomic_load(&p->index.bucket_count);
    uint64_t count = 0;
    bool has_ended = false;
    for (const index_word *bucket = index_bucket(&p->index, number); bucket != NULL;) {
        uint64_t word = 0;
        for (size_t i = 0; i < BUCKET_WORDS; i++) {
            word = index_load(&bucket[i]);
            if ((word & INDEX_TAG_MASK) == 0) {
                assert_true(word == 0 || (i == BUCKET_WORDS - 1 && !has_ended));
                has_ended = has_ended || word == 0;
                continue;
            }
            assert_false(has_ended);
            uint64_t hash = partition_hash_at(keyspace, word & INDEX_ADDRESS_MASK);
            assert_int_equal(word & INDEX_TAG_MASK, index_tag(hash));
            assert_int_equal(index_bucket_of(buckets, hash), number);
            assert_int_equal(index_record(word)[0] & RECORD_DEAD, 0);
            count++;
        }
        bucket = index_next(word);
        if (bucket != NULL) {
            (*overflow_buckets)++;
            assert_int_not_equal(index_load(&bucket[0]), 0);
        }
    }
    return count;
}

static void check_index(const struct partition *p, const struct keyspace *keyspace) {
    const struct index *index = &p->index;
    uint32_t buckets = atomic_load(&index->bucket_count);
    uint64_t entries = 0, used = 0, free_count = 0, overflow_pages = 0;
    for (uint32_t i = 0; i < buckets; i++)
        entries += check_chain(p, keyspace, i, &used);
    assert_int_equal(entries, index->entry_count);
    for (const index_word *b = index->overflow_free; b != NULL;
         b = (const index_word *)(uintptr_t)index_load(b))
        free_count++;
    assert_int_equal(free_count, index->overflow_free_count);
    for (const index_word *page = index->overflow_pages; page != NULL; overflow_pages++)
        page =
            (const index_word *)(uintptr_t)index_load(page + (BUCKETS_PER_PAGE - 1) * BUCKET_WORDS);
    assert_int_equal(overflow_pages, index->overflow_page_count);
    assert_int_equal(overflow_pages * (BUCKETS_PER_PAGE - 1), used + free_count);
    size_t bytes = overflow_pages * PAGE_BYTES;
    for (unsigned level = 0; level < INDEX_LEVELS; level++) {
        index_word **pages = atomic_load(&index->levels[level]);
        if (pages == NULL)
            continue;
        bytes += level_pages(level) * sizeof(*pages);
        for (size_t i = 0; i < level_pages(level); i++)
            bytes += pages[i] != NULL ? PAGE_BYTES : 0;
    }
    assert_int_equal(bytes, index->bytes);
}

static void check_segment(const struct partition *p, const struct keyspace *keyspace,
                          const struct segment *s, struct totals *totals) {
    uint64_t live_bytes = 0, live_count = 0, external = 0, expiring = 0, expiring_units = 0;
    int64_t latest = 0;
    assert_true(s->used >= SEGMENT_HEADER && s->used <= s->size);
    uint32_t at = SEGMENT_HEADER;
    while (at < s->used) {
        const uint8_t *record = (const uint8_t *)s + at;
        struct record_layout l = record_parse(record);
        at += l.size;
        assert_ptr_equal(segment_of(record), s);
        if ((l.flags & RECORD_DEAD) != 0)
            continue;
        size_t blobs = record_external_bytes(record, &l);
        live_bytes += l.size;
        live_count++;
        external += blobs;
        int64_t expiry_ms = record_expiry(record, &l);
        if (expiry_ms != 0) {
            expiring++;
            expiring_units += (l.size + blobs + EXPIRY_UNIT / 2) / EXPIRY_UNIT;
            latest = expiry_ms > latest ? expiry_ms : latest;
        }
        uint64_t hash = partition_hash_at(keyspace, (uint64_t)(uintptr_t)record);
        assert_non_null(index_word_of(&p->index, hash, (uint64_t)(uintptr_t)record));
    }
    assert_int_equal(at, s->used);
    assert_int_equal(live_bytes, s->live_bytes);
    assert_int_equal(live_count, s->live_count);
    assert_int_equal(external, s->external_bytes);
    assert_int_equal(expiring, s->expiring_count);
    uint64_t in_steps = 0;
    for (unsigned i = 0; i < EXPIRY_STEPS && expiring > 0; i++)
        in_steps += s->expiring[i];
    assert_int_equal(in_steps, expiring_units);
    assert_true(expiring == 0 || latest <= s->latest_expiry_ms);
    totals->records += live_count;
    totals->live_bytes += live_bytes;
    totals->external_bytes += external;
    totals->log_bytes += s->size;
    totals->segments++;
}

static void check_queue(const struct partition *p, const struct keyspace *keyspace,
                        enum queue_id id, struct totals *totals) {
    const struct queue *queue = &p->queues[id];
    uint64_t bytes = 0;
    const struct segment *older = NULL;
    for (const struct segment *s = queue->oldest; s != NULL; s = s->newer) {
        assert_ptr_equal(s->older, older);
        assert_int_equal(s->queue, id);
        assert_true(older == NULL || older->birth <= s->birth);
        check_segment(p, keyspace, s, totals);
        bytes += s->live_bytes + s->external_bytes;
        older = s;
    }
    assert_ptr_equal(queue->newest, older);
    assert_int_equal(bytes, queue->bytes);
}

static void check_counts(const struct partition *p) {
    uint64_t keys = 0;
    for (uint32_t i = 0; i < p->count_length; i++) {
        struct collection_count expected = {.collection = p->counts[i].collection};
        for (const struct segment *s = log_next(p, NULL); s != NULL; s = log_next(p, s)) {
            for (uint32_t at = SEGMENT_HEADER; at < s->used;) {
                const uint8_t *record = (const uint8_t *)s + at;
                struct record_layout l = record_parse(record);
                at += l.size;
                if ((l.flags & RECORD_DEAD) != 0 || l.collection != expected.collection)
                    continue;
                int64_t expiry_ms = record_expiry(record, &l);
                expected.keys++;
                expected.expiring += expiry_ms != 0;
                expected.expiry_sum_s += (uint64_t)expiry_ms / 1000;
            }
        }
        assert_int_equal(p->counts[i].keys, expected.keys);
        assert_int_equal(p->counts[i].expiring, expected.expiring);
        assert_int_equal(p->counts[i].expiry_sum_s, expected.expiry_sum_s);
        keys += expected.keys;
    }
    assert_int_equal(keys, p->record_count);
}

void partition_check(const struct partition *p, const struct keyspace *keyspace) {
    struct totals totals = {0};
    check_index(p, keyspace);
    check_queue(p, keyspace, QUEUE_SMALL, &totals);
    check_queue(p, keyspace, QUEUE_MAIN, &totals);
    check_counts(p);
    assert_int_equal(totals.records, p->record_count);
    assert_int_equal(totals.records, p->index.entry_count);
    assert_int_equal(totals.live_bytes, p->live_bytes);
    assert_int_equal(totals.external_bytes, p->blob_bytes);
    assert_int_equal(totals.log_bytes, p->log_bytes);
    assert_int_equal(totals.segments, p->segment_count);
}
