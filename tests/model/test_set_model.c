/* SPDX-License-Identifier: BSD-3-Clause */
/* Random changes of a set against a naive reference, over several limits: the same members, memory
 * counted exactly, all three representations and the passages between them. One addition in three
 * is tried with its first, second ... allocation refused before it goes through, and is seen to
 * have changed nothing. */
#include "ds/set.h"

#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { UNIVERSE = 1200, ADDED_MAX = 12, STEPS = 6000, TEXT_MAX = 80 };

struct model {
    struct random random;
    struct test_allocator allocator;
    struct object_limits limits;
    struct hash_seed seed;
    struct object_context context;
    struct object *set;
    bool has[UNIVERSE];
    size_t count;
    bool has_texts; /* else integers only */
    unsigned refusals, passages;
};

/* Member number n: mostly integers of all widths, some texts, a few long ones. */
static struct slice member_of(const struct model *m, unsigned n, char *out) {
    if (!m->has_texts || n % 3 != 0)
        (void)snprintf(out, TEXT_MAX, "%lld",
                       (long long)n * (n % 5 == 0   ? 5000000000
                                       : n % 7 == 0 ? -70000
                                                    : 1));
    else
        (void)snprintf(out, TEXT_MAX, n % 60 == 0 ? "%070u" : "text:%u", n);
    return slice_of_string(out);
}

static void check(struct model *m) {
    char text[TEXT_MAX];
    size_t seen = 0;
    if (m->set == NULL) {
        assert_int_equal(m->count, 0);
        assert_int_equal(m->allocator.heap_bytes, 0);
        return;
    }
    assert_int_equal(object_length(m->set), m->count);
    assert_int_equal(object_bytes(m->set), m->allocator.heap_bytes);
    for (unsigned n = 0; n < UNIVERSE; n++)
        assert_int_equal(set_contains(m->set, &m->context, member_of(m, n, text)), m->has[n]);
    struct set_walk walk;
    struct slice member;
    for (set_walk_begin(&walk, m->set); set_next(&walk, &member); seen++)
        assert_true(set_contains(m->set, &m->context, member));
    assert_int_equal(seen, m->count);
}

static unsigned below(struct model *m, unsigned bound) {
    return (unsigned)random_below(&m->random, bound);
}

static void add(struct model *m) {
    char texts[ADDED_MAX][TEXT_MAX];
    struct slice members[ADDED_MAX];
    unsigned numbers[ADDED_MAX];
    size_t count = 1 + below(m, ADDED_MAX), added, expected = 0;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = below(m, UNIVERSE);
        members[i] = member_of(m, numbers[i], texts[i]);
    }
    const struct object_type *before = m->set != NULL ? m->set->type : NULL;
    enum larder_status status = LARDER_NO_MEMORY;
    bool is_refused = below(m, 3) == 0;
    for (unsigned nth = 1; status == LARDER_NO_MEMORY; nth++) {
        if (is_refused)
            test_allocator_fail_in(&m->allocator, nth, 0);
        status = set_add(&m->set, &m->context, members, count, &added);
        test_allocator_fail_never(&m->allocator);
        if (status == LARDER_NO_MEMORY) {
            m->refusals++;
            check(m);
        }
    }
    for (size_t i = 0; i < count; i++) {
        expected += !m->has[numbers[i]];
        m->has[numbers[i]] = true;
    }
    assert_int_equal(added, expected);
    m->count += expected;
    m->passages += before != NULL && m->set->type != before;
}

static void discard_if_empty(struct model *m) {
    if (m->count > 0)
        return;
    object_destroy(m->set, m->context.allocator);
    m->set = NULL;
}

static void take_out(struct model *m) {
    char text[TEXT_MAX];
    unsigned n = below(m, UNIVERSE);
    if (m->set == NULL)
        return;
    struct slice member = member_of(m, n, text);
    assert_int_equal(set_remove(&m->set, &m->context, &member, 1), m->has[n]);
    m->count -= m->has[n];
    m->has[n] = false;
    discard_if_empty(m);
}

/* A member drawn at random is one, and leaves when it is given as it was drawn. */
static void pop(struct model *m) {
    char text[TEXT_MAX];
    uint8_t scratch[INT64_TEXT_MAX];
    if (m->set == NULL)
        return;
    struct slice member = set_random(m->set, &m->random, scratch);
    unsigned n = 0;
    while (n < UNIVERSE && !slice_equal(member_of(m, n, text), member))
        n++;
    assert_true(n < UNIVERSE && m->has[n]);
    assert_int_equal(set_remove(&m->set, &m->context, &member, 1), 1);
    m->has[n] = false;
    m->count--;
    discard_if_empty(m);
}

