/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands through a node: on one key and several, with an empty reserve, without memory, with
 * effects, with a limit; and several nodes in one process. */
#include "node/node_internal.h"
#include "support/store_fixture.h"
#include "unit/node/node_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct fixture {
    struct test_allocator allocator;
    struct node *node;
    struct node_client client;
};

static void setup(struct fixture *f, bool emits_effects) {
    test_allocator_init(&f->allocator);
    struct node_options options = {.allocator = &f->allocator.base,
                                   .partition_count = 31,
                                   .seed = 5,
                                   .emits_effects = emits_effects};
    assert_int_equal(node_create(&options, &f->node), LARDER_OK);
    node_client_init(&f->client, f->node);
}

static void check_partitions(struct node *node) {
    for (uint32_t i = 0; i < node->keyspace.partition_count; i++)
        partition_check(keyspace_partition(&node->keyspace, i), &node->keyspace);
}

static void teardown(struct fixture *f) {
    check_partitions(f->node);
    node_client_finish(&f->client);
    node_destroy(f->node);
    assert_int_equal(f->allocator.heap_blocks, 0);
    assert_int_equal(f->allocator.heap_bytes, 0);
    assert_int_equal(f->allocator.mapped_bytes, 0);
}

#define EXPECT(f, line, reply) assert_string_equal(node_client_run(&(f)->client, line), reply)

static void a_command_on_one_key_is_executed(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, false);
    EXPECT(&f, "SET k v", "+OK\r\n");
    EXPECT(&f, "GET k", "$1\r\nv\r\n");
    EXPECT(&f, "OBJECT ENCODING k", "$6\r\nembstr\r\n");
    EXPECT(&f, "INCR k", "-ERR value is not an integer or out of range\r\n");
    teardown(&f);
}

static void commands_on_many_keys_lock_each_partition_once(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, false);
    char line[4096] = "MSET";
    size_t used = 4;
    for (int i = 0; i < 60; i++)
        used += (size_t)sprintf(line + used, " key%d %d", i % 50, i);
    EXPECT(&f, line, "+OK\r\n");
    EXPECT(&f, "MGET key0 key9 key10 none key0",
           "*5\r\n$2\r\n50\r\n$2\r\n59\r\n$2\r\n10\r\n$-1\r\n$2\r\n50\r\n");
    EXPECT(&f, "EXISTS key1 key1 key2 none", ":3\r\n");
    EXPECT(&f, "RENAME key1 key2", "+OK\r\n");
    EXPECT(&f, "COPY key2 key3 REPLACE", ":1\r\n");
    EXPECT(&f, "DEL key1 key2 key3 key4 key4", ":3\r\n");
    for (uint32_t i = 0; i < f.node->keyspace.partition_count; i++)
        assert_int_equal(atomic_load(&f.node->locks[i].lock.state), LOCK_FREE);
    teardown(&f);
}

static void more_keys_than_fit_the_stack_are_executed(void **state) {
    (void)state;
    enum { KEYS = 1000 };
    struct fixture f;
    setup(&f, true);
    static char names[KEYS][16];
    static struct slice argv[1 + 2 * KEYS];
    argv[0] = SLICE_LITERAL("MSET");
    for (int i = 0; i < KEYS; i++) {
        argv[1 + 2 * i] = slice_of(names[i], (size_t)sprintf(names[i], "key:%d", i));
        argv[2 + 2 * i] = argv[1 + 2 * i];
    }
    assert_string_equal(node_client_call(&f.client, argv, 1 + 2 * KEYS), "+OK\r\n");
    argv[0] = SLICE_LITERAL("DEL");
    assert_string_equal(node_client_call(&f.client, argv, 1 + 2 * KEYS), ":1000\r\n");
    teardown(&f);
}

