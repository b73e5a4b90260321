/* SPDX-License-Identifier: BSD-3-Clause */
/* The sweep deletes all that has expired and nothing else, in bounded steps, the way DEL does. */
#include "store/effect.h"
#include "store/expiry.h"
#include "store/partition_state.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct slice key_text(char *out, unsigned number) {
    return slice_of(out, (size_t)snprintf(out, 32, "key:%u", number));
}

static void set(struct store_fixture *f, unsigned number, size_t size, int64_t expiry_ms) {
    static uint8_t bytes[8192];
    char text[32];
    store_fixture_set(f, key_text(text, number), number % 3, slice_of(bytes, size), expiry_ms);
}

static bool is_there(struct store_fixture *f, unsigned number) {
    char text[32];
    struct entry entry;
    return store_fixture_find(f, key_text(text, number), number % 3, &entry);
}

/* Whole passes over the partition. Returns the number of steps. */
static unsigned sweep(struct store_fixture *f, unsigned passes, uint32_t budget) NO_THREAD_SAFETY {
    unsigned steps = 0;
    while (passes > 0) {
        steps++;
        if (!expiry_step(&f->keyspace.partitions[0], &f->keyspace, &f->thread, 0, f->thread.now_ms,
                         budget))
            passes--;
        store_fixture_rest(f);
    }
    return steps;
}

