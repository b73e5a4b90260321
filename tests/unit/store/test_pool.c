/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs are aligned, disjoint and lead back to their start; all of a chunk comes together again. */
#include "base/random.h"
#include "store/pool.h"
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
};

static void open_world(struct world *w) {
    test_allocator_init(&w->allocator);
    pool_init(&w->pool, &w->allocator.base);
    reserve_init(&w->reserve);
}

static void close_world(struct world *w) NO_THREAD_SAFETY {
    pool_finish(&w->pool);
    assert_int_equal(w->allocator.mapped_bytes, 0);
}

static enum larder_status fill(struct world *w) NO_THREAD_SAFETY {
    return reserve_fill(&w->reserve, &w->pool);
}

struct taken {
    uint8_t *run;
    unsigned order;
    uint8_t mark;
};

static void check_run(const struct taken *t) {
    size_t size = (size_t)PAGE_BYTES << t->order;
    for (size_t i = 0; i < size; i += 509)
        assert_int_equal(t->run[i], t->mark);
    assert_int_equal(t->run[size - 1], t->mark);
}

static void runs_are_disjoint_and_all_come_back(void **state) NO_THREAD_SAFETY {
    (void)state;
    enum { MAX = 600 };
    struct world w;
    open_world(&w);
    struct random random = random_seeded(test_seed(__func__));
    struct taken *taken = calloc(MAX, sizeof(*taken));
    size_t count = 0;
    assert_int_equal(fill(&w), LARDER_OK);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned phase = i / 2000 % 2;
        if (random_below(&random, 10) < (phase == 0 ? 6u : 4u) && count < MAX) {
            struct taken *t = &taken[count];
            t->order = (unsigned)random_below(&random, RUN_ORDERS);
            t->run = reserve_take_run(&w.reserve, t->order);
            if (t->run == NULL) {
                assert_true(w.reserve.is_starved);
                reserve_raise(&w.reserve);
                assert_int_equal(fill(&w), LARDER_OK);
                reserve_reset_targets(&w.reserve);
                continue;
            }
            assert_int_equal((uintptr_t)t->run % PAGE_BYTES, 0);
            t->mark = (uint8_t)random_next(&random);
            memset(t->run, t->mark, (size_t)PAGE_BYTES << t->order);
            chunk_map_run(t->run, t->order);
            count++;
        } else if (count > 0) {
            size_t at = random_below(&random, count);
            check_run(&taken[at]);
            size_t size = (size_t)PAGE_BYTES << taken[at].order;
            assert_ptr_equal(chunk_run_of(taken[at].run), taken[at].run);
            assert_ptr_equal(chunk_run_of(taken[at].run + random_below(&random, size)),
                             taken[at].run);
            reserve_give_run(&w.reserve, taken[at].order, taken[at].run);
            taken[at] = taken[--count];
        }
        if (w.reserve.is_unbalanced)
            assert_int_equal(fill(&w), LARDER_OK);
    }
    while (count > 0) {
        check_run(&taken[--count]);
        reserve_give_run(&w.reserve, taken[count].order, taken[count].run);
    }
    free(taken);
    reserve_drain(&w.reserve, &w.pool);
    /* Index pages keep their runs: 64 KiB were cut for them. */
    size_t pages = w.pool.chunk_count * (CHUNK_PAGES - 1);
    assert_int_equal(w.pool.free_pages, pages - RUN_BYTES_MAX / PAGE_BYTES);
    pool_trim(&w.pool, 0);
    assert_int_equal(w.pool.chunk_count, 1);
    close_world(&w);
}

static void trimming_keeps_as_many_free_chunks_as_asked(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct world w;
    open_world(&w);
    w.reserve.run_target[RUN_ORDERS - 1] = 100;
    w.reserve.index_target = 0;
    assert_int_equal(fill(&w), LARDER_OK);
    reserve_drain(&w.reserve, &w.pool);
    size_t chunks = w.pool.chunk_count;
    assert_true(chunks >= 4);
    pool_trim(&w.pool, 2);
    assert_int_equal(w.pool.chunk_count, 2);
    assert_int_equal(pool_mapped_bytes(&w.pool), w.allocator.mapped_bytes);
    assert_int_equal(fill(&w), LARDER_OK);
    reserve_drain(&w.reserve, &w.pool);
    close_world(&w);
}

