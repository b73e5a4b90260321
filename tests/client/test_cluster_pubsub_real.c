/* SPDX-License-Identifier: BSD-3-Clause */
/* Kept subscriptions and reads from replicas against redis-servers, while slots move and primaries
 * are replaced. */
#include "support/real_cluster.h"
#include "support/testing.h"

#include <valkey/adapters/libevent.h>
#include <valkey/cluster_pubsub.h>
#include <valkey/cluster_read.h>
#include <valkey/cluster_statistics.h>

#include <stdbool.h>
#include <stdio.h>

enum { FIRST_PORT = 21710, PATIENCE_MS = 30000 };

static struct real_cluster cluster;
static struct event_base *base;
static valkeyClusterAsyncContext *acc;
static int subscribed, lost, messages;
static char last[64];

static void on_message(valkeyClusterAsyncContext *context, const valkeyClusterMessage *message,
                       void *privdata) {
    (void)context, (void)privdata;
    if (message == NULL)
        return;
    subscribed += message->event == VALKEY_MESSAGE_SUBSCRIBED;
    lost += message->event == VALKEY_MESSAGE_LOST;
    if (message->event != VALKEY_MESSAGE_DATA)
        return;
    messages++;
    (void)snprintf(last, sizeof last, "%s=%s", message->channel, message->data);
}

static void turn(void) {
    struct timeval moment = {.tv_usec = 5000};
    (void)event_base_loopexit(base, &moment);
    (void)event_base_dispatch(base);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        long long end_ = now_ms() + PATIENCE_MS;                                                   \
        while (!(condition) && now_ms() < end_)                                                    \
            turn();                                                                                \
        assert_true(condition);                                                                    \
    } while (0)

/* Publish through a node's own connection until the message has arrived. */
static void expect_message(const char *command, valkeyContext *c, const char *text) {
    long long end = now_ms() + PATIENCE_MS;
    last[0] = '\0';
    while (strcmp(last, text) != 0) {
        assert_true(now_ms() < end);
        freeReplyObject(valkeyCommand(c, command));
        for (int i = 0; i < 10 && strcmp(last, text) != 0; i++)
            turn();
    }
}

static void subscriptions_survive_moves_and_failover(void **state) {
    (void)state;
    static const struct timeval TIMEOUT = {.tv_usec = 300000};
    valkeyClusterOptions options = {.initial_nodes = "127.0.0.1:21710,127.0.0.1:21711",
                                    .command_timeout = &TIMEOUT};
    base = event_base_new();
    assert_int_equal(valkeyClusterOptionsUseLibevent(&options, base), VALKEY_OK);
    acc = valkeyClusterAsyncConnectWithOptions(&options);
    static const struct {
        int kind;
        const char *name;
    } WANTED[] = {{VALKEY_SUBSCRIBE_CHANNEL, "news"},
                  {VALKEY_SUBSCRIBE_PATTERN, "n[e]w*"},
                  {VALKEY_SUBSCRIBE_SHARD, "foo"},
                  {VALKEY_SUBSCRIBE_SHARD, "bar"}};
    for (size_t i = 0; i < COUNT_OF(WANTED); i++)
        assert_int_equal(valkeyClusterAsyncSubscribe(acc, WANTED[i].kind, WANTED[i].name,
                                                     strlen(WANTED[i].name), on_message, NULL),
                         VALKEY_OK);
    TURN_UNTIL(subscribed == 4);
    expect_message("PUBLISH news 1", cluster.control[1], "news=1");
    TURN_UNTIL(messages >= 2);
    expect_message("SPUBLISH foo 2", cluster.control[2], "foo=2");
    expect_message("SPUBLISH bar 3", cluster.control[0], "bar=3");
    /* The slot of foo moves: the old node ends the subscription there. */
    real_cluster_move(&cluster, 12182, 2, 1);
    TURN_UNTIL(lost >= 1);
    expect_message("SPUBLISH foo 4", cluster.control[1], "foo=4");
    real_cluster_move(&cluster, 12182, 1, 2);
    TURN_UNTIL(lost >= 2);
    expect_message("SPUBLISH foo 5", cluster.control[2], "foo=5");
    /* Node 2 falls silent and is replaced by its replica. */
    real_server_pause(cluster.servers[2]);
    expect_message("SPUBLISH foo 6", cluster.replica_control[2], "foo=6");
    expect_message("PUBLISH news 7", cluster.control[1], "news=7");
    expect_message("SPUBLISH bar 8", cluster.control[0], "bar=8");
    real_server_resume(cluster.servers[2]);
    valkeyClusterAsyncFree(acc);
    turn();
    event_base_free(base);
}

static void replicas_answer_reads(void **state) {
    (void)state;
    valkeyClusterOptions options = {.initial_nodes = "127.0.0.1:21710",
                                    .options = VALKEY_OPT_USE_REPLICAS};
    valkeyClusterContext *cc = valkeyClusterConnectWithOptions(&options);
    assert_int_equal(cc->err, 0);
    /* Which nodes are replicas gets around by gossip. */
    for (long long end = now_ms() + PATIENCE_MS; valkeyClusterGetNodes(cc, NULL, 0) < 6;) {
        assert_true(now_ms() < end);
        assert_int_equal(valkeyClusterUpdateSlotmap(cc), VALKEY_OK);
    }
    static const char *const KEYS[] = {"foo", "bar", "c"};
    for (size_t i = 0; i < COUNT_OF(KEYS); i++) {
        valkeyReply *reply = valkeyClusterCommand(cc, "SET %s %s", KEYS[i], KEYS[i]);
        assert_string_equal(reply->str, "OK");
        freeReplyObject(reply);
    }
    for (int i = 0; i < CLUSTER_NODES; i++)
        freeReplyObject(valkeyCommand(cluster.control[i], "WAIT 1 2000"));
    assert_int_equal(valkeyClusterSetReadFrom(cc, VALKEYCLUSTER_READ_ANY, NULL), VALKEY_OK);
    for (int i = 0; i < 60; i++) {
        valkeyReply *reply = valkeyClusterCommand(cc, "GET %s", KEYS[i % 3]);
        assert_non_null(reply);
        assert_string_equal(reply->str, KEYS[i % 3]);
        freeReplyObject(reply);
    }
    valkeyClusterNode *nodes[8];
    assert_int_equal(valkeyClusterGetNodes(cc, nodes, 8), 6);
    for (int i = 0; i < 6; i++) {
        valkeyClusterNodeStatistics seen;
        assert_int_equal(valkeyClusterGetNodeStatistics(cc, nodes[i], &seen), VALKEY_OK);
        assert_in_range(seen.commands, 9, 12);
        assert_int_equal(seen.redirects, 0);
    }
    valkeyClusterFree(cc);
}

static int start(void **state) {
    (void)state;
    real_cluster_start(&cluster, FIRST_PORT, NULL);
    real_cluster_add_replicas(&cluster);
    return 0;
}

static int stop(void **state) {
    (void)state;
    real_cluster_stop(&cluster);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replicas_answer_reads),
        cmocka_unit_test(subscriptions_survive_moves_and_failover),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
