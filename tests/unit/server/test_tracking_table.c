/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of tracked keys: who has read what is told once, references are given back, random use
 * agrees with a plain list. */
#include "server/tracking_table.h"

#include "base/random.h"
#include "support/test_allocator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct tracker {
    int references; /* that the table holds */
};

static const struct hash_seed SEED = {{0x1234, 0x5678}};

static void release(struct tracker *tracker) {
    tracker->references--;
}

static bool add(struct tracking_table *table, const char *key, struct tracker *tracker) {
    bool is_new;
    assert_int_equal(tracking_table_add(table, slice_of_string(key), tracker, &is_new), LARDER_OK);
    tracker->references += is_new;
    return is_new;
}

static void a_reader_is_noted_once_and_taken_out_with_the_key(void **state) {
    (void)state;
    struct tracking_table table;
    struct tracker a = {0}, b = {0};
    tracking_table_init(&table, &ALLOCATOR_SYSTEM, SEED, release);
    assert_true(add(&table, "k", &a));
    assert_false(add(&table, "k", &a));
    assert_true(add(&table, "k", &b));
    assert_true(tracking_table_has(&table, SLICE_LITERAL("k"), &a));
    assert_false(tracking_table_has(&table, SLICE_LITERAL("x"), &a));
    assert_null(tracking_table_take(&table, SLICE_LITERAL("x")));
    struct tracked_key *key = tracking_table_take(&table, SLICE_LITERAL("k"));
    assert_non_null(key);
    assert_int_equal(key->count, 2);
    assert_int_equal(a.references, 1);
    tracked_key_destroy(&table, key);
    assert_int_equal(a.references + b.references, 0);
    assert_false(tracking_table_has(&table, SLICE_LITERAL("k"), &a));
    assert_int_equal(table.key_count, 0);
    assert_int_equal(table.item_count, 0);
    tracking_table_finish(&table);
}

static void random_use_agrees_with_a_list(void **state) {
    (void)state;
    enum { KEYS = 300, TRACKERS = 5, STEPS = 50000 };
    static bool is_noted[KEYS][TRACKERS];
    struct tracker trackers[TRACKERS] = {{0}};
    struct tracking_table table;
    struct random random = random_seeded(7);
    size_t keys = 0;
    tracking_table_init(&table, &ALLOCATOR_SYSTEM, SEED, release);
    for (size_t step = 0; step < STEPS; step++) {
        char name[16];
        size_t k = random_below(&random, KEYS), t = random_below(&random, TRACKERS);
        (void)snprintf(name, sizeof(name), "key%zu", k);
        if (random_below(&random, 3) > 0) {
            assert_int_equal(add(&table, name, &trackers[t]), !is_noted[k][t]);
            is_noted[k][t] = true;
        } else {
            uint32_t count = 0;
            for (size_t i = 0; i < TRACKERS; i++)
                count += is_noted[k][i];
            struct tracked_key *key = tracking_table_take(&table, slice_of_string(name));
            assert_int_equal(key == NULL ? 0 : key->count, count);
            tracked_key_destroy(&table, key);
            memset(is_noted[k], 0, sizeof(is_noted[k]));
        }
        assert_int_equal(tracking_table_has(&table, slice_of_string(name), &trackers[t]),
                         is_noted[k][t]);
    }
    for (size_t k = 0; k < KEYS; k++) {
        bool is_there = false;
        for (size_t t = 0; t < TRACKERS; t++)
            is_there = is_there || is_noted[k][t];
        keys += is_there;
    }
    assert_int_equal(table.key_count, keys);
    for (uint64_t start = 0; keys > 0; start++, keys--) {
        struct tracked_key *key = tracking_table_take_any(&table, start);
        assert_non_null(key);
        tracked_key_destroy(&table, key);
    }
    assert_null(tracking_table_take_any(&table, 0));
    for (size_t t = 0; t < TRACKERS; t++)
        assert_int_equal(trackers[t].references, 0);
    tracking_table_finish(&table);
}

static void without_memory_nothing_is_noted(void **state) {
    (void)state;
    struct test_allocator allocator;
    struct tracking_table table;
    struct tracker trackers[3] = {{0}};
    test_allocator_init(&allocator);
    tracking_table_init(&table, &allocator.base, SEED, release);
    for (uint64_t call = 1; call < 40; call++) {
        char name[16];
        bool is_new = false;
        (void)snprintf(name, sizeof(name), "key%u", (unsigned)call / 3);
        test_allocator_fail_in(&allocator, 1 + call % 3, 0);
        struct tracker *tracker = &trackers[call % 3];
        enum larder_status status =
            tracking_table_add(&table, slice_of_string(name), tracker, &is_new);
        tracker->references += is_new;
        assert_int_equal(tracking_table_has(&table, slice_of_string(name), tracker),
                         status == LARDER_OK);
    }
    test_allocator_fail_never(&allocator);
    tracking_table_clear(&table);
    assert_int_equal(table.key_count, 0);
    tracking_table_finish(&table);
    assert_int_equal(allocator.heap_blocks, 0);
    for (size_t t = 0; t < 3; t++)
        assert_int_equal(trackers[t].references, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_is_noted_once_and_taken_out_with_the_key),
        cmocka_unit_test(random_use_agrees_with_a_list),
        cmocka_unit_test(without_memory_nothing_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