static void databases_are_apart(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, false);
    EXPECT(&f, "MSET a 0 b 0", "+OK\r\n");
    f.client.database = 1;
    EXPECT(&f, "MGET a b", "*2\r\n$-1\r\n$-1\r\n");
    EXPECT(&f, "SET a 1", "+OK\r\n");
    EXPECT(&f, "MOVE a 0", ":0\r\n");
    EXPECT(&f, "MOVE a 2", ":1\r\n");
    f.client.database = 2;
    EXPECT(&f, "GET a", "$1\r\n1\r\n");
    teardown(&f);
}

/* What dispatch has hashed before the locks were taken may be out of date. */
static void a_key_hashed_for_another_database_is_hashed_again(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, false);
    static const char *const LINES[] = {"MSET", "SET"};
    for (size_t i = 0; i < 2; i++) {
        struct slice argv[] = {slice_of_string(LINES[i]), SLICE_LITERAL("k"), SLICE_LITERAL("one")};
        struct keyspace *keyspace = &f.node->keyspace;
        struct call call = {.spec = client_spec(argv, 3),
                            .argc = 3,
                            .argv = argv,
                            .database = 1,
                            .key = keyspace_key(keyspace, argv[1], keyspace->collections[0]),
                            .reply = &f.client.reply};
        reply_clear(&f.client.reply);
        node_execute(&f.client.thread, &call);
        f.client.database = 0;
        EXPECT(&f, "EXISTS k", ":0\r\n");
        f.client.database = 1;
        EXPECT(&f, "DEL k", ":1\r\n");
    }
    teardown(&f);
}

static void empty_the_reserve(struct fixture *f) NO_THREAD_SAFETY {
    reserve_drain(&f->client.thread.store.reserve, &f->node->keyspace.pool);
}

static void an_empty_reserve_is_filled_and_the_command_run_again(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, false);
    char line[40000] = "MSET";
    size_t used = 4;
    for (int i = 0; i < 60; i++) {
        used += (size_t)sprintf(line + used, " key%d ", i);
        memset(line + used, 'v', 500);
        used += 500;
    }
    line[used] = '\0';
    for (int round = 0; round < 20; round++) {
        empty_the_reserve(&f);
        EXPECT(&f, line, "+OK\r\n");
        empty_the_reserve(&f);
        EXPECT(&f, "APPEND key1 x", ":501\r\n");
        empty_the_reserve(&f);
        EXPECT(&f, "GETSET key2 x", node_client_run(&f.client, "GET key3"));
        EXPECT(&f, "DEL key2", ":1\r\n");
    }
    teardown(&f);
}

static const char OUT_OF_MEMORY[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

static void no_memory_is_an_answer(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, true);
    EXPECT(&f, "SET k 1", "+OK\r\n");
    char *large = malloc(60100), *set = malloc(60200);
    assert_true(large != NULL && set != NULL);
    memset(large, 'x', 60000);
    large[60000] = '\0';
    (void)sprintf(set, "SET k %s", large);
    test_allocator_fail_in(&f.allocator, 1, 1);
    EXPECT(&f, set, OUT_OF_MEMORY);
    EXPECT(&f, "GET k", "$1\r\n1\r\n");
    EXPECT(&f, "INCR k", ":2\r\n"); /* in place */
    test_allocator_fail_never(&f.allocator);
    EXPECT(&f, set, "+OK\r\n");
    EXPECT(&f, "STRLEN k", ":60000\r\n");
    free(large);
    free(set);
    teardown(&f);
}

/* SET a key of this name to 1000 bytes, with room made beforehand. False: there was none. */
static bool put(struct fixture *f, const char *name, unsigned number) {
    static char line[2000];
    bool has_room = node_make_room(&f->client.thread, 1000);
    int head = sprintf(line, "SET %s%u ", name, number);
    memset(line + head, 'v', 1000);
    line[head + 1000] = '\0';
    if (has_room)
        EXPECT(f, line, "+OK\r\n");
    node_client_tick(&f->client, 1);
    return has_room;
}