static void all_that_expired_goes_and_the_rest_stays(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    int64_t start = f->thread.now_ms;
    for (unsigned n = 0; n < 6000; n++)
        set(f, n, n % 70 == 0 ? 3000 : 30, n % 2 == 0 ? 0 : start + 1000 + n);
    f->thread.now_ms = start + 500;
    sweep(f, 2, 100);
    assert_int_equal(f->keyspace.partitions[0].record_count, 6000);
    f->thread.now_ms = start + 10000;
    sweep(f, 2, 100);
    for (unsigned n = 0; n < 6000; n++)
        assert_int_equal(is_there(f, n), n % 2 == 0);
    assert_int_equal(atomic_load(&f->thread.counters.expired_keys), 3000);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void a_key_lives_through_its_last_millisecond(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    set(f, 1, 30, f->thread.now_ms + 100);
    f->thread.now_ms += 100;
    sweep(f, 1, 100);
    assert_true(is_there(f, 1));
    f->thread.now_ms += 1;
    sweep(f, 1, 100);
    assert_false(is_there(f, 1));
    store_fixture_destroy(f);
}

static void what_expires_is_gone_soon_while_time_passes(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    struct random random = random_seeded(test_seed(__func__));
    for (unsigned n = 0; n < 20000; n++) {
        set(f, n, 30, f->thread.now_ms + 1 + (int64_t)random_below(&random, 10000));
        f->thread.now_ms += 2;
        if (n % 50 == 0)
            sweep(f, 1, 1000);
    }
    /* 10 s of lifetime at 500 keys per second and half of it on average: 2,500 live ones. */
    uint64_t there = f->keyspace.partitions[0].record_count;
    printf("%u entries, about 2500 of them live\n", (unsigned)there);
    assert_true(there > 2300 && there < 3500);
    store_fixture_check(f);
    f->thread.now_ms += 20000;
    sweep(f, 2, 1000);
    assert_int_equal(f->keyspace.partitions[0].record_count, 0);
    assert_int_equal(f->keyspace.partitions[0].log_bytes, 0);
    store_fixture_destroy(f);
}

static void a_step_stays_within_its_budget(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    for (unsigned n = 0; n < 5000; n++)
        set(f, n, 30, f->thread.now_ms + 1);
    f->thread.now_ms += 100;
    for (uint64_t left = 5000; left > 0;) {
        bool more = expiry_step(&f->keyspace.partitions[0], &f->keyspace, &f->thread, 0,
                                f->thread.now_ms, 64);
        store_fixture_rest(f);
        uint64_t now_left = f->keyspace.partitions[0].record_count;
        assert_true(left - now_left <= 64 + LOG_BATCH);
        assert_true(now_left < left);
        assert_true(more || now_left == 0);
        left = now_left;
    }
    store_fixture_destroy(f);
}

static void segments_without_enough_expired_bytes_are_not_walked(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    for (unsigned n = 0; n < 3000; n++)
        set(f, n, 30, n % 64 == 0 ? f->thread.now_ms + 10 : f->thread.now_ms + 1000000);
    f->thread.now_ms += 5000;
    unsigned steps = sweep(f, 1, 1);
    assert_int_equal(steps, f->keyspace.partitions[0].segment_count);
    assert_int_equal(atomic_load(&f->thread.counters.expired_keys), 0);
    store_fixture_destroy(f);
}

static void a_large_value_makes_its_segment_worth_walking(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    for (unsigned n = 0; n < 3000; n++)
        set(f, n, n == 5 ? 8000 : 30, n == 5 ? f->thread.now_ms + 10 : f->thread.now_ms + 1000000);
    /* The steps of the histogram are up to a quarter of the 1,000 s wide. */
    f->thread.now_ms += 300000;
    sweep(f, 1, 1000);
    assert_false(is_there(f, 5));
    assert_int_equal(atomic_load(&f->thread.counters.expired_keys), 1);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void every_expiry_emits_one_deletion(void **state) {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    struct effects effects;
    effects_init(&effects, &f->allocator.base);
    f->thread.effects = &effects;
    for (unsigned n = 0; n < 500; n++)
        set(f, n, 30, n % 5 == 0 ? 0 : f->thread.now_ms + 1);
    f->thread.now_ms += 100;
    sweep(f, 2, 100);
    struct effect_reader reader;
    struct effect_part part;
    struct slice key;
    unsigned parts = 0;
    effect_reader_init(&reader, slice_of(effects.data, effects.used));
    for (; effect_reader_next(&reader, &part, &key, 1) == LARDER_OK; parts++) {
        assert_int_equal(part.command, 77);
        assert_int_equal(part.time_ms, f->thread.now_ms);
        struct entry entry;
        assert_false(store_fixture_find(f, key, part.collection, &entry));
    }
    assert_int_equal(parts, 400);
    f->thread.effects = NULL;
    effects_finish(&effects);
    store_fixture_destroy(f);
}

static void a_deletion_within_a_command_joins_its_record(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    struct effects effects;
    effects_init(&effects, &f->allocator.base);
    f->thread.effects = &effects;
    set(f, 3, 3000, f->thread.now_ms + 1);
    f->thread.now_ms += 100;
    struct slice own = SLICE_LITERAL("own key");
    struct effect_part part = {.command = 5, .argument_count = 1};
    assert_int_equal(effects_begin(&effects, effects_part_bound(1, own.size)), LARDER_OK);
    effects_append(&effects, &part, &own);
    struct entry entry;
    assert_true(store_fixture_find(f, SLICE_LITERAL("key:3"), 0, &entry));
    assert_true(expiry_remove(&f->keyspace.partitions[0], &f->keyspace, &f->thread, 0, &entry));
    assert_int_equal(effects.used, 0); /* nothing is out before the command ends */
    effects_commit(&effects);
    store_fixture_rest(f);
    assert_false(is_there(f, 3));
    assert_int_equal(atomic_load(&f->thread.counters.expired_keys), 1);
    struct effect_reader reader;
    struct slice key;
    effect_reader_init(&reader, slice_of(effects.data, effects.used));
    assert_int_equal(effect_reader_next(&reader, &part, &key, 1), LARDER_OK);
    assert_int_equal(part.command, 5);
    assert_int_equal(reader.parts_left, 1);
    assert_int_equal(effect_reader_next(&reader, &part, &key, 1), LARDER_OK);
    assert_int_equal(part.command, 77);
    assert_true(slice_equal(key, SLICE_LITERAL("key:3")));
    assert_int_equal(effect_reader_next(&reader, &part, &key, 1), LARDER_NOT_FOUND);
    f->thread.effects = NULL;
    effects_finish(&effects);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void without_memory_for_the_effect_the_key_stays(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 4});
    struct effects effects;
    effects_init(&effects, &f->allocator.base);
    f->thread.effects = &effects;
    set(f, 1, 30, f->thread.now_ms + 1);
    f->thread.now_ms += 100;
    test_allocator_fail_in(&f->allocator, 1, 1);
    (void)expiry_step(&f->keyspace.partitions[0], &f->keyspace, &f->thread, 0, f->thread.now_ms,
                      100);
    test_allocator_fail_never(&f->allocator);
    assert_true(is_there(f, 1));
    assert_int_equal(effects.used, 0);
    sweep(f, 1, 100);
    assert_false(is_there(f, 1));
    f->thread.effects = NULL;
    effects_finish(&effects);
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_expired_goes_and_the_rest_stays),
        cmocka_unit_test(a_key_lives_through_its_last_millisecond),
        cmocka_unit_test(what_expires_is_gone_soon_while_time_passes),
        cmocka_unit_test(a_step_stays_within_its_budget),
        cmocka_unit_test(segments_without_enough_expired_bytes_are_not_walked),
        cmocka_unit_test(a_large_value_makes_its_segment_worth_walking),
        cmocka_unit_test(every_expiry_emits_one_deletion),
        cmocka_unit_test(a_deletion_within_a_command_joins_its_record),
        cmocka_unit_test(without_memory_for_the_effect_the_key_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
