/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster for all threads: scripted nodes for errors about the cluster, redis-servers for many
 * threads while slots move. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cluster.h>
#include <valkey/cluster_pool.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { FIRST_PORT = 21730, THREADS = 12, COMMANDS = 1500, KEYS = 40 };

static struct fake_cluster fake;
static valkeyClusterPool *pool;

static int stop(void **state) {
    (void)state;
    valkeyClusterPoolFree(pool);
    fake_cluster_stop(&fake);
    return 0;
}

static int prepare(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    for (int i = 0; i < FAKE_NODES; i++)
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "AUTH", .reply = "+OK\r\n"});
    valkeyPoolError error;
    pool = valkeyClusterPoolCreate(
        &(valkeyClusterPoolOptions){.initial_nodes = fake.seeds, .password = "secret"}, &error);
    assert_string_equal(error.errstr, "");
    return 0;
}

static void answer(int node, const char *command, const char *reply, int times) {
    fake_cluster_add(&fake, node,
                     (struct fake_rule){.command = command, .reply = reply, .times = times});
}

static void expect(const char *command, const char *text) {
    valkeyPoolError error;
    valkeyReply *reply = valkeyClusterPoolCommand(pool, &error, command);
    if (reply == NULL)
        fail_msg("%s: %s", command, error.errstr);
    assert_string_equal(reply->str, text);
    assert_int_equal(error.err, 0);
    freeReplyObject(reply);
}

static void refuse(const char *command, int err, const char *text) {
    valkeyPoolError error;
    assert_null(valkeyClusterPoolCommand(pool, &error, command));
    assert_string_equal(error.errstr, text);
    assert_int_equal(error.err, err);
}

static void commands_go_to_the_node_of_their_key(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    expect("GET foo", "n2");
    expect("GET bar", "n0");
    valkeyReply *reply =
        valkeyClusterPoolCommandArgv(pool, NULL, 2, (const char *[]){"GET", "c"}, NULL);
    assert_string_equal(reply->str, "n1");
    freeReplyObject(reply);
    refuse("PING", VALKEY_ERR_OTHER, "No keys in command(must have keys for valkey cluster mode)");
    refuse("NOSUCH x", VALKEY_ERR_PROTOCOL, "Unknown command NOSUCH");
    refuse("BLPOP foo 0", VALKEY_ERR_OTHER, "This command needs a connection of its own");
    refuse("GET %y", VALKEY_ERR_OTHER, "Invalid format string");
    valkeyPoolError error;
    valkeyContext *c = valkeyClusterPoolTake(pool, &error, "foo", 3);
    assert_int_equal(c->tcp.port, fake.ports[2]);
    valkeyClusterPoolGive(pool, c);
    assert_ptr_equal(valkeyClusterPoolTake(pool, NULL, "foo", 3), c);
    valkeyClusterPoolGive(pool, c);
    assert_int_equal(fake_server_count(fake.nodes[1], "AUTH secret"), 1);
}

