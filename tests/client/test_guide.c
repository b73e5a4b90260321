/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs as the documentation of the cluster interface shows them, each run against scripted
 * nodes. */
#include "support/fake_cluster.h"
#include "support/testing.h"

#include <valkey/adapters/poll.h>
#include <valkey/cluster.h>

#include <stdbool.h>
#include <stdio.h>

static struct fake_cluster fake;
static int connected, events, answers;

static int start(void **state) {
    (void)state;
    fake_cluster_start(&fake);
    connected = events = answers = 0;
    return 0;
}

static int stop(void **state) {
    (void)state;
    fake_cluster_stop(&fake);
    return 0;
}

static void connecting_and_handling_errors(void **state) {
    (void)state;
    valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
    if (cc == NULL || cc->err)
        fail_msg("Error: %s\n", cc ? cc->errstr : "OOM");
    valkeyClusterFree(cc);

    struct timeval tv = {.tv_sec = 1};
    cc = valkeyClusterConnectWithTimeout(fake.seeds, tv);
    assert_int_equal(cc->err, 0);
    valkeyClusterFree(cc);

    cc = valkeyClusterConnect("127.0.0.1:21697,127.0.0.1:21698");
    assert_non_null(cc);
    assert_int_equal(cc->err, VALKEY_ERR_IO);
    assert_string_equal(cc->errstr, "Connection refused");
    valkeyClusterFree(cc);
}

static void options_with_a_password_and_cluster_nodes(void **state) {
    (void)state;
    char text[FAKE_TEXT], reply[FAKE_TEXT * 2];
    int size = snprintf(text, sizeof text,
                        "a 127.0.0.1:%d@1 myself,master - 0 0 1 connected 0-5460\n"
                        "b 127.0.0.1:%d@1 master - 0 0 2 connected 5461-16383\n",
                        fake.ports[0], fake.ports[1]);
    (void)snprintf(reply, sizeof reply, "$%d\r\n%s\r\n", size, text);
    fake_cluster_add(&fake, 0, (struct fake_rule){.command = "CLUSTER NODES", .reply = reply});
    fake_cluster_answer(&fake);
    valkeyClusterOptions opt = {
        .initial_nodes = fake.seeds,
        .options = VALKEY_OPT_USE_CLUSTER_NODES,
        .password = "password",
    };
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&opt);
    assert_non_null(cc);
    assert_string_equal(cc->errstr, "");
    assert_int_equal(fake_server_count(fake.nodes[0], "AUTH password"), 1);
    assert_int_equal(fake_server_count(fake.nodes[0], "CLUSTER NODES"), 1);
    assert_int_equal(fake_server_count(fake.nodes[0], "HELLO"), 0);
    valkeyClusterFree(cc);
}

static void executing_commands(void **state) {
    (void)state;
    fake_cluster_add(&fake, 0,
                     (struct fake_rule){.command = "GET bar", .reply = "-WRONGTYPE no\r\n"});
    fake_cluster_answer(&fake);
    valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
    valkeyReply *reply = valkeyClusterCommand(cc, "SET %s %d", "foo", 42);
    if (reply == NULL)
        fail_msg("Communication error: %s\n", cc->err ? cc->errstr : "Unknown error");
    assert_string_equal(reply->str, "n2");
    freeReplyObject(reply);
    reply = valkeyClusterCommand(cc, "GET %s", "bar");
    assert_int_equal(reply->type, VALKEY_REPLY_ERROR);
    assert_int_equal(cc->err, 0);
    freeReplyObject(reply);
    valkeyClusterFree(cc);
}

static void a_failed_command_has_the_next_one_fetch_the_map(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
    char moved[FAKE_TEXT];
    fake_cluster_write_map(&fake, moved, (int[]){0, 1, 0});
    fake_server_stop(fake.nodes[2]);
    fake.nodes[2] = NULL;
    assert_null(valkeyClusterCommand(cc, "GET foo"));
    assert_int_equal(cc->err, VALKEY_ERR_IO);
    for (int i = 0; i < 2; i++) {
        fake.rule_counts[i] = 0;
        fake_cluster_add(&fake, i, (struct fake_rule){.command = "CLUSTER SLOTS", .reply = moved});
        fake_cluster_add(&fake, i, (struct fake_rule){.reply = i == 0 ? "+n0\r\n" : "+n1\r\n"});
    }
    valkeyReply *reply = valkeyClusterCommand(cc, "GET foo");
    assert_non_null(reply);
    assert_string_equal(reply->str, "n0");
    freeReplyObject(reply);
    valkeyClusterFree(cc);
}

static void a_pipeline(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
    if (valkeyClusterAppendCommand(cc, "SET foo bar") != VALKEY_OK)
        fail_msg("Error appending command: %s\n", cc->errstr);
    if (valkeyClusterAppendCommand(cc, "GET bar") != VALKEY_OK)
        fail_msg("Error appending command: %s\n", cc->errstr);
    assert_int_equal(fake_server_count(fake.nodes[2], "SET"), 0);
    void *data;
    assert_int_equal(valkeyClusterGetReply(cc, &data), VALKEY_OK);
    assert_string_equal(((valkeyReply *)data)->str, "n2");
    freeReplyObject(data);
    assert_int_equal(valkeyClusterGetReply(cc, &data), VALKEY_OK);
    assert_string_equal(((valkeyReply *)data)->str, "n0");
    freeReplyObject(data);
    assert_int_equal(valkeyClusterGetReply(cc, &data), VALKEY_OK);
    assert_null(data);
    valkeyClusterFree(cc);
}

