/* SPDX-License-Identifier: BSD-3-Clause */
/* Random changes of a sorted set beside a sorted array that does the same naively, with growth from
 * flat to full, allocations that fail, and everything that can be read compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "ds/sorted_set.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMBERS = 3000, NAME_MAX_BYTES = 96 };

struct model {
    struct allocator allocator;
    int64_t held_bytes;
    uint64_t refuse_below; /* of 1000 requests, how many are refused */
    size_t largest;        /* request */
    struct random random;
    struct hash_seed seed;
    struct object_limits limits;
    struct object_context context;
    struct object *set;
    size_t count;
    struct scored_member sorted[MEMBERS];
    char names[MEMBERS][NAME_MAX_BYTES];
};

static bool is_refused(struct model *m, size_t size) {
    if (size > m->largest)
        m->largest = size;
    return random_below(&m->random, 1000) < m->refuse_below;
}

static void *allocate(void *context, size_t size) {
    struct model *m = context;
    if (is_refused(m, size))
        return NULL;
    m->held_bytes += (int64_t)size;
    return malloc(size);
}

static void *resize(void *context, void *pointer, size_t old_size, size_t new_size) {
    struct model *m = context;
    if (is_refused(m, new_size))
        return NULL;
    /* Always moves, so that stale pointers are noticed. */
    void *moved = malloc(new_size);
    if (pointer != NULL)
        memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
    free(pointer);
    m->held_bytes += (int64_t)new_size - (int64_t)old_size;
    return moved;
}

static void release(void *context, void *pointer, size_t size) {
    struct model *m = context;
    if (pointer != NULL)
        m->held_bytes -= (int64_t)size;
    free(pointer);
}

static struct model *create(uint64_t seed, int64_t entries) {
    struct model *m = calloc(1, sizeof(*m));
    m->allocator = (struct allocator){allocate, resize, release, NULL, NULL, m};
    m->random = random_seeded(seed);
    m->seed = (struct hash_seed){{random_next(&m->random), random_next(&m->random)}};
    object_limits_init(&m->limits);
    atomic_store(&m->limits.sorted_set_entries, entries);
    m->context = (struct object_context){&m->allocator, &m->seed, &m->limits};
    m->set = sorted_set_create(&m->context, 0, 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        int size = i % 3 == 0 ? sprintf(m->names[i], "%d", (int)i - 100)
                              : sprintf(m->names[i], "member:%zu", i * 7919 % MEMBERS);
        if (i % 50 == 1) {
            memset(m->names[i] + size, 'x', 60);
            m->names[i][size + 60] = '\0';
        }
    }
    m->names[5][0] = '\0';
    return m;
}

static void destroy(struct model *m) {
    while (m->set != NULL && !m->set->type->free_some(m->set, &m->allocator, 7))
        ;
    assert_int_equal(m->held_bytes, 0);
    free(m);
}

/* ---- the naive one ---- */

static int order(const struct scored_member *a, const struct scored_member *b) {
    if (a->score != b->score)
        return a->score < b->score ? -1 : 1;
    return slice_compare(a->member, b->member);
}

static size_t model_find(const struct model *m, struct slice member) {
    size_t at = 0;
    while (at < m->count && !slice_equal(m->sorted[at].member, member))
        at++;
    return at;
}

static void model_cut(struct model *m, size_t at, size_t count) {
    m->count -= count;
    memmove(m->sorted + at, m->sorted + at + count, (m->count - at) * sizeof(*m->sorted));
}

static void model_put(struct model *m, struct slice member, double score) {
    struct scored_member put = {member, score};
    size_t at = model_find(m, member);
    if (at < m->count)
        model_cut(m, at, 1);
    for (at = 0; at < m->count && order(&m->sorted[at], &put) < 0;)
        at++;
    memmove(m->sorted + at + 1, m->sorted + at, (m->count - at) * sizeof(*m->sorted));
    m->sorted[at] = put;
    m->count++;
}

/* ---- comparing ---- */

static void expect_member(const struct scored_member *got, const struct scored_member *expected) {
    assert_true(slice_equal(got->member, expected->member));
    assert_true(got->score == expected->score);
}

static void expect_equal_sets(const struct model *m, const struct object *set) {
    struct sorted_set_cursor cursor;
    struct scored_member member;
    assert_int_equal(object_length(set), m->count);
    sorted_set_seek(set, 0, &cursor);
    for (size_t i = 0; i < m->count; i++) {
        assert_true(sorted_set_next(&cursor, &member));
        expect_member(&member, &m->sorted[i]);
    }
    assert_false(sorted_set_next(&cursor, &member));
    for (size_t i = m->count; i-- > 0;) {
        assert_true(sorted_set_previous(&cursor, &member));
        expect_member(&member, &m->sorted[i]);
    }
    assert_false(sorted_set_previous(&cursor, &member));
}

static void expect_reads(struct model *m) {
    struct scored_member member;
    struct sorted_set_cursor cursor;
    struct slice name = slice_of_string(m->names[random_below(&m->random, MEMBERS)]);
    size_t at = model_find(m, name), rank;
    double score;
    assert_true(sorted_set_rank(m->set, &m->context, name, &rank, &score) == (at < m->count));
    if (at < m->count) {
        assert_int_equal(rank, at);
        assert_true(score == m->sorted[at].score);
        sorted_set_seek(m->set, rank, &cursor);
        assert_true(sorted_set_next(&cursor, &member));
        expect_member(&member, &m->sorted[at]);
    }
    struct score_bound bound = {.kind = SCORE_BOUND_SCORE,
                                .is_behind_equal = random_below(&m->random, 2) == 0,
                                .score = (double)random_below(&m->random, 300) / 2};
    size_t before = 0;
    while (before < m->count && (m->sorted[before].score < bound.score ||
                                 (m->sorted[before].score == bound.score && bound.is_behind_equal)))
        before++;
    assert_int_equal(sorted_set_count_before(m->set, &bound), before);
}