static void redirections_are_followed(void **state) {
    (void)state;
    char moved[64], asked[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    (void)snprintf(asked, sizeof asked, "-ASK 5061 127.0.0.1:%d\r\n", fake.ports[1]);
    answer(2, "GET foo", moved, 0);
    answer(0, "GET bar", asked, 0);
    answer(1, "GET c", "-TRYAGAIN x\r\n", 2);
    answer(1, "GET d", "-MOVED x\r\n", 0);
    answer(0, "GET b", "-CLUSTERDOWN x\r\n", 0);
    fake_cluster_answer(&fake);
    expect("GET foo", "n1");
    expect("GET foo", "n1");
    assert_int_equal(fake_server_count(fake.nodes[2], "GET foo"), 1);
    expect("GET bar", "n1");
    expect("GET bar", "n1");
    assert_int_equal(fake_server_count(fake.nodes[0], "GET bar"), 2);
    assert_int_equal(fake_server_count(fake.nodes[1], "ASKING"), 2);
    expect("GET c", "n1");
    refuse("GET b", 100, "too many cluster retries");
}

static void endless_redirections_end(void **state) {
    (void)state;
    char there[64], back[64];
    (void)snprintf(there, sizeof there, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    (void)snprintf(back, sizeof back, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[2]);
    answer(2, "GET foo", there, 0);
    answer(1, "GET foo", back, 0);
    refuse("GET foo", 100, "too many cluster retries");
    answer(0, "GET bar", "-MOVED nonsense\r\n", 0);
    refuse("GET bar", VALKEY_ERR_PROTOCOL, "Malformed redirection");
}

static void a_lost_node_is_looked_up(void **state) {
    (void)state;
    static char map[FAKE_TEXT];
    fake_cluster_write_map(&fake, map, (int[]){0, 1, 0});
    for (int i = 0; i < FAKE_NODES; i++)
        answer(i, "CLUSTER SLOTS", map, 0);
    fake_cluster_answer(&fake);
    fake_server_stop(fake.nodes[2]);
    fake.nodes[2] = NULL;
    valkeyPoolError error;
    valkeyReply *reply = NULL;
    /* The map is fetched once a second at most. */
    for (long long end = now_ms() + 5000; reply == NULL && now_ms() < end;)
        reply = valkeyClusterPoolCommand(pool, &error, "GET foo");
    assert_non_null(reply);
    assert_string_equal(reply->str, "n0");
    freeReplyObject(reply);
}

static void failed_starts_say_why(void **state) {
    (void)state;
    valkeyPoolError error;
    assert_null(valkeyClusterPoolCreate(
        &(valkeyClusterPoolOptions){.initial_nodes = "127.0.0.1:21697"}, &error));
    assert_string_equal(error.errstr, "Connection refused");
    assert_null(valkeyClusterPoolCreate(&(valkeyClusterPoolOptions){0}, NULL));
    valkeyClusterPoolFree(NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    char moved[64], asked[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    (void)snprintf(asked, sizeof asked, "-ASK 5061 127.0.0.1:%d\r\n", fake.ports[1]);
    answer(2, "GET foo", moved, 0);
    answer(0, "GET bar", asked, 0);
    fake_cluster_answer(&fake);
    for (int at = 0, last = 0; !last; at++) {
        failing_allocator_install(at);
        valkeyClusterPoolOptions options = {.initial_nodes = fake.seeds};
        valkeyClusterPool *tried = valkeyClusterPoolCreate(&options, NULL);
        valkeyReply *first = NULL, *second = NULL;
        if (tried != NULL) {
            first = valkeyClusterPoolCommand(tried, NULL, "GET foo");
            second = valkeyClusterPoolCommand(tried, NULL, "GET bar");
        }
        last = !failing_allocator_has_failed();
        assert_true(!last || (first != NULL && second != NULL));
        freeReplyObject(first);
        freeReplyObject(second);
        valkeyClusterPoolFree(tried);
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
}

static atomic_int counted, wrong;

static void *count(void *argument) {
    valkeyClusterPool *shared = argument;
    for (int i = 0; i < COMMANDS; i++) {
        valkeyPoolError error;
        valkeyReply *reply = valkeyClusterPoolCommand(shared, &error, "INCR n:%d", i % KEYS);
        if (reply != NULL && reply->type == VALKEY_REPLY_INTEGER)
            (void)atomic_fetch_add(&counted, 1);
        else
            (void)atomic_fetch_add(&wrong, 1);
        freeReplyObject(reply);
    }
    return NULL;
}

static void many_threads_survive_resharding(void **state) {
    (void)state;
    static struct real_cluster cluster;
    real_cluster_start(&cluster, FIRST_PORT, "secret");
    valkeyClusterPoolOptions options = {.initial_nodes = "127.0.0.1:21730", .password = "secret"};
    valkeyPoolError error;
    valkeyClusterPool *shared = valkeyClusterPoolCreate(&options, &error);
    assert_string_equal(error.errstr, "");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count, shared), 0);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "n:%d", i);
        int slot = (int)valkeyClusterGetSlotByKey(key);
        int from = 0;
        while (from < CLUSTER_NODES - 1 && slot >= real_cluster_first_slot(from + 1))
            from++;
        real_cluster_move(&cluster, slot, from, (from + 1) % CLUSTER_NODES);
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(wrong, 0);
    assert_int_equal(counted, THREADS * COMMANDS);
    long sum = 0;
    for (int i = 0; i < KEYS; i++) {
        valkeyReply *reply = valkeyClusterPoolCommand(shared, &error, "GET n:%d", i);
        sum += atol(reply->str);
        freeReplyObject(reply);
    }
    assert_true(sum == THREADS * COMMANDS);
    valkeyClusterPoolFree(shared);
    real_cluster_stop(&cluster);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, prepare, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(commands_go_to_the_node_of_their_key),
        TEST(redirections_are_followed),
        TEST(endless_redirections_end),
        TEST(a_lost_node_is_looked_up),
        TEST(failed_starts_say_why),
        TEST(every_allocation_may_fail),
        cmocka_unit_test(many_threads_survive_resharding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