static void count_event(const valkeyClusterContext *cc, int event, void *privdata) {
    (void)cc;
    switch (event) {
    case VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED: *(int *)privdata += 1; break;
    case VALKEYCLUSTER_EVENT_READY: *(int *)privdata += 10; break;
    case VALKEYCLUSTER_EVENT_FREE_CONTEXT: *(int *)privdata += 100; break;
    default: *(int *)privdata += 1000;
    }
}

static void count_connect(const valkeyContext *c, int status) {
    assert_int_equal(status, VALKEY_OK);
    assert_true(c->fd >= 0);
    assert_string_equal(c->tcp.host, "127.0.0.1");
    connected++;
}

static void callbacks_of_a_context_and_of_connections(void **state) {
    (void)state;
    valkeyClusterOptions opt = {
        .initial_nodes = fake.seeds,
        .event_callback = count_event,
        .event_privdata = &events,
        .connect_callback = count_connect,
    };
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&opt);
    assert_int_equal(events, 11);
    assert_int_equal(connected, 1);
    valkeyClusterFree(cc);
    assert_int_equal(events, 111);
}

static void walking_the_nodes(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    valkeyClusterContext *cc = valkeyClusterConnect(fake.seeds);
    valkeyClusterNodeIterator ni;
    valkeyClusterInitNodeIterator(&ni, cc);
    valkeyClusterNode *node;
    int nodes = 0;
    while ((node = valkeyClusterNodeNext(&ni)) != NULL) {
        valkeyReply *reply = valkeyClusterCommandToNode(cc, node, "DBSIZE");
        assert_non_null(reply);
        freeReplyObject(reply);
        nodes++;
    }
    assert_int_equal(nodes, FAKE_NODES);
    assert_true(ni.route_version == cc->route_version);
    assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    assert_false(ni.route_version == cc->route_version);
    assert_non_null(valkeyClusterNodeNext(&ni));
    valkeyClusterFree(cc);
}

/* The poll adapter as the "event library": connections are ticked by hand. */
static valkeyAsyncContext *attached[8];
static size_t attached_count;

static int attach(valkeyAsyncContext *ac, void *data) {
    (void)data;
    attached[attached_count++] = ac;
    return valkeyPollAttach(ac);
}

static void async_connected(valkeyAsyncContext *ac, int status) {
    assert_int_equal(status, VALKEY_OK);
    assert_true(ac->c.fd >= 0);
    connected++;
}

static void async_disconnected(const valkeyAsyncContext *ac, int status) {
    assert_int_equal(status, VALKEY_OK);
    for (size_t i = 0; i < attached_count; i++)
        if (attached[i] == ac)
            attached[i] = NULL;
}

static void async_event(const valkeyClusterContext *cc, int event, void *privdata) {
    valkeyClusterAsyncContext *acc = (valkeyClusterAsyncContext *)(uintptr_t)cc;
    if (event == VALKEYCLUSTER_EVENT_READY)
        assert_ptr_equal(acc->attach_data, NULL);
    count_event(cc, event, privdata);
}

static void on_answer(valkeyClusterAsyncContext *acc, void *data, void *privdata) {
    const valkeyReply *reply = data;
    assert_ptr_equal(privdata, &answers);
    assert_non_null(reply);
    if (++answers == 2)
        valkeyClusterAsyncDisconnect(acc);
}

static void tick_until_all_are_gone(void) {
    for (bool is_alive = true; is_alive;) {
        is_alive = false;
        for (size_t i = 0; i < attached_count; i++) {
            if (attached[i] == NULL)
                continue;
            is_alive = true;
            (void)valkeyPollTick(attached[i], 0.01);
        }
    }
}

static void asynchronous_commands(void **state) {
    (void)state;
    fake_cluster_answer(&fake);
    attached_count = 0;
    valkeyClusterOptions options = {
        .initial_nodes = fake.seeds,
        .options = VALKEY_OPT_BLOCKING_INITIAL_UPDATE,
        .event_callback = async_event,
        .event_privdata = &events,
        .async_connect_callback = async_connected,
        .async_disconnect_callback = async_disconnected,
        .attach_fn = attach,
    };
    valkeyClusterAsyncContext *acc = valkeyClusterAsyncConnectWithOptions(&options);
    assert_int_equal(acc->err, 0);
    int status = valkeyClusterAsyncCommand(acc, on_answer, &answers, "SET %s %s", "key", "value");
    assert_int_equal(status, VALKEY_OK);
    valkeyClusterNode *node = valkeyClusterGetNodeByKey(&acc->cc, (char[]){"foo"});
    status = valkeyClusterAsyncCommandToNode(acc, node, on_answer, &answers, "DBSIZE");
    assert_int_equal(status, VALKEY_OK);
    tick_until_all_are_gone();
    assert_int_equal(answers, 2);
    assert_int_equal(
        valkeyClusterAsyncCommand(acc, on_answer, &answers, "SET %s %s", "key", "value"),
        VALKEY_ERR);
    assert_string_equal(acc->errstr, "disconnecting");
    valkeyClusterAsyncFree(acc);
    assert_int_equal(events, 111);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connecting_and_handling_errors, start, stop),
        cmocka_unit_test_setup_teardown(options_with_a_password_and_cluster_nodes, start, stop),
        cmocka_unit_test_setup_teardown(executing_commands, start, stop),
        cmocka_unit_test_setup_teardown(a_failed_command_has_the_next_one_fetch_the_map, start,
                                        stop),
        cmocka_unit_test_setup_teardown(a_pipeline, start, stop),
        cmocka_unit_test_setup_teardown(callbacks_of_a_context_and_of_connections, start, stop),
        cmocka_unit_test_setup_teardown(walking_the_nodes, start, stop),
        cmocka_unit_test_setup_teardown(asynchronous_commands, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
