/* SPDX-License-Identifier: BSD-3-Clause */
/* Every allocation of the store fails once, and from some point on for good: what answers
 * LARDER_NO_MEMORY has changed nothing, and what was reserved succeeds without any memory. */
#include "store/eviction.h"
#include "store/expiry.h"
#include "store/partition_state.h"
#include "support/store_model.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void creating_a_keyspace_fails_cleanly(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct test_allocator allocator;
        test_allocator_init(&allocator);
        test_allocator_fail_in(&allocator, n, 0);
        struct keyspace keyspace;
        enum larder_status status =
            keyspace_init(&keyspace, &(struct keyspace_options){.allocator = &allocator.base});
        if (status == LARDER_OK) {
            assert_true(n > 1);
            keyspace_finish(&keyspace);
            assert_int_equal(allocator.heap_blocks, 0);
            return;
        }
        assert_int_equal(status, LARDER_NO_MEMORY);
        assert_int_equal(allocator.heap_blocks, 0);
    }
}

/* Plays the same steps with the n-th allocation failing. Returns whether one failed. */
static bool play(uint64_t seed, enum eviction_policy policy, uint64_t n, int is_lasting) {
    struct store_fixture *f = store_fixture_create(
        &(struct store_fixture_options){.seed = seed, .policy = policy, .partition_count = 2});
    struct store_model m;
    store_model_init(&m, f, seed, 600, 3);
    test_allocator_fail_in(&f->allocator, n, is_lasting);
    for (unsigned i = 0; i < 1500; i++)
        store_model_step(&m, true);
    bool has_failed = f->allocator.failures > 0;
    test_allocator_fail_never(&f->allocator);
    store_fixture_check(f);
    store_model_compare_all(&m);
    for (unsigned i = 0; i < 300; i++)
        store_model_step(&m, false);
    store_fixture_check(f);
    store_model_compare_all(&m);
    store_model_finish(&m);
    store_fixture_destroy(f);
    return has_failed;
}

static void any_one_allocation_may_fail(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__), n = 1;
    while (play(seed, n % 2 == 0 ? EVICTION_ALLKEYS_LRU : EVICTION_NONE, n, 0))
        n++;
    printf("%llu allocations failed in turn\n", (unsigned long long)n - 1);
    assert_true(n > 20);
}

static void all_allocations_from_some_point_on_may_fail(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (uint64_t n = 1; play(seed, EVICTION_NONE, n, 1); n += 1 + n / 8)
        continue;
}

/* ---- reserved puts ---- */

enum { BATCH = 60 };

struct reserved {
    struct key key;
    struct value value;
    uint8_t text[1600];
    uint8_t bytes[2048];
};

static void make_key(struct store_fixture *f, struct reserved *r, unsigned number) {
    memset(r->text, 'k', sizeof(r->text));
    int length = snprintf((char *)r->text, 32, "key:%u", number);
    size_t size = number % 9 == 0 ? 1100 + number % 400 : (size_t)length;
    r->key = keyspace_key(&f->keyspace, slice_of(r->text, size), number % 4);
}

static void make_value(struct reserved *r, struct random *random) {
    size_t size =
        random_below(random, 6) == 0 ? random_below(random, 2049) : random_below(random, 60);
    memset(r->bytes, 'v', sizeof(r->bytes));
    r->value = random_below(random, 5) == 0 ? value_of_integer((int64_t)random_next(random))
                                            : value_of_bytes(slice_of(r->bytes, size));
}

static bool reserve_all(struct store_fixture *f, struct reserved *batch,
                        size_t count) NO_THREAD_SAFETY {
    struct partition *p = &f->keyspace.partitions[0];
    for (unsigned attempt = 0; attempt < 12; attempt++) {
        size_t done = 0;
        while (done < count && partition_reserve(p, &f->keyspace, &f->thread, &batch[done].key,
                                                 batch[done].value.kind == VALUE_INTEGER
                                                     ? 8
                                                     : batch[done].value.bytes.size) == LARDER_OK)
            done++;
        if (done == count)
            return true;
        partition_end_reserve(p, &f->thread);
        (void)store_fixture_refill(f);
    }
    return false;
}

/* Reserve a batch, take away all memory, put the batch in order, with deletions in between, which
 * merge buckets and would clean. */
