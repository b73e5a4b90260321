/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole databases of a node: scanning, counting, drawing keys, emptying and exchanging. */
#include "node/keyspace_admin.h"
#include "node/scan.h"
#include "support/store_fixture.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { KEYS = 5000 };

struct fixture {
    struct test_allocator allocator;
    struct node *node;
    struct node_client client;
    unsigned seen[KEYS];
    unsigned others; /* visited entries that are not "key:<number>" */
};

static void setup(struct fixture *f) {
    *f = (struct fixture){.node = NULL};
    test_allocator_init(&f->allocator);
    struct node_options options = {
        .allocator = &f->allocator.base, .partition_count = 31, .database_count = 4, .seed = 5};
    assert_int_equal(node_create(&options, &f->node), LARDER_OK);
    node_client_init(&f->client, f->node);
}

static void teardown(struct fixture *f) {
    for (uint32_t i = 0; i < f->node->keyspace.partition_count; i++)
        partition_check(keyspace_partition(&f->node->keyspace, i), &f->node->keyspace);
    node_client_finish(&f->client);
    node_destroy(f->node);
    assert_int_equal(f->allocator.heap_bytes, 0);
    assert_int_equal(f->allocator.mapped_bytes, 0);
}

static void fill(struct fixture *f, uint32_t database, int count) {
    char line[64];
    f->client.database = database;
    for (int i = 0; i < count; i++) {
        (void)snprintf(line, sizeof(line), "SET key:%d value:%d", i, i);
        assert_string_equal(node_client_run(&f->client, line), "+OK\r\n");
        node_client_tick(&f->client, 0);
    }
}

static void note(void *context, const struct entry *entry) {
    struct fixture *f = context;
    char text[32];
    int number = -1;
    (void)snprintf(text, sizeof(text), "%.*s", (int)entry->key.size, (const char *)entry->key.data);
    if (sscanf(text, "key:%d", &number) == 1 && number >= 0 && number < KEYS)
        f->seen[number]++;
    else
        f->others++;
}

static unsigned scan_all(struct fixture *f, uint32_t database, uint64_t wanted) {
    struct node_scan scan = {database, wanted, note, f};
    uint64_t cursor = 0;
    unsigned steps = 0;
    memset(f->seen, 0, sizeof(f->seen));
    do {
        bool is_valid;
        cursor = node_scan_step(&f->client.thread, &scan, cursor, &is_valid);
        assert_true(is_valid);
        steps++;
    } while (cursor != 0);
    return steps;
}

static void a_scan_of_any_step_size_sees_each_key_of_its_database(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fill(&f, 1, KEYS);
    f.client.database = 2;
    (void)node_client_run(&f.client, "SET other 1");
    for (uint64_t wanted = 1; wanted < 100000; wanted *= 10) {
        unsigned steps = scan_all(&f, 1, wanted);
        for (int i = 0; i < KEYS; i++)
            assert_int_equal(f.seen[i], 1);
        assert_true(wanted < KEYS ? steps > 1 : steps == 1);
    }
    assert_int_equal(f.others, 0);
    (void)scan_all(&f, 2, 10);
    assert_int_equal(f.others, 1);
    teardown(&f);
}

static void an_almost_empty_node_is_scanned_in_one_step(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fill(&f, 0, 3);
    assert_int_equal(scan_all(&f, 0, 10), 1);
    assert_int_equal(f.seen[0] + f.seen[1] + f.seen[2], 3);
    teardown(&f);
}

static void a_cursor_of_nobody_is_refused(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    struct node_scan scan = {0, 10, note, &f};
    bool is_valid = true;
    assert_int_equal(node_scan_step(&f.client.thread, &scan, UINT64_MAX, &is_valid), 0);
    assert_false(is_valid);
    teardown(&f);
}

