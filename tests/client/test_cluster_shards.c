/* SPDX-License-Identifier: BSD-3-Clause */
/* The map from CLUSTER SHARDS: in RESP2 and RESP3, with nodes that are not well, with ports for
 * TLS, malformed, and what real servers answer. */
#include "support/failing_allocator.h"
#include "support/fake_cluster.h"
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/cluster_statistics.h>

#include <stdbool.h>
#include <stdio.h>

enum { FIRST_PORT = 21760, TEXT = 4096, TLS_PORT = 6 };

static struct fake_cluster fake;
static valkeyClusterContext *cc;
static char map[TEXT];
static size_t map_size;
static bool is_resp3;

static void add(const char *format, ...) {
    va_list values;
    va_start(values, format);
    map_size += (size_t)vsnprintf(map + map_size, TEXT - map_size, format, values);
    va_end(values);
}

/* An aggregate of names and values. */
static void add_pairs(int pairs) {
    add("%c%d\r\n", is_resp3 ? '%' : '*', is_resp3 ? pairs : pairs * 2);
}

static void add_shard(int first, int last, int nodes) {
    add_pairs(2);
    add("$5\r\nslots\r\n*2\r\n:%d\r\n:%d\r\n$5\r\nnodes\r\n*%d\r\n", first, last, nodes);
}

/* A node with the port of a scripted one; `tls_port` 0: none. */
static void add_node(int node, const char *host, const char *role, const char *health,
                     int tls_port) {
    add_pairs(tls_port > 0 ? 6 : 5);
    add("$2\r\nid\r\n$1\r\nx\r\n$4\r\nport\r\n:%d\r\n", fake.ports[node]);
    if (tls_port > 0)
        add("$8\r\ntls-port\r\n:%d\r\n", tls_port);
    add("$8\r\nendpoint\r\n$%zu\r\n%s\r\n", strlen(host), host);
    add("$4\r\nrole\r\n$%zu\r\n%s\r\n$6\r\nhealth\r\n$%zu\r\n%s\r\n", strlen(role), role,
        strlen(health), health);
}

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    for (int i = 0; i < FAKE_NODES; i++)
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "CLUSTER SHARDS", .reply = map});
    fake_cluster_answer(&fake);
    map_size = 0;
    is_resp3 = false;
    cc = NULL;
    return 0;
}

static int stop(void **state) {
    (void)state;
    valkeyClusterFree(cc);
    fake_cluster_stop(&fake);
    return 0;
}

static valkeyClusterContext *connect_with(int flags) {
    valkeyClusterOptions options = {.initial_nodes = fake.seeds,
                                    .options = VALKEY_OPT_USE_CLUSTER_SHARDS | flags};
    valkeyClusterContext *context = valkeyClusterConnectWithOptions(&options);
    assert_non_null(context);
    return context;
}

static void expect_node(const char *key, int node) {
    valkeyReply *reply = valkeyClusterCommand(cc, "GET %s", key);
    if (reply == NULL)
        fail_msg("%s: %s", key, cc->errstr);
    const char wanted[] = {'n', (char)('0' + node), '\0'};
    assert_string_equal(reply->str, wanted);
    freeReplyObject(reply);
}

static void the_map_is_read_in_both_protocols(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        is_resp3 = i == 1;
        map_size = 0;
        add("*3\r\n");
        add_shard(0, 5460, 1);
        add_node(0, "127.0.0.1", "master", "online", 0);
        add_shard(5461, 10922, 2);
        add_node(0, "", "replica", "online", 0);
        add_node(1, "", "master", "online", 0);
        add_shard(10923, 16383, 1);
        add_node(2, "?", "primary", "loading", 0);
        cc = connect_with(0);
        assert_string_equal(cc->errstr, "");
        expect_node("bar", 0);
        expect_node("c", 1);
        expect_node("foo", 2);
        assert_int_equal(valkeyClusterGetNodes(cc, NULL, 0), 3);
        valkeyClusterFree(cc);
        cc = NULL;
    }
    assert_int_equal(fake_server_count(fake.nodes[0], "CLUSTER SLOTS"), 0);
    assert_int_equal(fake_server_count(fake.nodes[0], "CLUSTER SHARDS"), 2);
}

