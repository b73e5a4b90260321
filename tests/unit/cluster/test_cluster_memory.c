/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of replicas: who is above a limit, and who does something about it; and what keeps digests
 * of data from being forged. */
#include "cluster/partition_core.h"
#include "unit/cluster/partition_world.h"

enum { KEYS = 300 };

static int begin(void **state) {
    (void)state;
    world_begin(&(struct partition_options){.digest_every_us = -1});
    world.is_quiet = true;
    return 0;
}

static int end(void **state) {
    (void)state;
    world_end();
    return 0;
}

static void set_policy(uint32_t n, enum eviction_policy policy, int64_t limit) {
    struct node *node = world.members[n].host->node;
    atomic_store(&node->keyspace.policy, (uint32_t)policy);
    atomic_store(&node->max_memory_bytes, limit);
}

static void fill(void) {
    static char command[1100];
    for (unsigned i = 0; i < KEYS; i++) {
        int size = snprintf(command, sizeof(command), "SET k%u ", i);
        memset(command + size, 'v', 1000);
        command[size + 1000] = 0;
        world_do(A, 1, command);
        world_deliver("");
    }
}

static unsigned count_keys(uint32_t n) {
    unsigned count = 0;
    for (unsigned i = 0; i < KEYS; i++) {
        char command[32];
        (void)snprintf(command, sizeof(command), "EXISTS k%u", i);
        world_request(n, 1, command, (struct partition_request){.read_mode = PARTITION_READ_STALE});
        count += strcmp(world.reply, ":1") == 0;
    }
    return count;
}

static void pass(int ms) {
    for (int i = 0; i < ms; i += 100) {
        world.now_ms += 100;
        world_promise_all();
        for (uint32_t n = C; n >= A; n--)
            world_tick(n);
        world_deliver("");
    }
}

/* A replica's machine is half above its limit: of each partition that it has a third goes. */
static void a_primary_evicts_for_the_machine_of_a_replica(void **state) {
    (void)state;
    set_policy(A, EVICTION_ALLKEYS_LRU, 0);
    fill();
    pass(300);
    assert_int_equal(count_keys(B), KEYS);
    world.pressure = 1500;
    pass(300);
    unsigned left = count_keys(B);
    assert_true(left < KEYS && left > KEYS / 2);
    assert_true(world_agree(A, B));
    world.pressure = 999;
    pass(300);
    assert_int_equal(count_keys(B), left);
}

static void where_nothing_may_be_evicted_writes_are_refused_for_a_replica(void **state) {
    (void)state;
    set_policy(A, EVICTION_NONE, 0);
    fill();
    world.pressure = 1100;
    pass(100);
    world_do(A, 1, "SET more v");
    assert_non_null(strstr(world.reply, "OOM"));
    world_do(A, 2, "DEL k1");
    world_deliver("");
    assert_string_equal(world.reply, ":1");
    world.pressure = 1000;
    pass(100);
    world_do(A, 3, "SET more v");
    world_deliver("");
    assert_string_equal(world.reply, "+OK");
}

static void a_backup_above_its_limit_evicts_nothing_and_tells(void **state) {
    (void)state;
    set_policy(B, EVICTION_ALLKEYS_LRU, 100000);
    fill();
    pass(500);
    assert_int_equal(count_keys(B), KEYS);
    assert_true(world_agree(A, B));
    assert_true(store_host_pressure(world.members[B].host) > 1000);
    assert_int_equal(store_host_pressure(world.members[A].host), 0);
}

/* The same data has other digests in another cluster: who does not know the secret can't look for
 * data that has the same. */
static void digests_follow_from_a_secret(void **state) {
    (void)state;
    struct store_digest sums[2] = {{0, 0}, {0, 0}};
    for (uint64_t k = 0; k < 2; k++) {
        struct store_host_options options = {.partition_count = 1, .hash_seed = 5 + k};
        struct store_host *host = NULL;
        struct store_result result;
        struct slice words[] = {SLICE_LITERAL("SET"), SLICE_LITERAL("key"), SLICE_LITERAL("value")};
        assert_int_equal(store_host_create(&options, &host), LARDER_OK);
        struct partition_store store = store_host_partition(host, 0);
        assert_int_equal(store.type->execute(store.context, 1, words, 3, &result), LARDER_OK);
        for (uint32_t bucket = 0; bucket < PARTITION_BUCKETS; bucket++) {
            struct store_digest one;
            store.type->digest_bucket(store.context, bucket, &one);
            sums[k].low += one.low;
            sums[k].high += one.high;
        }
        store_host_destroy(host);
    }
    assert_false(store_digest_equal(sums[0], sums[1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_primary_evicts_for_the_machine_of_a_replica),
        TEST(where_nothing_may_be_evicted_writes_are_refused_for_a_replica),
        TEST(a_backup_above_its_limit_evicts_nothing_and_tells),
        TEST(digests_follow_from_a_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