static void expired_keys_are_not_visited(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    (void)node_client_run(&f.client, "SET key:1 v PX 10");
    (void)node_client_run(&f.client, "SET key:2 v PX 1000");
    node_client_tick(&f.client, 20);
    memset(f.seen, 0, sizeof(f.seen));
    node_visit(&f.client.thread, 0, note, &f);
    assert_int_equal(f.seen[1], 0);
    assert_int_equal(f.seen[2], 1);
    for (int i = 0; i < 20; i++)
        assert_true(node_visit_random(&f.client.thread, 0, note, &f));
    assert_int_equal(f.seen[1], 0);
    assert_int_equal(f.seen[2], 21);
    assert_false(node_visit_key(&f.client.thread, 0, SLICE_LITERAL("key:1"), note, &f));
    assert_true(node_visit_key(&f.client.thread, 0, SLICE_LITERAL("key:2"), note, &f));
    assert_false(node_visit_random(&f.client.thread, 1, note, &f));
    teardown(&f);
}

static void random_keys_cover_the_database(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fill(&f, 0, 100);
    for (int i = 0; i < 5000; i++)
        assert_true(node_visit_random(&f.client.thread, 0, note, &f));
    for (int i = 0; i < 100; i++)
        assert_in_range(f.seen[i], 5, 250);
    teardown(&f);
}

static void free_all(struct fixture *f, struct node_flush *flush, uint32_t budget) {
    while (node_flush_step(&f->client.thread, flush, budget))
        ;
}

static void a_flushed_database_is_empty_at_once_and_its_memory_comes_back(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fill(&f, 0, 10);
    fill(&f, 1, KEYS);
    int64_t before = node_used_bytes(f.node);
    struct node_flush flush = {.has_dead = false};
    assert_int_equal(node_flush_database(&f.client.thread, 1, &flush), LARDER_OK);
    assert_int_equal(node_key_count(f.node, 1), 0);
    assert_int_equal(node_key_count(f.node, 0), 10);
    f.client.database = 1;
    assert_string_equal(node_client_run(&f.client, "GET key:1"), "$-1\r\n");
    fill(&f, 1, 5);
    free_all(&f, &flush, 100);
    assert_int_equal(node_key_count(f.node, 1), 5);
    assert_string_equal(node_client_run(&f.client, "GET key:1"), "$7\r\nvalue:1\r\n");
    f.client.database = 0;
    assert_string_equal(node_client_run(&f.client, "GET key:9"), "$7\r\nvalue:9\r\n");
    assert_true(node_used_bytes(f.node) <= before);
    teardown(&f);
}

static void flushing_everything_leaves_nothing(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    for (uint32_t i = 0; i < 4; i++)
        fill(&f, i, 500);
    struct digest empty = {0, 0};
    assert_false(digest_equal(node_digest(f.node), empty));
    struct node_flush flush = {.has_dead = false};
    assert_int_equal(node_flush_all(&f.client.thread, &flush), LARDER_OK);
    assert_true(digest_equal(node_digest(f.node), empty));
    fill(&f, 2, 7);
    free_all(&f, &flush, 1);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(node_key_count(f.node, i), i == 2 ? 7 : 0);
    teardown(&f);
}

static void exchanged_databases_keep_their_contents(void **state) {
    (void)state;
    struct fixture f;
    setup(&f);
    fill(&f, 0, 10);
    fill(&f, 3, 20);
    assert_int_equal(node_swap_databases(&f.client.thread, 0, 3), LARDER_OK);
    assert_int_equal(node_key_count(f.node, 0), 20);
    assert_int_equal(node_key_count(f.node, 3), 10);
    f.client.database = 0;
    assert_string_equal(node_client_run(&f.client, "GET key:15"), "$8\r\nvalue:15\r\n");
    assert_int_equal(node_swap_databases(&f.client.thread, 0, 3), LARDER_OK);
    assert_string_equal(node_client_run(&f.client, "GET key:15"), "$-1\r\n");
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scan_of_any_step_size_sees_each_key_of_its_database),
        cmocka_unit_test(an_almost_empty_node_is_scanned_in_one_step),
        cmocka_unit_test(a_cursor_of_nobody_is_refused),
        cmocka_unit_test(expired_keys_are_not_visited),
        cmocka_unit_test(random_keys_cover_the_database),
        cmocka_unit_test(a_flushed_database_is_empty_at_once_and_its_memory_comes_back),
        cmocka_unit_test(flushing_everything_leaves_nothing),
        cmocka_unit_test(exchanged_databases_keep_their_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
