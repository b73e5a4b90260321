/* SPDX-License-Identifier: BSD-3-Clause */
/* SCAN's promise while the table grows and shrinks, uniform draws, and cursors. */
#include "store/partition_state.h"
#include "store/scan.h"
#include "support/store_fixture.h"
#include "support/test_seed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct slice key_text(char *out, char kind, unsigned number) {
    return slice_of(out, (size_t)snprintf(out, 32, "%c:%u", kind, number));
}

static void set(struct store_fixture *f, char kind, unsigned number) {
    char text[32];
    store_fixture_set(f, key_text(text, kind, number), 0, SLICE_LITERAL("value"), 0);
}

static void delete_key(struct store_fixture *f, char kind, unsigned number) {
    char text[32];
    (void)store_fixture_delete(f, key_text(text, kind, number), 0);
}

struct seen {
    unsigned *counts; /* of the keys of kind 's' */
    unsigned others;
};

static void note(void *context, const struct entry *entry) {
    struct seen *seen = context;
    if (entry->key.data[0] == 's')
        seen->counts[strtoul((const char *)entry->key.data + 2, NULL, 10)]++;
    else
        seen->others++;
}

/* Grow and shrink between calls by adding or deleting `churn` other keys each time. */
static void scan_under_change(uint64_t seed, unsigned stable, unsigned churn,
                              int direction) NO_THREAD_SAFETY {
    struct store_fixture *f =
        store_fixture_create(&(struct store_fixture_options){.seed = seed, .partition_count = 2});
    struct random random = random_seeded(seed);
    unsigned others = direction < 0 ? stable * 8 : 0;
    for (unsigned n = 0; n < others; n++)
        set(f, 'o', n);
    for (unsigned n = 0; n < stable; n++)
        set(f, 's', n);
    struct seen seen = {.counts = calloc(stable, sizeof(unsigned))};
    uint64_t cursor = 0;
    unsigned calls = 0, next_other = others;
    do {
        uint32_t id;
        uint64_t position, last = cursor;
        assert_true(scan_cursor_decode(&f->keyspace, cursor, &id, &position));
        assert_int_equal(scan_cursor_encode(id, position), cursor);
        partition_scan(&f->keyspace.partitions[id], &f->keyspace, position, note, &seen, &position);
        cursor = scan_cursor_after(&f->keyspace, id, position);
        assert_true(cursor == 0 || cursor > last);
        for (unsigned i = 0; i < churn; i++) {
            bool grows = direction > 0 || (direction == 0 && random_below(&random, 2) == 0);
            if (grows)
                set(f, 'o', next_other++);
            else if (next_other > 0)
                delete_key(f, 'o', (unsigned)random_below(&random, next_other));
        }
        assert_true(++calls < 200000);
    } while (cursor != 0);
    for (unsigned n = 0; n < stable; n++)
        assert_true(seen.counts[n] >= 1);
    free(seen.counts);
    store_fixture_check(f);
    store_fixture_destroy(f);
}

static void an_element_that_stays_is_seen_while_the_table_grows(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (unsigned i = 0; i < 6; i++)
        scan_under_change(seed + i, 100 + 300 * i, 1 + 2 * i, 1);
}

static void an_element_that_stays_is_seen_while_the_table_shrinks(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (unsigned i = 0; i < 6; i++)
        scan_under_change(seed + i, 100 + 300 * i, 5 + 20 * i, -1);
}

static void an_element_that_stays_is_seen_while_others_come_and_go(void **state) {
    (void)state;
    uint64_t seed = test_seed(__func__);
    for (unsigned i = 0; i < 6; i++)
        scan_under_change(seed + i, 50 + 300 * i, 50, 0);
}

static void without_change_each_element_is_seen_once(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 3});
    for (unsigned n = 0; n < 3000; n++)
        set(f, 's', n);
    struct seen seen = {.counts = calloc(3000, sizeof(unsigned))};
    uint64_t position = 0;
    do
        partition_scan(&f->keyspace.partitions[0], &f->keyspace, position, note, &seen, &position);
    while (position != 0);
    for (unsigned n = 0; n < 3000; n++)
        assert_int_equal(seen.counts[n], 1);
    partition_visit(&f->keyspace.partitions[0], &f->keyspace, note, &seen);
    for (unsigned n = 0; n < 3000; n++)
        assert_int_equal(seen.counts[n], 2);
    free(seen.counts);
    store_fixture_destroy(f);
}