static void the_limit_refuses_or_evicts(void **state) {
    (void)state;
    enum { LIMIT = 3 << 20, SLACK = 64 << 10 };
    struct fixture f;
    setup(&f, false);
    atomic_store(&f.node->max_memory_bytes, LIMIT);
    unsigned accepted = 0;
    while (accepted < 5000 && put(&f, "key", accepted))
        accepted++;
    assert_in_range(accepted, 1000, 4000);
    assert_true(node_used_bytes(f.node) <= LIMIT + SLACK);
    EXPECT(&f, "EXISTS key0 key1", ":2\r\n");
    atomic_store(&f.node->keyspace.policy, EVICTION_ALLKEYS_S3FIFO);
    for (unsigned i = 0; i < 5000; i++) {
        assert_true(put(&f, "more", i));
        assert_true(node_used_bytes(f.node) <= LIMIT + SLACK);
    }
    assert_true(node_totals(f.node).evicted_keys > 3000);
    teardown(&f);
}

static void a_reserved_multi_key_write_is_whole_or_not_at_all(void **state) {
    (void)state;
    struct fixture f;
    setup(&f, true);
    EXPECT(&f, "MSET a 1 b 2", "+OK\r\n");
    char line[9000];
    int head = sprintf(line, "MSET a ");
    memset(line + head, 'A', 3000);
    int middle = sprintf(line + head + 3000, " b ");
    memset(line + head + 3000 + middle, 'B', 3000);
    line[head + 3000 + middle + 3000] = '\0';
    unsigned refused = 0;
    for (uint64_t allocation = 1;; allocation++) {
        test_allocator_fail_in(&f.allocator, allocation, 0);
        uint64_t failures = f.allocator.failures;
        const char *reply = node_client_run(&f.client, line);
        bool has_failed = f.allocator.failures > failures;
        bool is_refused = reply[0] == '-';
        test_allocator_fail_never(&f.allocator);
        EXPECT(&f, "STRLEN a", is_refused ? ":1\r\n" : ":3000\r\n");
        EXPECT(&f, "STRLEN b", is_refused ? ":1\r\n" : ":3000\r\n");
        EXPECT(&f, "MSET a 1 b 2", "+OK\r\n");
        refused += is_refused;
        if (!has_failed)
            break;
    }
    assert_true(refused > 1);
    teardown(&f);
}

/* ---- effects ---- */

struct collected {
    uint8_t bytes[4096];
    size_t used;
    unsigned calls;
};

static void collect(void *context, struct slice records) {
    struct collected *c = context;
    assert_true(c->used + records.size <= sizeof(c->bytes));
    memcpy(c->bytes + c->used, records.data, records.size);
    c->used += records.size;
    c->calls++;
}

static void apply(struct fixture *f, struct slice records) NO_THREAD_SAFETY {
    struct effect_reader reader;
    struct effect_part part;
    struct slice arguments[16];
    effect_reader_init(&reader, records);
    while (effect_reader_next(&reader, &part, arguments, 16) == LARDER_OK) {
        assert_true(node_thread_refill(&f->client.thread));
        partition_lock(f->node, part.partition);
        enum larder_status status = call_apply_effect(&f->node->keyspace, &f->client.thread.store,
                                                      &part, arguments, &f->client.reply);
        partition_unlock(f->node, part.partition);
        assert_int_equal(status, LARDER_OK);
    }
}

