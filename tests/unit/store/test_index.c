/* SPDX-License-Identifier: BSD-3-Clause */
/* The index alone, over pretend records that are their own hashes: growth, shrinking, chains, hints
 * and what reservations promise. */
#include "base/random.h"
#include "store/index.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct test_allocator allocator;
    struct pool pool;
    struct reserve reserve;
    struct index index;
};

static void open_world(struct world *w) {
    memset(w, 0, sizeof(*w));
    test_allocator_init(&w->allocator);
    pool_init(&w->pool, &w->allocator.base);
    reserve_init(&w->reserve);
}

static void close_world(struct world *w) NO_THREAD_SAFETY {
    index_clear(&w->index, &w->reserve);
    reserve_drain(&w->reserve, &w->pool);
    index_finish(&w->index, &w->allocator.base);
    pool_finish(&w->pool);
    assert_int_equal(w->allocator.heap_blocks, 0);
}

static void fill(struct world *w) NO_THREAD_SAFETY {
    assert_int_equal(reserve_fill(&w->reserve, &w->pool), LARDER_OK);
}

/* A pretend record: its address leads to its hash. */
static uint64_t hash_at(const void *context, uint64_t address) {
    (void)context;
    return *(const uint64_t *)(uintptr_t)address;
}

static void insert(struct world *w, const uint64_t *record) {
    fill(w);
    assert_int_equal(index_reserve(&w->index, &w->allocator.base, &w->reserve, 1), LARDER_OK);
    uint64_t address = (uint64_t)(uintptr_t)record;
    index_word *word = index_insert(&w->index, *record, address, (unsigned)(*record >> 7 & 3));
    assert_ptr_equal(index_record(index_load(word)), record);
    index_balance(&w->index, &w->allocator.base, &w->reserve, hash_at, NULL);
}

static void remove_record(struct world *w, const uint64_t *record) {
    fill(w);
    index_word *word = index_word_of(&w->index, *record, (uint64_t)(uintptr_t)record);
    assert_non_null(word);
    index_remove(&w->index, *record, word);
    index_balance(&w->index, &w->allocator.base, &w->reserve, hash_at, NULL);
}

static void check_present(const struct world *w, const uint64_t *record) {
    index_word *word = index_word_of(&w->index, *record, (uint64_t)(uintptr_t)record);
    assert_non_null(word);
    assert_int_equal(index_frequency(index_load(word)), *record >> 7 & 3);
}

static void entries_stay_while_buckets_split_and_merge(void **state) {
    (void)state;
    enum { COUNT = 40000 };
    struct world w;
    open_world(&w);
    struct random random = random_seeded(test_seed(__func__));
    uint64_t *records = calloc(COUNT, sizeof(*records));
    for (size_t i = 0; i < COUNT; i++)
        records[i] = random_next(&random);
    uint32_t most = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            insert(&w, &records[i]);
            check_present(&w, &records[random_below(&random, i + 1)]);
        }
        most = atomic_load(&w.index.bucket_count);
        assert_true(most >= COUNT * 100 / 680 && most <= COUNT * 100 / 600);
        assert_true(w.index.bytes < COUNT * 14);
        for (size_t i = 0; i < COUNT; i++)
            check_present(&w, &records[i]);
        for (size_t i = COUNT; i-- > 0;) {
            remove_record(&w, &records[i]);
            assert_null(index_word_of(&w.index, records[i], (uint64_t)(uintptr_t)&records[i]));
            if (i > 0)
                check_present(&w, &records[random_below(&random, i)]);
        }
        assert_int_equal(w.index.entry_count, 0);
        assert_true(atomic_load(&w.index.bucket_count) < 8);
        assert_int_equal(w.index.overflow_free_count, 0);
    }
    free(records);
    close_world(&w);
}

static void memory_follows_the_number_of_entries_down(void **state) {
    (void)state;
    enum { COUNT = 60000, LEFT = 3000 };
    struct world w;
    open_world(&w);
    struct random random = random_seeded(test_seed(__func__));
    uint64_t *records = calloc(COUNT, sizeof(*records));
    for (size_t i = 0; i < COUNT; i++)
        records[i] = random_next(&random);
    for (size_t i = 0; i < COUNT; i++)
        insert(&w, &records[i]);
    for (size_t i = COUNT; i-- > LEFT;)
        remove_record(&w, &records[i]);
    assert_true(w.index.bytes < LEFT * 24 + 4 * PAGE_BYTES);
    for (size_t i = 0; i < LEFT; i++)
        check_present(&w, &records[i]);
    for (size_t i = LEFT; i < COUNT; i++)
        insert(&w, &records[i]);
    for (size_t i = 0; i < COUNT; i++)
        check_present(&w, &records[i]);
    free(records);
    close_world(&w);
}

