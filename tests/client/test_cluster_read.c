/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading from replicas, numbers about nodes and the log, against scripted nodes: node 0 serves all
 * slots, nodes 1 and 2 replicate it. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_read.h>
#include <valkey/cluster_statistics.h>

#include <stdbool.h>
#include <stdio.h>

static struct fake_cluster fake;
static valkeyClusterContext *cc;

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    fake_cluster_use_replicas(&fake);
    cc = valkeyClusterConnect(fake.seeds);
    assert_int_equal(cc->err, 0);
    return 0;
}

static int stop(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    fake_cluster_stop(&fake);
    return 0;
}

static void add(int node, const char *command, const char *reply) {
    fake_cluster_add(&fake, node, (struct fake_rule){.command = command, .reply = reply});
}

static void read_from(int from, const char *zone) {
    assert_int_equal(valkeyClusterSetReadFrom(cc, from, zone), VALKEY_OK);
}

/* Which node answered. */
static int ask(const char *command) {
    valkeyReply *reply = valkeyClusterCommand(cc, command);
    if (reply == NULL)
        fail_msg("%s: %s", command, cc->errstr);
    assert_int_equal(reply->str[0], 'n');
    int node = reply->str[1] - '0';
    freeReplyObject(reply);
    return node;
}

static void reads_go_to_all_in_turn(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    assert_int_equal(ask("GET foo"), 0);
    read_from(VALKEYCLUSTER_READ_ANY, NULL);
    int counts[FAKE_NODES] = {0};
    for (int i = 0; i < 30; i++)
        counts[ask("GET foo")]++;
    for (int i = 0; i < FAKE_NODES; i++) {
        assert_int_equal(counts[i], 10);
        assert_int_equal(fake_server_count(fake.nodes[i], "READONLY"), 1);
    }
    for (int i = 0; i < 9; i++) {
        assert_int_equal(ask("SET foo x"), 0);
        assert_int_equal(ask("PFCOUNT foo"), 0);
    }
    /* Pipelined too. */
    for (int i = 0; i < 30; i++)
        assert_int_equal(valkeyClusterAppendCommand(cc, "GET foo"), VALKEY_OK);
    for (int i = 0; i < 30; i++) {
        void *reply;
        assert_int_equal(valkeyClusterGetReply(cc, &reply), VALKEY_OK);
        counts[((valkeyReply *)reply)->str[1] - '0']++;
        freeReplyObject(reply);
    }
    for (int i = 0; i < FAKE_NODES; i++)
        assert_int_equal(counts[i], 20);
    read_from(VALKEYCLUSTER_READ_PRIMARY, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(ask("GET foo"), 0);
}

static void reads_stay_in_the_zone(void **state) {
    (void)state;
    static const char *const INFOS[] = {"$21\r\navailability_zone:a\r\n\r\n",
                                        "$21\r\navailability_zone:b\r\n\r\n",
                                        "$21\r\navailability_zone:b\r\n\r\n"};
    for (int i = 0; i < FAKE_NODES; i++)
        add(i, "INFO server", INFOS[i]);
    fake_cluster_answer(&fake);
    read_from(VALKEYCLUSTER_READ_ZONE, "b");
    for (int i = 0; i < 3; i++)
        (void)ask("GET foo");
    int counts[FAKE_NODES] = {0};
    for (int i = 0; i < 20; i++)
        counts[ask("GET foo")]++;
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1], 10);
    assert_int_equal(counts[2], 10);
    for (int i = 0; i < FAKE_NODES; i++)
        assert_int_equal(fake_server_count(fake.nodes[i], "INFO"), 1);
    /* Nobody is there: any. */
    read_from(VALKEYCLUSTER_READ_ZONE, "c");
    for (int i = 0; i < 30; i++)
        counts[ask("GET foo")]++;
    assert_int_equal(counts[0], 10);
}

static void reads_go_to_the_fastest(void **state) {
    (void)state;
    fake_cluster_add(&fake, 0,
                     (struct fake_rule){.command = "GET", .reply = "+n0\r\n", .delay_ms = 20});
    fake_cluster_add(&fake, 2,
                     (struct fake_rule){.command = "GET", .reply = "+n2\r\n", .delay_ms = 20});
    fake_cluster_answer(&fake);
    read_from(VALKEYCLUSTER_READ_NEAREST, NULL);
    for (int i = 0; i < 6; i++)
        (void)ask("GET foo");
    for (int i = 0; i < 40; i++)
        assert_int_equal(ask("GET foo"), 1);
}