static void who_is_well_is_preferred(void **state) {
    (void)state;
    add("*2\r\n");
    /* Someone took over, and the old primary has not come back. */
    add_shard(0, 16383, 3);
    add_node(0, "127.0.0.1", "master", "fail", 0);
    add_node(1, "127.0.0.1", "master", "online", 0);
    add_node(2, "127.0.0.1", "replica", "fail", 0);
    /* A shard without slots. */
    add_pairs(2);
    add("$5\r\nslots\r\n*0\r\n$5\r\nnodes\r\n*1\r\n");
    add_node(2, "127.0.0.1", "master", "online", 0);
    cc = connect_with(VALKEY_OPT_USE_REPLICAS);
    assert_string_equal(cc->errstr, "");
    expect_node("foo", 1);
    expect_node("bar", 1);
    /* A failed replica is none. */
    valkeyClusterNode *known[FAKE_NODES];
    size_t count = valkeyClusterGetNodes(cc, known, FAKE_NODES);
    for (size_t i = 0; i < count && i < FAKE_NODES; i++)
        assert_int_not_equal(known[i]->port, fake.ports[2]);
    valkeyClusterFree(cc);
    /* When nobody is well, the failed primary is better than none. */
    map_size = 0;
    add("*1\r\n");
    add_shard(0, 16383, 2);
    add_node(0, "127.0.0.1", "master", "fail", 0);
    add_node(1, "127.0.0.1", "replica", "online", 0);
    cc = connect_with(VALKEY_OPT_USE_REPLICAS);
    expect_node("foo", 0);
    assert_int_equal(valkeyClusterGetNodes(cc, NULL, 0), 2);
}

static int no_tls(struct valkeyContext *c, struct valkeyTLSContext *unused) {
    (void)c, (void)unused;
    return VALKEY_OK;
}

static void ports_are_those_of_the_transport(void **state) {
    (void)state;
    add("*1\r\n");
    add_shard(0, 16383, 1);
    add_node(0, "127.0.0.1", "master", "online", TLS_PORT);
    cc = connect_with(0);
    assert_int_equal(valkeyClusterGetNodeByKey(cc, "foo")->port, fake.ports[0]);
    valkeyClusterFree(cc);
    valkeyClusterOptions options = {.initial_nodes = fake.seeds,
                                    .options = VALKEY_OPT_USE_CLUSTER_SHARDS,
                                    .tls = (struct valkeyTLSContext *)(void *)&fake,
                                    .tls_init_fn = no_tls};
    cc = valkeyClusterConnectWithOptions(&options);
    assert_int_equal(valkeyClusterGetNodeByKey(cc, "foo")->port, TLS_PORT);
}

