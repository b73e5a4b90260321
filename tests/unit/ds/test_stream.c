/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams beyond what random operations reach: many names, large entries, memory, building one from
 * its parts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ds/stream.h"
#include "support/test_allocator.h"

#include <stdio.h>
#include <stdlib.h>

struct fixture {
    struct test_allocator allocator;
    struct object_limits limits;
    struct hash_seed seed;
    struct object_context context;
    struct object *stream;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));
    test_allocator_init(&f->allocator);
    object_limits_init(&f->limits);
    f->context = (struct object_context){&f->allocator.base, &f->seed, &f->limits};
    f->stream = stream_create(&f->context);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    assert_int_equal(object_bytes(f->stream), f->allocator.heap_bytes);
    object_destroy(f->stream, &f->allocator.base);
    assert_int_equal(f->allocator.heap_bytes, 0);
    free(f);
    return 0;
}

static void append(struct fixture *f, struct stream_id id, struct slice name, struct slice value) {
    struct slice texts[] = {name, value};
    assert_int_equal(stream_append(f->stream, &f->context, id, texts, 2), LARDER_OK);
}

static void small_entries_take_few_bytes(void **state) {
    struct fixture *f = *state;
    enum { ENTRIES = 20000, BYTES_PER_ENTRY = 18 };
    for (uint64_t i = 1; i <= ENTRIES; i++)
        append(f, (struct stream_id){i * 3, 0}, SLICE_LITERAL("field"), SLICE_LITERAL("value"));
    assert_true(object_bytes(f->stream) < (size_t)ENTRIES * BYTES_PER_ENTRY);
    struct stream_state state_now = stream_get_state(f->stream);
    assert_int_equal(state_now.node_count, ENTRIES / 100);
    assert_int_equal(state_now.first_id.ms, 3);
}

static void a_large_entry_stands_alone_and_comes_back_whole(void **state) {
    struct fixture *f = *state;
    enum { LARGE = 300000 };
    char *large = malloc(LARGE);
    memset(large, 'x', LARGE);
    append(f, (struct stream_id){1, 0}, SLICE_LITERAL("a"), SLICE_LITERAL("1"));
    append(f, (struct stream_id){2, 0}, SLICE_LITERAL("a"), slice_of(large, LARGE));
    append(f, (struct stream_id){3, 0}, SLICE_LITERAL("a"), SLICE_LITERAL("3"));
    assert_int_equal(stream_get_state(f->stream).node_count, 3);
    struct stream_cursor cursor;
    struct stream_entry entry;
    struct packed_element name, value;
    stream_cursor_init(&cursor, f->stream, STREAM_ID_MIN, (struct stream_id){2, 9}, true);
    assert_true(stream_cursor_next(&cursor, &entry));
    stream_entry_next(&entry, &name, &value);
    assert_true(slice_equal(value.bytes, slice_of(large, LARGE)));
    assert_true(object_bytes(f->stream) < LARGE + 2000);
    free(large);
}

static size_t name_of(unsigned number, char *out) {
    return (size_t)sprintf(out, "consumer-%u", number * 7919 % 10007);
}

static void many_consumers_stay_in_the_order_of_their_names(void **state) {
    struct fixture *f = *state;
    enum { CONSUMERS = 5000 };
    char text[32];
    const struct allocator *a = &f->allocator.base;
    struct stream_group *group =
        stream_create_group(f->stream, a, SLICE_LITERAL("g"), STREAM_ID_MIN, 0);
    for (unsigned i = 0; i < CONSUMERS; i++)
        assert_non_null(
            stream_create_consumer(f->stream, a, group, slice_of(text, name_of(i, text)), 0));
    for (unsigned i = 0; i < CONSUMERS; i += 2)
        stream_delete_consumer(f->stream, a, group,
                               stream_find_consumer(group, slice_of(text, name_of(i, text))));
    assert_int_equal(stream_group_get_state(group).consumer_count, CONSUMERS / 2);
    struct slice before = {NULL, 0};
    for (size_t i = 0; i < CONSUMERS / 2; i++) {
        struct slice name = stream_consumer_get_state(stream_consumer_at(group, i)).name;
        assert_true(slice_compare(before, name) < 0);
        before = name;
    }
    for (unsigned i = 0; i < CONSUMERS; i++) {
        const void *found = stream_find_consumer(group, slice_of(text, name_of(i, text)));
        assert_int_equal(found != NULL, i % 2);
    }
}

static void a_stream_is_built_from_its_parts(void **state) {
    struct fixture *f = *state;
    const struct allocator *a = &f->allocator.base;
    append(f, (struct stream_id){1, 1}, SLICE_LITERAL("a"), SLICE_LITERAL("1"));
    stream_set_state(f->stream, (struct stream_id){9, 0}, (struct stream_id){8, 0}, 12);
    struct stream_group *group =
        stream_create_group(f->stream, a, SLICE_LITERAL("g"), (struct stream_id){1, 1}, 12);
    struct stream_consumer *c =
        stream_create_consumer(f->stream, a, group, SLICE_LITERAL("c"), 100);
    stream_consumer_set(c, 100, 90);
    struct stream_id id = {1, 1};
    assert_int_equal(stream_load_owner(f->stream, a, group, c, id), LARDER_CORRUPT);
    assert_int_equal(stream_load_pending(f->stream, a, group, id, 77, 3), LARDER_OK);
    assert_int_equal(stream_load_pending(f->stream, a, group, id, 77, 3), LARDER_CORRUPT);
    assert_false(stream_is_complete(f->stream));
    assert_int_equal(stream_load_owner(f->stream, a, group, c, id), LARDER_OK);
    assert_int_equal(stream_load_owner(f->stream, a, group, c, id), LARDER_CORRUPT);
    assert_true(stream_is_complete(f->stream));
    assert_int_equal(stream_consumer_get_state(c).pending_count, 1);
    assert_int_equal(stream_find_pending(group, id)->count, 3);
    assert_int_equal(stream_get_state(f->stream).entries_added, 12);
}

static void pending_entries_take_less_than_eighty_bytes(void **state) {
    struct fixture *f = *state;
    enum { PENDING = 50000 };
    const struct allocator *a = &f->allocator.base;
    struct stream_group *group =
        stream_create_group(f->stream, a, SLICE_LITERAL("g"), STREAM_ID_MIN, 0);
    struct stream_consumer *c = stream_create_consumer(f->stream, a, group, SLICE_LITERAL("c"), 0);
    for (uint64_t i = 1; i <= PENDING; i++) {
        struct stream_id id = {i, 0};
        assert_int_equal(stream_claim_prepare(f->stream, a, group, c, id), LARDER_OK);
        stream_claim_commit(f->stream, a, group, c, id, 1, 1);
    }
    assert_true(object_bytes(f->stream) < (size_t)PENDING * 80);
    struct object *copy = f->stream->type->copy(f->stream, a);
    assert_non_null(copy);
    unsigned slices = 1;
    while (!f->stream->type->free_some(f->stream, a, 100))
        slices++;
    assert_true(slices >= PENDING / 100);
    f->stream = copy;
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(small_entries_take_few_bytes),
        TEST(a_large_entry_stands_alone_and_comes_back_whole),
        TEST(many_consumers_stay_in_the_order_of_their_names),
        TEST(a_stream_is_built_from_its_parts),
        TEST(pending_entries_take_less_than_eighty_bytes),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
