/* SPDX-License-Identifier: BSD-3-Clause */
/* Random changes of a list against a naive array, over all settings of block sizes: same elements
 * from either end, memory counted exactly, both representations and the passages between them.
 * Every change is tried with its first, second ... allocation refused before it goes through, and
 * is seen to have changed nothing. */
#include "ds/list.h"

#include "base/random.h"
#include "ds/list_blocks.h"
#include "support/store_fixture.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ELEMENTS_MAX = 3000, PUSHED_MAX = 40, TEXT_MAX = 3000, STEPS = 4000 };

struct text {
    uint8_t *data;
    size_t size;
};

struct model {
    struct random random;
    struct test_allocator allocator;
    struct object_limits limits;
    struct hash_seed seed;
    struct object_context context;
    struct object *list;
    struct text texts[ELEMENTS_MAX + PUSHED_MAX];
    size_t count;
    size_t large_share; /* one in so many elements is large; 0: none */
    unsigned passages;  /* between the representations */
    unsigned refusals, unshrunk;
};

/* ---- the reference ---- */

static struct slice slice_of_text(const struct text *text) {
    return slice_of(text->data, text->size);
}

static struct text text_copy(struct slice from) {
    struct text text = {malloc(from.size + 1), from.size};
    memcpy(text.data, from.data, from.size);
    return text;
}

static void reference_insert(struct model *m, size_t index, struct slice text) {
    memmove(&m->texts[index + 1], &m->texts[index], (m->count - index) * sizeof(*m->texts));
    m->texts[index] = text_copy(text);
    m->count++;
}

static void reference_remove(struct model *m, size_t index, size_t count) {
    for (size_t i = index; i < index + count; i++)
        free(m->texts[i].data);
    m->count -= count;
    memmove(&m->texts[index], &m->texts[index + count], (m->count - index) * sizeof(*m->texts));
}

static size_t reference_remove_equal(struct model *m, struct slice text, size_t limit,
                                     enum list_end from) {
    size_t removed = 0;
    for (size_t i = 0, n = m->count; i < n && removed < limit; i++) {
        size_t index = from == LIST_HEAD ? i - removed : n - 1 - i;
        if (!slice_equal(slice_of_text(&m->texts[index]), text))
            continue;
        reference_remove(m, index, 1);
        removed++;
    }
    return removed;
}

/* ---- comparing ---- */

static void expect_element(const struct model *m, size_t index, const struct packed_element *e) {
    uint8_t scratch[INT64_TEXT_MAX];
    assert_true(slice_equal(packed_text(e, scratch), slice_of_text(&m->texts[index])));
}

struct visited {
    const struct model *model;
    size_t count;
};

static void visit_one(void *context, const struct slice *parts, size_t count) {
    struct visited *visited = context;
    assert_int_equal(count, 1);
    assert_true(visited->count < visited->model->count);
    assert_true(slice_equal(parts[0], slice_of_text(&visited->model->texts[visited->count])));
    visited->count++;
}

static void check_blocks(const struct model *m, const struct list_blocks *list) {
    struct list_run_limits limits = list_run_limits(&m->limits);
    size_t bytes = sizeof(*list), used = 0, blocks = 0;
    const struct list_run *previous = NULL;
    for (const struct list_run *run = list->head; run != NULL; run = run->next) {
        assert_ptr_equal(run->previous, previous);
        assert_true(run->count > 0);
        assert_true(run->count == 1 ||
                    (run->count <= limits.count && list_run_used(run) <= limits.bytes));
        bytes += list_run_footprint(run);
        used += list_run_used(run);
        blocks++;
        previous = run;
    }
    assert_ptr_equal(list->tail, previous);
    assert_int_equal(bytes, list->bytes);
    /* Blocks may be partly empty, but a chain does not degenerate; a block stays as it is where
     * making it smaller was refused. */
    assert_true(bytes <= sizeof(*list) + 4 * used + blocks * 1024 + m->unshrunk * 4096);
}

static void check(const struct model *m, const struct object *list) {
    struct list_cursor cursor;
    struct packed_element element;
    assert_int_equal(object_length(list), m->count);
    size_t i = 0;
    if (list_seek(list, 0, &cursor))
        while (list_take(&cursor, &element))
            expect_element(m, i++, &element);
    assert_int_equal(i, m->count);
    if (m->count > 0)
        assert_true(list_seek(list, m->count - 1, &cursor));
    while (i > 0) {
        assert_true(list_take_back(&cursor, &element));
        expect_element(m, --i, &element);
    }
    assert_false(list_seek(list, m->count, &cursor));
    struct visited visited = {.model = m};
    list->type->visit(list, visit_one, &visited);
    assert_int_equal(visited.count, m->count);
    if (list->type == &LIST_BLOCKS)
        check_blocks(m, (const struct list_blocks *)list);
}