static void a_failed_replica_is_passed_over(void **state) {
    (void)state;
    fake_cluster_add(&fake, 1, (struct fake_rule){.command = "GET", .after = FAKE_CLOSE});
    fake_cluster_answer(&fake);
    read_from(VALKEYCLUSTER_READ_ANY, NULL);
    for (int i = 0; i < 12; i++)
        assert_int_not_equal(ask("GET foo"), 1);
    assert_int_equal(fake_server_count(fake.nodes[1], "GET"), 1);
    /* One that can't be connected to. */
    fake_server_stop(fake.nodes[2]);
    fake.nodes[2] = NULL;
    for (int i = 0; i < 12; i++)
        assert_int_equal(ask("GET foo"), 0);
    assert_int_equal(cc->err, 0);
}

static void a_replica_that_redirects_is_followed(void **state) {
    (void)state;
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[0]);
    add(1, "GET", moved);
    add(2, "GET", moved);
    fake_cluster_answer(&fake);
    read_from(VALKEYCLUSTER_READ_ANY, NULL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(ask("GET foo"), 0);
}

static void replicas_are_known_from_cluster_nodes_too(void **state) {
    (void)state;
    char text[1024], reply[1100];
    int size = snprintf(text, sizeof text,
                        "bb 127.0.0.1:%d@1 slave aa 0 0 3 connected\n"
                        "aa 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-16383\n"
                        "cc 127.0.0.1:%d@1 slave aa 0 0 3 connected\n",
                        fake.ports[1], fake.ports[0], fake.ports[2]);
    (void)snprintf(reply, sizeof reply, "$%d\r\n%s\r\n", size, text);
    for (int i = 0; i < FAKE_NODES; i++)
        add(i, "CLUSTER NODES", reply);
    fake_cluster_answer(&fake);
    valkeyClusterFree(cc);
    valkeyClusterOptions options = {.initial_nodes = fake.seeds,
                                    .options = VALKEY_OPT_USE_CLUSTER_NODES};
    cc = valkeyClusterConnectWithOptions(&options);
    read_from(VALKEYCLUSTER_READ_ANY, NULL);
    int counts[FAKE_NODES] = {0};
    for (int i = 0; i < 9; i++)
        counts[ask("GET foo")]++;
    for (int i = 0; i < FAKE_NODES; i++)
        assert_int_equal(counts[i], 3);
}

static void choices_that_make_no_sense_are_refused(void **state) {
    (void)state;
    assert_int_equal(valkeyClusterSetReadFrom(cc, 4, NULL), VALKEY_ERR);
    assert_int_equal(valkeyClusterSetReadFrom(cc, -1, NULL), VALKEY_ERR);
    assert_int_equal(valkeyClusterSetReadFrom(cc, VALKEYCLUSTER_READ_ZONE, NULL), VALKEY_ERR);
    assert_int_equal(valkeyClusterSetReadFrom(cc, VALKEYCLUSTER_READ_ANY, "a"), VALKEY_ERR);
    assert_string_equal(cc->errstr, "Unsupported options");
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    static const char INFO[] = "$21\r\navailability_zone:a\r\n\r\n";
    for (int i = 0; i < FAKE_NODES; i++)
        add(i, "INFO server", INFO);
    fake_cluster_answer(&fake);
    for (int at = 0, last = 0; !last; at++) {
        failing_allocator_install(at);
        valkeyClusterContext *context = valkeyClusterConnect(fake.seeds);
        if (context != NULL && context->err == 0) {
            (void)valkeyClusterSetReadFrom(context, VALKEYCLUSTER_READ_ZONE, "a");
            for (int i = 0; i < 4; i++)
                freeReplyObject(valkeyClusterCommand(context, "GET foo"));
        }
        valkeyClusterFree(context);
        last = !failing_allocator_has_failed();
        int held = failing_allocator_held();
        failing_allocator_remove();
        assert_int_equal(held, 0);
    }
}

static valkeyClusterNodeStatistics statistics_of(int port) {
    valkeyClusterNode *nodes[8];
    size_t count = valkeyClusterGetNodes(cc, nodes, COUNT_OF(nodes));
    for (size_t i = 0; i < count; i++) {
        valkeyClusterNodeStatistics seen;
        assert_int_equal(valkeyClusterGetNodeStatistics(cc, nodes[i], &seen), VALKEY_OK);
        if (nodes[i]->port == port)
            return seen;
    }
    fail_msg("node %d is not known", port);
    return (valkeyClusterNodeStatistics){0};
}