static void note_shown(void *context, const struct scored_member *member) {
    struct model *m = context;
    size_t at = model_find(m, member->member);
    assert_true(at < m->count && m->sorted[at].score == member->score);
    m->names[0][0]++; /* how many */
}

static void expect_scan(struct model *m) {
    uint64_t cursor = 0;
    char first = m->names[0][0];
    size_t shown = 0;
    do {
        m->names[0][0] = 0;
        cursor = sorted_set_scan(m->set, &m->context, cursor, 10, note_shown, m);
        shown += (size_t)(unsigned char)m->names[0][0];
    } while (cursor != 0);
    m->names[0][0] = first;
    if (object_length(m->set) > 0 && strcmp(m->set->type->encoding, "skiplist") == 0)
        assert_int_equal(shown, m->count);
}

static void expect_everything(struct model *m) {
    expect_equal_sets(m, m->set);
    assert_int_equal(object_bytes(m->set), m->held_bytes);
    struct object *copy = m->set->type->copy(m->set, &m->allocator);
    if (copy == NULL)
        return;
    expect_equal_sets(m, copy);
    assert_ptr_equal(copy->type, m->set->type);
    object_destroy(copy, &m->allocator);
    assert_int_equal(object_bytes(m->set), m->held_bytes);
}

/* ---- changes ---- */

static double random_score(struct model *m) {
    switch (random_below(&m->random, 8)) {
    case 0: return (double)random_below(&m->random, 300) / 2;
    case 1: return (double)random_below(&m->random, 1000) * 0.1;
    case 2: return random_below(&m->random, 2) == 0 ? INFINITY : -INFINITY;
    case 3: return (double)(int64_t)random_next(&m->random);
    default: return (double)random_below(&m->random, 150);
    }
}

static struct slice random_name(struct model *m, size_t names) {
    return slice_of_string(m->names[1 + random_below(&m->random, names - 1)]);
}

static void add_some(struct model *m, size_t names) {
    struct scored_member members[9];
    struct sorted_set_outcome outcome;
    size_t count = random_below(&m->random, 3) == 0 ? 1 + random_below(&m->random, 9) : 1;
    for (size_t i = 0; i < count; i++)
        members[i] = (struct scored_member){random_name(m, names), random_score(m)};
    if (sorted_set_add(&m->set, &m->context, members, count, 0, &outcome) != LARDER_OK)
        return;
    size_t before = m->count;
    for (size_t i = 0; i < count; i++)
        model_put(m, members[i].member, members[i].score);
    assert_int_equal(outcome.added, m->count - before);
    assert_true(outcome.score == members[count - 1].score);
}

static void increment_one(struct model *m, size_t names) {
    struct scored_member member = {random_name(m, names), 0.5};
    struct sorted_set_outcome outcome;
    if (sorted_set_add(&m->set, &m->context, &member, 1, SORTED_SET_INCREMENT, &outcome) !=
        LARDER_OK)
        return;
    size_t at = model_find(m, member.member);
    double score = at < m->count ? m->sorted[at].score + 0.5 : 0.5;
    model_put(m, member.member, score);
    assert_true(outcome.score == score);
}

static void remove_one(struct model *m, size_t names) {
    struct slice name = random_name(m, names);
    size_t at = model_find(m, name);
    assert_true(sorted_set_remove(&m->set, &m->context, name) == (at < m->count));
    if (at < m->count)
        model_cut(m, at, 1);
}

static void remove_range(struct model *m) {
    size_t rank = random_below(&m->random, m->count + 1);
    size_t count = random_below(&m->random, random_below(&m->random, 10) == 0 ? m->count + 1 : 4);
    sorted_set_remove_range(&m->set, &m->context, rank, count);
    model_cut(m, rank, count < m->count - rank ? count : m->count - rank);
}

static void run_model(uint64_t seed, int64_t entries, size_t names, unsigned steps,
                      uint64_t refuse_below) {
    struct model *m = create(seed, entries);
    m->refuse_below = refuse_below;
    for (unsigned i = 0; i < steps; i++) {
        switch (random_below(&m->random, 20)) {
        case 0: remove_range(m); break;
        case 1:
        case 2:
        case 3: remove_one(m, names); break;
        case 4: increment_one(m, names); break;
        default: add_some(m, names); break;
        }
        expect_reads(m);
        if (i % 64 == 0 || refuse_below > 0)
            expect_everything(m);
        if (i % 512 == 0)
            expect_scan(m);
    }
    m->refuse_below = 0;
    expect_everything(m);
    assert_true(m->largest <= 32 * 1024);
    destroy(m);
}

static void a_set_that_stays_flat_equals_the_model(void **state) {
    (void)state;
    run_model(1, 128, 60, 20000, 0);
}

static void a_set_that_becomes_full_equals_the_model(void **state) {
    (void)state;
    run_model(2, 40, 200, 10000, 0);
    run_model(3, 0, 900, 10000, 0);
    run_model(4, 128, MEMBERS, 12000, 0);
}

static void what_finds_no_memory_changes_nothing(void **state) {
    (void)state;
    for (uint64_t seed = 10; seed < 20; seed++)
        run_model(seed, 30, 70 + seed * 20, 1500, 20 * (seed - 9));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_that_stays_flat_equals_the_model),
        cmocka_unit_test(a_set_that_becomes_full_equals_the_model),
        cmocka_unit_test(what_finds_no_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