static void effects_reach_the_sink_and_give_the_same_node(void **state) {
    (void)state;
    struct fixture f, copy;
    struct collected collected = {.used = 0};
    setup(&f, true);
    setup(&copy, false);
    f.client.thread.sink = collect;
    f.client.thread.sink_context = &collected;
    EXPECT(&f, "GET a", "$-1\r\n");
    EXPECT(&f, "SET a 1 EX 100", "+OK\r\n");
    EXPECT(&f, "MSET b 2 c 3", "+OK\r\n");
    EXPECT(&f, "INCRBYFLOAT b 0.5", "$3\r\n2.5\r\n");
    EXPECT(&f, "DEL none", ":0\r\n");
    EXPECT(&f, "RENAME c d", "+OK\r\n");
    assert_int_equal(collected.calls, 0);
    node_client_tick(&f.client, 1);
    assert_int_equal(collected.calls, 1);
    node_client_tick(&f.client, 1);
    assert_int_equal(collected.calls, 1);
    apply(&copy, slice_of(collected.bytes, collected.used));
    const char *keys = "MGET a b c d";
    EXPECT(&copy, keys, "*4\r\n$1\r\n1\r\n$3\r\n2.5\r\n$-1\r\n$1\r\n3\r\n");
    EXPECT(&copy, "TTL a", ":100\r\n");
    teardown(&f);
    teardown(&copy);
}

static void expired_keys_leave_with_an_effect(void **state) {
    (void)state;
    struct fixture f;
    struct collected collected = {.used = 0};
    setup(&f, true);
    EXPECT(&f, "SET a 1 PX 100", "+OK\r\n");
    node_client_tick(&f.client, 1000);
    f.client.thread.effects.used = f.client.thread.effects.record_end = 0;
    f.client.thread.sink = collect;
    f.client.thread.sink_context = &collected;
    EXPECT(&f, "GET a", "$-1\r\n");
    node_client_tick(&f.client, 0);
    assert_int_equal(collected.used, 0); /* time only hides */
    EXPECT(&f, "DEL a", ":0\r\n");
    node_client_tick(&f.client, 0);
    assert_true(collected.used > 0);
    assert_int_equal(node_totals(f.node).expired_keys, 1);
    teardown(&f);
}

static void two_nodes_live_in_one_process(void **state) {
    (void)state;
    struct fixture a, b;
    setup(&a, false);
    setup(&b, true);
    EXPECT(&a, "SET k a", "+OK\r\n");
    EXPECT(&b, "SET k b", "+OK\r\n");
    EXPECT(&a, "GET k", "$1\r\na\r\n");
    EXPECT(&b, "GET k", "$1\r\nb\r\n");
    teardown(&a);
    EXPECT(&b, "APPEND k c", ":2\r\n");
    assert_int_equal(node_totals(b.node).hits, 1);
    teardown(&b);
}

static void creating_a_node_may_fail_anywhere(void **state) {
    (void)state;
    bool has_failed = true;
    for (uint64_t allocation = 1; has_failed; allocation++) {
        struct test_allocator allocator;
        test_allocator_init(&allocator);
        test_allocator_fail_in(&allocator, allocation, 0);
        struct node_options options = {.allocator = &allocator.base, .emits_effects = true};
        struct node *node = NULL;
        struct node_client client;
        if (node_create(&options, &node) == LARDER_OK) {
            if (node_client_try_init(&client, node) == LARDER_OK)
                node_client_finish(&client);
            node_destroy(node);
        }
        has_failed = allocator.failures > 0;
        assert_int_equal(allocator.heap_blocks, 0);
        assert_int_equal(allocator.mapped_bytes, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_on_one_key_is_executed),
        cmocka_unit_test(commands_on_many_keys_lock_each_partition_once),
        cmocka_unit_test(more_keys_than_fit_the_stack_are_executed),
        cmocka_unit_test(databases_are_apart),
        cmocka_unit_test(a_key_hashed_for_another_database_is_hashed_again),
        cmocka_unit_test(an_empty_reserve_is_filled_and_the_command_run_again),
        cmocka_unit_test(no_memory_is_an_answer),
        cmocka_unit_test(the_limit_refuses_or_evicts),
        cmocka_unit_test(a_reserved_multi_key_write_is_whole_or_not_at_all),
        cmocka_unit_test(effects_reach_the_sink_and_give_the_same_node),
        cmocka_unit_test(expired_keys_leave_with_an_effect),
        cmocka_unit_test(two_nodes_live_in_one_process),
        cmocka_unit_test(creating_a_node_may_fail_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