static void a_raised_reserve_brings_more_of_what_was_missing(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct world w;
    open_world(&w);
    assert_int_equal(fill(&w), LARDER_OK);
    void *runs[2] = {reserve_take_run(&w.reserve, 1), reserve_take_run(&w.reserve, 1)};
    assert_null(reserve_take_run(&w.reserve, 1));
    /* What was taken comes back before the reserve is raised, as after a failed reservation. */
    reserve_give_run(&w.reserve, 1, runs[0]);
    reserve_give_run(&w.reserve, 1, runs[1]);
    reserve_raise(&w.reserve);
    assert_int_equal(fill(&w), LARDER_OK);
    assert_int_equal(w.reserve.run_count[1], 8);
    assert_int_equal(w.reserve.run_count[2], 2);
    assert_int_equal(w.reserve.index_count, 2);
    reserve_drain(&w.reserve, &w.pool);
    close_world(&w);
}

static void without_memory_filling_says_so(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct world w;
    open_world(&w);
    test_allocator_fail_in(&w.allocator, 1, 1);
    assert_int_equal(fill(&w), LARDER_NO_MEMORY);
    assert_null(reserve_take_run(&w.reserve, 0));
    assert_null(reserve_take_index_page(&w.reserve));
    test_allocator_fail_never(&w.allocator);
    assert_int_equal(fill(&w), LARDER_OK);
    assert_non_null(reserve_take_run(&w.reserve, 0));
    close_world(&w);
}

static void free_small_runs_are_used_before_the_pool_grows(void **state) NO_THREAD_SAFETY {
    (void)state;
    enum { RUNS = 2000 };
    struct world w;
    open_world(&w);
    static void *runs[RUNS];
    w.reserve.run_target[0] = RUNS;
    assert_int_equal(fill(&w), LARDER_OK);
    for (unsigned i = 0; i < RUNS; i++)
        runs[i] = reserve_take_run(&w.reserve, 0);
    reserve_drain(&w.reserve, &w.pool);
    for (unsigned i = 0; i < RUNS; i += 2)
        reserve_give_run(&w.reserve, 0, runs[i]);
    reserve_drain(&w.reserve, &w.pool);
    size_t chunks = w.pool.chunk_count;
    w.reserve.run_target[4] = 200;
    assert_int_equal(fill(&w), LARDER_OK);
    assert_int_equal(w.pool.chunk_count, chunks);
    assert_true(w.reserve.run_count[4] < 200);
    close_world(&w);
}

static void index_pages_come_cleared_and_stay_index_pages(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct world w;
    open_world(&w);
    assert_int_equal(fill(&w), LARDER_OK);
    _Atomic uint64_t *page = reserve_take_index_page(&w.reserve);
    for (size_t i = 0; i < PAGE_BYTES / 8; i++) {
        assert_int_equal(atomic_load(&page[i]), 0);
        atomic_store(&page[i], UINT64_MAX);
    }
    reserve_give_index_page(&w.reserve, page);
    page = reserve_take_index_page(&w.reserve);
    for (size_t i = 0; i < PAGE_BYTES / 8; i++)
        assert_int_equal(atomic_load(&page[i]), 0);
    reserve_give_index_page(&w.reserve, page);
    reserve_drain(&w.reserve, &w.pool);
    pool_trim(&w.pool, 0);
    assert_int_equal(w.pool.chunk_count, 1);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_are_disjoint_and_all_come_back),
        cmocka_unit_test(trimming_keeps_as_many_free_chunks_as_asked),
        cmocka_unit_test(a_raised_reserve_brings_more_of_what_was_missing),
        cmocka_unit_test(without_memory_filling_says_so),
        cmocka_unit_test(free_small_runs_are_used_before_the_pool_grows),
        cmocka_unit_test(index_pages_come_cleared_and_stay_index_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