static void check_seeks(struct model *m) {
    struct list_cursor cursor;
    struct packed_element element;
    for (unsigned i = 0; i < 8 && m->count > 0; i++) {
        size_t index = random_below(&m->random, m->count);
        assert_true(list_seek(m->list, index, &cursor));
        (void)packed_get(cursor.at, &element);
        expect_element(m, index, &element);
        assert_int_equal(list_next(&cursor), index + 1 < m->count);
        assert_true(list_seek(m->list, index, &cursor));
        assert_int_equal(list_previous(&cursor), index > 0);
    }
}

static void check_copy(struct model *m) {
    struct object *copy;
    test_allocator_fail_in(&m->allocator, 1, 0);
    assert_null(m->list->type->copy(m->list, &m->allocator.base));
    test_allocator_fail_never(&m->allocator);
    assert_int_equal(m->allocator.heap_bytes, object_bytes(m->list));
    copy = m->list->type->copy(m->list, &m->allocator.base);
    assert_non_null(copy);
    assert_string_equal(copy->type->encoding, m->list->type->encoding);
    check(m, copy);
    assert_int_equal(m->allocator.heap_bytes, object_bytes(m->list) + object_bytes(copy));
    size_t slices = 0;
    while (!copy->type->free_some(copy, &m->allocator.base, 10))
        slices++;
    assert_true(slices <= m->count / 10 + 1);
    assert_int_equal(m->allocator.heap_bytes, object_bytes(m->list));
}

/* ---- steps ---- */

static struct text random_text(struct model *m) {
    uint8_t bytes[TEXT_MAX];
    size_t size;
    if (random_below(&m->random, 3) == 0) {
        int64_t number = (int64_t)random_next(&m->random) >> random_below(&m->random, 64);
        return text_copy(slice_of(bytes, int64_format(number, bytes)));
    }
    size = random_below(&m->random, random_below(&m->random, 4) == 0 ? 90 : 6);
    if (m->large_share > 0 && random_below(&m->random, m->large_share) == 0)
        size = random_below(&m->random, TEXT_MAX);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)('a' + random_below(&m->random, 3));
    return text_copy(slice_of(bytes, size));
}

enum change { PUSH, INSERT, REPLACE, ROTATE };

struct step {
    enum change change;
    enum list_end end;
    size_t index;
    struct slice elements[PUSHED_MAX];
    size_t element_count;
};

static enum larder_status apply(struct model *m, const struct step *step) {
    switch (step->change) {
    case PUSH:
        return list_push(&m->list, &m->context, step->end, step->elements, step->element_count);
    case INSERT: return list_insert(&m->list, &m->context, step->index, step->elements[0]);
    case REPLACE: return list_replace(&m->list, &m->context, step->index, step->elements[0]);
    case ROTATE: break;
    }
    return list_rotate(&m->list, &m->context, step->end);
}

static void apply_to_reference(struct model *m, const struct step *step) {
    switch (step->change) {
    case PUSH:
        for (size_t i = 0; i < step->element_count; i++)
            reference_insert(m, step->end == LIST_HEAD ? 0 : m->count, step->elements[i]);
        return;
    case INSERT: reference_insert(m, step->index, step->elements[0]); return;
    case REPLACE:
        reference_remove(m, step->index, 1);
        reference_insert(m, step->index, step->elements[0]);
        return;
    case ROTATE: break;
    }
    struct text moved = m->texts[step->end == LIST_HEAD ? 0 : m->count - 1];
    moved = text_copy(slice_of_text(&moved));
    reference_remove(m, step->end == LIST_HEAD ? 0 : m->count - 1, 1);
    reference_insert(m, step->end == LIST_HEAD ? m->count : 0, slice_of_text(&moved));
    free(moved.data);
}

/* With each allocation refused in turn, then with none. */
static void run(struct model *m, const struct step *step) {
    bool tries_refusals = random_below(&m->random, 8) == 0;
    for (uint64_t refused = 1; tries_refusals; refused++) {
        const char *encoding = m->list == NULL ? NULL : m->list->type->encoding;
        test_allocator_fail_in(&m->allocator, refused, 0);
        uint64_t failures = m->allocator.failures;
        enum larder_status status = apply(m, step);
        bool was_refused = m->allocator.failures > failures;
        test_allocator_fail_never(&m->allocator);
        if (status == LARDER_OK) {
            m->unshrunk += was_refused;
            apply_to_reference(m, step);
            return;
        }
        assert_true(was_refused);
        assert_int_equal(status, LARDER_NO_MEMORY);
        m->refusals++;
        if (encoding == NULL) {
            assert_null(m->list);
            assert_int_equal(m->allocator.heap_bytes, 0);
            continue;
        }
        assert_string_equal(m->list->type->encoding, encoding);
        check(m, m->list);
    }
    assert_int_equal(apply(m, step), LARDER_OK);
    apply_to_reference(m, step);
}