static void play_reserved(uint64_t seed) NO_THREAD_SAFETY {
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = seed});
    struct partition *p = &f->keyspace.partitions[0];
    struct random random = random_seeded(seed);
    struct reserved *batch = calloc(BATCH, sizeof(*batch));
    assert_non_null(batch);
    unsigned range = 100u << random_below(&random, 6);
    for (unsigned round = 0; round < 40; round++) {
        size_t count = 1 + random_below(&random, BATCH);
        for (size_t i = 0; i < count; i++) {
            make_key(f, &batch[i], (unsigned)random_below(&random, range));
            make_value(&batch[i], &random);
        }
        assert_true(reserve_all(f, batch, count));
        reserve_drain(&f->thread.reserve, &f->keyspace.pool);
        test_allocator_fail_in(&f->allocator, 1, 1);
        for (size_t i = 0; i < count; i++) {
            struct entry old;
            bool is_there = partition_find(p, &f->keyspace, &batch[i].key, &old);
            assert_int_equal(partition_put(p, &f->keyspace, &f->thread, &batch[i].key,
                                           is_there ? &old : NULL, batch[i].value, 0),
                             LARDER_OK);
            for (unsigned j = 0; j < 6; j++) {
                struct reserved other;
                make_key(f, &other, range + (unsigned)random_below(&random, range));
                if (partition_find(p, &f->keyspace, &other.key, &old))
                    partition_delete(p, &f->keyspace, &f->thread, &old);
            }
        }
        partition_end_reserve(p, &f->thread);
        test_allocator_fail_never(&f->allocator);
        store_fixture_rest(f);
        store_fixture_check(f);
        for (unsigned i = 0; i < range / 4; i++) {
            struct reserved other;
            make_key(f, &other, range + (unsigned)random_below(&random, range));
            store_fixture_set(f, other.key.text, other.key.collection, SLICE_LITERAL("other"), 0);
        }
    }
    free(batch);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void reserved_puts_need_no_memory(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (unsigned i = 0; i < 20; i++)
        play_reserved(seed + i);
}

static void eviction_works_without_memory(void **state) NO_THREAD_SAFETY {
    (void)state;
    static const enum eviction_policy POLICIES[] = {EVICTION_ALLKEYS_S3FIFO,
                                                    EVICTION_VOLATILE_S3FIFO, EVICTION_ALLKEYS_LRU,
                                                    EVICTION_VOLATILE_TTL};
    for (size_t i = 0; i < sizeof(POLICIES) / sizeof(POLICIES[0]); i++) {
        struct store_fixture *f =
            store_fixture_create(&(struct store_fixture_options){.seed = i, .policy = POLICIES[i]});
        char text[32];
        for (unsigned n = 0; n < 3000; n++) {
            int length = snprintf(text, sizeof(text), "key:%u", n);
            struct entry entry;
            struct slice key = slice_of(text, (size_t)length);
            store_fixture_set(f, key, 0, SLICE_LITERAL("value"), f->thread.now_ms + 100000);
            if (n % 2 == 0 && store_fixture_find(f, key, 0, &entry))
                partition_touch(&f->keyspace.partitions[0], &f->keyspace, &f->thread, &entry);
        }
        reserve_drain(&f->thread.reserve, &f->keyspace.pool);
        test_allocator_fail_in(&f->allocator, 1, 1);
        struct partition *p = &f->keyspace.partitions[0];
        uint32_t evicted, steps = 0;
        while (eviction_age(p, &f->keyspace) != UINT64_MAX && ++steps < 10000) {
            (void)eviction_step(p, &f->keyspace, &f->thread, 0, 1 << 20, &evicted);
            if (steps % 16 == 0)
                store_fixture_check(f);
        }
        assert_int_equal(p->record_count, 0);
        assert_int_equal(p->log_bytes, 0);
        test_allocator_fail_never(&f->allocator);
        store_fixture_destroy(f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_a_keyspace_fails_cleanly),
        cmocka_unit_test(any_one_allocation_may_fail),
        cmocka_unit_test(all_allocations_from_some_point_on_may_fail),
        cmocka_unit_test(reserved_puts_need_no_memory),
        cmocka_unit_test(eviction_works_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