static void copy_and_free(struct model *m) {
    if (m->set == NULL)
        return;
    size_t before = m->allocator.heap_bytes;
    struct object *copy = m->set->type->copy(m->set, m->context.allocator);
    assert_non_null(copy);
    assert_int_equal(object_length(copy), m->count);
    assert_string_equal(copy->type->encoding, m->set->type->encoding);
    while (!copy->type->free_some(copy, m->context.allocator, 7))
        ;
    assert_int_equal(m->allocator.heap_bytes, before);
}

struct seen {
    struct model *m;
    bool shown[UNIVERSE];
};

static void note_shown(void *context, struct slice member) {
    struct seen *seen = context;
    char text[TEXT_MAX];
    unsigned n = 0;
    while (n < UNIVERSE && !slice_equal(member_of(seen->m, n, text), member))
        n++;
    assert_true(n < UNIVERSE);
    seen->shown[n] = true;
}

static void scan(struct model *m) {
    struct seen seen = {.m = m};
    uint64_t cursor = 0;
    if (m->set == NULL)
        return;
    do {
        cursor = set_scan(m->set, &m->context, cursor, 5, note_shown, &seen);
    } while (cursor != 0);
    assert_memory_equal(seen.shown, m->has, sizeof(seen.shown));
}

/* The passages between representations that it saw. */
static unsigned run(uint64_t seed, int64_t integers, int64_t entries, bool has_texts) {
    struct model *m = calloc(1, sizeof(*m));
    test_allocator_init(&m->allocator);
    m->random = random_seeded(seed);
    m->has_texts = has_texts;
    object_limits_init(&m->limits);
    atomic_store(&m->limits.set_integer_entries, integers);
    atomic_store(&m->limits.set_entries, entries);
    m->seed = (struct hash_seed){{seed, ~seed}};
    m->context = (struct object_context){&m->allocator.base, &m->seed, &m->limits};
    for (unsigned step = 0; step < STEPS; step++) {
        /* It grows for some time, then shrinks to nothing. */
        bool is_growing = step % 2000 < 900;
        unsigned choice = below(m, 10);
        if (choice < (is_growing ? 6 : 1))
            add(m);
        else if (choice < 9)
            is_growing ? take_out(m) : pop(m);
        else if (step % 50 == 0)
            scan(m);
        if (step % 97 == 0) {
            check(m);
            copy_and_free(m);
        }
    }
    assert_true(m->refusals > 0);
    unsigned passages = m->passages;
    object_destroy(m->set, m->context.allocator);
    assert_int_equal(m->allocator.heap_bytes, 0);
    free(m);
    return passages;
}

static void a_set_is_what_the_reference_says_under_all_limits(void **state) {
    (void)state;
    uint64_t seed = test_seed("set model");
    /* Integers grow past their limit, and become texts and then a table. */
    assert_true(run(seed, 512, 128, true) + run(seed + 1, 512, 128, false) > 0);
    /* A set that begins with few integers. */
    (void)run(seed + 3, 3, 1000, true);
    /* No limit is ever passed. */
    assert_int_equal(run(seed + 2, 0, 0, true), 0);
    assert_int_equal(run(seed + 4, 5000, 5000, false), 0);
}

static const char *encoding_after(const char *const *texts, size_t count) {
    struct object_limits limits;
    struct hash_seed seed = {{1, 2}};
    object_limits_init(&limits);
    struct object_context context = {&ALLOCATOR_SYSTEM, &seed, &limits};
    struct object *set = NULL;
    for (size_t i = 0; i < count; i++) {
        struct slice member = slice_of_string(texts[i]);
        size_t added;
        assert_int_equal(set_add(&set, &context, &member, 1, &added), LARDER_OK);
    }
    const char *encoding = set->type->encoding;
    object_destroy(set, &ALLOCATOR_SYSTEM);
    return encoding;
}

static void the_representation_follows_from_the_members(void **state) {
    (void)state;
    static const char *const INTEGERS[] = {"1", "-70000", "5000000000"};
    static const char *const MIXED[] = {"1", "a", "2"};
    static const char *const LONG[] = {
        "1", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    assert_string_equal(encoding_after(INTEGERS, 3), "intset");
    assert_string_equal(encoding_after(MIXED, 3), "listpack");
    assert_string_equal(encoding_after(LONG, 2), "hashtable");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_representation_follows_from_the_members),
        cmocka_unit_test(a_set_is_what_the_reference_says_under_all_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
