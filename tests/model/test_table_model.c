/* SPDX-License-Identifier: BSD-3-Clause */
/* The table against an array of what it should hold: random changes with memory refused at random,
 * scans while it grows and shrinks, draws at random, and its size. */
#include "ds/table.h"
#include "support/test_allocator.h"
#include "support/test_seed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct element {
    uint32_t number;
    uint32_t size;
    char key[16];
};

struct fixture {
    struct test_allocator allocator;
    struct hash_seed seed;
    struct object_context objects;
    struct table table;
    struct random random;
};

static struct slice key_of(const void *pointer) {
    const struct element *element = pointer;
    return slice_of(element->key, element->size);
}

static uint32_t key_text(char *out, uint32_t number) {
    return (uint32_t)sprintf(out, "key:%u", number);
}

static void fixture_init(struct fixture *f, uint64_t seed) {
    memset(f, 0, sizeof(*f));
    test_allocator_init(&f->allocator);
    f->random = random_seeded(seed);
    f->seed = (struct hash_seed){{random_next(&f->random), random_next(&f->random)}};
    f->objects = (struct object_context){.allocator = &f->allocator.base, .seed = &f->seed};
    table_init(&f->table, key_of);
}

static void release(void *element, const struct allocator *allocator) {
    allocator_release(allocator, element, sizeof(struct element));
}