static void malformed_answers_are_errors(void **state) {
    (void)state;
#define NODE                "*4\r\n$4\r\nport\r\n:1\r\n$8\r\nendpoint\r\n$1\r\nh\r\n"
#define SHARD(slots, nodes) "*1\r\n*4\r\n$5\r\nslots\r\n" slots "$5\r\nnodes\r\n" nodes
    static const char *const BAD[] = {
        "*1\r\n:1\r\n",
        "*1\r\n*0\r\n",
        "*1\r\n*2\r\n$5\r\nslots\r\n*0\r\n",
        SHARD(":1\r\n", "*0\r\n"),
        SHARD("*2\r\n:0\r\n:1\r\n", "*1\r\n:1\r\n"),
        SHARD("*2\r\n:0\r\n:1\r\n", "*1\r\n*2\r\n$4\r\nport\r\n:1\r\n"),
        SHARD("*2\r\n:0\r\n:1\r\n", "*1\r\n*2\r\n$8\r\nendpoint\r\n$1\r\nh\r\n"),
        SHARD("*2\r\n:0\r\n:1\r\n",
              "*1\r\n*4\r\n$4\r\nport\r\n:65536\r\n$8\r\nendpoint\r\n$1\r\nh\r\n"),
        SHARD("*2\r\n:0\r\n:1\r\n", "*1\r\n*4\r\n$4\r\nport\r\n:1\r\n$8\r\nendpoint\r\n:1\r\n"),
#define PRIMARY                                                                                    \
    "*1\r\n*6\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$4\r\nport\r\n:1\r\n$8\r\nendpoint\r\n$1\r\nh\r\n"
        SHARD("*1\r\n:0\r\n", PRIMARY),
        SHARD("*2\r\n:0\r\n:16384\r\n", PRIMARY),
        SHARD("*2\r\n:-1\r\n:1\r\n", PRIMARY),
        SHARD("*2\r\n:5\r\n:1\r\n", PRIMARY),
        SHARD("*2\r\n:0\r\n:-4294967296\r\n", PRIMARY),
        SHARD("*2\r\n:0\r\n$1\r\n1\r\n", PRIMARY)};
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        (void)snprintf(map, TEXT, "%s", BAD[i]);
        cc = connect_with(VALKEY_OPT_USE_REPLICAS);
        if (cc->err != VALKEY_ERR_PROTOCOL)
            fail_msg("answer %zu: %d %s", i, cc->err, cc->errstr);
        assert_string_equal(cc->errstr, "Malformed slot map");
        valkeyClusterFree(cc);
    }
    static const char *const EMPTY[] = {"*0\r\n", SHARD("*0\r\n", "*0\r\n"),
                                        SHARD("*2\r\n:0\r\n:1\r\n", "*1\r\n" NODE)};
    for (size_t i = 0; i < COUNT_OF(EMPTY); i++) {
        (void)snprintf(map, TEXT, "%s", EMPTY[i]);
        cc = connect_with(0);
        assert_string_equal(cc->errstr, "No slot information");
        valkeyClusterFree(cc);
    }
    cc = NULL;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    add("*1\r\n");
    add_shard(0, 16383, 2);
    add_node(0, "127.0.0.1", "master", "online", 0);
    add_node(1, "127.0.0.1", "replica", "online", 0);
    int at = 0;
    for (bool has_failed = true; has_failed; at++) {
        failing_allocator_install(at);
        valkeyClusterOptions options = {.initial_nodes = fake.seeds,
                                        .options = VALKEY_OPT_USE_CLUSTER_SHARDS |
                                                   VALKEY_OPT_USE_REPLICAS};
        valkeyClusterContext *context = valkeyClusterConnectWithOptions(&options);
        has_failed = failing_allocator_has_failed();
        if (context != NULL)
            assert_int_equal(context->err, has_failed ? VALKEY_ERR_OOM : 0);
        valkeyClusterFree(context);
        assert_int_equal(failing_allocator_held(), 0);
        failing_allocator_remove();
    }
    assert_true(at > 10);
}

/* The three ways of asking agree. */
static void servers_say_the_same_by_all_ways(void **state) {
    (void)state;
    static const int WAYS[] = {0, VALKEY_OPT_USE_CLUSTER_NODES, VALKEY_OPT_USE_CLUSTER_SHARDS};
    static int ports[COUNT_OF(WAYS)][VALKEYCLUSTER_SLOTS];
    static struct real_cluster cluster;
    size_t nodes[COUNT_OF(WAYS)];
    real_cluster_start(&cluster, FIRST_PORT, NULL);
    real_cluster_add_replicas(&cluster);
    for (size_t i = 0; i < COUNT_OF(WAYS); i++) {
        valkeyClusterOptions options = {.initial_nodes = "127.0.0.1:21760",
                                        .options = WAYS[i] | VALKEY_OPT_USE_REPLICAS};
        valkeyClusterContext *context = valkeyClusterConnectWithOptions(&options);
        assert_string_equal(context->errstr, "");
        for (int slot = 0; slot < VALKEYCLUSTER_SLOTS; slot++) {
            assert_non_null(context->table[slot]);
            ports[i][slot] = context->table[slot]->port;
        }
        nodes[i] = valkeyClusterGetNodes(context, NULL, 0);
        valkeyClusterFree(context);
    }
    for (size_t i = 1; i < COUNT_OF(WAYS); i++) {
        assert_memory_equal(ports[i], ports[0], sizeof ports[0]);
        assert_int_equal(nodes[i], 6);
    }
    real_cluster_stop(&cluster);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_map_is_read_in_both_protocols), TEST(who_is_well_is_preferred),
        TEST(ports_are_those_of_the_transport),  TEST(malformed_answers_are_errors),
        TEST(every_allocation_may_fail),         cmocka_unit_test(servers_say_the_same_by_all_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
