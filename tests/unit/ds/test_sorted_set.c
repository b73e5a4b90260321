/* SPDX-License-Identifier: BSD-3-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ds/sorted_set.h"
#include "support/test_allocator.h"

#include <math.h>
#include <stdio.h>

struct fixture {
    struct test_allocator allocator;
    struct hash_seed seed;
    struct object_limits limits;
    struct object_context context;
    struct object *set;
};

static void begin(struct fixture *f) {
    test_allocator_init(&f->allocator);
    f->seed = (struct hash_seed){{5, 6}};
    object_limits_init(&f->limits);
    f->context = (struct object_context){&f->allocator.base, &f->seed, &f->limits};
    f->set = sorted_set_create(&f->context, 0, 0);
}

static void end(struct fixture *f) {
    object_destroy(f->set, &f->allocator.base);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

static struct sorted_set_outcome add(struct fixture *f, const char *member, double score,
                                     uint32_t rules) {
    struct scored_member scored = {slice_of_string(member), score};
    struct sorted_set_outcome outcome;
    assert_int_equal(sorted_set_add(&f->set, &f->context, &scored, 1, rules, &outcome), LARDER_OK);
    return outcome;
}

static void add_numbered(struct fixture *f, unsigned count) {
    char name[32];
    for (unsigned i = 0; i < count; i++) {
        (void)snprintf(name, sizeof(name), "member:%08u", i);
        (void)add(f, name, i * 7919 % count, 0);
    }
}

static void a_set_becomes_full_behind_its_limits(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    add_numbered(&f, 128);
    assert_string_equal(f.set->type->encoding, "listpack");
    (void)add(&f, "one more", 1, 0);
    assert_string_equal(f.set->type->encoding, "skiplist");
    assert_int_equal(object_length(f.set), 129);
    end(&f);
    begin(&f);
    (void)add(&f, "0123456789012345678901234567890123456789012345678901234567890123", 1, 0);
    assert_string_equal(f.set->type->encoding, "listpack");
    (void)add(&f, "01234567890123456789012345678901234567890123456789012345678901234", 1, 0);
    assert_string_equal(f.set->type->encoding, "skiplist");
    end(&f);
}

static void no_flat_set_is_larger_than_32_kib(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    atomic_store(&f.limits.sorted_set_entries, 1000000);
    for (unsigned i = 0; i < 3000; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "member:%08u", i);
        (void)add(&f, name, i * 0.1, 0);
        bool is_flat = f.set->type->encoding[0] == 'l';
        assert_true(!is_flat || object_bytes(f.set) <= 32 * 1024);
        assert_int_equal(object_bytes(f.set), f.allocator.heap_bytes);
    }
    assert_string_equal(f.set->type->encoding, "skiplist");
    assert_int_equal(object_length(f.set), 3000);
    end(&f);
}

static void the_rules_decide_what_is_changed(void **state) {
    (void)state;
    struct fixture f;
    for (unsigned is_full = 0; is_full < 2; is_full++) {
        begin(&f);
        if (is_full)
            atomic_store(&f.limits.sorted_set_entries, 0);
        assert_int_equal(add(&f, "a", 5, SORTED_SET_OLD_ONLY).refused, 1);
        assert_int_equal(add(&f, "a", 5, SORTED_SET_NEW_ONLY).added, 1);
        assert_int_equal(add(&f, "a", 6, SORTED_SET_NEW_ONLY).refused, 1);
        assert_int_equal(add(&f, "a", 4, SORTED_SET_GREATER).refused, 1);
        assert_int_equal(add(&f, "a", 6, SORTED_SET_LESS).refused, 1);
        assert_int_equal(add(&f, "a", 6, SORTED_SET_GREATER).changed, 1);
        assert_int_equal(add(&f, "a", 6, 0).changed, 0);
        assert_true(add(&f, "a", 1.5, SORTED_SET_INCREMENT).score == 7.5);
        assert_true(add(&f, "a", INFINITY, SORTED_SET_INCREMENT).score == INFINITY);
        assert_true(add(&f, "a", -INFINITY, SORTED_SET_INCREMENT).is_nan);
        double score;
        assert_true(sorted_set_score(f.set, &f.context, slice_of_string("a"), &score));
        assert_true(score == INFINITY);
        end(&f);
    }
}

static void many_members_are_added_as_one(void **state) {
    (void)state;
    const struct scored_member members[] = {{SLICE_LITERAL("a"), 9}, {SLICE_LITERAL("b"), 1},
                                            {SLICE_LITERAL("a"), 3}, {SLICE_LITERAL("c"), 0},
                                            {SLICE_LITERAL("a"), 1}, {SLICE_LITERAL("b"), 4}};
    enum { COUNT = sizeof(members) / sizeof(*members) };
    struct fixture f;
    for (uint64_t failing = 1;; failing++) {
        struct sorted_set_outcome outcome;
        begin(&f);
        atomic_store(&f.limits.sorted_set_entries, 0);
        (void)add(&f, "a", 1, 0);
        test_allocator_fail_in(&f.allocator, failing, false);
        enum larder_status status = sorted_set_add(&f.set, &f.context, members, COUNT, 0, &outcome);
        test_allocator_fail_never(&f.allocator);
        double score = 0;
        assert_true(sorted_set_score(f.set, &f.context, slice_of_string("a"), &score));
        assert_true(score == 1);
        assert_int_equal(object_length(f.set), status == LARDER_OK ? 3 : 1);
        struct score_bound all = {.kind = SCORE_BOUND_SCORE, .is_behind_equal = true, .score = 1};
        assert_int_equal(sorted_set_count_before(f.set, &all), status == LARDER_OK ? 2 : 1);
        end(&f);
        if (status == LARDER_OK)
            break;
        assert_true(failing < 100);
    }
}

static void members_in_order_fill_their_leaves(void **state) {
    (void)state;
    struct fixture f;
    enum { COUNT = 20000 };
    for (int direction = -1; direction <= 1; direction += 2) {
        begin(&f);
        for (int i = 0; i < COUNT; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "member:%08d", i);
            (void)add(&f, name, direction * i, 0);
        }
        /* 32 bytes an element, 16.5 in leaves, 14 in the table. */
        assert_true(object_bytes(f.set) / COUNT < 64);
        end(&f);
    }
}

static void a_set_is_freed_in_slices(void **state) {
    (void)state;
    struct fixture f;
    begin(&f);
    add_numbered(&f, 10000);
    unsigned slices = 1;
    while (!f.set->type->free_some(f.set, &f.allocator.base, 100))
        slices++;
    assert_true(slices >= 50);
    assert_int_equal(f.allocator.heap_bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_becomes_full_behind_its_limits),
        cmocka_unit_test(no_flat_set_is_larger_than_32_kib),
        cmocka_unit_test(the_rules_decide_what_is_changed),
        cmocka_unit_test(many_members_are_added_as_one),
        cmocka_unit_test(members_in_order_fill_their_leaves),
        cmocka_unit_test(a_set_is_freed_in_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