static void fixture_finish(struct fixture *f) {
    while (!table_free_some(&f->table, &f->allocator.base, 100, release))
        ;
    assert_int_equal(f->table.bytes, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
}

static uint64_t hash_of(struct fixture *f, uint32_t number, struct slice *out_key) {
    static char text[16];
    *out_key = slice_of(text, key_text(text, number));
    return table_hash(&f->objects, *out_key);
}

static bool add(struct fixture *f, uint32_t number) {
    struct slice key;
    uint64_t hash = hash_of(f, number, &key);
    struct element *element = allocator_allocate(&f->allocator.base, sizeof(*element));
    if (element == NULL)
        return false;
    if (table_reserve(&f->table, &f->objects, 1) != LARDER_OK) {
        release(element, &f->allocator.base);
        return false;
    }
    element->number = number;
    element->size = key_text(element->key, number);
    table_insert(&f->table, &f->objects, hash, element);
    return true;
}

static bool take(struct fixture *f, uint32_t number) {
    struct slice key;
    uint64_t hash = hash_of(f, number, &key);
    uint64_t *word = table_find_word(&f->table, hash, key);
    if (word == NULL)
        return false;
    struct element *element = table_element(*word);
    table_remove(&f->table, &f->objects, hash, word);
    release(element, &f->allocator.base);
    return true;
}

static bool has(struct fixture *f, uint32_t number) {
    struct slice key;
    uint64_t hash = hash_of(f, number, &key);
    struct element *element = table_find(&f->table, hash, key);
    assert_true(element == NULL || element->number == number);
    return element != NULL;
}

/* Every element once by walking, none that should not be there, exact memory. */
static void check(struct fixture *f, const bool *model, uint32_t numbers) {
    uint8_t *seen = calloc(numbers, 1);
    uint64_t count = 0, expected = 0;
    struct table_walk walk = {0};
    for (struct element *e; (e = table_next(&f->table, &walk)) != NULL; count++) {
        assert_true(model[e->number]);
        assert_int_equal(seen[e->number]++, 0);
    }
    for (uint32_t i = 0; i < numbers; i++) {
        expected += model[i];
        assert_int_equal(has(f, i), model[i]);
    }
    assert_int_equal(count, expected);
    assert_int_equal(f->table.count, expected);
    assert_int_equal(f->table.bytes + expected * sizeof(struct element), f->allocator.heap_bytes);
    free(seen);
}

static void random_changes_match_the_model_while_memory_runs_out(void **state) {
    (void)state;
    enum { NUMBERS = 20000, STEPS = 300000, PHASE = 25000 };
    uint64_t seed = test_seed("table model");
    struct fixture f;
    fixture_init(&f, seed);
    bool *model = calloc(NUMBERS, sizeof(*model));
    unsigned refused = 0;
    for (unsigned step = 0; step < STEPS; step++) {
        bool is_growing = step / PHASE % 2 == 0;
        uint32_t number = (uint32_t)random_below(&f.random, NUMBERS);
        if (random_below(&f.random, 50) == 0)
            test_allocator_fail_in(&f.allocator, random_below(&f.random, 4) + 1,
                                   (int)random_below(&f.random, 2));
        if (model[number] && (!is_growing || random_below(&f.random, 8) == 0)) {
            assert_true(take(&f, number));
            model[number] = false;
        } else if (!model[number] && (is_growing || random_below(&f.random, 8) == 0)) {
            model[number] = add(&f, number);
            refused += !model[number];
        }
        if (random_below(&f.random, 20) == 0)
            test_allocator_fail_never(&f.allocator);
        if (step % (PHASE / 2) == 0)
            check(&f, model, NUMBERS);
    }
    test_allocator_fail_never(&f.allocator);
    check(&f, model, NUMBERS);
    assert_true(refused > 100);
    free(model);
    fixture_finish(&f);
}

static void reserved_inserts_need_no_memory(void **state) {
    (void)state;
    static const unsigned SIZES[] = {0, 1, 7, 8, 9, 50, 200, 3000};
    for (size_t s = 0; s < sizeof(SIZES) / sizeof(*SIZES); s++) {
        for (unsigned count = 1; count < 4000; count *= 5) {
            struct fixture f;
            fixture_init(&f, 100 * s + count);
            uint32_t next = 0;
            while (next < SIZES[s])
                assert_true(add(&f, next++));
            struct element *elements[4000];
            for (unsigned i = 0; i < count; i++)
                elements[i] = allocator_allocate(&f.allocator.base, sizeof(struct element));
            assert_int_equal(table_reserve(&f.table, &f.objects, count), LARDER_OK);
            test_allocator_fail_in(&f.allocator, 1, true);
            for (unsigned i = 0; i < count; i++) {
                struct slice key;
                uint64_t hash = hash_of(&f, next, &key);
                elements[i]->number = next++;
                elements[i]->size = (uint32_t)key.size;
                memcpy(elements[i]->key, key.data, key.size);
                table_insert(&f.table, &f.objects, hash, elements[i]);
            }
            test_allocator_fail_never(&f.allocator);
            table_end_reserve(&f.table, &f.objects);
            assert_true(f.table.spare_count <= 1);
            for (uint32_t i = 0; i < next; i++)
                assert_true(has(&f, i));
            fixture_finish(&f);
        }
    }
}

static void a_refused_reservation_reserves_nothing(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(add(&f, i));
    size_t bytes = f.table.bytes;
    test_allocator_fail_in(&f.allocator, 10, true);
    assert_int_equal(table_reserve(&f.table, &f.objects, 1000), LARDER_NO_MEMORY);
    test_allocator_fail_never(&f.allocator);
    assert_int_equal(f.table.reserved, 0);
    assert_true(f.table.bytes <= bytes + TABLE_BUCKET_BYTES);
    fixture_finish(&f);
}

static void what_a_refused_insert_left_is_freed(void **state) {
    (void)state;
    for (uint32_t size = 0; size < 1000; size += size < 3 ? 1 : 111) {
        for (unsigned calls = 1; calls < 8; calls++) {
            struct fixture f;
            fixture_init(&f, 6);
            for (uint32_t i = 0; i < size; i++)
                assert_true(add(&f, i));
            test_allocator_fail_in(&f.allocator, calls, true);
            for (uint32_t i = 0; i < 20; i++)
                (void)add(&f, size + i);
            test_allocator_fail_never(&f.allocator);
            if (calls % 2 == 0)
                for (uint32_t i = 0; i < size; i++)
                    assert_true(take(&f, i));
            fixture_finish(&f);
        }
    }
}

struct scan {
    uint8_t *seen;
};

static void see(void *context, void *element) {
    struct scan *scan = context;
    scan->seen[((struct element *)element)->number]++;
}

static void a_scan_shows_what_stays_exactly_once(void **state) {
    (void)state;
    enum { STAYING = 3000, NUMBERS = 40000 };
    for (unsigned round = 0; round < 12; round++) {
        struct fixture f;
        fixture_init(&f, test_seed("table model") * 100 + round);
        struct scan scan = {.seen = calloc(NUMBERS, 1)};
        uint32_t low = STAYING, high = STAYING;
        for (uint32_t i = 0; i < STAYING; i++)
            assert_true(add(&f, i));
        while (round % 2 == 1 && high < NUMBERS)
            assert_true(add(&f, high++));
        uint64_t position = 0;
        do {
            position = table_scan(&f.table, &f.objects, position, see, &scan);
            assert_true(position < (uint64_t)1 << TABLE_POSITION_BITS);
            bool is_growing = round % 4 < 2 ? round % 2 == 0 : random_below(&f.random, 2) == 0;
            for (unsigned i = 0; i < random_below(&f.random, 60); i++) {
                if (is_growing && high < NUMBERS)
                    assert_true(add(&f, high++));
                else if (!is_growing && low < high)
                    assert_true(take(&f, low++));
            }
        } while (position != 0);
        for (uint32_t i = 0; i < STAYING; i++)
            assert_int_equal(scan.seen[i], 1);
        free(scan.seen);
        fixture_finish(&f);
    }
}

static void any_position_of_a_scan_is_valid(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, 9);
    uint8_t seen[500] = {0};
    struct scan scan = {.seen = seen};
    assert_int_equal(table_scan(&f.table, &f.objects, 77, see, &scan), 0);
    for (uint32_t i = 0; i < 500; i++)
        assert_true(add(&f, i));
    for (unsigned i = 0; i < 1000; i++)
        (void)table_scan(&f.table, &f.objects, random_next(&f.random), see, &scan);
    fixture_finish(&f);
}