static void change(struct model *m) {
    struct step step = {.change = (enum change)random_below(&m->random, 4),
                        .end = (enum list_end)random_below(&m->random, 2),
                        .element_count = 1};
    struct text texts[PUSHED_MAX];
    if (m->count == 0)
        step.change = PUSH;
    if (step.change == PUSH && random_below(&m->random, 4) == 0)
        step.element_count = 1 + random_below(&m->random, PUSHED_MAX);
    if (m->count > 0)
        step.index = random_below(&m->random, m->count);
    for (size_t i = 0; i < step.element_count; i++) {
        texts[i] = random_text(m);
        step.elements[i] = slice_of_text(&texts[i]);
    }
    run(m, &step);
    for (size_t i = 0; i < step.element_count; i++)
        free(texts[i].data);
}

static void take_out(struct model *m, size_t share) {
    size_t index = random_below(&m->random, m->count), left = m->count - index;
    size_t count = 1 + random_below(&m->random, left < share ? left : share);
    switch (random_below(&m->random, 4)) {
    case 0: index = 0; break;
    case 1: index = m->count - count; break;
    default: break;
    }
    list_remove(&m->list, &m->context, index, count);
    reference_remove(m, index, count);
}

static void take_out_equal(struct model *m) {
    struct text text =
        random_below(&m->random, 2) == 0
            ? random_text(m)
            : text_copy(slice_of_text(&m->texts[random_below(&m->random, m->count)]));
    size_t limit = random_below(&m->random, 3) == 0 ? SIZE_MAX : 1 + random_below(&m->random, 5);
    enum list_end from = (enum list_end)random_below(&m->random, 2);
    size_t removed = list_remove_equal(&m->list, &m->context, slice_of_text(&text), limit, from);
    assert_int_equal(removed, reference_remove_equal(m, slice_of_text(&text), limit, from));
    free(text.data);
}

static void drop_if_empty(struct model *m) {
    if (m->list == NULL || object_length(m->list) > 0)
        return;
    assert_int_equal(m->allocator.heap_bytes, object_bytes(m->list));
    object_destroy(m->list, &m->allocator.base);
    m->list = NULL;
}

/* The passages between one block and several that it saw. */
static unsigned play(int64_t list_size, int64_t plain_bytes, size_t large_share, uint64_t seed) {
    struct model *m = calloc(1, sizeof(*m));
    m->random = random_seeded(seed);
    m->large_share = large_share;
    test_allocator_init(&m->allocator);
    object_limits_init(&m->limits);
    atomic_store(&m->limits.list_size, list_size);
    atomic_store(&m->limits.list_plain_bytes, plain_bytes);
    m->context = (struct object_context){&m->allocator.base, &m->seed, &m->limits};
    bool is_growing = true;
    const char *encoding = NULL;
    for (unsigned i = 0; i < STEPS; i++) {
        if (m->count > ELEMENTS_MAX - PUSHED_MAX || random_below(&m->random, 400) == 0)
            is_growing = false;
        else if (m->count == 0)
            is_growing = true;
        uint64_t roll = random_below(&m->random, 16);
        if (m->count == 0 || (m->count < ELEMENTS_MAX && roll < (is_growing ? 13u : 5u)))
            change(m);
        else if (roll == 15)
            take_out_equal(m);
        else
            take_out(m, is_growing ? 4 : m->count / 8 + 4);
        drop_if_empty(m);
        if (m->list == NULL)
            continue;
        assert_int_equal(m->allocator.heap_bytes, object_bytes(m->list));
        m->passages += encoding != NULL && encoding != m->list->type->encoding;
        encoding = m->list->type->encoding;
        if (i % 16 == 0) {
            check(m, m->list);
            check_seeks(m);
        }
        if (i % 256 == 0)
            check_copy(m);
    }
    assert_true(m->refusals > 10);
    if (m->list != NULL)
        check(m, m->list);
    object_destroy(m->list, &m->allocator.base);
    assert_int_equal(m->allocator.heap_bytes, 0);
    reference_remove(m, 0, m->count);
    unsigned passages = (unsigned)m->passages;
    free(m);
    return passages;
}

static void random_changes_agree_with_an_array(void **state) {
    (void)state;
    uint64_t seed = test_seed("list model");
    static const int64_t SIZES[] = {-1, -2, -5, 0, 1, 2, 7, 100};
    unsigned passages = 0;
    for (size_t i = 0; i < sizeof(SIZES) / sizeof(*SIZES); i++) {
        passages += play(SIZES[i], 1000, 20, seed + 2 * i);
        passages += play(SIZES[i], 8192, 8, seed + 2 * i + 1);
    }
    assert_true(passages > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_agree_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
