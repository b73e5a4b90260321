/* SPDX-License-Identifier: BSD-3-Clause */
/* Staged effects: what is appended is read back, and damaged bytes are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/random.h"
#include "store/effect.h"

#include <stdlib.h>

enum { ARGUMENTS_MAX = 8 };

static void append(struct effects *effects, const struct effect_part *part,
                   const struct slice *arguments) {
    size_t bytes = 0;
    for (size_t i = 0; i < part->argument_count; i++)
        bytes += arguments[i].size;
    assert_int_equal(effects_reserve(effects, effects_part_bound(part->argument_count, bytes)),
                     LARDER_OK);
    effects_append(effects, part, arguments);
}

static const struct slice WORDS[] = {
    {(const uint8_t *)"key", 3}, {(const uint8_t *)"", 0}, {(const uint8_t *)"a\0b", 3}};

static void append_sample(struct effects *effects, uint32_t partition, size_t argument_count) {
    struct effect_part part = {.partition = partition,
                               .collection = UINT32_MAX,
                               .time_ms = INT64_MAX - partition,
                               .command = 300,
                               .argument_count = argument_count};
    append(effects, &part, WORDS);
}

static struct slice staged(const struct effects *effects) {
    return slice_of(effects->data, effects->used);
}

static void parts_are_read_back_in_order(void **state) {
    (void)state;
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 1, 3);
    append_sample(&effects, 2, 1);
    effects_commit(&effects);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 3, 2);
    effects_commit(&effects);

    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    static const size_t COUNTS[] = {3, 1, 2};
    effect_reader_init(&reader, staged(&effects));
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX), LARDER_OK);
        assert_int_equal(part.partition, i);
        assert_int_equal(part.collection, UINT32_MAX);
        assert_int_equal(part.time_ms, INT64_MAX - i);
        assert_int_equal(part.command, 300);
        assert_int_equal(part.argument_count, COUNTS[i - 1]);
        for (size_t k = 0; k < part.argument_count; k++)
            assert_true(slice_equal(arguments[k], WORDS[k]));
    }
    assert_int_equal(effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX),
                     LARDER_NOT_FOUND);
    effects_finish(&effects);
}

static void an_aborted_or_empty_record_leaves_nothing(void **state) {
    (void)state;
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    assert_int_equal(effects_begin(&effects, 100), LARDER_OK);
    effects_commit(&effects);
    assert_int_equal(effects.used, 0);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 1, 3);
    effects_abort(&effects);
    assert_int_equal(effects.used, 0);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 9, 3);
    effects_commit(&effects);
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    effect_reader_init(&reader, staged(&effects));
    assert_int_equal(effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX), LARDER_OK);
    assert_int_equal(part.partition, 9);
    effects_clear(&effects);
    assert_int_equal(effects.used, 0);
    effects_finish(&effects);
}

static void reservations_add_up(void **state) {
    (void)state;
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    assert_int_equal(effects_begin(&effects, 1000), LARDER_OK);
    assert_int_equal(effects_reserve(&effects, 2000), LARDER_OK);
    assert_true(effects.capacity - effects.record_end >= 3000);
    assert_int_equal(effects_reserve(&effects, UINT32_MAX), LARDER_NO_MEMORY);
    assert_int_equal(effects_reserve(&effects, SIZE_MAX), LARDER_NO_MEMORY);
    effects_abort(&effects);
    assert_int_equal(effects_begin(&effects, SIZE_MAX), LARDER_NO_MEMORY);
    assert_int_equal(effects_begin(&effects, 10), LARDER_OK);
    effects_abort(&effects);
    effects_finish(&effects);
}

static void a_part_with_too_many_arguments_can_be_read_again(void **state) {
    (void)state;
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 1, 3);
    effects_commit(&effects);
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    effect_reader_init(&reader, staged(&effects));
    assert_int_equal(effect_reader_next(&reader, &part, arguments, 2), LARDER_TOO_LARGE);
    assert_int_equal(part.argument_count, 3);
    assert_int_equal(effect_reader_next(&reader, &part, arguments, 3), LARDER_OK);
    effects_finish(&effects);
}

/* Reads from a block of its own, so that a sanitizer sees each byte read behind the end. */
static enum larder_status walk(struct slice bytes) {
    uint8_t *copy = malloc(bytes.size + 1);
    if (bytes.size > 0)
        memcpy(copy, bytes.data, bytes.size);
    uint8_t *exact = realloc(copy, bytes.size > 0 ? bytes.size : 1);
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[ARGUMENTS_MAX];
    effect_reader_init(&reader, slice_of(exact, bytes.size));
    enum larder_status status;
    while ((status = effect_reader_next(&reader, &part, arguments, ARGUMENTS_MAX)) == LARDER_OK)
        for (size_t i = 0; i < part.argument_count; i++)
            assert_true(arguments[i].data + arguments[i].size <= exact + bytes.size);
    free(exact);
    return status;
}

static void cut_off_bytes_are_corrupt(void **state) {
    (void)state;
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
    append_sample(&effects, 1, 3);
    append_sample(&effects, 2, 2);
    effects_commit(&effects);
    assert_int_equal(walk(staged(&effects)), LARDER_NOT_FOUND);
    for (size_t size = 1; size < effects.used; size++)
        assert_int_equal(walk(slice_of(effects.data, size)), LARDER_CORRUPT);
    effects_finish(&effects);
}

static void damaged_bytes_are_never_read_past_their_end(void **state) {
    (void)state;
    struct random random = random_seeded(5);
    struct effects effects;
    effects_init(&effects, &ALLOCATOR_SYSTEM);
    for (unsigned round = 0; round < 20000; round++) {
        effects_clear(&effects);
        assert_int_equal(effects_begin(&effects, 0), LARDER_OK);
        append_sample(&effects, (uint32_t)random_next(&random), 3);
        append_sample(&effects, 2, 1);
        effects_commit(&effects);
        for (unsigned i = 0; i < 3; i++)
            effects.data[random_below(&random, effects.used)] = (uint8_t)random_next(&random);
        enum larder_status status = walk(staged(&effects));
        assert_true(status == LARDER_NOT_FOUND || status == LARDER_CORRUPT ||
                    status == LARDER_TOO_LARGE);
    }
    effects_finish(&effects);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_read_back_in_order),
        cmocka_unit_test(an_aborted_or_empty_record_leaves_nothing),
        cmocka_unit_test(reservations_add_up),
        cmocka_unit_test(a_part_with_too_many_arguments_can_be_read_again),
        cmocka_unit_test(cut_off_bytes_are_corrupt),
        cmocka_unit_test(damaged_bytes_are_never_read_past_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