static void an_empty_partition_ends_at_once(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 3});
    struct seen seen = {0};
    uint64_t position = 1;
    partition_scan(&f->keyspace.partitions[0], &f->keyspace, 0, note, &seen, &position);
    assert_int_equal(position, 0);
    struct entry entry;
    assert_false(partition_random(&f->keyspace.partitions[0], &f->keyspace, 0, 0, &f->thread.random,
                                  &entry));
    store_fixture_destroy(f);
}

static void cursors_of_no_partition_are_refused(void **state) {
    (void)state;
    struct store_fixture *f =
        store_fixture_create(&(struct store_fixture_options){.seed = 3, .partition_count = 7});
    uint32_t id;
    uint64_t position;
    assert_true(scan_cursor_decode(&f->keyspace, (uint64_t)6 << 50 | 1, &id, &position));
    assert_int_equal(id, 6);
    assert_int_equal(position, 1 << 14);
    assert_false(scan_cursor_decode(&f->keyspace, (uint64_t)7 << 50, &id, &position));
    assert_false(scan_cursor_decode(&f->keyspace, UINT64_MAX, &id, &position));
    assert_int_equal(scan_cursor_after(&f->keyspace, 6, 0), 0);
    assert_int_equal(scan_cursor_after(&f->keyspace, 5, 0), (uint64_t)6 << 50);
    store_fixture_destroy(f);
}

/* Chi-square of the draws against equal probabilities. */
static void draws_are_uniform(void **state) NO_THREAD_SAFETY {
    (void)state;
    enum { KEYS = 300, DRAWS = 60000 };
    struct store_fixture *f =
        store_fixture_create(&(struct store_fixture_options){.seed = test_seed(__func__)});
    for (unsigned n = 0; n < KEYS; n++)
        set(f, 's', n);
    for (unsigned n = 0; n < 50; n++) {
        char text[32];
        struct slice key = key_text(text, 'x', n);
        store_fixture_set(f, key, 1, SLICE_LITERAL("other database"), 0);
        store_fixture_set(f, key, 0, SLICE_LITERAL("expired"), f->thread.now_ms - 1);
    }
    struct seen seen = {.counts = calloc(KEYS, sizeof(unsigned))};
    for (unsigned i = 0; i < DRAWS; i++) {
        struct entry entry;
        assert_true(partition_random(&f->keyspace.partitions[0], &f->keyspace, 0, f->thread.now_ms,
                                     &f->thread.random, &entry));
        note(&seen, &entry);
    }
    assert_int_equal(seen.others, 0);
    double chi = 0, expected = (double)DRAWS / KEYS;
    for (unsigned n = 0; n < KEYS; n++)
        chi += pow((double)seen.counts[n] - expected, 2) / expected;
    assert_true(chi < KEYS + 5 * sqrt(2.0 * KEYS));
    free(seen.counts);
    store_fixture_destroy(f);
}

static void the_only_entry_of_a_collection_is_found(void **state) NO_THREAD_SAFETY {
    (void)state;
    struct store_fixture *f = store_fixture_create(&(struct store_fixture_options){.seed = 3});
    for (unsigned n = 0; n < 20000; n++)
        set(f, 's', n);
    store_fixture_set(f, SLICE_LITERAL("alone"), 5, SLICE_LITERAL("v"), 0);
    struct entry entry;
    assert_true(partition_random(&f->keyspace.partitions[0], &f->keyspace, 5, f->thread.now_ms,
                                 &f->thread.random, &entry));
    assert_true(slice_equal(entry.key, SLICE_LITERAL("alone")));
    store_fixture_destroy(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_that_stays_is_seen_while_the_table_grows),
        cmocka_unit_test(an_element_that_stays_is_seen_while_the_table_shrinks),
        cmocka_unit_test(an_element_that_stays_is_seen_while_others_come_and_go),
        cmocka_unit_test(without_change_each_element_is_seen_once),
        cmocka_unit_test(an_empty_partition_ends_at_once),
        cmocka_unit_test(cursors_of_no_partition_are_refused),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(the_only_entry_of_a_collection_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