/* Chi-square with n - 1 degrees: the mean is n - 1, the deviation sqrt(2 (n - 1)). */
static void draws_are_uniform(void **state) {
    (void)state;
    static const uint32_t SIZES[] = {1, 2, 5, 9, 20, 100, 333, 1000};
    for (size_t s = 0; s < sizeof(SIZES) / sizeof(*SIZES); s++) {
        struct fixture f;
        fixture_init(&f, 4000 + s);
        uint32_t size = SIZES[s];
        /* Grown well beyond the size and shrunk again. */
        for (uint32_t i = 0; i < 4 * size; i++)
            assert_true(add(&f, i));
        for (uint32_t i = size; i < 4 * size; i++)
            assert_true(take(&f, i));
        unsigned counts[1000] = {0};
        unsigned draws = 400 * size;
        for (unsigned i = 0; i < draws; i++) {
            uint64_t *word;
            struct element *element = table_random(&f.table, &f.random, &word);
            assert_ptr_equal(table_element(*word), element);
            counts[element->number]++;
        }
        double chi = 0;
        for (uint32_t i = 0; i < size; i++)
            chi += (counts[i] - 400.0) * (counts[i] - 400.0) / 400.0;
        assert_true(chi < size - 1 + 5 * sqrt(2.0 * size));
        fixture_finish(&f);
    }
    struct fixture empty;
    fixture_init(&empty, 1);
    assert_null(table_random(&empty.table, &empty.random, NULL));
    fixture_finish(&empty);
}

static void it_takes_about_twelve_bytes_per_element(void **state) {
    (void)state;
    struct fixture f;
    fixture_init(&f, 12);
    uint32_t next = 0;
    for (uint32_t size = 130; size <= 300000; size *= 2) {
        while (next < size)
            assert_true(add(&f, next++));

        assert_true((double)f.table.bytes / size < (size < 1000 ? 22 : size < 4000 ? 16 : 13));
    }
    while (next > 10)
        assert_true(take(&f, --next));
    assert_true(f.table.bytes < 1024);
    fixture_finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_changes_match_the_model_while_memory_runs_out),
        cmocka_unit_test(reserved_inserts_need_no_memory),
        cmocka_unit_test(a_refused_reservation_reserves_nothing),
        cmocka_unit_test(what_a_refused_insert_left_is_freed),
        cmocka_unit_test(a_scan_shows_what_stays_exactly_once),
        cmocka_unit_test(any_position_of_a_scan_is_valid),
        cmocka_unit_test(draws_are_uniform),
        cmocka_unit_test(it_takes_about_twelve_bytes_per_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