static void nodes_are_counted(void **state) {
    (void)state;
    fake_cluster_write_map(&fake, fake.map, (int[]){0, 1, 2});
    char moved[64];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    fake_cluster_add(&fake, 2,
                     (struct fake_rule){.command = "GET foo", .reply = moved, .times = 1});
    fake_cluster_add(
        &fake, 1, (struct fake_rule){.command = "GET c", .reply = "-TRYAGAIN x\r\n", .times = 1});
    fake_cluster_add(&fake, 0,
                     (struct fake_rule){.command = "GET bar", .reply = "+n0\r\n", .delay_ms = 30});
    fake_cluster_add(&fake, 0, (struct fake_rule){.command = "SET bar", .after = FAKE_SILENT});
    fake_cluster_answer(&fake);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    (void)ask("GET foo");
    (void)ask("GET c");
    for (int i = 0; i < 3; i++)
        (void)ask("GET bar");
    valkeyClusterNodeStatistics seen = statistics_of(fake.ports[0]);
    assert_int_equal(seen.commands, 3);
    assert_int_equal(seen.connects, 1);
    assert_true(seen.samples >= 3);
    assert_in_range(seen.latency_max_us, 30000, 2000000);
    assert_in_range(seen.latency_us, 5000, seen.latency_max_us);
    assert_true(seen.latency_sum_us >= 90000);
    assert_int_equal(statistics_of(fake.ports[2]).redirects, 1);
    assert_int_equal(statistics_of(fake.ports[1]).retries, 1);
    assert_int_equal(statistics_of(fake.ports[1]).commands, 3);
    assert_int_equal(valkeyClusterSetOptionTimeout(cc, (struct timeval){.tv_usec = 50000}),
                     VALKEY_OK);
    assert_null(valkeyClusterCommand(cc, "SET bar x"));
    seen = statistics_of(fake.ports[0]);
    assert_int_equal(seen.timeouts, 1);
    assert_int_equal(seen.errors, 1);
    valkeyClusterNode none;
    assert_int_equal(valkeyClusterGetNodeStatistics(cc, &none, &seen), VALKEY_ERR);
    assert_int_equal(valkeyClusterGetNodes(cc, NULL, 0), 3);
}

static char logged[4096];

static void on_log(const valkeyClusterContext *context, int level, const char *message,
                   void *privdata) {
    assert_ptr_equal(context, cc);
    assert_ptr_equal(privdata, logged);
    size_t used = strlen(logged);
    (void)snprintf(logged + used, sizeof logged - used, "%d %s\n", level, message);
}

static void what_happens_is_logged(void **state) {
    (void)state;
    fake_cluster_write_map(&fake, fake.map, (int[]){0, 1, 2});
    char moved[64], line[128];
    (void)snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", fake.ports[1]);
    fake_cluster_add(&fake, 2,
                     (struct fake_rule){.command = "GET foo", .reply = moved, .times = 1});
    fake_cluster_add(&fake, 0, (struct fake_rule){.command = "GET bar", .after = FAKE_CLOSE});
    fake_cluster_answer(&fake);
    logged[0] = '\0';
    valkeyClusterSetLogCallback(cc, VALKEY_LOG_DEBUG, on_log, logged);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    (void)ask("GET foo");
    assert_null(valkeyClusterCommand(cc, "GET bar"));
    assert_non_null(strstr(logged, "0 map of slots updated"));
    (void)snprintf(line, sizeof line, "1 connected to 127.0.0.1:%d\n", fake.ports[2]);
    assert_non_null(strstr(logged, line));
    (void)snprintf(line, sizeof line, "0 127.0.0.1:%d answered MOVED 12182", fake.ports[2]);
    assert_non_null(strstr(logged, line));
    (void)snprintf(line, sizeof line,
                   "2 connection to 127.0.0.1:%d failed: Server closed the connection\n",
                   fake.ports[0]);
    assert_non_null(strstr(logged, line));
    logged[0] = '\0';
    valkeyClusterSetLogCallback(cc, VALKEY_LOG_WARNING, on_log, logged);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    assert_string_equal(logged, "");
    valkeyClusterSetLogCallback(cc, VALKEY_LOG_DEBUG, NULL, NULL);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    assert_string_equal(logged, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(reads_go_to_all_in_turn),
        TEST(reads_stay_in_the_zone),
        TEST(reads_go_to_the_fastest),
        TEST(a_failed_replica_is_passed_over),
        TEST(a_replica_that_redirects_is_followed),
        TEST(replicas_are_known_from_cluster_nodes_too),
        TEST(choices_that_make_no_sense_are_refused),
        TEST(every_allocation_may_fail),
        TEST(nodes_are_counted),
        TEST(what_happens_is_logged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