static void many_entries_of_one_hash_are_kept(void **state) {
    (void)state;
    enum { COUNT = 700 };
    struct world w;
    open_world(&w);
    static uint64_t records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = 0x1234567890abcdef;
        insert(&w, &records[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        check_present(&w, &records[i]);
    for (size_t i = 0; i < COUNT; i++)
        remove_record(&w, &records[(i * 37) % COUNT]);
    assert_int_equal(w.index.entry_count, 0);
    close_world(&w);
}

static void hints_lead_to_most_records(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    struct world w;
    open_world(&w);
    assert_null(index_hint_bucket(&w.index, 5));
    assert_null(index_hint_record(NULL, 5));
    struct random random = random_seeded(7);
    static uint64_t records[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = random_next(&random);
        insert(&w, &records[i]);
    }
    size_t right = 0;
    for (size_t i = 0; i < COUNT; i++) {
        const index_word *bucket = index_hint_bucket(&w.index, records[i]);
        right += index_hint_record(bucket, records[i]) == (const void *)&records[i];
    }
    assert_true(right > COUNT * 99 / 100);
    close_world(&w);
}

static void reserved_inserts_keep_their_room_while_buckets_merge(void **state) NO_THREAD_SAFETY {
    (void)state;
    enum { COUNT = 3000, KEPT = 63 };
    struct world w;
    open_world(&w);
    struct random random = random_seeded(11);
    static uint64_t records[COUNT], fresh[KEPT];
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = random_next(&random);
        insert(&w, &records[i]);
    }
    assert_int_equal(index_reserve(&w.index, &w.allocator.base, &w.reserve, KEPT), LARDER_OK);
    reserve_drain(&w.reserve, &w.pool); /* no page for anybody from here on */
    for (size_t i = 0; i < COUNT; i++) {
        uint32_t kept = w.index.overflow_free_count; /* all that is free may be needed */
        w.index.overflow_kept = kept;
        index_word *word = index_word_of(&w.index, records[i], (uint64_t)(uintptr_t)&records[i]);
        index_remove(&w.index, records[i], word);
        index_balance(&w.index, &w.allocator.base, &w.reserve, hash_at, NULL);
        assert_true(w.index.overflow_free_count >= kept);
    }
    for (size_t i = 0; i < KEPT; i++) {
        fresh[i] = 42;
        (void)index_insert(&w.index, fresh[i], (uint64_t)(uintptr_t)&fresh[i], 0);
    }
    for (size_t i = 0; i < KEPT; i++)
        assert_non_null(index_word_of(&w.index, 42, (uint64_t)(uintptr_t)&fresh[i]));
    close_world(&w);
}

static void splits_need_no_overflow_bucket(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct world w;
    open_world(&w);
    struct random random = random_seeded(12);
    static uint64_t records[8];
    for (size_t i = 0; i < 8; i++) {
        records[i] = random_next(&random);
        insert(&w, &records[i]);
    }
    /* One page holds 64 buckets: eight entries and their splits take no second one. */
    assert_true(w.index.bytes < 2 * PAGE_BYTES);
    assert_true(atomic_load(&w.index.bucket_count) > 1);
    close_world(&w);
}

static void clearing_gives_all_pages_back(void **state) NO_THREAD_SAFETY {
    (void)state;
    enum { COUNT = 20000 };
    struct world w;
    open_world(&w);
    struct random random = random_seeded(13);
    uint64_t *records = calloc(COUNT, sizeof(*records));
    for (size_t i = 0; i < COUNT; i++) {
        records[i] = random_next(&random);
        insert(&w, &records[i]);
    }
    size_t pages = w.index.bytes / PAGE_BYTES, held = w.reserve.index_count;
    index_clear(&w.index, &w.reserve);
    assert_int_equal(w.reserve.index_count, held + pages);
    assert_true(w.index.bytes < PAGE_BYTES);
    assert_null(index_hint_bucket(&w.index, records[0]));
    for (size_t i = 0; i < 100; i++)
        insert(&w, &records[i]);
    for (size_t i = 0; i < 100; i++)
        check_present(&w, &records[i]);
    free(records);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_stay_while_buckets_split_and_merge),
        cmocka_unit_test(memory_follows_the_number_of_entries_down),
        cmocka_unit_test(many_entries_of_one_hash_are_kept),
        cmocka_unit_test(hints_lead_to_most_records),
        cmocka_unit_test(reserved_inserts_keep_their_room_while_buckets_merge),
        cmocka_unit_test(splits_need_no_overflow_bucket),
        cmocka_unit_test(clearing_gives_all_pages_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
