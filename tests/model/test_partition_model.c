/* SPDX-License-Identifier: BSD-3-Clause */
/* Random puts, expiry changes, deletions and uses against a naive array: same answers throughout,
 * and all counters right at every check. */
#include "store/partition_state.h"
#include "support/store_model.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct play {
    enum eviction_policy policy;
    uint32_t partition_count;
    size_t slot_count;
    uint32_t collection_count;
    unsigned steps;
};

static void delete_all_in_random_order(struct store_model *m) {
    size_t n = m->slot_count, at = random_below(&m->random, n);
    /* A prime stride visits every slot. */
    for (size_t i = 0; i < n; i++, at = (at + 1000003) % n) {
        store_model_delete(m, at);
        if (i % (n / 8 + 1) == 0)
            store_fixture_check(m->fixture);
    }
    assert_int_equal(m->count, 0);
}

static void expect_empty(const struct store_fixture *f) {
    for (uint32_t i = 0; i < f->keyspace.partition_count; i++) {
        const struct partition *p = &f->keyspace.partitions[i];
        assert_int_equal(p->log_bytes, 0);
        assert_int_equal(p->blob_bytes, 0);
        assert_true(p->index.bytes <= 3 * PAGE_BYTES); /* the first page and the directory */
    }
}

static void play(const char *name, const struct play *run) {
    uint64_t seed = test_seed(name);
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){
        .partition_count = run->partition_count, .seed = seed, .policy = run->policy});
    struct store_model m;
    store_model_init(&m, f, seed, run->slot_count, run->collection_count);
    for (unsigned i = 0; i < run->steps; i++) {
        store_model_step(&m, false);
        if (i % (run->steps / 16) == 0) {
            store_fixture_check(f);
            store_model_compare_all(&m);
        }
    }
    store_fixture_check(f);
    store_model_compare_all(&m);
    delete_all_in_random_order(&m);
    store_fixture_check(f);
    expect_empty(f);
    for (unsigned i = 0; i < run->steps / 8; i++)
        store_model_step(&m, false);
    store_fixture_check(f);
    store_model_compare_all(&m);
    store_model_finish(&m);
    store_fixture_destroy(f);
}

static void a_partition_answers_like_an_array(void **state) {
    (void)state;
    play(__func__, &(struct play){EVICTION_NONE, 1, 6000, 1, 60000});
}

static void several_partitions_and_collections_do_not_mix(void **state) {
    (void)state;
    play(__func__, &(struct play){EVICTION_NONE, 7, 6000, 3, 60000});
}

static void few_keys_are_rewritten_often(void **state) {
    (void)state;
    play(__func__, &(struct play){EVICTION_NONE, 1, 40, 2, 60000});
}

static void access_words_of_lru_change_nothing_else(void **state) {
    (void)state;
    play(__func__, &(struct play){EVICTION_ALLKEYS_LRU, 2, 3000, 2, 40000});
}

static void access_words_of_lfu_change_nothing_else(void **state) {
    (void)state;
    play(__func__, &(struct play){EVICTION_VOLATILE_LFU, 2, 3000, 2, 40000});
}

static void policies_can_change_while_records_are_there(void **state) {
    (void)state;
    static const enum eviction_policy POLICIES[] = {EVICTION_NONE, EVICTION_ALLKEYS_LRU,
                                                    EVICTION_ALLKEYS_S3FIFO, EVICTION_ALLKEYS_LFU};
    uint64_t seed = test_seed(__func__);
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = seed});
    struct store_model m;
    store_model_init(&m, f, seed, 1500, 2);
    for (unsigned i = 0; i < 40000; i++) {
        if (i % 500 == 0)
            atomic_store(&f->keyspace.policy, (uint32_t)POLICIES[random_below(&m.random, 4)]);
        store_model_step(&m, false);
    }
    store_fixture_check(f);
    store_model_compare_all(&m);
    store_model_finish(&m);
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_answers_like_an_array),
        cmocka_unit_test(several_partitions_and_collections_do_not_mix),
        cmocka_unit_test(few_keys_are_rewritten_often),
        cmocka_unit_test(access_words_of_lru_change_nothing_else),
        cmocka_unit_test(access_words_of_lfu_change_nothing_else),
        cmocka_unit_test(policies_can_change_while_records_are_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
